import CSQLite
import Log
import Platform

// log.db, format 1. `batches` repeats first revision and time beside the encoded batch for searches; readers compare.
// `head` is written in the transaction of its batch, so that a missing last row is found; `meta` says where the log
// begins once its oldest batches are trimmed, under a checksum of its own because nothing else vouches for it.
private let applicationID: Int64 = 0x4252_5448  // "BRTH"
private let format: Int64 = 1
private let schema = """
  PRAGMA application_id = \(applicationID);
  PRAGMA user_version = \(format);
  CREATE TABLE batches(
    sequence INTEGER PRIMARY KEY, first_revision INTEGER NOT NULL, time INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE TABLE head(
    id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL, hash BLOB NOT NULL,
    next_revision INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;
  CREATE TABLE meta(
    id INTEGER PRIMARY KEY CHECK (id = 1), log_id BLOB NOT NULL, trimmed_sequence INTEGER NOT NULL,
    trimmed_hash BLOB NOT NULL, trimmed_revision INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
  """

/// Where the log begins: what its oldest batch must continue.
struct LogStart: Hashable {
  var logID: SHA256Digest
  /// The last batch that was trimmed, 0 when none was.
  var sequence: UInt64
  var hash: SHA256Digest
  /// The first revision still in the log.
  var revision: UInt64

  var anchor: ChainCheck.Anchor { ChainCheck.Anchor(sequence: sequence, hash: hash, nextRevision: revision) }

  var digest: SHA256Digest {
    var bytes = logID.bytes + hash.bytes
    for number in [sequence, revision] {
      for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
    }
    return SHA256Digest(of: bytes)
  }
}

/// Reading and writing the rows of log.db; every connection has its own.
struct LogTables {
  let connection: Connection
  private let selectHead: Statement
  private let selectStart: Statement

  /// Opens the tables behind a connection after checking that they are ours.
  init(_ connection: Connection) throws(LogFault) {
    self.connection = connection
    try LogTables.requireOurs(connection)
    do throws(SQLiteFailure) {
      selectHead = try connection.prepare("SELECT sequence, hash, next_revision, time FROM head")
      selectStart = try connection.prepare(
        "SELECT log_id, trimmed_sequence, trimmed_hash, trimmed_revision, digest FROM meta")
    } catch {
      throw error.fault
    }
  }

  private static func requireOurs(_ connection: Connection) throws(LogFault) {
    let path = connection.path
    let tables = try faulting { () throws(SQLiteFailure) in
      try connection.number("SELECT count(*) FROM sqlite_schema")
    }
    guard tables != 0 else { throw .damagedFile(path: path, what: "it is empty") }
    let found = try faulting { () throws(SQLiteFailure) in
      (try connection.number("PRAGMA application_id") ?? 0, try connection.number("PRAGMA user_version") ?? 0)
    }
    guard found.0 == applicationID else {
      throw .foreignDatabase(path: path, what: "its application id is \(found.0)")
    }
    guard found.1 <= format else { throw .newerVersion(path: path, found: Int(found.1), known: Int(format)) }
    guard found.1 == format else { throw .damagedFile(path: path, what: "its format is \(found.1)") }
  }

  /// Makes an empty log that continues `head` in a file that is not there yet.
  static func create(_ path: String, head: LogHead) throws(LogFault) {
    try faulting { () throws(SQLiteFailure) in
      let connection = try Connection(path, .create)
      // Without a journal on the disk: the file gets its name when it is whole, and a part of it is thrown away.
      try connection.execute(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; BEGIN; \(schema)")
      let start = LogStart(
        logID: head.logID, sequence: head.sequence, hash: head.hash, revision: head.nextRevision)
      let meta = try connection.prepare("INSERT INTO meta VALUES (1, ?, ?, ?, ?, ?)")
      bind(meta, start)
      try meta.run()
      let row = try connection.prepare("INSERT INTO head VALUES (1, ?, ?, ?, ?)")
      bind(row, head)
      try row.run()
      try connection.execute("COMMIT")
    }
  }

  static func bind(_ statement: Statement, _ start: LogStart) {
    statement.bind(1, start.logID.bytes)
    statement.bind(2, start.sequence)
    statement.bind(3, start.hash.bytes)
    statement.bind(4, start.revision)
    statement.bind(5, start.digest.bytes)
  }

  static func bind(_ statement: Statement, _ head: LogHead) {
    statement.bind(1, head.sequence)
    statement.bind(2, head.hash.bytes)
    statement.bind(3, head.nextRevision)
    statement.bind(4, head.time)
  }

  func start() throws(LogFault) -> LogStart {
    defer { selectStart.reset() }
    let found = try faulting { () throws(SQLiteFailure) -> (LogStart, [UInt8])? in
      guard try selectStart.step() else { return nil }
      let logID = selectStart.bytes(0)
      let hash = selectStart.bytes(2)
      guard logID.count == 32, hash.count == 32 else { return nil }
      let start = LogStart(
        logID: SHA256Digest(bytes: logID), sequence: selectStart.unsigned(1), hash: SHA256Digest(bytes: hash),
        revision: selectStart.unsigned(3))
      return (start, selectStart.bytes(4))
    }
    guard let (start, digest) = found, start.digest.bytes == digest else {
      throw .damagedFile(path: connection.path, what: "its description of itself does not match its checksum")
    }
    return start
  }

  func head(_ start: LogStart) throws(LogFault) -> LogHead {
    defer { selectHead.reset() }
    let head = try faulting { () throws(SQLiteFailure) -> LogHead? in
      guard try selectHead.step() else { return nil }
      let hash = selectHead.bytes(1)
      guard hash.count == 32 else { return nil }
      return LogHead(
        logID: start.logID, sequence: selectHead.unsigned(0), hash: SHA256Digest(bytes: hash),
        nextRevision: selectHead.unsigned(2), time: selectHead.integer(3))
    }
    guard let head, head.sequence >= start.sequence, head.sequence <= UInt64(Int64.max),
      head.nextRevision >= start.revision, head.nextRevision <= UInt64(Int64.max)
    else { throw .damagedFile(path: connection.path, what: "its head row is not one") }
    if head.sequence == start.sequence && (head.hash != start.hash || head.nextRevision != start.revision) {
      throw .damagedFile(path: connection.path, what: "its head row does not match where the log begins")
    }
    return head
  }
}
