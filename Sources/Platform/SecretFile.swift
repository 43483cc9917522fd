internal import CLinux

/// Files that hold a secret: whole or not at all, and for their owner alone.
package enum SecretFile {
  /// Why a secret could not be read or kept.
  package enum Fault: Error, Sendable, CustomStringConvertible {
    /// The system refused.
    case file(FileFault)
    /// Others may read it.
    case isOpen(path: String)
    /// It is larger than any secret.
    case isLarge(path: String)

    /// What is wrong and what to do.
    package var description: String {
      switch self {
      case .file(let fault): "\(fault)"
      case .isOpen(let path): "\(path) holds a secret and others may read it: chmod 600 \(path)"
      case .isLarge(let path): "\(path) is over \(SecretFile.bytesMax) bytes: it is no file of secrets"
      }
    }
  }

  /// No larger file is read.
  package static let bytesMax = 64 << 10

  /// What a file holds; nil if it is not there.
  package static func read(_ path: String) throws(Fault) -> [UInt8]? {
    let bytes: [UInt8]
    let isOpen: Bool
    do throws(FileFault) {
      let file = try File(path, .read)
      isOpen = try file.isOpenToOthers()
      bytes = try file.read(at: 0, count: bytesMax + 1)
    } catch {
      if error.isAbsent { return nil }
      throw .file(error)
    }
    if isOpen { throw .isOpen(path: path) }
    if bytes.count > bytesMax { throw .isLarge(path: path) }
    return bytes
  }

  /// Puts `bytes` into a file, replacing what was there.
  package static func write(_ bytes: [UInt8], to path: String) throws(Fault) {
    let new = path + ".new"
    do throws(FileFault) {
      // Made anew, never opened: what is there may be a link, or readable by others.
      try FileSystem.remove(new)
      let file = try File(new, .createNew)
      try file.write(bytes, at: 0)
      try file.sync()
      try FileSystem.rename(new, to: path)
      try FileSystem.syncName(of: path)
    } catch { throw .file(error) }
  }
}
