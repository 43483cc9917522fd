// Putting text into an output buffer without making strings.
extension [UInt8] {
  mutating func append(_ text: StaticString) {
    unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ text: String) { append(contentsOf: text.utf8) }

  mutating func append(decimal number: Int) {
    if number < 0 { return append(contentsOf: String(number).utf8) }
    var digits = 1
    var bound = 10
    while number >= bound, digits < 18 {
      digits += 1
      bound *= 10
    }
    append(padded: number, digits: number >= bound ? 19 : digits)
  }

  /// `number` with leading zeros to `digits` places, written from its end.
  mutating func append(padded number: Int, digits: Int) {
    appendZeros(digits)
    var left = number
    var place = count - 1
    while left > 0 {
      self[place] = 0x30 + UInt8(truncatingIfNeeded: left % 10)
      left /= 10
      place -= 1
    }
  }

  mutating func append(hex number: UInt64, digits: Int) {
    appendZeros(digits)
    var left = number
    var place = count - 1
    while left > 0 {
      let digit = UInt8(truncatingIfNeeded: left & 15)
      self[place] = digit < 10 ? 0x30 + digit : 0x57 + digit
      left >>= 4
      place -= 1
    }
  }

  private mutating func appendZeros(_ count: Int) {
    let zeros: StaticString = "00000000000000000000"
    precondition(count <= zeros.utf8CodeUnitCount, "a number has at most 20 digits here")
    unsafe append(contentsOf: UnsafeBufferPointer(start: zeros.utf8Start, count: count))
  }

  /// A header value; whatever could end the line becomes a question mark.
  mutating func append(headerValue text: String) {
    for byte in text.utf8 { append(byte < 0x20 && byte != 0x09 || byte == 0x7F ? 0x3F : byte) }
  }

  /// A JSON string with its quotes.
  mutating func append(jsonString text: String) {
    append(0x22)
    for byte in text.utf8 {
      switch byte {
      case 0x22, 0x5C:
        append(0x5C)
        append(byte)
      case 0..<0x20:
        append("\\u00" as StaticString)
        append(hex: UInt64(byte), digits: 2)
      default: append(byte)
      }
    }
    append(0x22)
  }
}
