// One batch at a time becomes one key, in one transaction: the epoch is still that of our campaign, the place is free,
// the batch before is the one we know. Whatever is not a definite answer is asked again with the same bytes.
internal import Log
internal import Platform

/// An append under way.
struct Flight {
  let batch: Batch
  /// What is to be the value of its key.
  let value: [UInt8]
  let hash: SHA256Digest
  let isTakeover: Bool
  let began: Int64
  /// Some attempt may have landed, or may yet land.
  var hadUnknown = false
  /// etcd has said that there is no room. It says that of the write that crosses its limit too, which is done: whether
  /// the batch is there is for a look at the log that begins after the answer.
  var wasFull = false
}

extension EtcdMachine {
  func append(_ batch: Batch) {
    precondition(flight == nil, "one append at a time")
    if case .lost(let why) = phase { return tell(.ended(.refused(.readOnly(why)))) }
    guard batch.fits else { return tell(.ended(.refused(.tooLarge))) }
    guard phase == .following, lead.epochLed == batch.epoch, batch.sequence == head.sequence + 1,
      batch.previous == head.hash, batch.firstRevision == head.nextRevision, batch.entries.isEmpty || lead.isLeading
    else {
      count(.appendsFenced)
      tell(.ended(.refused(.fenced)))
      if lead.isTakingOver { lead.takeoverAt = now }
      return
    }
    let bytes = batch.encode()
    flight = Flight(
      batch: batch, value: BatchValue.pack(bytes), hash: SHA256Digest(of: bytes), isTakeover: !lead.isLeading,
      began: now)
    if options.flaws.contains(.ackBeforeAppend), lead.isLeading { tell(.ended(.durable)) }
    let key = keys.log(batch.sequence)
    let before = head.sequence == 0 ? keys.meta : keys.log(head.sequence)
    let beforeRevision = head.sequence == 0 ? metaModified : headRevision
    var puts = [EtcdOperation.put(key: key, value: flight!.value, lease: 0)]
    if head.sequence == 0 { puts.append(.put(key: keys.meta, value: EtcdMeta.encode(head.logID), lease: 0)) }
    var compares: [EtcdCompare] = []
    if !options.flaws.contains(.noEpochCompare) { compares += epochStands(batch.epoch) }
    if !options.flaws.contains(.noPlaceCompare) { compares += [.absent(key), .modified(before, beforeRevision)] }
    send(
      .append,
      .txn(
        EtcdTxn(
          compares, then: puts,
          else: [.range(EtcdRange(keys.epoch)), .range(EtcdRange(key)), .range(EtcdRange(before))])))
  }

  func appendMissed(_ sent: Sent) {
    guard flight != nil else { return }
    flight!.hadUnknown = true
    if options.flaws.contains(.refuseUnknown) { return endFlight(.refused(.fenced)) }
    count(.appendsResent)
    retry(sent)
  }

  func appendAnswered(_ answer: EtcdAnswer, _ sent: Sent) {
    guard let flight else { return }
    switch answer {
    case .txn(let header, succeeded: true, _): flightIsDurable(revision: header.revision)
    case .txn(let header, succeeded: false, let results): appendFailed(header, results, sent)
    case .error(let error) where error.meaning == .storageFull:
      // Says nothing about an attempt before this one.
      guard !flight.hadUnknown else { return retry(sent, after: EtcdTiming.fullPause) }
      if options.flaws.contains(.believeFull) { return endFlight(.refused(.storageFull)) }
      self.flight!.wasFull = true
      sync.isWanted = true
    case .error(let error) where error.meaning == .invalid:
      // Says nothing about an attempt before this one, which another member may have taken.
      guard !flight.hadUnknown else { return retry(sent, after: EtcdTiming.fullPause) }
      endFlight(.refused(.readOnly("etcd: \(error.message)")))
    default: appendMissed(sent)
    }
  }

  /// Some compare did not hold: the transaction itself says what is there instead.
  private func appendFailed(_ header: EtcdHeader, _ results: [EtcdOperationAnswer], _ sent: Sent) {
    guard let flight, case .range(let epoch) = results[0], case .range(let mine) = results[1],
      case .range(let before) = results[2]
    else { return appendMissed(sent) }
    if options.flaws.contains(.refuseOwn) {
      endFlight(.refused(.fenced))
      return noteEpoch(epoch.kvs.first, at: header.revision)
    }
    if let there = mine.kvs.first {
      if there.value == flight.value {
        count(.appendsFoundOwn)
        flightIsDurable(revision: there.modified)
      } else {
        endFlight(.refused(.fenced))
        stepDown()
      }
    } else if let before = before.kvs.first, head.sequence > 0 || before.modified == metaModified {
      if epoch.kvs.first?.created != Int64(flight.batch.epoch) {
        endFlight(.refused(.fenced))
      } else if head.sequence > 0, before.modified != headRevision {
        return lose("batch \(head.sequence) in etcd is not the one that this node has applied; " + advice)
      } else {
        // All numbers are ours, so it was the campaign that is not.
        return loseHistory(epoch.kvs.first)
      }
    } else {
      count(.appendsUnknown)
      endFlight(.unknown("the log was trimmed past batch \(flight.batch.sequence) before its fate was learnt"))
      return beginBootstrap(at: header.revision, after: head.sequence)
    }
    noteEpoch(epoch.kvs.first, at: header.revision)
  }

  func flightIsDurable(revision: Int64) {
    guard let flight else { return }
    self.flight = nil
    forget(.append)
    count(.appendsDurable)
    // The epoch stood when it was written, so nobody else has written before it.
    watch.knownRevision = max(watch.knownRevision, revision)
    advance(by: StoredBatch(batch: flight.batch, hash: flight.hash), revision: revision)
    if !options.flaws.contains(.ackBeforeAppend) || flight.isTakeover { tell(.ended(.durable)) }
    if flight.isTakeover, lead.role == .takingOver(flight.batch.epoch) {
      lead.role = .leading(flight.batch.epoch)
      tell(.leads(epoch: flight.batch.epoch))
    }
  }

  func endFlight(_ end: AppendEnd) {
    guard let flight else { return }
    self.flight = nil
    forget(.append)
    if end == .refused(.fenced) { count(.appendsFenced) }
    if end == .refused(.storageFull) { count(.appendsFull) }
    if options.flaws.contains(.ackBeforeAppend), !flight.isTakeover { return }
    tell(.ended(end))
    if lead.isTakingOver { lead.takeoverAt = end == .refused(.storageFull) ? now + EtcdTiming.fullPause : now }
  }

  /// A look at the log that began after etcd had said that it is full did not find the batch: it was not written, and
  /// no attempt is under way.
  func resolveFull(_ isAfterFull: Bool) {
    guard isAfterFull, let flight, flight.wasFull else { return }
    endFlight(.refused(.storageFull))
  }

  /// A write of ours that etcd ordered after the end of the epoch did not find the batch: no attempt can land any more.
  func resolveFlight(atRevision revision: Int64, epoch: Int64) {
    guard let flight, epoch != Int64(flight.batch.epoch), head.sequence + 1 == flight.batch.sequence else { return }
    // A read from before the epoch says nothing about its end.
    guard revision > Int64(flight.batch.epoch) || options.flaws.contains(.staleResolve) else { return }
    endFlight(.refused(.fenced))
  }
}
