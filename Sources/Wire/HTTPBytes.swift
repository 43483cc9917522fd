/// Questions about single bytes of HTTP, answered without tables in memory.
enum HTTPByte {
  static let lineFeed: UInt8 = 0x0A
  static let carriageReturn: UInt8 = 0x0D
  static let space: UInt8 = 0x20
  static let tab: UInt8 = 0x09

  /// A `tchar` of RFC 9110.
  @inline(__always) static func isToken(_ byte: UInt8) -> Bool {
    if byte >= 128 { return false }
    let mask: UInt64 = byte < 64 ? 0x03ff_6cfa_0000_0000 : 0x57ff_ffff_c7ff_fffe
    return mask &>> UInt64(byte & 63) & 1 == 1
  }

  /// What may stand in a field value: tab, printable ASCII, and bytes from 128 (`obs-text`).
  @inline(__always) static func isFieldText(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == tab }

  @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  @inline(__always) static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

  /// Where the next line feed stands from `start` on, or `end`; looks at eight bytes at a time.
  static func lineEnd(_ bytes: borrowing Span<UInt8>, from start: Int, upTo end: Int) -> Int {
    precondition(start <= end && end <= bytes.count, "a search outside of the buffer")
    let ones: UInt64 = 0x0101_0101_0101_0101
    var i = start
    let raw = unsafe bytes.bytes
    while i + 8 <= end {
      let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self).littleEndian ^ (ones &* 0x0A)
      // The classic test for a zero byte; the lowest one found is certain.
      let found = (word &- ones) & ~word & (ones &* 0x80)
      if found != 0 { return i + found.trailingZeroBitCount / 8 }
      i += 8
    }
    while i < end, bytes[i] != lineFeed { i += 1 }
    return i
  }

  /// The value of a hexadecimal digit.
  @inline(__always) static func hexValue(_ byte: UInt8) -> UInt8? {
    if isDigit(byte) { return byte &- 0x30 }
    let letter = byte | 0x20
    return letter &- 0x61 < 6 ? letter &- 0x57 : nil
  }
}

/// A part of a buffer by offsets; eight bytes, so that a table of header fields stays small.
package struct ByteRange: Hashable, Sendable {
  /// Offset of the first byte.
  package let start: UInt32
  /// Offset after the last byte.
  package let end: UInt32

  /// The bytes from `start` up to but not including `end`.
  package init(_ start: Int, _ end: Int) {
    self.start = UInt32(start)
    self.end = UInt32(end)
  }

  /// The range as array indices.
  package var indices: Range<Int> { Int(start)..<Int(end) }
  /// How many bytes.
  package var count: Int { Int(end &- start) }
  /// Whether there are none.
  package var isEmpty: Bool { start == end }
}

extension [UInt8] {
  /// The text in `range`; bytes that are not UTF-8 become U+FFFD.
  package func text(_ range: ByteRange) -> String { String(decoding: self[range.indices], as: UTF8.self) }

  /// Whether the bytes in `range` are `text`, ASCII letters compared without case.
  package func matches(_ range: ByteRange, _ text: StaticString) -> Bool { span.matches(range, text) }

  /// Whether the bytes in two ranges are the same text, ASCII letters compared without case.
  package func sameText(_ a: ByteRange, _ b: ByteRange) -> Bool {
    guard a.count == b.count else { return false }
    for i in 0..<a.count
    where HTTPByte.lowercased(self[Int(a.start) + i]) != HTTPByte.lowercased(self[Int(b.start) + i]) { return false }
    return true
  }
}

extension Span<UInt8> {
  /// As `[UInt8].matches`; `text` must be lower-case.
  func matches(_ range: ByteRange, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    let expected = unsafe text.utf8Start
    var i = 0
    while i < range.count {
      guard unsafe HTTPByte.lowercased(self[Int(range.start) + i]) == expected[i] else { return false }
      i += 1
    }
    return true
  }
}
