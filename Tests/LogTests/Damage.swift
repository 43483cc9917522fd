import Platform

/// Damage done to files that nobody has open.
enum Damage {
  static func flip(_ path: String, at offset: Int, mask: UInt8 = 0x40) throws {
    let file = try File(path, .readWrite)
    let byte = try file.read(at: offset, count: 1)[0]
    try file.write([byte ^ mask], at: offset)
  }

  /// Offsets at which `pattern` occurs.
  static func find(_ pattern: [UInt8], in path: String) throws -> [Int] {
    let file = try File(path, .read)
    let bytes = try file.read(at: 0, count: try file.size())
    return bytes.indices.filter { bytes[$0...].starts(with: pattern) }
  }
}
