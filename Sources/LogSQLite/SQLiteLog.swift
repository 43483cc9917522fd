import CSQLite
package import Log
import Platform

/// How much of the log is kept.
package struct Retention: Hashable, Sendable {
  /// Batches older than this, by log time, may go; microseconds.
  package var maxAge: Int64
  /// When log.db holds more than this, the oldest batches may go.
  package var maxBytes: Int

  /// 400 days or 20 GiB.
  package static let standard = Retention(maxAge: 400 * 86_400 * 1_000_000, maxBytes: 20 << 30)

  /// Makes a policy.
  package init(maxAge: Int64, maxBytes: Int) {
    self.maxAge = maxAge
    self.maxBytes = maxBytes
  }
}

/// The log as a table in log.db; the only connection that writes to it.
// Unchecked because everything but `published` belongs to the one thread that appends and maintains, and the lock
// guards `published`.
package final class SQLiteLog: BatchLog, @unchecked Sendable {
  private let path: String
  private var open: OpenLog?
  private let lock = Lock()
  private var published: LogHead
  private var current: LogHead
  /// Why nothing can be said about the file any more: the process has to end.
  private var failure: String?
  private let directory: DirectoryLock

  init(
    _ path: String, retention: Retention, _ durability: Durability, snapshots: SnapshotDirectory,
    directory: DirectoryLock
  ) throws(LogFault) {
    self.path = path
    self.directory = directory
    let connection = try faulting { () throws(SQLiteFailure) in
      let connection = try Connection(path, .readWrite)
      // First of all: an opening that fails half-way must not empty what the next one will look for.
      connection.keepWriteAheadFile()
      let flush = durability == .log ? "FULL" : "NORMAL"
      try connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = \(flush); PRAGMA wal_autocheckpoint = 0")
      connection.countPages()
      connection.waitForOthers(milliseconds: Connection.momentMilliseconds)
      return connection
    }
    let tables = try LogTables(connection)
    current = try tables.head(tables.start())
    published = current
    open = OpenLog(
      connection: connection,
      statements: try faulting { () throws(SQLiteFailure) in try AppendStatements(connection) },
      trimmer: try Trimmer(tables, retention: retention, snapshots: snapshots))
    try requireLastBatch(try tables.start())
  }

  /// The newest durable batch.
  package var head: LogHead { lock.withLock { published } }

  /// A reader on a connection of its own.
  package func reader() throws(LogFault) -> any BatchReader { try SQLiteReader(path) }

  /// The last row must be the batch that the head row names.
  private func requireLastBatch(_ start: LogStart) throws(LogFault) {
    guard current.sequence > start.sequence else { return }
    let reader = try SQLiteReader(path)
    guard let last = try reader.batches(from: current.sequence, limit: 1).first, last.batch.time == current.time else {
      throw .damaged(sequence: current.sequence, what: "its time is not the one in the head row")
    }
  }

  /// Appends, flushes, and calls `then` before it returns.
  package func append(_ batch: Batch, then: @escaping @Sendable (AppendEnd) -> Void) { then(append(batch)) }

  private func append(_ batch: Batch) -> AppendEnd {
    current.requireNext(batch)
    guard let open else { preconditionFailure("the log is closed") }
    if let failure { return .unknown(failure) }
    guard batch.fits else { return .refused(.tooLarge) }
    let body = batch.encode()
    let next = current.advanced(by: batch, hash: SHA256Digest(of: body))
    do {
      try open.statements.append(batch, body, head: next)
    } catch {
      return end(open, after: error)
    }
    current = next
    lock.withLock { published = next }
    return .durable
  }

  private func end(_ open: OpenLog, after error: SQLiteFailure) -> AppendEnd {
    open.statements.reset()
    let end = AppendEnd(error, rolledBack: open.connection.rollback())
    if case .unknown(let reason) = end { failure = reason }
    return end
  }

  /// Copies the write-ahead file into the table when it has grown or nothing waits, then trims a slice.
  package func maintain(idle: Bool) {
    guard failure == nil, let open else { return }
    let connection = open.connection
    do throws(SQLiteFailure) {
      let waiting = connection.waitingPages
      let due = waiting >= (idle ? Upkeep.idlePages : Upkeep.busyPages)
      if due {
        let stuck = waiting >= Upkeep.stuckPages
        connection.waitForOthers(milliseconds: stuck ? Upkeep.waitMilliseconds : 0)
        defer { connection.waitForOthers(milliseconds: Connection.momentMilliseconds) }
        try connection.checkpoint(stuck ? .restart : .passive)
      }
      if due || idle { try open.trimmer.slice(head: current) }
    } catch {
      _ = connection.rollback()
      // No room or a reader in the way is no failure; a flush that failed is, because the system forgets it.
      if !error.isLackOfRoom, error.primary != SQLITE_BUSY { failure = error.description }
    }
  }

  /// Checkpoints and gives the directory back, unless the file is in an unknown state.
  package func close() {
    guard failure == nil else { return }
    // From the mark on an empty write-ahead file is no loss, because all of it is in log.db by then.
    _ = try? open?.connection.checkpoint(.passive)
    guard (try? directory.mark(.closing)) != nil else { return }
    // An empty write-ahead file leaves log.db whole by itself; a reader in the way leaves both, which is as good.
    open?.connection.waitForOthers(milliseconds: 0)
    _ = try? open?.connection.checkpoint(.truncate)
    open = nil
    directory.end()
  }
}

extension AppendEnd {
  /// A refusal is definite only when the frame that commits, which is written last, cannot have been.
  init(_ failure: SQLiteFailure, rolledBack: Bool) {
    switch failure.primary {
    case _ where rolledBack && failure.isLackOfRoom: self = .refused(.storageFull)
    case SQLITE_BUSY where rolledBack:
      self = .refused(.readOnly("another program is writing to \(failure.path)"))
    case SQLITE_READONLY where rolledBack: self = .refused(.readOnly(failure.message))
    default: self = .unknown(failure.description)
    }
  }
}

/// What is open while the log is.
private struct OpenLog {
  let connection: Connection
  let statements: AppendStatements
  let trimmer: Trimmer
}

private enum Upkeep {
  /// Pages of the write-ahead file at which a busy log makes a checkpoint.
  static let busyPages = 1000
  /// Pages that are worth a checkpoint when nothing waits.
  static let idlePages = 64
  /// Pages at which a checkpoint waits for readers so that the file begins anew.
  static let stuckPages = 8000
  static let waitMilliseconds: Int32 = 20
}

/// The four steps of an append, prepared once.
private struct AppendStatements {
  let begin: Statement
  let insert: Statement
  let update: Statement
  let commit: Statement

  init(_ connection: Connection) throws(SQLiteFailure) {
    begin = try connection.prepare("BEGIN IMMEDIATE")
    insert = try connection.prepare("INSERT INTO batches VALUES (?, ?, ?, ?)")
    update = try connection.prepare("UPDATE head SET sequence = ?, hash = ?, next_revision = ?, time = ?")
    commit = try connection.prepare("COMMIT")
  }

  func append(_ batch: Batch, _ body: [UInt8], head: LogHead) throws(SQLiteFailure) {
    insert.bind(1, batch.sequence)
    insert.bind(2, batch.firstRevision)
    insert.bind(3, batch.time)
    insert.bind(4, body)
    LogTables.bind(update, head)
    try begin.run()
    try insert.run()
    try update.run()
    try commit.run()
  }

  func reset() { for statement in [begin, insert, update, commit] { statement.reset() } }
}
