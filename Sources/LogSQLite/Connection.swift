import CSQLite
import Log
import Platform

/// What SQLite refused; becomes a `LogFault` or the end of an append at the border of the room.
struct SQLiteFailure: Error, CustomStringConvertible {
  let path: String
  /// The extended result code.
  let code: Int32
  /// The errno behind it, 0 when there is none.
  let system: Int32
  let message: String

  /// The code without its extension.
  var primary: Int32 { code & 0xff }

  /// Whether there is no room. A quota or a limit on the file's size is lack of room too, but SQLite counts them as faults
  /// of the disk.
  var isLackOfRoom: Bool {
    primary == SQLITE_FULL || code == berth_sqlite_ioerr_write() && FileFault.isLackOfRoom(system)
  }

  /// Whether a transaction that a crash interrupted must be rolled back first, which a reader may not do.
  var needsRollback: Bool { code == berth_sqlite_readonly_rollback() }

  var fault: LogFault {
    switch primary {
    case SQLITE_CORRUPT, SQLITE_ERROR, SQLITE_MISMATCH, SQLITE_FORMAT: .damagedFile(path: path, what: message)
    case SQLITE_NOTADB: .foreignDatabase(path: path, what: message)
    default: .io(operation: "use \(path)", detail: "\(message) (SQLite \(code), system \(system))")
    }
  }

  var description: String { "\(path): \(message) (SQLite \(code), system \(system))" }
}

/// Runs `body` and turns what SQLite refused into a fault of the log.
func faulting<T>(_ body: () throws(SQLiteFailure) -> T) throws(LogFault) -> T {
  do { return try body() } catch { throw error.fault }
}

/// One connection to one database file; belongs to one thread at a time.
@safe final class Connection {
  enum Mode {
    case readOnly
    case readWrite
    case create
  }

  enum Checkpoint {
    /// Copies what it can without waiting.
    case passive
    /// Waits a little for readers, so that the next commit begins the file anew.
    case restart
    /// As `restart`, and leaves the file empty.
    case truncate
  }

  let path: String
  private let handle: OpaquePointer
  private let pages: UnsafeMutablePointer<Int32>

  init(_ path: String, _ mode: Mode) throws(SQLiteFailure) {
    let flags =
      switch mode {
      case .readOnly: SQLITE_OPEN_READONLY
      case .readWrite: SQLITE_OPEN_READWRITE
      case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
      }
    var opened: OpaquePointer?
    let code = unsafe sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard code == SQLITE_OK, let handle = unsafe opened else {
      let failure = unsafe Connection.failure(path, opened, code)
      unsafe sqlite3_close_v2(opened)
      throw failure
    }
    self.path = path
    unsafe self.handle = handle
    unsafe pages = .allocate(capacity: 1)
    unsafe pages.initialize(to: 0)
  }

  deinit {
    let code = unsafe sqlite3_close_v2(handle)
    precondition(code == SQLITE_OK, "closing a connection failed with \(code)")
    unsafe pages.deallocate()
  }

  private static func failure(_ path: String, _ handle: OpaquePointer?, _ code: Int32) -> SQLiteFailure {
    guard let handle = unsafe handle else {
      return SQLiteFailure(path: path, code: code, system: 0, message: "out of memory")
    }
    return SQLiteFailure(
      path: path, code: code, system: unsafe sqlite3_system_errno(handle),
      message: unsafe String(cString: sqlite3_errmsg(handle)))
  }

  func failure(_ code: Int32) -> SQLiteFailure { unsafe Connection.failure(path, handle, code) }

  /// Runs statements whose rows nobody wants.
  func execute(_ sql: String) throws(SQLiteFailure) {
    let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw failure(code) }
  }

  func prepare(_ sql: String) throws(SQLiteFailure) -> Statement {
    var statement: OpaquePointer?
    let code = unsafe sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement = unsafe statement else { throw failure(code) }
    return unsafe Statement(statement, self)
  }

  /// The one number that a query gives, nil without a row.
  func number(_ sql: String) throws(SQLiteFailure) -> Int64? {
    let statement = try prepare(sql)
    return try statement.step() ? statement.integer(0) : nil
  }

  /// The one text that a query gives.
  func text(_ sql: String) throws(SQLiteFailure) -> String {
    let statement = try prepare(sql)
    return try statement.step() ? statement.text(0) : ""
  }

  /// Ends a transaction that may be open and throws away what it did; true when none is open afterwards.
  func rollback() -> Bool {
    if unsafe sqlite3_get_autocommit(handle) == 0 { _ = unsafe sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
    return unsafe sqlite3_get_autocommit(handle) != 0
  }

  /// How long a writer waits for the writers' lock. Nobody else writes; but a reader that meets the head of the
  /// write-ahead file half written takes that lock for a moment, to look again.
  static let momentMilliseconds: Int32 = 500

  func waitForOthers(milliseconds: Int32) { unsafe sqlite3_busy_timeout(handle, milliseconds) }

  /// Keeps the write-ahead file when the last connection closes.
  func keepWriteAheadFile() {
    var on: Int32 = 1
    unsafe sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &on)
  }

  /// Counts pages of the write-ahead file from now on; SQLite makes no checkpoints of its own afterwards.
  func countPages() {
    unsafe sqlite3_wal_hook(
      handle,
      { context, _, _, count in
        unsafe context!.assumingMemoryBound(to: Int32.self).pointee = count
        return SQLITE_OK
      }, pages)
  }

  /// Pages of the write-ahead file that the last commit left behind and no checkpoint has copied.
  var waitingPages: Int { unsafe Int(pages.pointee) }

  /// Copies committed pages into the database.
  func checkpoint(_ mode: Checkpoint) throws(SQLiteFailure) {
    var held: Int32 = 0
    var copied: Int32 = 0
    let how =
      switch mode {
      case .passive: SQLITE_CHECKPOINT_PASSIVE
      case .restart: SQLITE_CHECKPOINT_RESTART
      case .truncate: SQLITE_CHECKPOINT_TRUNCATE
      }
    let code = unsafe sqlite3_wal_checkpoint_v2(handle, "main", how, &held, &copied)
    guard code == SQLITE_OK || code & 0xff == SQLITE_BUSY else { throw failure(code) }
    if held == copied { unsafe pages.pointee = 0 }
  }
}
