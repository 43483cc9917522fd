// Members in one call each: what nearly every answer consists of.
extension JSONWriter {
  /// Writes an object whose members `body` writes.
  package mutating func object(_ body: (inout JSONWriter) -> Void) {
    beginObject()
    body(&self)
    endObject()
  }

  /// Writes an array whose elements `body` writes.
  package mutating func array(_ body: (inout JSONWriter) -> Void) {
    beginArray()
    body(&self)
    endArray()
  }

  /// Writes a member with an integer, `null` for nil. Inlined, so that the integer's type is known.
  @inlinable
  package mutating func field<T: FixedWidthInteger>(_ key: StaticString, _ value: T?) {
    guard let value else { return fieldNull(key) }
    if let small = Int64(exactly: value) { return field(key, small: small) }
    self.key(key)
    number(value)
  }

  /// Writes a member with an integer of at most 64 bits and a sign.
  package mutating func field(_ key: StaticString, small value: Int64) {
    field(key, room: 20) { JSONWriter.append(value, to: &$0) }
  }

  /// Writes a member with true or false.
  package mutating func field(_ key: StaticString, _ value: Bool) {
    let word: StaticString = value ? "true" : "false"
    word.withUTF8Buffer { word in field(key, room: word.count) { span in unsafe JSONEscape.append(word, to: &span) } }
  }

  /// Writes a member without a value.
  package mutating func fieldNull(_ key: StaticString) {
    let word: StaticString = "null"
    word.withUTF8Buffer { word in field(key, room: word.count) { span in unsafe JSONEscape.append(word, to: &span) } }
  }

  /// Writes a member with an array of strings.
  package mutating func field(_ key: StaticString, _ values: [String]) {
    self.key(key)
    array { writer in for value in values { writer.string(value) } }
  }
}
