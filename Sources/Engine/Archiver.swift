internal import Log
internal import Platform

/// Appends to the archive behind the engine, on a thread of its own: the shared log has made the batch durable already.
///
/// What waits is bounded. An archive that cannot keep up (a full disk) ends the node's service rather than growing a
/// buffer; until then it is tried again and again.
// Unchecked because `lock` guards `shared`, and the rest belongs to the archiver's thread.
final class Archiver: @unchecked Sendable {
  /// So many batches may wait: more than etcd keeps between two snapshots, so that who catches up does not stumble here.
  static let limit = 65_536
  /// And so many bytes of them, those in hand included; they are in memory.
  static let limitBytes = 256 << 20
  private static let patience = Duration.milliseconds(500)

  private struct Shared {
    var waiting: [StoredBatch] = []
    var bytes = 0
    /// One was not taken: those after it can never be appended.
    var isOver = false
    var archived: LogHead
    var isStopping = false
    var failure: String?
  }

  private let log: any BatchLog
  private let archive: any Archive
  private let lock = Lock()
  private let changed = Condition()
  private var shared: Shared
  private var thread: Thread?
  private let onArchived: @Sendable (LogHead) -> Void
  private let onUnknown: @Sendable (String) -> Void
  private let warn: @Sendable (String) -> Void

  init(
    _ archive: any Archive, _ log: any BatchLog, archived: @escaping @Sendable (LogHead) -> Void,
    unknown: @escaping @Sendable (String) -> Void, warn: @escaping @Sendable (String) -> Void
  ) {
    (self.archive, self.log, onArchived, onUnknown, self.warn) = (archive, log, archived, unknown, warn)
    shared = Shared(archived: log.head)
    thread = Thread(name: "berth-archive") { self.run() }
  }

  /// Takes the next batch; false when too many wait, and from then on.
  func add(_ stored: StoredBatch) -> Bool {
    let bytes = stored.batch.encodedBytes
    return lock.withLock {
      let hasRoom = shared.waiting.count < Archiver.limit && shared.bytes + bytes <= Archiver.limitBytes
      guard hasRoom, !shared.isOver else {
        shared.isOver = true
        return false
      }
      shared.bytes += bytes
      shared.waiting.append(stored)
      if shared.waiting.count == 1 { changed.broadcast() }
      return true
    }
  }

  /// The end of what is archived.
  var head: LogHead { lock.withLock { shared.archived } }

  /// Waits until `sequence` is archived and flushed.
  func flush(through sequence: UInt64) throws(LogFault) {
    let failure = lock.withLock { () -> String? in
      while shared.archived.sequence < sequence, shared.failure == nil, !shared.isStopping { changed.wait(lock) }
      return shared.archived.sequence < sequence ? shared.failure ?? "it is stopping" : nil
    }
    if let failure { throw .notCovered(what: "the archive does not reach batch \(sequence): \(failure)") }
    try archive.flush()
  }

  /// Archives what waits and ends the thread.
  func stop() {
    lock.withLock {
      shared.isStopping = true
      changed.broadcast()
    }
    thread?.join()
    thread = nil
  }

  private func run() {
    while true {
      let work = lock.withLock { () -> [StoredBatch]? in
        if shared.waiting.isEmpty, !shared.isStopping, !changed.wait(lock, timeout: Archiver.patience) { return [] }
        if shared.waiting.isEmpty { return shared.isStopping ? nil : [] }
        defer { shared.waiting.removeAll(keepingCapacity: true) }
        return shared.waiting
      }
      guard let work else { return }
      if work.isEmpty { log.maintain(idle: true) }
      for stored in work { guard append(stored.batch) else { return } }
      if !work.isEmpty { log.maintain(idle: false) }
    }
  }

  /// Appends until there is room; false when the archive can be written no more.
  private func append(_ batch: Batch) -> Bool {
    var hasWarned = false
    while true {
      switch log.appendNow(batch) {
      case .durable:
        let head = log.head
        lock.withLock {
          shared.archived = head
          shared.bytes -= batch.encodedBytes
          changed.broadcast()
        }
        onArchived(head)
        return true
      case .refused(let refusal):
        if !hasWarned { warn("the archive takes no batch (\(refusal)): make room, it is tried again") }
        hasWarned = true
        let isStopping = lock.withLock { () -> Bool in
          if !shared.isStopping { _ = changed.wait(lock, timeout: Archiver.patience) }
          return shared.isStopping
        }
        if isStopping { return fail("no room") }
      case .unknown(let why):
        onUnknown(why)
        return fail(why)
      }
    }
  }

  private func fail(_ why: String) -> Bool {
    lock.withLock {
      shared.failure = why
      changed.broadcast()
    }
    return false
  }
}

extension BatchLog {
  /// Appends to a log whose ends come before `append` returns, as those of every embedded log do.
  func appendNow(_ batch: Batch) -> AppendEnd {
    let slot = EndSlot()
    append(batch) { slot.end = $0 }
    return slot.end
  }
}

// Unchecked because it is written and read by one thread, before and after a call.
private final class EndSlot: @unchecked Sendable {
  var end = AppendEnd.unknown("the append did not end")
}
