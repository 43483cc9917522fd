internal import CLinux

/// A directory for one piece of work, which nobody else can have prepared; it goes with all in it.
package enum ScratchDirectory {
  /// Runs `body` with the path of a new, empty directory in `parent`, and removes that afterwards.
  package static func with<T>(
    _ prefix: String, in parent: String = "/tmp", _ body: (String) throws -> T
  ) throws -> T {
    // Others may write in /tmp: a name that can be guessed can be planted.
    let path = "\(parent)/\(prefix)-\(String(Entropy.uint64(), radix: 36))"
    try make(path)
    // What is left over in /tmp harms nobody, and the work's own fault is the one to tell.
    defer { try? removeTree(path) }
    return try body(path)
  }

  /// Makes a directory for its owner alone; whatever is at `path` already, be it a link to nowhere, is a fault.
  package static func make(_ path: String) throws(FileFault) {
    guard unsafe mkdir(path, 0o700) == 0 else { throw FileFault("make directory", path) }
  }

  /// Removes what is at `path`, and all in it where that is a directory. A link goes; what it leads to stays.
  package static func removeTree(_ path: String) throws(FileFault) {
    var status = stat()
    // Not stat: that would look at what a link leads to.
    guard unsafe lstat(path, &status) == 0 else { throw FileFault("look at", path) }
    guard berth_is_directory(status.st_mode) != 0 else { return try FileSystem.remove(path) }
    for name in try FileSystem.list(path) { try removeTree("\(path)/\(name)") }
    try FileSystem.removeDirectory(path)
  }
}
