/// The two parts of a Host header.
package struct HTTPHost: Hashable, Sendable {
  /// The name or address; an IPv6 address with its brackets.
  package let name: ByteRange
  /// The digits after the colon, if any.
  package let port: ByteRange?

  /// Splits `host[:port]` in `buffer`; nil when it is malformed.
  package init?(_ range: ByteRange, in buffer: [UInt8]) { self.init(range, buffer.span) }

  init?(_ range: ByteRange, _ bytes: borrowing Span<UInt8>) {
    let start = Int(range.start), end = Int(range.end)
    guard start < end else { return nil }
    var i = start
    if bytes[i] == 0x5B {
      i += 1
      while i < end, HTTPByte.hexValue(bytes[i]) != nil || bytes[i] == 0x3A || bytes[i] == 0x2E { i += 1 }
      guard i < end, bytes[i] == 0x5D, i > start + 2 else { return nil }
      i += 1
    } else {
      while i < end, Self.isNameByte(bytes[i]) { i += 1 }
      guard i > start else { return nil }
    }
    name = ByteRange(start, i)
    guard i < end else {
      port = nil
      return
    }
    guard bytes[i] == 0x3A, end - i > 1, end - i <= 6 else { return nil }
    port = ByteRange(i + 1, end)
    for j in i + 1..<end where !HTTPByte.isDigit(bytes[j]) { return nil }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    HTTPByte.isDigit(byte) || (byte | 0x20) &- 0x61 < 26 || byte == 0x2D || byte == 0x2E || byte == 0x5F || byte == 0x7E
  }

  /// Whether the name is an IPv4 address in dotted form or anything in brackets, which can only be IPv6.
  package func isAddress(in buffer: [UInt8]) -> Bool { Self.isAddress(name, in: buffer) }

  /// The same for the name of a host that has been split before.
  package static func isAddress(_ name: ByteRange, in buffer: [UInt8]) -> Bool {
    if buffer[Int(name.start)] == 0x5B { return true }
    var parts = 1, digits = 0, value = 0
    for i in name.indices {
      let byte = buffer[i]
      if byte == 0x2E {
        guard digits > 0 else { return false }
        parts += 1
        digits = 0
        value = 0
      } else {
        guard HTTPByte.isDigit(byte), digits < 3 else { return false }
        digits += 1
        value = value * 10 + Int(byte - 0x30)
        guard value < 256 else { return false }
      }
    }
    return parts == 4 && digits > 0
  }
}
