import Log
import Platform

@testable import LogSQLite

/// Damage done to files that nobody has open.
enum Damage {
  static func flip(_ path: String, at offset: Int, mask: UInt8 = 0x40) throws {
    let file = try File(path, .readWrite)
    let byte = try file.read(at: offset, count: 1)[0]
    try file.write([byte ^ mask], at: offset)
  }

  /// Offsets at which `pattern` occurs.
  static func find(_ pattern: [UInt8], in path: String) throws -> [Int] {
    let bytes = try content(path)
    return bytes.indices.filter { bytes[$0] == pattern[0] && bytes[$0...].starts(with: pattern) }
  }

  static func content(_ path: String) throws -> [UInt8] {
    let file = try File(path, .read)
    return try file.read(at: 0, count: try file.size())
  }

  static func write(_ bytes: [UInt8], to path: String) throws { try File(path, .replace).write(bytes, at: 0) }

  static func sql(_ text: String, on path: String) throws { try Connection(path, .create).execute(text) }

  /// Copies a directory as a crash at this moment would leave it.
  static func copy(_ source: String, to target: String) throws {
    try FileSystem.makeDirectory(target)
    for name in try FileSystem.list(source) where !name.hasSuffix("-shm") {
      if try FileSystem.kind(of: "\(source)/\(name)") == .directory {
        try copy("\(source)/\(name)", to: "\(target)/\(name)")
      } else {
        try write(try content("\(source)/\(name)"), to: "\(target)/\(name)")
      }
    }
  }
}

/// Opens a directory to serve and reads everything that it still has.
func openAndReadAll(_ path: String) throws -> [StoredBatch] {
  let directory = try DataDirectory.open(path, .readWrite(create: false))
  defer { directory.log.close() }
  return try readAll(directory.reader(), limit: 256)
}

/// The fault with which opening or reading ends.
func faultOfOpening(_ path: String) -> LogFault? {
  do {
    _ = try openAndReadAll(path)
    return nil
  } catch let fault as LogFault {
    return fault
  } catch {
    return nil
  }
}
