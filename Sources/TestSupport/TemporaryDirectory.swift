internal import Glibc

/// A fresh directory under /tmp that goes, with all in it, when the last reference to it goes.
package final class TemporaryDirectory: Sendable {
  /// Where it is, without a slash at the end.
  package let path: String

  /// Makes the directory, readable by this user alone.
  package init() {
    var template = Array("/tmp/berth-test-XXXXXX".utf8CString)
    let made = unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) != nil }
    precondition(made, "cannot make a directory in /tmp: errno \(errno)")
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { Files.remove(path) }

  /// The path of `name` in it; nothing is created.
  package func file(_ name: String) -> String { "\(path)/\(name)" }
}
