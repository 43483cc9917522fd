import Log
import Platform

/// Drops the oldest batches in small slices: those that the policy gives up, that the older kept snapshot does not
/// need, and never the newest.
struct Trimmer {
  /// The most batches of a slice.
  private static let maxBatches: Int64 = 256
  /// A slice ends with the batch that reaches this many bytes.
  private static let maxBytes: Int64 = 4 << 20

  private let tables: LogTables
  private let retention: Retention
  private let snapshots: SnapshotDirectory
  private let candidates: Statement
  private let body: Statement
  private let delete: Statement
  private let update: Statement
  private let usedPages: (count: Statement, free: Statement)

  init(_ tables: LogTables, retention: Retention, snapshots: SnapshotDirectory) throws(LogFault) {
    self.tables = tables
    self.retention = retention
    self.snapshots = snapshots
    let connection = tables.connection
    do throws(SQLiteFailure) {
      candidates = try connection.prepare(
        "SELECT sequence, first_revision, time, length(body) FROM batches ORDER BY sequence LIMIT ?")
      body = try connection.prepare("SELECT body FROM batches WHERE sequence = ?")
      delete = try connection.prepare("DELETE FROM batches WHERE sequence <= ?")
      update = try connection.prepare(
        """
        UPDATE meta SET log_id = ?, trimmed_sequence = ?, trimmed_hash = ?, trimmed_revision = ?, digest = ?
        """)
      usedPages = (try connection.prepare("PRAGMA page_count"), try connection.prepare("PRAGMA freelist_count"))
    } catch {
      throw error.fault
    }
  }

  /// Trims at most one slice.
  func slice(head: LogHead) throws(SQLiteFailure) {
    guard let covered = snapshots.replayFrom, let end = try lastToGo(head, covered: covered) else { return }
    guard let hash = try previous(of: end.sequence + 1) else { return }
    try tables.connection.execute("BEGIN IMMEDIATE")
    delete.bind(1, end.sequence)
    try delete.run()
    LogTables.bind(
      update, LogStart(logID: head.logID, sequence: end.sequence, hash: hash, revision: end.nextRevision))
    try update.run()
    try tables.connection.execute("COMMIT")
  }

  /// The last batch of the next slice and the revision after it; the row behind it stays, so the newest always does.
  private func lastToGo(
    _ head: LogHead, covered: UInt64
  ) throws(SQLiteFailure) -> (sequence: UInt64, nextRevision: UInt64)? {
    var excess = try usedBytes() - Int64(retention.maxBytes)
    candidates.bind(1, Trimmer.maxBatches + 1)
    defer { candidates.reset() }
    var end: (sequence: UInt64, nextRevision: UInt64)?
    var before: (sequence: UInt64, time: Int64, bytes: Int64)?
    var bytes: Int64 = 0
    while try candidates.step() {
      if let row = before {
        let old = row.time < head.time - retention.maxAge
        guard old || excess > 0, candidates.unsigned(1) <= covered, bytes < Trimmer.maxBytes else { return end }
        end = (row.sequence, candidates.unsigned(1))
        bytes += row.bytes
        excess -= row.bytes
      }
      before = (candidates.unsigned(0), candidates.integer(2), candidates.integer(3))
    }
    return end
  }

  /// The hash that a batch carries of the one before it: what goes may be damaged, what stays must still verify.
  private func previous(of sequence: UInt64) throws(SQLiteFailure) -> SHA256Digest? {
    body.bind(1, sequence)
    defer { body.reset() }
    return try body.step() ? (try? Batch(body.bytes(0), as: sequence))?.previous : nil
  }

  private func usedBytes() throws(SQLiteFailure) -> Int64 {
    defer {
      usedPages.count.reset()
      usedPages.free.reset()
    }
    guard try usedPages.count.step(), try usedPages.free.step() else { return 0 }
    return (usedPages.count.integer(0) - usedPages.free.integer(0)) * 4096
  }
}
