internal import CLinux

/// Names in directories: what is there, making, renaming and removing.
package enum FileSystem {
  /// What a name stands for.
  package enum Kind: Sendable {
    /// Nothing there.
    case absent
    /// A directory, perhaps through a link.
    case directory
    /// Anything else.
    case other
  }

  /// What tells a file from an earlier one at the same path; nil when there is none.
  package static func stamp(of path: String) throws(FileFault) -> FileStamp? {
    var status = stat()
    if unsafe stat(path, &status) == 0 {
      return FileStamp(
        inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: Int64(status.st_mtim.tv_sec),
        nanoseconds: Int64(status.st_mtim.tv_nsec), isReadByAll: status.st_mode & 0o004 != 0)
    }
    let fault = FileFault("look at", path)
    guard fault.isAbsent else { throw fault }
    return nil
  }

  /// The most names that `list` gives.
  package static let maxNames = 65_536

  /// What `path` stands for.
  package static func kind(of path: String) throws(FileFault) -> Kind {
    var status = stat()
    if unsafe stat(path, &status) == 0 { return berth_is_directory(status.st_mode) != 0 ? .directory : .other }
    let fault = FileFault("look at", path)
    guard fault.isAbsent else { throw fault }
    return .absent
  }

  /// The names in a directory, sorted, without "." and "..".
  package static func list(_ path: String) throws(FileFault) -> [String] {
    guard let directory = unsafe opendir(path) else { throw FileFault("list", path) }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory), names.count < maxNames {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes a directory for its owner alone, and its parents; their names survive the loss of power.
  package static func makeDirectory(_ path: String) throws(FileFault) {
    if path.count > 1, path.hasSuffix("/") { return try makeDirectory(String(path.dropLast())) }
    if unsafe mkdir(path, 0o700) != 0 {
      let fault = FileFault("make directory", path)
      if fault.code == EEXIST, try kind(of: path) == .directory { return }
      guard fault.isAbsent, let parent = parent(of: path) else { throw fault }
      try makeDirectory(parent)
      guard unsafe mkdir(path, 0o700) == 0 else { throw FileFault("make directory", path) }
    }
    try syncName(of: path)
  }

  /// Takes from everybody but its owner what they may do with a file or directory that is ours; true when there was
  /// something to take. What is absent, a link, or somebody else's stays.
  package static func closeToOthers(_ path: String) throws(FileFault) -> Bool {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else {
      let fault = FileFault("look at", path)
      guard fault.isAbsent else { throw fault }
      return false
    }
    let isPlain = berth_is_directory(status.st_mode) != 0 || berth_is_regular(status.st_mode) != 0
    guard isPlain, status.st_uid == geteuid(), status.st_mode & 0o077 != 0 else { return false }
    guard unsafe chmod(path, status.st_mode & 0o700) == 0 else {
      let fault = FileFault("close to others", path)
      // Where files have no modes of their own nobody can close them.
      guard [EPERM, EROFS, ENOTSUP].contains(fault.code) else { throw fault }
      return false
    }
    return true
  }

  /// Gives `old` the name `new`, replacing what was there; durable once the directory is synced.
  package static func rename(_ old: String, to new: String) throws(FileFault) {
    guard unsafe CLinux.rename(old, new) == 0 else { throw FileFault("rename", old) }
  }

  /// Removes a file; one that is not there is no fault.
  package static func remove(_ path: String) throws(FileFault) {
    if unsafe unlink(path) == 0 { return }
    let fault = FileFault("remove", path)
    guard fault.isAbsent else { throw fault }
  }

  /// Removes an empty directory.
  package static func removeDirectory(_ path: String) throws(FileFault) {
    guard unsafe rmdir(path) == 0 else { throw FileFault("remove directory", path) }
  }

  /// Returns once the names in the directory survive the loss of power.
  package static func syncDirectory(_ path: String) throws(FileFault) {
    try File(path, .read).sync()
  }

  /// Returns once the name of what is at `path` survives the loss of power.
  package static func syncName(of path: String) throws(FileFault) {
    guard let slash = path.lastIndex(of: "/") else { return try syncDirectory(".") }
    try syncDirectory(slash == path.startIndex ? "/" : String(path[..<slash]))
  }

  private static func parent(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return nil }
    return String(path[..<slash])
  }
}

/// What a file looks like from outside; another content shows in it.
package struct FileStamp: Hashable, Sendable {
  let inode: UInt64
  let size: Int64
  let seconds: Int64
  let nanoseconds: Int64
  /// Whether every user of the machine may read it.
  package let isReadByAll: Bool
}

/// This process.
package enum ThisProcess {
  /// Its number.
  package static var id: Int { Int(getpid()) }
}
