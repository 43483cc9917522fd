// LogMemory: the contracts of Log kept in memory, with faults on request, for tests and simulations.
//
// It behaves as the durable medium does, no better: the same refusals for the same sizes, the same faults from readers,
// `then` before `append` returns, and after an append whose end is unknown every further one is too until somebody
// calls `reopen`, as a process that starts again would. What it holds outlives `close`, so a test "restarts" on it.
//
// Refused: latency and reordering (the simulator owns time) and partial batches (no medium shows one to a reader).
package import Log
package import Platform

/// What the next appends come to.
package enum MemoryFault: Hashable, Sendable {
  /// Refused, nothing stored.
  case refused(Refusal)
  /// Unknown; whether the batch is there after `reopen` is up to the test.
  case unknown(stored: Bool)
}

/// A log in memory.
// Unchecked because the compiler cannot see that `lock` guards `state`.
package final class MemoryLog: BatchLog, @unchecked Sendable {
  private let lock = Lock()
  private var state: MemoryState

  /// An empty log; `capacity` bytes of encoded batches are room for it.
  package init(logID: SHA256Digest = SHA256Digest(of: Array("memory".utf8)), capacity: Int = .max) {
    state = MemoryState(head: LogHead(empty: logID), capacity: capacity)
  }

  /// The newest stored batch.
  package var head: LogHead { lock.withLock { state.head } }

  /// Makes the next `times` appends come to `fault`; faults queue up, at most 1,024.
  package func inject(_ fault: MemoryFault, times: Int = 1) {
    lock.withLock {
      precondition(state.faults.count + times <= 1024, "too many injected faults")
      state.faults += Array(repeating: fault, count: times)
    }
  }

  /// Changes how many bytes there is room for.
  package func setCapacity(_ bytes: Int) { lock.withLock { state.capacity = bytes } }

  /// What a process finds that starts on this log: appends are taken again.
  package func reopen() { lock.withLock { state.failed = false } }

  /// Everything durable, oldest first.
  package var batches: [StoredBatch] { lock.withLock { state.stored } }

  /// Drops batches up to `sequence`, never the newest.
  package func trim(through sequence: UInt64) {
    lock.withLock {
      let end = min(sequence + 1, state.head.sequence)
      state.stored.removeAll { $0.batch.sequence < end }
    }
  }

  /// Replaces what is stored as `sequence`, to play damage.
  package func tamper(_ sequence: UInt64, _ change: (inout Batch) -> Void) {
    lock.withLock {
      guard let index = state.stored.firstIndex(where: { $0.batch.sequence == sequence }) else { return }
      var batch = state.stored[index].batch
      change(&batch)
      state.stored[index] = StoredBatch(batch: batch, hash: batch.hash)
    }
  }

  /// Appends and calls `then` before it returns.
  package func append(_ batch: Batch, then: @escaping @Sendable (AppendEnd) -> Void) {
    then(lock.withLock { state.append(batch) })
  }

  /// Nothing to do here.
  package func maintain(idle: Bool) {}

  /// A reader of what is stored.
  package func reader() throws(LogFault) -> any BatchReader { MemoryReader(self) }

  /// Keeps everything, so that a test can start again on it.
  package func close() {}

  fileprivate func read<T>(_ body: (MemoryState) throws(LogFault) -> T) throws(LogFault) -> T {
    try lock.withLock { () throws(LogFault) -> T in try body(state) }
  }
}

private struct MemoryState {
  var head: LogHead
  var capacity: Int
  var used = 0
  var stored: [StoredBatch] = []
  var faults: [MemoryFault] = []
  var failed = false

  mutating func append(_ batch: Batch) -> AppendEnd {
    head.requireNext(batch)
    if failed { return .unknown("an append before ended unknown") }
    guard batch.fits else { return .refused(.tooLarge) }
    let bytes = batch.encodedBytes
    guard bytes <= capacity - used else { return .refused(.storageFull) }
    switch faults.isEmpty ? nil : faults.removeFirst() {
    case .refused(let refusal): return .refused(refusal)
    case .unknown(let stored):
      if stored { store(batch, bytes) }
      failed = true
      return .unknown("injected")
    case nil:
      store(batch, bytes)
      return .durable
    }
  }

  private mutating func store(_ batch: Batch, _ bytes: Int) {
    let hash = batch.hash
    stored.append(StoredBatch(batch: batch, hash: hash))
    used += bytes
    head = head.advanced(by: batch, hash: hash)
  }
}

private final class MemoryReader: BatchReader {
  private let log: MemoryLog
  private var chain = ChainCheck()

  init(_ log: MemoryLog) { self.log = log }

  func batches(from sequence: UInt64, limit: Int) throws(LogFault) -> [StoredBatch] {
    precondition(sequence >= 1 && limit >= 1 && limit <= BatchPage.maxBatches, "a page is 1 to 256 batches from 1 on")
    let (page, head) = try log.read { (state) throws(LogFault) in
      if let oldest = state.stored.first, sequence < oldest.batch.sequence {
        throw .trimmed(oldest: oldest.batch.sequence)
      }
      return (state.stored.drop { $0.batch.sequence < sequence }.prefix(limit), state.head)
    }
    try chain.begin(at: sequence, head: head, anchor: nil)
    var bytes = 0
    var out: [StoredBatch] = []
    for stored in page where bytes < BatchPage.maxBytes {
      try chain.check(stored)
      bytes += stored.batch.encodedBytes
      out.append(stored)
    }
    try chain.end(out.count, head: head)
    return out
  }

  func sequence(holding revision: UInt64) throws(LogFault) -> UInt64? {
    try log.read { (state) throws(LogFault) in
      state.stored.first { ($0.batch.firstRevision..<$0.batch.nextRevision).contains(revision) }?.batch.sequence
    }
  }

  func oldest() throws(LogFault) -> LogOldest? {
    try log.read { (state) throws(LogFault) in
      state.stored.first.map { LogOldest(sequence: $0.batch.sequence, revision: $0.batch.firstRevision) }
    }
  }

  func head() throws(LogFault) -> LogHead { log.head }
}
