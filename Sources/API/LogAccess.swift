// LogAccess: the door to the log for everything that is not the engine.
//
// Replayed answers, events and history read the log, and reading means SQLite and decoding: neither may happen on an
// HTTP loop (every connection of the loop would wait) nor on the engine's thread (every writer would wait). So each
// of these has a thread of its own, a bounded queue in front of it and a reader that no other thread touches. Full is
// an answer: `perform` says no, and the route says 503.
//
// A `LogCursor` keeps the last batches it read, because questions come in clusters: the page after this one, the next
// entry of the same batch. Refused: a shared cache under a lock (threads would wait for one another's disk reads).
package import Domain
internal import Engine
package import Log
internal import Platform
internal import Synchronization

/// An entry and when it was made.
package struct LoggedEntry: Sendable {
  /// The entry.
  package let entry: Entry
  /// The log time of its batch.
  package let time: LogTime

  /// Joins the two.
  package init(_ entry: Entry, time: LogTime) { (self.entry, self.time) = (entry, time) }
}

/// A thread that reads the log for others, one question after the other.
// Unchecked because `lock` guards the queue, and the cursor belongs to the thread.
package final class LogAccess: @unchecked Sendable {
  /// How long whoever asks waits for an answer: no longer than a server does for a handler.
  package static let patience = Duration.seconds(30)

  // Unchecked because the compiler cannot see that `lock` guards what changes.
  private struct Question {
    let asker: String?
    let until: MonotonicTime
    let work: @Sendable (LogCursor) -> Void
  }

  private let limit: Int
  private let mostEach: Int
  private let patience: Duration
  private let lock = Lock()
  private let changed = Condition()
  private var waiting: [Question] = []
  private let isStopping = Atomic<Bool>(false)
  private var thread: Thread?

  /// Starts a thread called `name`; it takes at most `limit` waiting questions, and `mostEach` of one asker.
  package init(
    name: String, limit: Int = 1_024, mostEach: Int = .max, patience: Duration = LogAccess.patience,
    _ open: @escaping @Sendable () throws(LogFault) -> any BatchReader
  ) {
    (self.limit, self.mostEach, self.patience) = (limit, mostEach, patience)
    thread = Thread(name: name) { self.run(LogCursor(open)) }
  }

  /// Runs `work` on the thread when its turn comes, also when nobody waits for it any more (`LogCursor.isOver`); false
  /// when too many wait, too many of this `asker`, or the thread has stopped, and then it never runs.
  package func perform(asker: String? = nil, _ work: @escaping @Sendable (LogCursor) -> Void) -> Bool {
    lock.withLock {
      guard !isStopping.load(ordering: .relaxed), waiting.count < limit else { return false }
      if let asker, waiting.count(where: { $0.asker == asker }) >= mostEach { return false }
      waiting.append(Question(asker: asker, until: .now + patience, work: work))
      if waiting.count == 1 { changed.signal() }
      return true
    }
  }

  /// Looks one entry up and hands it over on the thread: nil when it is trimmed or not there. False as for `perform`.
  package func entry(
    at revision: Revision, then: @escaping @Sendable (Result<LoggedEntry?, LogFault>) -> Void
  ) -> Bool {
    perform { cursor in
      do throws(LogFault) { then(.success(try cursor.entry(at: revision))) } catch { then(.failure(error)) }
    }
  }

  /// Answers what waits, in short, and ends the thread; called once, by no question.
  package func stop() {
    lock.withLock {
      isStopping.store(true, ordering: .relaxed)
      changed.signal()
    }
    thread?.join()
    thread = nil
  }

  private func run(_ cursor: LogCursor) {
    while true {
      let question = lock.withLock { () -> Question? in
        while waiting.isEmpty, !isStopping.load(ordering: .relaxed) { changed.wait(lock) }
        return waiting.isEmpty ? nil : waiting.removeFirst()
      }
      guard let question else { return }
      cursor.isOver = { self.isStopping.load(ordering: .relaxed) || question.until <= .now }
      question.work(cursor)
    }
  }
}

/// Looks entries up in a log and remembers the batches it read last; belongs to one thread.
package final class LogCursor {
  /// How many batches are remembered, and how many encoded bytes at most (or one batch).
  private static let keptBatches = 64
  private static let keptBytes = 8 << 20
  /// Batches read at once where the next ones will be wanted too.
  private static let readAhead = 16

  /// Whether nobody waits for the answer any more: whoever reads much asks, and ends.
  fileprivate(set) var isOver: () -> Bool = { false }

  private let open: () throws(LogFault) -> any BatchReader
  private var reader: (any BatchReader)?
  private var kept: [(batch: Batch, bytes: Int)] = []
  private var keptTotal = 0

  /// Opens the log when it is first asked.
  package init(_ open: @escaping () throws(LogFault) -> any BatchReader) { self.open = open }

  /// The oldest revision at hand; in an empty log the one that comes first.
  package func oldest() throws(LogFault) -> Revision {
    let log = try log()
    if let oldest = try log.oldest() { return oldest.revision }
    return try log.head().nextRevision
  }

  /// The entry with this revision, nil when it is trimmed or not there yet.
  package func entry(at revision: Revision) throws(LogFault) -> LoggedEntry? {
    guard let batch = try batch(holding: revision, ahead: 1) else { return nil }
    return try logged(revision, in: batch)
  }

  /// Entries from `revision` on, ascending, at most `limit` and about `bytes`; empty when the first is trimmed or not
  /// there yet.
  package func entries(from revision: Revision, limit: Int, bytes: Int = 1 << 20) throws(LogFault) -> [LoggedEntry] {
    var out: [LoggedEntry] = []
    var next = revision
    var size = 0
    while out.count < limit, size < bytes, let batch = try batch(holding: next, ahead: LogCursor.readAhead) {
      while next < batch.nextRevision, out.count < limit, size < bytes {
        size += batch.entries[Int(next - batch.firstRevision)].count
        out.append(try logged(next, in: batch))
        next += 1
      }
    }
    return out
  }

  /// Of the entries from `revision` on, at most about `limit`, those about nodes and VMs, with the time of each, and the
  /// revision after the last one looked at; nil when the first is trimmed or not there yet.
  package func fleetEntries(
    from revision: Revision, limit: Int
  ) throws(LogFault) -> (entries: [LoggedEntry], next: Revision, time: LogTime)? {
    var out: [LoggedEntry] = []
    var next = revision
    var time: LogTime = 0
    while next - revision < UInt64(limit), let batch = try batch(holding: next, ahead: LogCursor.readAhead) {
      while next < batch.nextRevision {
        if Entry.isOfFleet(batch.entries[Int(next - batch.firstRevision)]) { out.append(try logged(next, in: batch)) }
        next += 1
      }
      time = batch.time
    }
    return next == revision ? nil : (out, next, time)
  }

  /// The bytes of entries from `revision` on, ascending, at most about `limit`; empty when the first is trimmed or not
  /// there yet.
  package func stored(from revision: Revision, limit: Int) throws(LogFault) -> ArraySlice<[UInt8]> {
    guard let batch = try batch(holding: revision, ahead: LogCursor.readAhead) else { return [] }
    return batch.entries[Int(revision - batch.firstRevision)...].prefix(limit)
  }

  /// The last revision at or before a time: 0 when the first entry is later, nil when the answer is trimmed.
  package func revision(at time: LogTime) throws(LogFault) -> Revision? {
    let log = try log()
    guard let oldest = try log.oldest() else { return 0 }
    var (low, high) = (oldest.sequence, try log.head().sequence + 1)
    // `low` is the first batch that may be later than `time`.
    while low < high {
      let middle = low + (high - low) / 2
      guard let batch = try log.batches(from: middle, limit: 1).first?.batch else { break }
      if batch.time <= time { low = middle + 1 } else { high = middle }
    }
    guard low > oldest.sequence else { return oldest.revision == 1 ? 0 : nil }
    guard let last = try log.batches(from: low - 1, limit: 1).first?.batch else { return nil }
    return last.nextRevision - 1
  }

  private func log() throws(LogFault) -> any BatchReader {
    if let reader { return reader }
    let opened = try open()
    reader = opened
    return opened
  }

  private func batch(holding revision: Revision, ahead: Int) throws(LogFault) -> Batch? {
    if let found = kept.last(where: { $0.batch.firstRevision <= revision && revision < $0.batch.nextRevision }) {
      return found.batch
    }
    let log = try log()
    guard revision > 0, let sequence = try log.sequence(holding: revision) else { return nil }
    let read: [StoredBatch]
    do throws(LogFault) {
      read = try log.batches(from: sequence, limit: ahead)
    } catch {
      // Trimmed between the two questions.
      guard case .trimmed = error else { throw error }
      return nil
    }
    for stored in read { keep(stored.batch) }
    return read.first?.batch
  }

  private func keep(_ batch: Batch) {
    let bytes = batch.encodedBytes
    kept.append((batch, bytes))
    keptTotal += bytes
    var drop = 0
    while kept.count - drop > 1, kept.count - drop > LogCursor.keptBatches || keptTotal > LogCursor.keptBytes {
      keptTotal -= kept[drop].bytes
      drop += 1
    }
    kept.removeFirst(drop)
  }

  private func logged(_ revision: Revision, in batch: Batch) throws(LogFault) -> LoggedEntry {
    let bytes = batch.entries[Int(revision - batch.firstRevision)]
    return LoggedEntry(try Recovery.entry(bytes, in: batch), time: batch.time)
  }
}
