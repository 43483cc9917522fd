package import Log
import Platform

private let schema = """
  PRAGMA user_version = 1;
  CREATE TABLE touched(
    key BLOB NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (key, revision)) STRICT, WITHOUT ROWID;
  CREATE TABLE state(id INTEGER PRIMARY KEY CHECK (id = 1), log_id BLOB NOT NULL, through INTEGER NOT NULL) STRICT;
  """

/// The history index in history.db: derived from the log, so whatever is wrong with it, it is made anew.
// Unchecked because the connection and its statements belong to the one thread that adds.
package final class SQLiteHistory: HistoryIndex, @unchecked Sendable {
  private let path: String
  private let connection: Connection
  private let insert: Statement
  private let advance: Statement

  /// Opens the index of the log with this head; one that is missing, damaged, ahead or of another log begins empty.
  init(_ path: String, head: LogHead) throws(LogFault) {
    self.path = path
    do {
      connection = try SQLiteHistory.open(path, head: head)
    } catch {
      try onFiles { () throws(FileFault) in
        for name in [path, path + "-wal", path + "-shm"] { try FileSystem.remove(name) }
      }
      connection = try faulting { () throws(SQLiteFailure) in try SQLiteHistory.create(path, head: head) }
    }
    do throws(SQLiteFailure) {
      insert = try connection.prepare("INSERT OR IGNORE INTO touched VALUES (?, ?)")
      advance = try connection.prepare("UPDATE state SET through = ?")
    } catch {
      throw error.fault
    }
  }

  private struct Unusable: Error {}

  private static func open(_ path: String, head: LogHead) throws -> Connection {
    let connection = try Connection(path, .readWrite)
    try connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    let state = try connection.prepare("SELECT log_id, through FROM state")
    guard try connection.number("PRAGMA user_version") == 1, try state.step(), state.bytes(0) == head.logID.bytes,
      state.unsigned(1) < head.nextRevision
    else { throw Unusable() }
    state.reset()
    _ = try connection.prepare("SELECT key, revision FROM touched LIMIT 1").step()
    return connection
  }

  private static func create(_ path: String, head: LogHead) throws(SQLiteFailure) -> Connection {
    let connection = try Connection(path, .create)
    // Not flushed: an index that a crash has torn is made anew, as this one is.
    try connection.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN; \(schema)")
    let state = try connection.prepare("INSERT INTO state VALUES (1, ?, 0)")
    state.bind(1, head.logID.bytes)
    try state.run()
    try connection.execute("COMMIT; PRAGMA synchronous = NORMAL")
    return connection
  }

  /// Adds pairs, at most `HistoryLimits.maxItems`, and remembers that everything up to `through` is in.
  package func add(_ items: [HistoryItem], through: UInt64) throws(LogFault) {
    precondition(items.count <= HistoryLimits.maxItems, "at most \(HistoryLimits.maxItems) items at a time")
    try transaction { () throws(SQLiteFailure) in
      for item in items {
        precondition(item.key.count <= HistoryItem.maxKeyBytes, "a key of \(item.key.count) bytes")
        insert.bind(1, item.key)
        insert.bind(2, item.revision)
        try insert.run()
      }
      advance.bind(1, through)
      try advance.run()
    }
  }

  /// Forgets everything.
  package func reset() throws(LogFault) {
    try transaction { () throws(SQLiteFailure) in
      try connection.execute("DELETE FROM touched; UPDATE state SET through = 0")
    }
  }

  private func transaction(_ body: () throws(SQLiteFailure) -> Void) throws(LogFault) {
    do throws(SQLiteFailure) {
      try connection.execute("BEGIN IMMEDIATE")
      try body()
      try connection.execute("COMMIT")
    } catch {
      _ = connection.rollback()
      throw error.fault
    }
  }

  /// A reader on a connection of its own.
  package func reader() throws(LogFault) -> any HistoryReader { try SQLiteHistoryReader(path) }

  /// Whether a crash has left an index without its tables: they are made in one transaction, and what is left of that
  /// is an empty database or a journal to roll back. The next server makes it anew, as if there were none.
  static func isUnfinished(_ path: String) throws(LogFault) -> Bool {
    do throws(SQLiteFailure) {
      return try Connection(path, .readOnly).number("SELECT count(*) FROM sqlite_schema") == 0
    } catch {
      if error.needsRollback { return true }
      throw error.fault
    }
  }

  /// A reader of an index that nobody here writes.
  static func reader(of path: String) throws(LogFault) -> any HistoryReader { try SQLiteHistoryReader(path) }

  /// Nothing to do: the connection closes with the index.
  package func close() {}
}

private final class SQLiteHistoryReader: HistoryReader {
  private let connection: Connection
  private let state: Statement
  private let select: Statement

  init(_ path: String) throws(LogFault) {
    do throws(SQLiteFailure) {
      connection = try Connection(path, .readOnly)
      connection.waitForOthers(milliseconds: 2000)
      state = try connection.prepare("SELECT through FROM state")
      select = try connection.prepare(
        "SELECT revision FROM touched WHERE key = ? AND revision BETWEEN ? AND ? ORDER BY revision LIMIT ?")
    } catch {
      throw error.fault
    }
  }

  func through() throws(LogFault) -> UInt64 {
    defer { state.reset() }
    return try faulting { () throws(SQLiteFailure) in try state.step() ? state.unsigned(0) : 0 }
  }

  func revisions(of key: [UInt8], in range: ClosedRange<UInt64>, limit: Int) throws(LogFault) -> [UInt64] {
    precondition(limit <= HistoryLimits.page, "an answer holds at most \(HistoryLimits.page) revisions")
    let top = UInt64(Int64.max)
    select.bind(1, key)
    select.bind(2, min(range.lowerBound, top))
    select.bind(3, min(range.upperBound, top))
    select.bind(4, Int64(limit))
    defer { select.reset() }
    return try faulting { () throws(SQLiteFailure) in
      var out: [UInt64] = []
      while try select.step() { out.append(select.unsigned(0)) }
      return out
    }
  }
}
