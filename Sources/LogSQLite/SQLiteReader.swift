import Log
import Platform

/// Reads log.db through a connection of its own; each call is one read transaction, so it never holds up a checkpoint
/// for longer than a page.
final class SQLiteReader: BatchReader {
  private let tables: LogTables
  private let path: String
  private let begin: Statement
  private let end: Statement
  private let selectPage: Statement
  private let selectOldest: Statement
  private let selectRevision: Statement
  private var chain = ChainCheck()

  init(_ path: String) throws(LogFault) {
    self.path = path
    let connection = try faulting { () throws(SQLiteFailure) in try Connection(path, .readOnly) }
    connection.waitForOthers(milliseconds: 2000)
    tables = try LogTables(connection)
    do throws(SQLiteFailure) {
      begin = try connection.prepare("BEGIN")
      end = try connection.prepare("COMMIT")
      selectPage = try connection.prepare(
        "SELECT sequence, first_revision, time, body FROM batches WHERE sequence >= ? ORDER BY sequence")
      selectOldest = try connection.prepare("SELECT sequence, first_revision FROM batches ORDER BY sequence LIMIT 1")
      selectRevision = try connection.prepare("SELECT first_revision FROM batches WHERE sequence = ?")
    } catch {
      throw error.fault
    }
  }

  /// Runs `body` on one consistent state of the file.
  private func transaction<T>(
    _ body: (LogStart, LogHead) throws(LogFault) -> T
  ) throws(LogFault) -> T {
    try faulting { () throws(SQLiteFailure) in try begin.run() }
    do {
      let start = try tables.start()
      let result = try body(start, tables.head(start))
      try faulting { () throws(SQLiteFailure) in try end.run() }
      return result
    } catch {
      for statement in [selectPage, selectOldest, selectRevision] { statement.reset() }
      _ = tables.connection.rollback()
      throw error
    }
  }

  func head() throws(LogFault) -> LogHead {
    try transaction { (_, head) throws(LogFault) in head }
  }

  func oldest() throws(LogFault) -> LogOldest? {
    try transaction { (start, head) throws(LogFault) -> LogOldest? in
      defer { selectOldest.reset() }
      guard head.sequence > start.sequence else { return nil }
      let found = try faulting { () throws(SQLiteFailure) -> LogOldest? in
        guard try selectOldest.step() else { return nil }
        return LogOldest(sequence: selectOldest.unsigned(0), revision: selectOldest.unsigned(1))
      }
      guard let found, found.sequence == start.sequence + 1 else {
        throw .missing(from: start.sequence + 1, through: (found?.sequence ?? head.sequence + 1) - 1)
      }
      return found
    }
  }

  func batches(from sequence: UInt64, limit: Int) throws(LogFault) -> [StoredBatch] {
    precondition(sequence >= 1 && limit >= 1 && limit <= BatchPage.maxBatches, "a page is 1 to 256 batches from 1 on")
    return try transaction { (start, head) throws(LogFault) in
      guard sequence > start.sequence || start.sequence == 0 else { throw .trimmed(oldest: start.sequence + 1) }
      guard sequence <= UInt64(Int64.max) else { return [] }
      try chain.begin(at: sequence, head: head, anchor: start.anchor)
      selectPage.bind(1, sequence)
      defer { selectPage.reset() }
      var page: [StoredBatch] = []
      var bytes = 0
      while page.count < limit, bytes < BatchPage.maxBytes, let (stored, size) = try nextRow() {
        try chain.check(stored)
        page.append(stored)
        bytes += size
      }
      try chain.end(page.count, head: head)
      return page
    }
  }

  private func nextRow() throws(LogFault) -> (StoredBatch, Int)? {
    guard try faulting({ () throws(SQLiteFailure) in try selectPage.step() }) else { return nil }
    let body = selectPage.bytes(3)
    let sequence = selectPage.unsigned(0)
    let batch = try Batch(body, as: sequence)
    guard batch.firstRevision == selectPage.unsigned(1), batch.time == selectPage.integer(2) else {
      throw .damaged(sequence: sequence, what: "its row does not match its content")
    }
    return (StoredBatch(batch: batch, hash: SHA256Digest(of: body)), body.count)
  }

  func sequence(holding revision: UInt64) throws(LogFault) -> UInt64? {
    try transaction { (start, head) throws(LogFault) -> UInt64? in
      guard revision >= start.revision, revision < head.nextRevision else { return nil }
      // The last batch that begins at or before `revision`; an empty one never is.
      var low = start.sequence + 1
      var high = head.sequence
      while low < high {
        let middle = low + (high - low + 1) / 2
        if try firstRevision(of: middle) <= revision { low = middle } else { high = middle - 1 }
      }
      return low
    }
  }

  private func firstRevision(of sequence: UInt64) throws(LogFault) -> UInt64 {
    selectRevision.bind(1, sequence)
    defer { selectRevision.reset() }
    guard try faulting({ () throws(SQLiteFailure) in try selectRevision.step() }) else {
      throw .missing(from: sequence, through: sequence)
    }
    return selectRevision.unsigned(0)
  }

  /// Everything that SQLite itself finds wrong with the file, at most 100 lines; empty when it is sound.
  func quickCheck() throws(LogFault) -> [String] {
    try faulting { () throws(SQLiteFailure) in
      let statement = try tables.connection.prepare("PRAGMA quick_check(100)")
      var lines: [String] = []
      while try statement.step() { lines.append(statement.text(0)) }
      return lines == ["ok"] ? [] : lines
    }
  }
}

extension Batch {
  /// Decodes the body of row `sequence`.
  init(_ body: [UInt8], as sequence: UInt64) throws(LogFault) {
    do { try self.init(decoding: body) } catch {
      throw .damaged(sequence: sequence, what: error.description)
    }
    guard self.sequence == sequence else {
      throw .damaged(sequence: sequence, what: "it says that it is batch \(self.sequence)")
    }
  }
}
