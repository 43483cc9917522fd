// LogSQLite: the log as a table in SQLite, and the directory it lives in.
//
// One row is one batch, one commit is one flush. SQLite brings what is hard to get right by hand: atomic commits,
// recovery after a crash, readers beside the writer. This room adds what a log needs and a database does not promise:
// batches chained by hash, a head row that gives away a missing end, a write-ahead file that is laid out once and
// looked at after a crash, and refusals that are certain.
//
// Kept at all times:
// - one process serves a directory: LOCK is held with a lock of the open file and names the process;
// - snapshots and history.db never stand without log.db: an empty log beside them would mean that everything is lost;
// - nothing damaged is emptied, skipped or repaired, except history.db, which is derived and made anew;
// - after a flush that failed the process must end: the system has forgotten which pages were bad, so only a start
//   that drops the cache reads what is really on the disk.
//
// Refused: EXCLUSIVE locking (shuts our own readers out), a second connection for checkpoints (measured slower), mmap
// (measured to be worth nothing), one row per entry (3-40 times slower at group commit).
package import Log
import Platform

/// How much a log promises about each append.
package enum Durability: Sendable {
  /// What is acknowledged survives the loss of power.
  case log
  /// It follows a log that does: its own end may be lost and fetched again.
  case archive
}

/// An open data directory and everything in it.
package final class DataDirectory: Sendable {
  /// For what a directory is opened.
  package enum Mode: Sendable {
    /// To look, perhaps beside a server.
    case readOnly
    /// To serve; `create` makes a directory or fills an empty one.
    case readWrite(create: Bool)
    /// To make a log that continues `head`, where none is: for restoring.
    case fresh(LogHead)
  }

  /// Where it is.
  package let path: String
  /// The snapshots.
  package let snapshots: SnapshotDirectory
  /// The process that serves the directory, when it was opened read-only and there is one.
  package let servedBy: Int?
  /// True when the log was made by this opening.
  package let created: Bool
  /// True when the process before did not end in good order.
  package let crashed: Bool
  /// What others could read until this opening closed it to them.
  package let wereOpen: [String]
  private let writable: SQLiteLog?

  /// Opens the directory, checks what can be checked quickly, and takes the lock unless it is read-only. Nobody but the
  /// migration itself (`ofMigration`) opens what a migration has not ended.
  package static func open(
    _ path: String, _ mode: Mode, retention: Retention = .standard, durability: Durability = .log,
    ofMigration: Bool = false
  ) throws(LogFault) -> DataDirectory {
    let layout = DirectoryLayout(path, ofMigration: ofMigration)
    switch mode {
    case .readOnly:
      guard try layout.survey() == .log else { throw .noLog(path: path) }
      return try DataDirectory(layout, servedBy: DirectoryLock.holder(layout))
    case .readWrite(let create):
      let head = create ? LogHead(empty: SHA256Digest(bytes: Entropy.bytes(32))) : nil
      return try serve(layout, from: head, retention, durability)
    case .fresh(let head):
      guard try layout.survey() != .log else {
        throw .foreignDirectory(path: path, names: [DirectoryLayout.log])
      }
      return try serve(layout, from: head, retention, durability)
    }
  }

  private static func serve(
    _ layout: DirectoryLayout, from head: LogHead?, _ retention: Retention, _ durability: Durability
  ) throws(LogFault) -> DataDirectory {
    let found = try layout.survey()
    if found == .empty && head == nil { throw .noLog(path: layout.path) }
    try onFiles { () throws(FileFault) in try FileSystem.makeDirectory(layout.path) }
    let lock = try DirectoryLock(layout)
    // Between the first look and the lock another process may have made the log.
    let exists = try layout.survey() == .log
    if !exists, let head { try layout.createLog(head) }
    let wereOpen = try layout.closeToOthers()
    try layout.prepareWriteAheadFile(
      crashed: exists && lock.crashed, mayBeGone: lock.found == .closing, durability)
    return try DataDirectory(
      layout, lock: lock, created: !exists, wereOpen: wereOpen, retention: retention, durability)
  }

  private init(_ layout: DirectoryLayout, servedBy: Int?) throws(LogFault) {
    path = layout.path
    snapshots = try SnapshotDirectory(layout.file(DirectoryLayout.snapshots), writable: false)
    self.servedBy = servedBy
    created = false
    crashed = servedBy == nil ? try DirectoryLock.wasLeftOpen(layout) : false
    (writable, wereOpen) = (nil, [])
  }

  private init(
    _ layout: DirectoryLayout, lock: DirectoryLock, created: Bool, wereOpen: [String], retention: Retention,
    _ durability: Durability
  ) throws(LogFault) {
    path = layout.path
    servedBy = nil
    self.created = created
    self.wereOpen = wereOpen
    crashed = lock.crashed
    snapshots = try SnapshotDirectory(layout.file(DirectoryLayout.snapshots), writable: true)
    let log = try SQLiteLog(
      layout.file(DirectoryLayout.log), retention: retention, durability, snapshots: snapshots, directory: lock)
    if let newest = try snapshots.list().first, newest > log.head.sequence {
      throw .notCovered(
        what: "the log in \(layout.path) ends with batch \(log.head.sequence) but a snapshot of batch \(newest) exists:"
          + " the log has lost its end")
    }
    writable = log
    try lock.mark(.open)
  }

  /// The log of a directory that was opened to serve.
  package var log: SQLiteLog {
    guard let writable else { preconditionFailure("\(path) was opened read-only") }
    return writable
  }

  /// Makes all that was appended survive the loss of power, whoever appends meanwhile.
  func flush() throws(LogFault) {
    // By a descriptor of our own: what the system holds back belongs to the file, not to who wrote it. Only of the
    // write-ahead file: a checkpoint flushes log.db itself, and closing a descriptor of that would drop SQLite's locks.
    try onFiles { () throws(FileFault) in try File("\(path)/\(DirectoryLayout.log)-wal", .readWrite).sync() }
  }

  /// A reader of the log for one thread.
  package func reader() throws(LogFault) -> any BatchReader {
    try SQLiteReader("\(path)/\(DirectoryLayout.log)")
  }

  /// The history index of a directory that was opened to serve; made anew when it is missing or damaged.
  package func history() throws(LogFault) -> SQLiteHistory {
    try SQLiteHistory("\(path)/\(DirectoryLayout.history)", head: log.head)
  }

  /// A reader of the history index as it is; nil when there is none to look at, be it that a crash has interrupted its
  /// making; a fault when it cannot be read.
  package func historyReader() throws(LogFault) -> (any HistoryReader)? {
    let file = "\(path)/\(DirectoryLayout.history)"
    let kind = try onFiles { () throws(FileFault) in try FileSystem.kind(of: file) }
    if kind == .absent { return nil }
    if try SQLiteHistory.isUnfinished(file) { return nil }
    return try SQLiteHistory.reader(of: file)
  }

  /// What is wrong with log.db and its write-ahead file as files, reading all of them; empty when they are sound.
  package func quickCheck() throws(LogFault) -> [String] {
    var lines: [String] = []
    if writable == nil && servedBy == nil {
      let damage = try onFiles { () throws(FileFault) in
        try WriteAheadFile("\(path)/\(DirectoryLayout.log)-wal").damage(crashed: crashed)
      }
      if let damage { lines.append("write-ahead file: \(damage)") }
    }
    return try lines + SQLiteReader("\(path)/\(DirectoryLayout.log)").quickCheck()
  }
}
