/// A number found in the document, by its grammar.
struct NumberToken {
  let range: Range<Int>
  /// Neither fraction nor exponent.
  let isInteger: Bool
}

extension JSONReader {
  /// Reads an integer that fits `T` exactly; fractions, exponents and `-0` are refused.
  package mutating func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(JSONFault) -> T {
    let token = try integerToken()
    let isNegative = bytes[token.range.lowerBound] == JSONByte.minus
    var value: T = 0
    for i in token.range.dropFirst(isNegative ? 1 : 0) {
      let digit = T(truncatingIfNeeded: bytes[i] - JSONByte.zero)
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, tooFar) =
        isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
      guard !tooLarge, !tooFar else {
        throw JSONFault(
          .numberOutOfRange, at: token.range.lowerBound, "the number must be between \(T.min) and \(T.max)")
      }
      value = sum
    }
    return value
  }

  /// Reads an integer of any length as its exact digits.
  package mutating func integerText() throws(JSONFault) -> String {
    String(decoding: bytes[try integerToken().range], as: UTF8.self)
  }

  /// Reads a number that may have a fraction and an exponent; too large for a double is refused.
  package mutating func double() throws(JSONFault) -> Double {
    let token = try numberToken()
    guard let value = Double(String(decoding: bytes[token.range], as: UTF8.self)), value.isFinite else {
      throw JSONFault(.numberOutOfRange, at: token.range.lowerBound, "the number is too large for a double")
    }
    return value
  }

  private mutating func integerToken() throws(JSONFault) -> NumberToken {
    let token = try numberToken()
    let start = token.range.lowerBound
    guard token.isInteger else {
      throw JSONFault(.wrongType, at: start, "expected an integer without fraction and exponent")
    }
    guard bytes[start] != JSONByte.minus || bytes[start + 1] != JSONByte.zero else {
      throw JSONFault(.badNumber, at: start, "zero has no sign")
    }
    return token
  }

  /// Reads what the grammar calls a number.
  mutating func numberToken() throws(JSONFault) -> NumberToken {
    skipSpace()
    guard kindHere == .number else { throw wrongType("a number") }
    let start = position
    var i = start
    if bytes[i] == JSONByte.minus { i += 1 }
    let leading = i
    try digits(&i)
    if bytes[leading] == JSONByte.zero, i > leading + 1 {
      throw JSONFault(.badNumber, at: leading, "a number must not begin with a superfluous zero")
    }
    let integerEnd = i
    if i < bytes.count, bytes[i] == JSONByte.point {
      i += 1
      try digits(&i)
    }
    if i < bytes.count, bytes[i] == JSONByte.lowerE || bytes[i] == JSONByte.upperE {
      i += 1
      if i < bytes.count, bytes[i] == JSONByte.plus || bytes[i] == JSONByte.minus { i += 1 }
      try digits(&i)
    }
    guard i - start <= limits.numberBytes else {
      throw JSONFault(.numberTooLong, at: start, "a number may have at most \(limits.numberBytes) characters")
    }
    position = i
    return NumberToken(range: start..<i, isInteger: i == integerEnd)
  }

  private func digits(_ i: inout Int) throws(JSONFault) {
    let first = i
    while i < bytes.count, JSONByte.isDigit(bytes[i]) { i += 1 }
    guard i > first else {
      guard i < bytes.count else { throw endedEarly("a digit") }
      throw JSONFault(.badNumber, at: i, "expected a digit, found \(JSONByte.name(bytes[i]))")
    }
  }
}

extension JSONReader {
  /// Whether `text` is one number by the grammar and nothing else.
  static func isNumber(_ text: String) -> Bool {
    var reader = JSONReader(Array(text.utf8), limits: JSONLimits(numberBytes: .max))
    guard let token = try? reader.numberToken() else { return false }
    return token.range == 0..<reader.bytes.count
  }
}
