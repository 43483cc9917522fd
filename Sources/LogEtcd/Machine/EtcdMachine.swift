package import Log
internal import Platform

/// What happens to the machine.
package enum EtcdInput: Sendable {
  /// The node begins, with what its archive holds; nil for nothing.
  case start(after: LogHead?)
  /// etcd answered a request.
  case answer(UInt64, EtcdAnswer)
  /// A request has no answer; every request has one answer or one failure.
  case failed(UInt64, EtcdFailure)
  /// A message of a watch.
  case watch(UInt64, EtcdWatchMessage)
  /// A watch has ended.
  case watchEnded(UInt64)
  /// It is later than it was.
  case tick
  /// The engine appends.
  case append(Batch)
  /// The engine wants to know that it is up to date.
  case barrier(UInt64)
  /// The engine has stepped.
  case stepped
  /// The engine has a snapshot for all.
  case publish(SnapshotImage)
  /// A person ends the leadership of an epoch.
  case depose(UInt64)
  /// The node stops in good order: whoever is next need not wait.
  case resign
}

/// What the machine wants done.
package enum EtcdAction: Sendable {
  /// Send a request to an endpoint; it has failed after `timeout` microseconds.
  case send(UInt64, EtcdRequest, endpoint: Int, timeout: Int64)
  /// Open a watch.
  case watch(UInt64, EtcdWatch, endpoint: Int)
  /// Close a watch; nothing more of it is wanted.
  case unwatch(UInt64)
  /// Give it a `tick` at this time; replaces the time asked for before.
  case wake(at: Int64)
  /// Tell the engine.
  case tell(LogEvent)
}

/// The protocol of one node: inputs in, actions out, no input or output of its own; owned by one thread at a time.
package final class EtcdMachine {
  enum Phase: Equatable { case idle, opening, following, bootstrapping, lost(String), resigned }

  let options: EtcdOptions
  let keys: EtcdKeys
  var random: EtcdRandom
  var now: Int64 = 0
  var actions: [EtcdAction] = []

  // What the machine knows of the log.
  var phase = Phase.idle
  var archived: LogHead?
  var logID: SHA256Digest?
  var isOpened = false
  var freshLogID: SHA256Digest?
  var head = LogHead(empty: SHA256Digest(bytes: Array(repeating: 0, count: 32)))
  /// The mod revision of the newest batch taken; the create revision of `meta` while there is none.
  var headRevision: Int64 = 0
  var newestEpoch: UInt64 = 0
  /// `meta` is written when the log is made and once more with batch 1: whoever is late with batch 1 fails, even when
  /// batch 1 has been trimmed.
  var metaCreated: Int64 = 0
  var metaModified: Int64 = 0
  var cluster: UInt64 = 0
  /// The newest revision that any answer has shown.
  var highest: Int64 = 0

  // Requests under way, and those that wait for their next attempt.
  var requests: [UInt64: Sent] = [:]
  var delayed: [(at: Int64, sent: Sent)] = []
  var nextID: UInt64 = 1
  var endpoint = 0
  var lastAnswer: Int64?
  var versions: [String?]

  // The parts; each has a file.
  var sync = SyncState()
  var watch = WatchState()
  var lead = LeadState()
  var flight: Flight?
  var bootstrap: BootstrapState?
  var publication: Publication?
  var lastTrim: Int64 = 0
  var wake: Int64?
  var counts = [Int](repeating: 0, count: EtcdCount.allCases.count)

  /// Makes a machine; equal seeds and inputs make equal actions.
  package init(_ options: EtcdOptions, seed: UInt64) {
    self.options = options
    keys = EtcdKeys(prefix: options.prefix)
    random = EtcdRandom(state: seed)
    endpoint = Int(seed % UInt64(options.endpoints))
    versions = Array(repeating: nil, count: options.endpoints)
  }

  /// Takes an input at a time in microseconds, which never goes back.
  package func handle(_ input: EtcdInput, now: Int64) -> [EtcdAction] {
    self.now = max(self.now, now)
    take(input)
    advance()
    askToBeWoken()
    defer { actions = [] }
    return actions
  }

  private func take(_ input: EtcdInput) {
    switch input {
    case .start(let after): start(after)
    case .answer(let id, let answer): answered(id, answer)
    case .failed(let id, let failure): failed(id, failure)
    case .watch(let id, let message): watched(id, message)
    case .watchEnded(let id): watchEnded(id)
    case .tick: break
    case .append(let batch): append(batch)
    case .barrier(let number): barrier(number)
    case .stepped: lead.steppedAt = self.now
    case .publish(let image): publish(image)
    case .depose(let epoch): depose(epoch)
    case .resign: resign()
    }
  }

  /// Whatever is due by now.
  private func advance() {
    guard isAlive else { return }
    resendDelayed()
    failOldBarriers()
    guard phase == .following else { return }
    startSyncIfDue()
    openWatchIfDue()
    advanceLeadership()
  }

  var isAlive: Bool {
    switch phase {
    case .opening, .following, .bootstrapping: true
    case .idle, .lost, .resigned: false
    }
  }

  private func askToBeWoken() {
    guard isAlive else { return }
    let parts = phase == .following ? [sync.failsAt, sync.dueAt, watch.dueAt, lead.dueAt] : [sync.failsAt]
    guard let next = (delayed.map(\.at) + parts.compactMap { $0 }).min() else { return }
    let at = max(next, now + 1_000)
    guard wake != at else { return }
    wake = at
    actions.append(.wake(at: at))
  }

  func tell(_ event: LogEvent) { actions.append(.tell(event)) }

  func count(_ what: EtcdCount) { counts[what.rawValue] += 1 }

  /// The end: etcd and this node do not hold the same history.
  func lose(_ why: String) {
    guard isAlive else { return }
    if options.flaws.contains(.noWitness) { return beginAnew() }
    phase = .lost(why)
    if let id = watch.id { actions.append(.unwatch(id)) }
    watch = WatchState()
    requests = [:]
    delayed = []
    publication = nil
    bootstrap = nil
    lead.role = .follower
    if flight != nil {
      flight = nil
      tell(.ended(.unknown(why)))
    }
    endBarriers(.failed(why))
    tell(.lost(why))
  }
}

/// SplitMix64: the machine's own numbers, from its seed alone.
struct EtcdRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func upTo(_ bound: Int64) -> Int64 { Int64(next() % UInt64(bound + 1)) }
}

/// What the machine counts, in the order of `SharedLogStatus.counters`.
enum EtcdCount: Int, CaseIterable {
  case appendsDurable, appendsFenced, appendsFull, appendsUnknown, appendsResent, appendsFoundOwn
  case barriers, barriersFailed, syncs, pages, applied
  case watchGaps, watchRepeats, watchBreaks, watchCanceled, watchSilent
  case campaignsWon, campaignsLost, stepsDown, renewalsWithheld, leasesGone
  case bootstraps, snapshotsPublished, batchesTrimmed

  /// In snake case.
  var name: String {
    "\(self)".reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
  }
}
