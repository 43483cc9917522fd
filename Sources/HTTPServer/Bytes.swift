// Putting text into an output buffer without making strings.
extension [UInt8] {
  mutating func append(_ text: StaticString) {
    unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ text: String) { append(contentsOf: text.utf8) }

  mutating func append(decimal number: Int) {
    if number < 0 { return append(contentsOf: String(number).utf8) }
    var divisor = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      append(0x30 + UInt8(number / divisor % 10))
      divisor /= 10
    }
  }

  /// `number` with leading zeros to `digits` places.
  mutating func append(padded number: Int, digits: Int) {
    var divisor = 1
    for _ in 1..<digits { divisor *= 10 }
    while divisor > 0 {
      append(0x30 + UInt8(number / divisor % 10))
      divisor /= 10
    }
  }

  mutating func append(hex number: UInt64, digits: Int) {
    var shift = (digits - 1) * 4
    while shift >= 0 {
      let digit = UInt8(number >> UInt64(shift) & 15)
      append(digit < 10 ? 0x30 + digit : 0x57 + digit)
      shift -= 4
    }
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
