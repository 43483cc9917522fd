internal import Glibc

/// Whole files in, whole files out, for tests that must not import Foundation.
package enum Files {
  /// No file that a test reads is longer.
  package static let maxBytes = 256 << 20

  /// Its bytes, or nil when it cannot be opened.
  package static func read(_ path: String) -> [UInt8]? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { _ = close(file) }
    var out: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while out.count < maxBytes {
      let got = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
      if got < 0, errno == EINTR { continue }
      if got < 0 { return nil }
      if got == 0 { return out }
      out += chunk[..<got]
    }
    preconditionFailure("\(path) is longer than \(maxBytes) bytes")
  }

  /// Its text, or nil when it cannot be opened or is not UTF-8.
  package static func text(_ path: String) -> String? { read(path).flatMap { String(validating: $0, as: UTF8.self) } }

  /// Makes or replaces the file; traps when it cannot, because then the test's own ground is missing.
  package static func write(_ bytes: some Sequence<UInt8>, to path: String) {
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    precondition(file >= 0, "cannot create \(path): errno \(errno)")
    defer { _ = close(file) }
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let put = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
      precondition(put > 0 || errno == EINTR, "cannot write \(path): errno \(errno)")
      if put > 0 { rest = rest.dropFirst(put) }
    }
  }

  /// The names in `directory` in order, without `.` and `..`; empty when it cannot be opened.
  package static func names(in directory: String) -> [String] {
    guard let stream = unsafe opendir(directory) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      // d_name is an array inside the record; its address is the name.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Whether `path` is a directory; a link to one is not.
  package static func isDirectory(_ path: String) -> Bool { mode(path).map { $0 & S_IFMT == S_IFDIR } ?? false }

  /// Whether anything is there.
  package static func exists(_ path: String) -> Bool { mode(path) != nil }

  /// All plain files below `directory` as paths relative to it, in order; names for which `skip` holds are left out.
  package static func all(below directory: String, skip: (String) -> Bool = { _ in false }) -> [String] {
    var found: [String] = []
    for name in names(in: directory) where !skip(name) {
      if isDirectory("\(directory)/\(name)") {
        found += all(below: "\(directory)/\(name)", skip: skip).map { "\(name)/\($0)" }
      } else {
        found.append(name)
      }
    }
    return found
  }

  /// Removes `path` and what is below it; links are removed, not followed.
  package static func remove(_ path: String) {
    if isDirectory(path) {
      for name in names(in: path) { remove("\(path)/\(name)") }
      _ = unsafe rmdir(path)
    } else {
      _ = unsafe unlink(path)
    }
  }

  private static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? status.st_mode : nil
  }
}
