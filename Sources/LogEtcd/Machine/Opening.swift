// The first transaction of a node: it makes the log if there is none, or finds out whether the log in etcd goes on
// from what this node's archive holds.
internal import Log
internal import Platform

extension EtcdMachine {
  func start(_ after: LogHead?) {
    precondition(phase == .idle, "a node starts once")
    archived = after
    phase = .opening
    askVersions()
    open()
  }

  func open() {
    phase = .opening
    sync = SyncState(asked: sync)
    let read: [EtcdOperation] = [
      write, .range(EtcdRange(keys.meta)), .range(EtcdRange(keys.epoch)),
      .range(EtcdRange(keys.log(archived?.sequence ?? 0), to: keys.logEnd, limit: 1)),
      .range(EtcdRange(keys.log(0), to: keys.logEnd, limit: 1, descending: true, keysOnly: true))
    ]
    let absent = EtcdCompare.absent(keys.meta)
    if archived == nil {
      let logID = freshLogID ?? SHA256Digest(of: (0..<4).flatMap { _ in bytes(random.next()) })
      freshLogID = logID
      let make = EtcdOperation.put(key: keys.meta, value: EtcdMeta.encode(logID), lease: 0)
      send(.open, .txn(EtcdTxn([absent], then: [make], else: read)))
    } else {
      send(.open, .txn(EtcdTxn([absent], then: [write], else: read)))
    }
  }

  /// What makes a reading transaction a write, and costs nothing.
  var write: EtcdOperation { .delete(key: keys.barrier(options.node), end: nil) }

  private func bytes(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }

  func openAnswered(_ answer: EtcdAnswer, _ sent: Sent) {
    guard case .txn(let header, let succeeded, let results) = answer else {
      return retry(sent, after: EtcdTiming.fullPause)
    }
    if succeeded {
      guard let logID = freshLogID, archived == nil else {
        return lose("etcd holds no log, this node's archive does; " + advice)
      }
      (metaCreated, metaModified) = (header.revision, header.revision)
      self.logID = logID
      return opened(LogHead(empty: logID), headRevision: metaCreated, at: header.revision, epoch: nil)
    }
    guard case .range(let meta) = results[1], case .range(let epoch) = results[2], case .range(let here) = results[3],
      case .range(let newest) = results[4], let meta = meta.kvs.first
    else { return retry(sent) }
    guard let logID = EtcdMeta.decode(meta.value) else {
      return lose("\(keys.meta) in etcd is not the mark of a log that this version of Berth knows; name another prefix")
    }
    (metaCreated, metaModified) = (meta.created, meta.modified)
    self.logID = logID
    if let archived, archived.logID != logID {
      return lose(
        "etcd holds another log (\(logID.hex.prefix(12))) than this node's archive"
          + " (\(archived.logID.hex.prefix(12))); " + advice)
    }
    let start = archived ?? LogHead(empty: logID)
    let first = here.kvs.first.flatMap { keys.sequence(of: $0.key) }
    let last = newest.kvs.first.flatMap { keys.sequence(of: $0.key) } ?? 0
    noteEpoch(epoch.kvs.first, at: header.revision, quietly: true)
    // The epoch may have told that this is another history.
    guard phase == .opening else { return }
    if start.sequence == 0 {
      guard first == nil || first == 1 else { return beginBootstrap(at: header.revision, after: 0) }
      return opened(start, headRevision: metaCreated, at: header.revision, epoch: epoch.kvs.first)
    }
    guard last >= start.sequence else {
      return lose(
        "etcd's log ends with batch \(last), this node's archive with batch \(start.sequence):"
          + " etcd has lost history; " + advice)
    }
    guard first == start.sequence, let found = here.kvs.first else {
      return beginBootstrap(at: header.revision, after: start.sequence)
    }
    guard (try? BatchValue.read(found.value))?.hash == start.hash else {
      return lose("batch \(start.sequence) in etcd is not the one in this node's archive; " + advice)
    }
    opened(start, headRevision: found.modified, at: header.revision, epoch: epoch.kvs.first)
  }

  private func opened(_ head: LogHead, headRevision: Int64, at revision: Int64, epoch: EtcdKeyValue?) {
    self.head = head
    self.headRevision = headRevision
    if !isOpened { tell(.opened(head)) }
    isOpened = true
    follow()
  }

  /// What a node without a witness would do: believe whatever etcd holds now. A deliberate bug.
  func beginAnew() {
    closeWatch()
    for purpose in [Purpose.open, .sync, .page, .append, .bootstrap, .publish] { forget(purpose) }
    if flight != nil { endFlight(.unknown("begins anew")) }
    stepDown()
    archived = nil
    isOpened = false
    cluster = 0
    highest = 0
    lead.seenAt = 0
    newestEpoch = 0
    freshLogID = logID
    watch.knownRevision = 0
    open()
  }

  /// From here on batches are taken; the first thing is to find out which there are.
  func follow() {
    phase = .following
    sync.isWanted = true
    tell(.follows(lead.holder?.leader))
    if lead.holder == nil { campaignLater() }
  }
}
