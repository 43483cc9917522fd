internal import CLinux

/// A call on a file that the system refused.
package struct FileFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was tried, as a verb.
  package let operation: String
  /// On which file.
  package let path: String
  /// The system's number for the reason.
  package let code: Int32

  /// What was tried and why it failed.
  package var description: String { "cannot \(operation) \(path): \(reason)" }

  /// The system's words for the reason.
  package var reason: String { unsafe String(cString: strerror(code)) }

  /// True when there was nothing at the path.
  package var isAbsent: Bool { code == ENOENT }

  /// True when `code` says that there is no room: disk, quota, or a limit on the size of files.
  package static func isLackOfRoom(_ code: Int32) -> Bool { [ENOSPC, EDQUOT, EFBIG].contains(code) }

  init(_ operation: String, _ path: String) {
    self.operation = operation
    self.path = path
    code = berth_errno()
  }
}

/// An open regular file; closed with the last reference.
package final class File: Sendable {
  /// How a file is opened.
  package enum Mode: Sendable {
    /// It must exist.
    case read
    /// It must exist.
    case readWrite
    /// It is made when it is not there, readable by its owner alone.
    case create
    /// It must not exist.
    case createNew
    /// As `create`, and what it held is gone.
    case replace
  }

  /// Where it was opened.
  package let path: String
  private let descriptor: Int32

  /// Opens the file at `path`.
  package init(_ path: String, _ mode: Mode) throws(FileFault) {
    let flags =
      switch mode {
      case .read: O_RDONLY
      case .readWrite: O_RDWR
      case .create: O_RDWR | O_CREAT
      case .createNew: O_RDWR | O_CREAT | O_EXCL
      case .replace: O_RDWR | O_CREAT | O_TRUNC
      }
    self.path = path
    descriptor = unsafe berth_open(path, flags, 0o600)
    guard descriptor >= 0 else { throw FileFault("open", path) }
  }

  deinit { close(descriptor) }

  /// Its length in bytes.
  package func size() throws(FileFault) -> Int {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw FileFault("look at", path) }
    return Int(status.st_size)
  }

  /// Whether others than its owner may read or write it.
  package func isOpenToOthers() throws(FileFault) -> Bool {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw FileFault("look at", path) }
    return status.st_mode & 0o077 != 0
  }

  /// The bytes at `offset`, fewer than `count` only at the end.
  package func read(at offset: Int, count: Int) throws(FileFault) -> [UInt8] {
    var failed = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, filled in
      while filled < count {
        let got = unsafe pread(descriptor, target.baseAddress! + filled, count - filled, off_t(offset + filled))
        if got == 0 { break }
        if got > 0 { filled += got } else if berth_errno() != EINTR { failed = true }
        if failed { break }
      }
    }
    if failed { throw FileFault("read", path) }
    return bytes
  }

  /// Writes all of `bytes` at `offset`.
  package func write(_ bytes: [UInt8], at offset: Int) throws(FileFault) {
    let whole = unsafe bytes.withUnsafeBytes { source in
      var written = 0
      while written < source.count {
        let left = source.count - written
        let put = unsafe pwrite(descriptor, source.baseAddress! + written, left, off_t(offset + written))
        if put >= 0 { written += put } else if berth_errno() != EINTR { return false }
      }
      return true
    }
    guard whole else { throw FileFault("write", path) }
  }

  /// Cuts or extends it to `size` bytes.
  package func truncate(to size: Int) throws(FileFault) {
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw FileFault("truncate", path) }
  }

  /// Returns once content and length survive the loss of power.
  package func sync() throws(FileFault) {
    guard fsync(descriptor) == 0 else { throw FileFault("flush", path) }
  }

  /// Forgets what the system has cached of it, so that the next read comes from the disk.
  package func dropCache() throws(FileFault) {
    try sync()
    guard posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0 else { throw FileFault("reread", path) }
  }

  /// Takes the file's lock if nobody holds it; it goes with this object or with the process.
  package func tryLock() throws(FileFault) -> Bool {
    if berth_lock(descriptor) == 0 { return true }
    guard berth_errno() == EAGAIN || berth_errno() == EACCES else { throw FileFault("lock", path) }
    return false
  }

  /// Gives the lock back.
  package func unlock() throws(FileFault) {
    guard berth_unlock(descriptor) == 0 else { throw FileFault("unlock", path) }
  }

  /// True when another opening of the file holds its lock.
  package func isLockedElsewhere() throws(FileFault) -> Bool {
    let answer = berth_is_locked(descriptor)
    guard answer >= 0 else { throw FileFault("ask for the lock of", path) }
    return answer == 1
  }
}
