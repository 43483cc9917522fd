package import Log
package import Platform

/// What the next append of a node in memory comes to.
package enum SharedFault: Hashable, Sendable {
  /// Refused: somebody took the epoch over in between.
  case fenced
  /// Unknown; whether the batch is in the log is up to the test.
  case unknown(stored: Bool)
  /// Refused for want of room.
  case full
}

/// One log in memory for several nodes: the batches, the epoch, and who leads.
///
/// What is decided is decided under one lock, so it is the simplest cluster that keeps the contract of `SharedLog`; each
/// node hears of it on a thread of its own, which a test may hold back.
// Unchecked because `lock` guards what changes.
package final class MemoryCluster: @unchecked Sendable {
  private let log: MemoryLog
  private let lock = Lock()
  private var epoch: UInt64 = 0
  private var leader: MemorySharedLog?
  private var nodes: [MemorySharedLog] = []

  /// An empty log.
  package init(logID: SHA256Digest = SHA256Digest(of: Array("cluster".utf8))) { log = MemoryLog(logID: logID) }

  /// A new node's place; it hears nothing before its engine starts it.
  package func node(_ name: String, url: String = "") -> MemorySharedLog {
    MemorySharedLog(self, name, url, empty: LogHead(empty: log.head.logID))
  }

  /// Everything in the log, oldest first.
  package var batches: [StoredBatch] { log.batches }

  /// The newest batch.
  package var head: LogHead { log.head }

  /// Who leads.
  package var leading: Leader? { lock.withLock { leader.map { Leader(epoch: epoch, node: $0.name, url: $0.url) } } }

  fileprivate func reader() throws(LogFault) -> any BatchReader { try log.reader() }

  fileprivate func join(_ node: MemorySharedLog, after head: LogHead?) {
    lock.withLock {
      nodes.append(node)
      let start = head ?? LogHead(empty: log.head.logID)
      guard start.sequence <= log.head.sequence else {
        return node.queue(.lost("the log ends with batch \(log.head.sequence), this node's archive later"))
      }
      node.queue(.opened(start))
      for stored in log.batches where stored.batch.sequence > start.sequence { node.queue(.applied(stored)) }
      node.queue(.follows(leader.map { Leader(epoch: epoch, node: $0.name, url: $0.url) }))
    }
  }

  /// A node that may lead has stepped: it takes the epoch if nobody has it.
  fileprivate func stepped(_ node: MemorySharedLog) {
    lock.withLock {
      guard leader == nil, nodes.contains(where: { $0 === node }) else { return }
      epoch += 1
      leader = node
      node.queue(.takeover(epoch: epoch))
      tellFollowers()
    }
  }

  private func tellFollowers() {
    let known = leader.map { Leader(epoch: epoch, node: $0.name, url: $0.url) }
    for other in nodes where other !== leader { other.queue(.follows(known)) }
  }

  fileprivate func append(_ batch: Batch, by node: MemorySharedLog, _ fault: SharedFault?, _ then: @escaping Then) {
    lock.withLock {
      let follows = batch.sequence == log.head.sequence + 1 && batch.previous == log.head.hash
      guard leader === node, batch.epoch == epoch, follows, fault != .fenced else {
        if fault == .fenced, leader === node { leader = nil }
        node.queue(then, .refused(.fenced))
        return tellFollowers()
      }
      if fault == .full { return node.queue(then, .refused(.storageFull)) }
      if fault == .unknown(stored: false) { return node.queue(then, .unknown("injected")) }
      log.append(batch) { precondition($0 == .durable) }
      let stored = StoredBatch(batch: batch, hash: batch.hash)
      if fault == .unknown(stored: true) {
        node.queue(then, .unknown("injected"))
        node.queue(.applied(stored))
      } else {
        node.queue(then, .durable)
      }
      if batch.entries.isEmpty { node.queue(.leads(epoch: epoch)) }
      for other in nodes where other !== node { other.queue(.applied(stored)) }
    }
  }

  fileprivate func barrier(_ number: UInt64, _ node: MemorySharedLog, fails: Bool) {
    lock.withLock {
      node.queue(.barrier(through: number, fails ? .failed("injected") : .passed(sequence: log.head.sequence)))
    }
  }

  /// Ends the leadership of an epoch.
  package func depose(epoch: UInt64) {
    lock.withLock {
      guard self.epoch == epoch, leader != nil else { return }
      leader = nil
      tellFollowers()
    }
  }

  fileprivate func leave(_ node: MemorySharedLog) {
    lock.withLock {
      nodes.removeAll { $0 === node }
      guard leader === node else { return }
      leader = nil
      tellFollowers()
    }
  }

  fileprivate typealias Then = @Sendable (AppendEnd) -> Void
}

/// A node's end of a log in memory that several nodes share.
// Unchecked because `lock` guards what changes.
package final class MemorySharedLog: SharedLog, @unchecked Sendable {
  /// The node's name.
  package let name: String
  /// Where other nodes are told to find it.
  package let url: String

  private let cluster: MemoryCluster
  private let lock = Lock()
  private let changed = Condition()
  private var told: @Sendable (LogEvent) -> Void = { _ in }
  private var waiting: [@Sendable (MemorySharedLog) -> Void] = []
  private var faults: [SharedFault] = []
  private var barrierFaults = 0
  private var barriersAsked = 0
  private var shown: LogHead
  private var isHeld = false
  private var mayLead = true
  private var isClosing = false
  private var thread: Thread?

  fileprivate init(_ cluster: MemoryCluster, _ name: String, _ url: String, empty: LogHead) {
    (self.cluster, self.name, self.url, shown) = (cluster, name, url, empty)
  }

  // MARK: What a test may do

  /// Holds back all that this node would hear, or lets it go.
  package func hold(_ isHeld: Bool) {
    lock.withLock {
      self.isHeld = isHeld
      changed.signal()
    }
  }

  /// Whether this node takes the epoch when nobody has it.
  package func allow(toLead: Bool) { lock.withLock { mayLead = toLead } }

  /// Makes the next appends come to this.
  package func inject(_ fault: SharedFault) { lock.withLock { faults.append(fault) } }

  /// Makes the next barriers fail.
  package func failBarriers(_ count: Int) { lock.withLock { barrierFaults = count } }

  /// How many barriers were asked for.
  package var barriers: Int { lock.withLock { barriersAsked } }

  /// Tells the node that the log has lost history.
  package func lose(_ why: String) { queue(.lost(why)) }

  // MARK: The contract

  /// Begins to hear of the log.
  package func start(after head: LogHead?, tell: @escaping @Sendable (LogEvent) -> Void) {
    lock.withLock {
      told = tell
      thread = Thread(name: "memory-log") { self.run() }
    }
    cluster.join(self, after: head)
  }

  /// Appends as the leader of its epoch.
  package func append(_ batch: Batch, then: @escaping @Sendable (AppendEnd) -> Void) {
    let fault = lock.withLock { faults.isEmpty ? nil : faults.removeFirst() }
    cluster.append(batch, by: self, fault, then)
  }

  /// Passes once all that is in the log now has been told.
  package func barrier(_ number: UInt64) {
    let fails = lock.withLock { () -> Bool in
      defer { barrierFaults = max(0, barrierFaults - 1) }
      barriersAsked += 1
      return barrierFaults > 0
    }
    cluster.barrier(number, self, fails: fails)
  }

  /// Takes the epoch when it is free.
  package func stepped() { if lock.withLock({ mayLead && !isHeld && !isClosing }) { cluster.stepped(self) } }

  /// Snapshots are not kept here.
  package func publish(_ image: SnapshotImage) {}

  /// Ends an epoch by hand.
  package func depose(epoch: UInt64) { cluster.depose(epoch: epoch) }

  /// Who leads, as the cluster knows it.
  package var status: SharedLogStatus {
    var status = SharedLogStatus()
    status.leader = cluster.leading
    status.leads = status.leader?.node == name
    status.storeVersion = "memory"
    status.sinceAnswer = 0
    return status
  }

  /// The newest batch that was told.
  package var head: LogHead { lock.withLock { shown } }

  /// Nothing to do here.
  package func maintain(idle: Bool) {}

  /// A reader of the whole log.
  package func reader() throws(LogFault) -> any BatchReader { try cluster.reader() }

  /// Leaves the cluster.
  package func close() {
    cluster.leave(self)
    lock.withLock {
      isClosing = true
      changed.signal()
    }
    thread?.join()
    thread = nil
  }

  // MARK: Telling

  fileprivate func queue(_ event: LogEvent) {
    enqueue { log in
      if case .applied(let stored) = event { log.advance(stored.batch, stored.hash) }
      log.lock.withLock { log.told }(event)
    }
  }

  fileprivate func queue(_ then: @escaping @Sendable (AppendEnd) -> Void, _ end: AppendEnd) {
    enqueue { _ in then(end) }
  }

  private func advance(_ batch: Batch, _ hash: SHA256Digest) {
    lock.withLock { shown = shown.advanced(by: batch, hash: hash) }
  }

  private func enqueue(_ work: @escaping @Sendable (MemorySharedLog) -> Void) {
    lock.withLock {
      guard !isClosing else { return }
      waiting.append(work)
      changed.signal()
    }
  }

  private func run() {
    while true {
      let work = lock.withLock { () -> (@Sendable (MemorySharedLog) -> Void)? in
        while waiting.isEmpty || isHeld, !isClosing { changed.wait(lock) }
        return isClosing ? nil : waiting.removeFirst()
      }
      guard let work else { return }
      work(self)
    }
  }
}

/// The archive of a node in memory; it begins where the log begins.
// Unchecked because `lock` guards what changes.
package final class MemoryArchive: Archive, @unchecked Sendable {
  private let lock = Lock()
  private var begun: MemoryLog?
  private let store = MemorySnapshots()

  /// Nothing yet.
  package init() {}

  /// The log of what was archived.
  package var log: (any BatchLog)? { lock.withLock { begun } }

  /// The same, for a test that plays a full disk.
  package var memory: MemoryLog? { lock.withLock { begun } }

  /// The node's own snapshots.
  package var snapshots: (any SnapshotStore)? { store }

  /// Starts over.
  package func begin(after head: LogHead) throws(LogFault) {
    precondition(head.sequence == 0, "an archive in memory begins with the log")
    lock.withLock { begun = MemoryLog(logID: head.logID) }
  }

  /// Nothing to do here.
  package func settle() throws(LogFault) {}

  /// Nothing to do here.
  package func flush() throws(LogFault) {}
}
