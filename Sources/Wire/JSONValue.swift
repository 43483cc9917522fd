/// A JSON document as a tree, for those who print, compare or pick from it; routes decode with `JSONReader`.
package indirect enum JSONValue: Sendable {
  case null
  case bool(Bool)
  /// The exact text of the number.
  case number(String)
  case string(String)
  case array([JSONValue])
  /// The members in the order of the document.
  case object([Member])

  /// A key with its value.
  package struct Member: Hashable, Sendable {
    /// The key as it stands in the document.
    package let key: String
    /// Its value.
    package let value: JSONValue

    /// Pairs a key with its value.
    package init(_ key: String, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  /// Reads a whole document.
  package init(parsing bytes: [UInt8], limits: JSONLimits = .generous) throws(JSONFault) {
    var reader = JSONReader(bytes, limits: limits)
    self = try reader.value()
    try reader.end()
  }

  /// An integer, kept as its digits.
  package init(_ integer: some FixedWidthInteger) { self = .number(String(integer)) }

  /// The member called `key` of an object; nil for anything else.
  package subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  /// The element at `index` of an array; nil for anything else.
  package subscript(index: Int) -> JSONValue? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  /// The text of a string; nil for anything else.
  package var string: String? { if case .string(let text) = self { text } else { nil } }

  /// The exact text of a number; nil for anything else.
  package var numberText: String? { if case .number(let text) = self { text } else { nil } }

  /// A number that is an integer and fits; nil for anything else.
  package func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T? { numberText.flatMap { T($0) } }

  /// true or false; nil for anything else.
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The elements of an array; nil for anything else.
  package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }

  /// The members of an object; nil for anything else.
  package var members: [Member]? { if case .object(let members) = self { members } else { nil } }

  /// Whether this is `null`.
  package var isNull: Bool { if case .null = self { true } else { false } }

  /// The document as bytes, on one line or indented for people.
  package func encoded(indented: Bool = false) -> [UInt8] {
    var writer = JSONWriter(indented: indented)
    writer.value(self)
    return writer.finish()
  }
}

extension JSONReader {
  /// Reads whatever comes next as a tree.
  package mutating func value() throws(JSONFault) -> JSONValue {
    switch try next() {
    case .object:
      var members: [JSONValue.Member] = []
      try object { (key, reader) throws(JSONFault) in members.append(.init(key.text, try reader.value())) }
      return .object(members)
    case .array:
      return .array(try list { (reader) throws(JSONFault) in try reader.value() })
    case .string: return .string(try string())
    case .number: return .number(String(decoding: bytes[try numberToken().range], as: UTF8.self))
    case .bool: return .bool(try bool())
    case .null:
      guard try null() else { throw wrongType("null") }
      return .null
    }
  }
}

extension JSONWriter {
  /// Writes a tree.
  package mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .number(let text): number(text: text)
    case .string(let text): string(text)
    case .array(let elements):
      beginArray()
      for element in elements { self.value(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(member.key)
        self.value(member.value)
      }
      endObject()
    }
  }
}

extension JSONValue: Hashable {
  /// Equal if they are the same document, byte for byte.
  // By hand because text is compared byte for byte here: Swift's own comparison of strings takes two spellings
  // of the same character for equal, JSON does not.
  package static func == (a: JSONValue, b: JSONValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.number(let a), .number(let b)), (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)):
      a.elementsEqual(b) { $0.key.utf8.elementsEqual($1.key.utf8) && $0.value == $1.value }
    default: false
    }
  }

  /// Hashes the compact text.
  package func hash(into hasher: inout Hasher) {
    for byte in encoded() { hasher.combine(byte) }
  }
}
