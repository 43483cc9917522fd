import CSQLite

/// One prepared statement; belongs to its connection's thread.
@safe final class Statement {
  private let handle: OpaquePointer
  private let connection: Connection

  init(_ handle: OpaquePointer, _ connection: Connection) {
    unsafe self.handle = handle
    self.connection = connection
  }

  deinit { unsafe sqlite3_finalize(handle) }

  func bind(_ index: Int32, _ value: Int64) {
    let code = unsafe sqlite3_bind_int64(handle, index, value)
    precondition(code == SQLITE_OK, "binding a number failed with \(code)")
  }

  /// Sequences and revisions; 2^63 of them do not happen.
  func bind(_ index: Int32, _ value: UInt64) { bind(index, Int64(value)) }

  func bind(_ index: Int32, _ value: [UInt8]) {
    let code = unsafe value.withUnsafeBytes { bytes in
      // An empty array has no address, and SQLite would take that for NULL.
      guard let address = bytes.baseAddress, !value.isEmpty else {
        return unsafe sqlite3_bind_zeroblob(handle, index, 0)
      }
      return unsafe sqlite3_bind_blob64(handle, index, address, UInt64(bytes.count), berth_sqlite_transient())
    }
    precondition(code == SQLITE_OK, "binding bytes failed with \(code)")
  }

  /// Goes to the next row; false after the last.
  func step() throws(SQLiteFailure) -> Bool {
    switch unsafe sqlite3_step(handle) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    case let code:
      let failure = connection.failure(code)
      unsafe sqlite3_reset(handle)
      throw failure
    }
  }

  /// Makes the statement ready to run again.
  func reset() { unsafe sqlite3_reset(handle) }

  /// Runs a statement whose rows nobody wants.
  func run() throws(SQLiteFailure) {
    _ = try step()
    reset()
  }

  func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }

  func unsigned(_ column: Int32) -> UInt64 { UInt64(bitPattern: integer(column)) }

  func bytes(_ column: Int32) -> [UInt8] {
    let count = Int(unsafe sqlite3_column_bytes(handle, column))
    guard count > 0, let address = unsafe sqlite3_column_blob(handle, column) else { return [] }
    return unsafe [UInt8](UnsafeRawBufferPointer(start: address, count: count))
  }

  func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }
}
