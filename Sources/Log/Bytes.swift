/// Appends numbers and byte strings in the one form that `ByteReader` accepts.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  mutating func byte(_ value: UInt8) { bytes.append(value) }

  mutating func raw(_ value: some Collection<UInt8>) { bytes.append(contentsOf: value) }

  /// Little-endian, all bytes.
  mutating func fixed<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    for index in 0..<(T.bitWidth / 8) { bytes.append(UInt8(truncatingIfNeeded: value >> T(index * 8))) }
  }

  /// LEB128, shortest form.
  mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// Length, then the bytes.
  mutating func prefixed(_ value: [UInt8]) {
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  static func varintBytes(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }
}

enum ByteFault: Error {
  case short
  case malformedNumber
}

/// Takes bytes from the front; throws instead of reading past the end.
struct ByteReader {
  private let bytes: [UInt8]
  private(set) var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var remaining: Int { bytes.count - position }

  mutating func byte() throws(ByteFault) -> UInt8 {
    guard remaining > 0 else { throw .short }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func raw(_ count: Int) throws(ByteFault) -> [UInt8] {
    guard count <= remaining else { throw .short }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  mutating func fixed<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type) throws(ByteFault) -> T {
    let size = T.bitWidth / 8
    guard size <= remaining else { throw .short }
    var value: T = 0
    for index in 0..<size { value |= T(bytes[position + index]) << T(index * 8) }
    position += size
    return value
  }

  mutating func varint() throws(ByteFault) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<10 {
      let next = try byte()
      if index == 9 && next > 1 { throw .malformedNumber }
      value |= UInt64(next & 0x7f) << UInt64(index * 7)
      guard next & 0x80 == 0 else { continue }
      if next == 0 && index > 0 { throw .malformedNumber }
      return value
    }
    throw .malformedNumber
  }

  mutating func prefixed() throws(ByteFault) -> [UInt8] {
    let count = try varint()
    guard count <= UInt64(remaining) else { throw .short }
    return try raw(Int(count))
  }
}
