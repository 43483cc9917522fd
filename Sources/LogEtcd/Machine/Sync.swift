// The one way to learn what the log is now: a transaction that etcd must order with all writes reads the batches behind
// the one we have, if that is still the one we know. Barriers, the regular look at the log, and every doubt about a
// watch end here; so the proof that this node is up to date has one form.
internal import Log
internal import Platform

struct SyncState {
  /// The barriers asked for, and those that have ended.
  var asked: UInt64 = 0
  var ended: UInt64 = 0
  /// Since when the oldest open barrier waits.
  var waitingSince: Int64?
  var isWanted = false
  var flying: Flying?
  var retryAt: Int64 = 0
  var pollAt: Int64 = 0
  /// How many syncs since the watch last brought a batch have found one.
  var findsWithoutWatch = 0
  var hasPassed = false

  struct Flying {
    /// Barriers up to this number were asked for before it left.
    let covers: UInt64
    let from: UInt64
    let began: Int64
    let afterWin: Bool
    /// Whether an append under way had been told that etcd is full.
    let afterFull: Bool
    var revision: Int64 = 0
    var found = false
    var epochAtRevision: Int64 = 0
    var limit: Int64 = 8
  }

  init() {}

  /// A new start that keeps the barriers that wait.
  init(asked old: SyncState) {
    asked = old.asked
    ended = old.ended
    waitingSince = old.waitingSince
  }

  func isDue(_ now: Int64) -> Bool {
    flying == nil && now >= retryAt && (isWanted || asked > ended || now >= pollAt)
  }

  var dueAt: Int64? {
    guard flying == nil else { return nil }
    return isWanted || asked > ended ? retryAt : max(pollAt, retryAt)
  }

  /// When the oldest open barrier has waited for too long.
  var failsAt: Int64? { waitingSince.map { $0 + EtcdTiming.barrierPatience } }
}

extension EtcdMachine {
  func barrier(_ number: UInt64) {
    precondition(number > sync.asked, "barriers are numbered upwards")
    sync.asked = number
    if sync.waitingSince == nil { sync.waitingSince = now }
    switch phase {
    case .lost(let why): endBarriers(.failed(why))
    case .resigned: endBarriers(.failed("the node is stopping"))
    case .following where options.flaws.contains(.trustKeepalive) && lead.epochLed != nil:
      endBarriers(.passed(sequence: head.sequence))
    default: break
    }
  }

  func endBarriers(through: UInt64? = nil, _ end: BarrierEnd) {
    let through = through ?? sync.asked
    guard through > sync.ended else { return }
    sync.ended = through
    if case .passed = end { count(.barriers) } else { count(.barriersFailed) }
    // Those that came later were asked for after the one that ended had left.
    sync.waitingSince = sync.asked > through ? (sync.flying?.began ?? now) : nil
    tell(.barrier(through: through, end))
  }

  func failOldBarriers() {
    guard let since = sync.waitingSince, now - since >= EtcdTiming.barrierPatience else { return }
    endBarriers(.failed("etcd did not answer within \(EtcdTiming.barrierPatience / 1_000_000) s"))
  }

  func startSyncIfDue() {
    guard sync.isDue(now) else { return }
    sync.isWanted = false
    sync.flying = SyncState.Flying(
      covers: sync.asked, from: head.sequence, began: now, afterWin: lead.isCatchingUp,
      afterFull: flight?.wasFull ?? false)
    count(.syncs)
    let same =
      head.sequence == 0
      ? EtcdCompare.created(keys.meta, metaCreated) : .modified(keys.log(head.sequence), headRevision)
    let next = EtcdRange(keys.log(head.sequence + 1), to: keys.logEnd, limit: 8)
    let here = EtcdRange(keys.log(head.sequence), to: keys.logEnd, limit: 1)
    let epoch = EtcdOperation.range(EtcdRange(keys.epoch))
    if options.flaws.contains(.plainBarrier) {
      return send(.sync, .txn(EtcdTxn([same], then: [.range(next), epoch], else: [.range(here), epoch])))
    }
    send(.sync, .txn(EtcdTxn([same], then: [write, .range(next), epoch], else: [write, .range(here), epoch])))
  }

  func syncMissed(_ sent: Sent) {
    guard sync.flying != nil else { return }
    sync.flying = nil
    sync.isWanted = true
    sync.retryAt = now + EtcdTiming.retry
  }

  func syncAnswered(_ answer: EtcdAnswer, _ sent: Sent) {
    guard phase == .following, sync.flying != nil else { return }
    guard case .txn(let header, let succeeded, let results) = answer,
      case .range(let epoch) = results[results.count - 1],
      case .range(let read) = results[results.count - 2]
    else { return syncMissed(sent) }
    sync.flying!.revision = header.revision
    sync.flying!.epochAtRevision = epoch.kvs.first?.created ?? 0
    guard isOfThisHistory(epoch.kvs.first) else { return loseHistory(epoch.kvs.first) }
    guard succeeded else { return syncFailed(read.kvs.first, at: header.revision, sent) }
    // Who leads no more hears of it before a barrier passes, or it would take the barrier for a proof that it leads.
    if lead.epochHeld != nil { noteEpoch(epoch.kvs.first, at: header.revision) }
    took(read)
    guard phase == .following else { return }
    noteEpoch(epoch.kvs.first, at: header.revision)
  }

  /// The batch that we have is not there as we know it.
  private func syncFailed(_ first: EtcdKeyValue?, at revision: Int64, _ sent: Sent) {
    let from = sync.flying!.from
    guard let first, let sequence = keys.sequence(of: first.key), from > 0 else {
      return lose("etcd no longer has batch \(from) or any later one: it has lost history; " + advice)
    }
    guard sequence > from else {
      return lose("batch \(from) in etcd is not the one that this node has applied; " + advice)
    }
    // Trimmed past where we were; the watch may have brought us further meanwhile.
    if head.sequence + 1 >= sequence, head.sequence > from { return syncMissed(sent) }
    sync.flying = nil
    beginBootstrap(at: revision, after: head.sequence)
  }

  func pageAnswered(_ answer: EtcdAnswer, _ sent: Sent) {
    guard phase == .following, sync.flying != nil else { return }
    guard case .range(_, let read) = answer else { return syncMissed(sent) }
    count(.pages)
    took(read)
  }

  /// Takes a page of what the transaction saw, and the next one until nothing is left.
  private func took(_ read: EtcdRead) {
    for kv in read.kvs {
      switch take(kv) {
      case .applied:
        sync.flying!.found = true
      case .known: break
      case .gap where head.sequence == 0:
        // Trimmed before this node had anything; there is no batch to compare that would have said so.
        let revision = sync.flying!.revision
        sync.flying = nil
        return beginBootstrap(at: revision, after: 0)
      case .gap: return lose("a batch before \(kv.key) is missing in etcd; " + advice)
      case .broken(let what): return lose("\(kv.key) in etcd \(what); " + advice)
      case .newer(let what):
        return lose(
          "\(kv.key) in etcd is of a later version of Berth: \(what); this node's archive is whole: start the version "
            + "that wrote it, or a later one")
      }
    }
    guard read.hasMore, let last = read.kvs.last, let sequence = keys.sequence(of: last.key) else { return syncDone() }
    let bytes = read.kvs.reduce(1) { $0 + BatchValue.size($1.value) }
    let fitting = Int64((4 << 20) / (bytes / read.kvs.count + 1))
    sync.flying!.limit = max(8, min(512, fitting, sync.flying!.limit * 4))
    send(
      .page,
      .range(
        EtcdRange(
          keys.log(sequence + 1), to: keys.logEnd, limit: sync.flying!.limit, revision: sync.flying!.revision)))
  }

  private func syncDone() {
    let done = sync.flying!
    sync.flying = nil
    sync.pollAt = now + EtcdTiming.poll
    sync.retryAt = now
    sync.hasPassed = true
    watch.knownRevision = max(watch.knownRevision, done.revision)
    resolveFlight(atRevision: done.revision, epoch: done.epochAtRevision)
    resolveFull(done.afterFull)
    let covers = options.flaws.contains(.joinBarrier) ? sync.asked : done.covers
    endBarriers(through: covers, .passed(sequence: head.sequence))
    suspectWatch(done.found)
    if done.afterWin { caughtUp() }
  }

  // MARK: Batches

  enum Taken { case applied, known, gap, broken(String), newer(String) }

  /// The next batch, from wherever it comes: nothing passes that does not continue the chain.
  func take(_ kv: EtcdKeyValue) -> Taken {
    guard let sequence = keys.sequence(of: kv.key) else { return .broken("is no key of the log") }
    let checks = !options.flaws.contains(.noChainCheck)
    if sequence <= head.sequence {
      return sequence == head.sequence && kv.modified != headRevision ? .broken("was written again") : .known
    }
    guard sequence == head.sequence + 1 || options.flaws.contains(.ignoreWatchGap) else { return .gap }
    // What this node has made itself needs no second look.
    if let flight, flight.batch.sequence == sequence, flight.value == kv.value, kv.modified > headRevision {
      count(.appendsFoundOwn)
      flightIsDurable(revision: kv.modified)
      return .applied
    }
    let stored: StoredBatch
    do throws(BatchFault) { stored = try BatchValue.read(kv.value) } catch {
      if case .unknownVersion = error { return .newer("\(error)") }
      return .broken("cannot be read: \(error)")
    }
    let batch = stored.batch
    if checks, !options.flaws.contains(.ignoreWatchGap) {
      guard batch.sequence == sequence else { return .broken("says that it is batch \(batch.sequence)") }
      guard batch.previous == head.hash else { return .broken("does not follow the batch that this node has") }
      guard batch.firstRevision == head.nextRevision else { return .broken("leaves a gap in the revisions") }
      guard batch.time >= head.time else { return .broken("goes back in time") }
      guard batch.epoch >= newestEpoch else { return .broken("is of an epoch that was over") }
      guard kv.modified > headRevision else { return .broken("is older than the batch before it") }
    }
    if let flight, flight.batch.sequence == sequence { endFlight(.refused(.fenced)) }
    advance(by: stored, revision: kv.modified)
    count(.applied)
    tell(.applied(stored))
    return .applied
  }

  func advance(by stored: StoredBatch, revision: Int64) {
    head = head.advanced(by: stored.batch, hash: stored.hash)
    headRevision = revision
    newestEpoch = max(newestEpoch, stored.batch.epoch)
  }
}
