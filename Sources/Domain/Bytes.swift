/// Why stored bytes could not be read.
package enum CodingFault: Error, Hashable, Sendable {
  /// They end too early.
  case short
  /// A version of the form that this Berth does not know.
  case unknownVersion(UInt8)
  /// A kind of entry or row that this Berth does not know: a later one wrote it.
  case unknownKind(String)
  /// A kind, family or flag that cannot be.
  case invalid(String)
}

/// Appends numbers and texts in the storage form: little-endian, variable-length integers, lengths first.
package struct ByteWriter: Sendable {
  /// What was written.
  package private(set) var bytes: [UInt8] = []

  /// Starts empty with room for `capacity` bytes.
  package init(capacity: Int = 64) { bytes.reserveCapacity(capacity) }

  /// One byte.
  package mutating func byte(_ value: UInt8) { bytes.append(value) }

  /// Seven bits a byte, low first.
  package mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// A count or length.
  package mutating func count(_ value: Int) { varint(UInt64(value)) }

  /// The low `count` bytes of a number, highest first: byte order is number order.
  package mutating func bigEndian(_ value: UInt128, count: Int) {
    if count > 8 { bigEndian(UInt64(truncatingIfNeeded: value >> 64), count: count - 8) }
    bigEndian(UInt64(truncatingIfNeeded: value), count: min(count, 8))
  }

  private mutating func bigEndian(_ value: UInt64, count: Int) {
    var shift = UInt64(8 * count)
    while shift > 0 {
      shift -= 8
      bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  /// Text with its length before it.
  package mutating func text(_ value: String) {
    count(value.utf8.count)
    // By pointer: appending the view itself goes byte by byte.
    var value = value
    value.withUTF8 { unsafe bytes.append(contentsOf: $0) }
  }

  /// Bytes with their length before them.
  package mutating func block(_ value: [UInt8]) {
    count(value.count)
    bytes.append(contentsOf: value)
  }
}

/// Reads the storage form; throws rather than reading past the end.
package struct ByteReader {
  private let bytes: [UInt8]
  private var offset: Int
  private let end: Int

  /// Reads all of `bytes`.
  package init(_ bytes: [UInt8]) { self.init(bytes, 0..<bytes.count) }

  /// Reads a part of `bytes`.
  package init(_ bytes: [UInt8], _ range: Range<Int>) {
    (self.bytes, offset, end) = (bytes, range.lowerBound, range.upperBound)
  }

  /// Whether all is read.
  package var isAtEnd: Bool { offset == end }

  /// One byte.
  package mutating func byte() throws(CodingFault) -> UInt8 {
    guard offset < end else { throw .short }
    defer { offset += 1 }
    return bytes[offset]
  }

  /// A variable-length number; overlong forms are refused, so that equal values have equal bytes.
  package mutating func varint() throws(CodingFault) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      if shift == 63, next > 1 { throw .invalid("varint over 64 bits") }
      value |= UInt64(next & 0x7F) << shift
      if next & 0x80 == 0 {
        if next == 0, shift > 0 { throw .invalid("overlong varint") }
        return value
      }
      shift += 7
      if shift > 63 { throw .invalid("varint over 64 bits") }
    }
  }

  /// A count or length of at most what is left to read.
  package mutating func count() throws(CodingFault) -> Int {
    let value = try varint()
    guard value <= UInt64(end - offset) else { throw .short }
    return Int(value)
  }

  /// `count` bytes, highest first.
  package mutating func bigEndian(count: Int) throws(CodingFault) -> UInt128 {
    guard end - offset >= count else { throw .short }
    var value: UInt128 = 0
    for index in offset..<offset + count { value = value << 8 | UInt128(bytes[index]) }
    offset += count
    return value
  }

  /// Text with its length before it.
  package mutating func text() throws(CodingFault) -> String {
    let length = try count()
    defer { offset += length }
    // By span: the initializers of `String` that take any bytes look generic metadata up, or look at each byte twice.
    do throws(UTF8.ValidationError) {
      return String(copying: try UTF8Span(validating: bytes.span.extracting(offset..<offset + length)))
    } catch {
      throw .invalid("text is not UTF-8")
    }
  }

  /// Bytes with their length before them.
  package mutating func block() throws(CodingFault) -> [UInt8] {
    let length = try count()
    defer { offset += length }
    return Array(bytes[offset..<offset + length])
  }
}
