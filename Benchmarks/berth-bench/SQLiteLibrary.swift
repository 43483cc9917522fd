import Glibc

/// SQLite's C interface as far as one bare insert needs it, opened at run time.
///
/// The tool's target links no C library; the calls are the ones Berth's log makes, on the same installed library.
struct SQLiteLibrary {
  typealias Open = @convention(c) (UnsafePointer<CChar>, UnsafeMutablePointer<OpaquePointer?>) -> Int32
  typealias Execute =
    @convention(c) (
      OpaquePointer, UnsafePointer<CChar>, OpaquePointer?, OpaquePointer?, OpaquePointer?
    ) -> Int32
  typealias Prepare =
    @convention(c) (
      OpaquePointer, UnsafePointer<CChar>, Int32, UnsafeMutablePointer<OpaquePointer?>, OpaquePointer?
    ) -> Int32
  typealias BindBlob = @convention(c) (OpaquePointer, Int32, UnsafeRawPointer?, Int32, OpaquePointer?) -> Int32
  typealias Step = @convention(c) (OpaquePointer) -> Int32

  static let ok: Int32 = 0
  static let done: Int32 = 101

  private let library: UnsafeMutableRawPointer
  let open: Open
  let execute: Execute
  let prepare: Prepare
  let bindBlob: BindBlob
  let step: Step
  let reset: Step
  let finalize: Step
  let close: Step

  init() throws(Failure) {
    guard let library = dlopen("libsqlite3.so.0", RTLD_NOW) else {
      throw Failure("libsqlite3.so.0 cannot be opened (apt-get install libsqlite3-0)")
    }
    self.library = library
    open = unsafeBitCast(try Self.symbol(library, "sqlite3_open"), to: Open.self)
    execute = unsafeBitCast(try Self.symbol(library, "sqlite3_exec"), to: Execute.self)
    prepare = unsafeBitCast(try Self.symbol(library, "sqlite3_prepare_v2"), to: Prepare.self)
    bindBlob = unsafeBitCast(try Self.symbol(library, "sqlite3_bind_blob"), to: BindBlob.self)
    step = unsafeBitCast(try Self.symbol(library, "sqlite3_step"), to: Step.self)
    reset = unsafeBitCast(try Self.symbol(library, "sqlite3_reset"), to: Step.self)
    finalize = unsafeBitCast(try Self.symbol(library, "sqlite3_finalize"), to: Step.self)
    close = unsafeBitCast(try Self.symbol(library, "sqlite3_close"), to: Step.self)
  }

  private static func symbol(
    _ library: UnsafeMutableRawPointer, _ name: String
  ) throws(Failure) -> UnsafeMutableRawPointer {
    guard let found = dlsym(library, name) else { throw Failure("libsqlite3.so.0 has no \(name)") }
    return found
  }
}
