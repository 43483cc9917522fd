/// What a string needs on its way into a document: quotes, backslashes and control characters are escaped, all
/// else stands as it is.
enum JSONEscape {
  /// Whether nothing in `text` needs an escape; looks at eight bytes at a time, the last eight overlapping.
  static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let bytes = UnsafeRawBufferPointer(text)
    guard bytes.count >= 8 else {
      for i in bytes.indices where unsafe !isPlain(byte: bytes[i]) { return false }
      return true
    }
    var found: UInt64 = 0
    var i = 0
    while i < bytes.count - 8 {
      found |= special(in: unsafe bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self))
      i += 8
    }
    found |= special(in: unsafe bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self))
    return found == 0
  }

  /// How many bytes `text` has once escaped.
  static func escapedCount(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    var count = 0
    for i in text.indices { count += unsafe escapedCount(text[i]) }
    return count
  }

  private static func escapedCount(_ byte: UInt8) -> Int { isPlain(byte: byte) ? 1 : short(byte) == nil ? 6 : 2 }

  /// Appends text that needs no escape, in quotes.
  @inline(__always)
  static func appendPlain(_ text: UnsafeBufferPointer<UInt8>, to span: inout OutputSpan<UInt8>) {
    span.append(JSONByte.quote)
    unsafe append(text, to: &span)
    span.append(JSONByte.quote)
  }

  /// Appends bytes as they are.
  @inline(__always)
  static func append(_ bytes: UnsafeBufferPointer<UInt8>, to span: inout OutputSpan<UInt8>) {
    precondition(bytes.count <= span.freeCapacity, "the room reserved does not suffice")
    unsafe span.withUnsafeMutableBufferPointer { target, count in
      count = unsafe target.extracting(count...).update(fromContentsOf: bytes) + count
    }
  }

  /// Appends text with its escapes, in quotes.
  static func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, to span: inout OutputSpan<UInt8>) {
    span.append(JSONByte.quote)
    // What stands between two escapes goes in one piece.
    var start = 0
    for i in text.indices where unsafe !isPlain(byte: text[i]) {
      unsafe append(text.extracting(start..<i), to: &span)
      append(escaping: unsafe text[i], to: &span)
      start = i + 1
    }
    unsafe append(text.extracting(start...), to: &span)
    span.append(JSONByte.quote)
  }

  private static func append(escaping byte: UInt8, to span: inout OutputSpan<UInt8>) {
    span.append(JSONByte.backslash)
    if let letter = short(byte) { return span.append(letter) }
    span.append(JSONByte.lowerU)
    span.append(JSONByte.zero)
    span.append(JSONByte.zero)
    span.append(JSONByte.zero + (byte >> 4))
    let low = byte & 15
    span.append(low < 10 ? JSONByte.zero + low : UInt8(ascii: "a") + low - 10)
  }

  private static func isPlain(byte: UInt8) -> Bool {
    byte >= 0x20 && byte != JSONByte.quote && byte != JSONByte.backslash
  }

  /// Not zero if the word holds a byte below 0x20, a quote or a backslash: the classic test for a zero byte.
  private static func special(in word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let quotes = word ^ (ones &* UInt64(JSONByte.quote))
    let backslashes = word ^ (ones &* UInt64(JSONByte.backslash))
    let controls = (word &- ones &* 0x20) & ~word
    return (controls | ((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes)) & (ones &* 0x80)
  }

  private static func short(_ byte: UInt8) -> UInt8? {
    switch byte {
    case JSONByte.quote, JSONByte.backslash: byte
    case 0x0A: JSONByte.lowerN
    case 0x0D: JSONByte.lowerR
    case 0x09: JSONByte.lowerT
    default: nil
    }
  }
}
