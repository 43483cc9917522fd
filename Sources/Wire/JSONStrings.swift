/// A string found in the document: the bytes between its quotes, checked but not unescaped.
struct StringToken {
  let start: Int
  let end: Int
  let isEscaped: Bool
  /// Where its opening quote stands.
  var offset: Int { start - 1 }
}

extension JSONReader {
  /// Reads a string.
  package mutating func string() throws(JSONFault) -> String {
    skipSpace()
    guard position < bytes.count, bytes[position] == JSONByte.quote else { throw wrongType("a string") }
    let token = try stringToken()
    return String(decoding: content(of: token), as: UTF8.self)
  }

  /// Reads the string that begins at the position, and checks all of it: no control characters, valid UTF-8,
  /// known escapes, no half of a surrogate pair, not too long.
  mutating func stringToken() throws(JSONFault) -> StringToken {
    let start = position + 1
    var escapedBytes = 0
    var hasEscape = false
    var all: UInt8 = 0
    var i = start
    while true {
      i = endOfPlain(from: i, all: &all)
      guard i < bytes.count else { throw endedEarly("the closing quote of a string") }
      if bytes[i] == JSONByte.quote { break }
      guard bytes[i] == JSONByte.backslash else {
        throw JSONFault(.controlCharacter, at: i, "control characters in a string must be escaped")
      }
      hasEscape = true
      let (length, resolved) = try escape(at: i)
      escapedBytes += length - resolved
      i += length
    }
    guard i - start - escapedBytes <= limits.stringBytes else {
      throw JSONFault(.stringTooLong, at: start - 1, "a string may hold at most \(limits.stringBytes) bytes")
    }
    if all >= 0x80 { try checkUTF8(start..<i) }
    position = i + 1
    return StringToken(start: start, end: i, isEscaped: hasEscape)
  }

  /// The bytes that a token stands for: a slice of the document unless escapes had to be resolved.
  func content(of token: StringToken) -> ArraySlice<UInt8> {
    guard token.isEscaped else { return bytes[token.start..<token.end] }
    var out: [UInt8] = []
    out.reserveCapacity(token.end - token.start)
    var i = token.start
    while i < token.end {
      guard bytes[i] == JSONByte.backslash else {
        out.append(bytes[i])
        i += 1
        continue
      }
      if bytes[i + 1] == JSONByte.lowerU {
        let (scalar, length) = scalar(at: i)!
        out.append(contentsOf: UTF8.encode(scalar)!)
        i += length
      } else {
        out.append(Self.simpleEscape(bytes[i + 1])!)
        i += 2
      }
    }
    return out[...]
  }

  func same(_ a: StringToken, _ b: StringToken) -> Bool {
    if a.isEscaped || b.isEscaped { return content(of: a) == content(of: b) }
    guard a.end - a.start == b.end - b.start else { return false }
    for i in 0..<(a.end - a.start) where bytes[a.start + i] != bytes[b.start + i] { return false }
    return true
  }

  /// Where the run of ordinary bytes that begins at `start` ends; `all` gathers their bits.
  private func endOfPlain(from start: Int, all: inout UInt8) -> Int {
    let span = bytes.span
    var bits = all
    var i = start
    while i < span.count {
      let byte = span[i]
      if byte == JSONByte.quote || byte == JSONByte.backslash || byte < 0x20 { break }
      bits |= byte
      i += 1
    }
    all = bits
    return i
  }

  private func checkUTF8(_ range: Range<Int>) throws(JSONFault) {
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: bytes.span.extracting(range))
    } catch {
      let offset = range.lowerBound + error.byteOffsets.lowerBound
      throw JSONFault(.invalidUTF8, at: offset, "text must be valid UTF-8")
    }
  }

  /// The length of the escape at `i` and of the UTF-8 that it stands for.
  private func escape(at i: Int) throws(JSONFault) -> (length: Int, resolved: Int) {
    guard i + 1 < bytes.count else { throw endedEarly("the rest of an escape") }
    if bytes[i + 1] != JSONByte.lowerU {
      guard Self.simpleEscape(bytes[i + 1]) != nil else {
        throw JSONFault(.badEscape, at: i, "\(JSONByte.name(bytes[i + 1])) cannot be escaped with a backslash")
      }
      return (2, 1)
    }
    guard codeUnit(at: i) != nil else {
      throw JSONFault(.badEscape, at: i, "\\u must be followed by four hexadecimal digits")
    }
    guard let (scalar, length) = scalar(at: i) else {
      throw JSONFault(.loneSurrogate, at: i, "half of a surrogate pair is not a character")
    }
    return (length, UTF8.width(scalar))
  }

  /// The character that `\uXXXX`, or a pair of them, at `i` stands for.
  private func scalar(at i: Int) -> (Unicode.Scalar, length: Int)? {
    guard let unit = codeUnit(at: i) else { return nil }
    if let scalar = Unicode.Scalar(unit) { return (scalar, 6) }
    guard UTF16.isLeadSurrogate(unit), let trail = codeUnit(at: i + 6), UTF16.isTrailSurrogate(trail) else {
      return nil
    }
    let value = 0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(trail) - 0xDC00)
    return (Unicode.Scalar(value)!, 12)
  }

  private func codeUnit(at i: Int) -> UInt16? {
    guard i + 6 <= bytes.count, bytes[i] == JSONByte.backslash, bytes[i + 1] == JSONByte.lowerU else { return nil }
    var unit: UInt16 = 0
    for digit in bytes[(i + 2)..<(i + 6)] {
      guard let value = JSONByte.hexValue(digit) else { return nil }
      unit = unit << 4 | value
    }
    return unit
  }

  private static func simpleEscape(_ byte: UInt8) -> UInt8? {
    switch byte {
    case JSONByte.quote, JSONByte.backslash, JSONByte.slash: byte
    case JSONByte.lowerB: 0x08
    case JSONByte.lowerF: 0x0C
    case JSONByte.lowerN: 0x0A
    case JSONByte.lowerR: 0x0D
    case JSONByte.lowerT: 0x09
    default: nil
    }
  }
}
