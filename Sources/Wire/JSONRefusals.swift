// The reader's sentences about a document that is not what it should be.
extension JSONReader {
  /// What the byte at the position begins, nil if it begins no value.
  var kindHere: Kind? {
    guard position < bytes.count else { return nil }
    switch bytes[position] {
    case JSONByte.openBrace: return .object
    case JSONByte.openBracket: return .array
    case JSONByte.quote: return .string
    case JSONByte.minus, JSONByte.zero...JSONByte.nine: return .number
    case JSONByte.lowerT, JSONByte.lowerF: return .bool
    case JSONByte.lowerN: return .null
    default: return nil
    }
  }

  /// The fault for a position at which `expected` should have begun.
  func wrongType(_ expected: StaticString) -> JSONFault {
    guard position < bytes.count else { return endedEarly("\(expected)") }
    guard let found = kindHere, found.isSpelled(in: bytes, at: position) else {
      return unexpected("expected \(expected)")
    }
    return JSONFault(.wrongType, at: position, "expected \(expected), found \(found.phrase)")
  }

  /// The fault for a byte that the grammar does not allow at the position.
  func unexpected(_ sentence: String) -> JSONFault {
    if position == 0, bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
      return JSONFault(.byteOrderMark, at: 0, "the document must not begin with a byte order mark")
    }
    return JSONFault(.unexpectedByte, at: position, "\(sentence), found \(JSONByte.name(bytes[position]))")
  }

  /// The fault for a document that stops before `expected`.
  func endedEarly(_ expected: String) -> JSONFault {
    JSONFault(.endedEarly, at: bytes.count, "the document ends where \(expected) was expected")
  }
}

extension JSONReader.Kind {
  fileprivate var phrase: String {
    switch self {
    case .object: "an object"
    case .array: "an array"
    case .string: "a string"
    case .number: "a number"
    case .bool: "true or false"
    case .null: "null"
    }
  }

  /// Literals are known by their first letter only; `nul` is not a null of the wrong type but no JSON.
  fileprivate func isSpelled(in bytes: [UInt8], at start: Int) -> Bool {
    switch self {
    case .bool: bytes[...].holds("true", at: start, count: 4) || bytes[...].holds("false", at: start, count: 5)
    case .null: bytes[...].holds("null", at: start, count: 4)
    default: true
    }
  }
}
