// Putting text into an output buffer without making strings.
extension [UInt8] {
  mutating func append(_ text: StaticString) {
    unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ text: String) { append(contentsOf: text.utf8) }

  mutating func append(decimal number: Int) {
    if number < 0 { return append(contentsOf: String(number).utf8) }
    append(addingCapacity: 20) { $0.append(decimal: UInt64(number)) }
  }

  /// `number` with leading zeros to `digits` places.
  mutating func append(padded number: Int, digits: Int) {
    append(addingCapacity: digits) { $0.append(padded: UInt64(number), digits: digits) }
  }

  mutating func append(hex number: UInt64, digits: Int) {
    append(addingCapacity: digits) { $0.append(hex: number, digits: digits) }
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

// Heads and log lines are written into memory that was reserved once for the whole of them: what is checked then is
// only that it suffices, not who else holds the array and whether it must grow, piece by piece.
extension OutputSpan<UInt8> {
  mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    precondition(bytes.count <= freeCapacity, "the room reserved does not suffice")
    unsafe withUnsafeMutableBufferPointer { target, count in
      count += unsafe target.extracting(count...).update(fromContentsOf: bytes)
    }
  }

  @inline(__always)
  mutating func append(_ text: StaticString) {
    unsafe append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ bytes: [UInt8], _ range: Range<Int>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe append($0.extracting(range)) }
  }

  mutating func append(_ text: String) {
    unsafe text.utf8Span.span.withUnsafeBufferPointer { unsafe append($0) }
  }

  /// A header value; whatever could end the line becomes a question mark.
  mutating func append(headerValue text: String) {
    let bytes = text.utf8Span.span
    for i in bytes.indices {
      let byte = bytes[i]
      append(byte < 0x20 && byte != 0x09 || byte == 0x7F ? 0x3F : byte)
    }
  }

  mutating func append(decimal number: UInt64) {
    var digits = 1
    var rest = number / 10
    while rest > 0 {
      digits += 1
      rest /= 10
    }
    append(padded: number, digits: digits)
  }

  /// `number` with leading zeros to `digits` places, written from its end.
  mutating func append(padded number: UInt64, digits: Int) {
    precondition(digits <= freeCapacity, "the room reserved does not suffice")
    unsafe withUnsafeMutableBufferPointer { target, count in
      var left = number
      var place = count + digits
      while place > count {
        place -= 1
        unsafe target[place] = 0x30 + UInt8(truncatingIfNeeded: left % 10)
        left /= 10
      }
      count += digits
    }
  }

  mutating func append(hex number: UInt64, digits: Int) {
    precondition(digits <= freeCapacity, "the room reserved does not suffice")
    unsafe withUnsafeMutableBufferPointer { target, count in
      var left = number
      var place = count + digits
      while place > count {
        place -= 1
        let digit = UInt8(truncatingIfNeeded: left & 15)
        unsafe target[place] = digit &+ (digit < 10 ? 0x30 : 0x57)
        left >>= 4
      }
      count += digits
    }
  }
}
