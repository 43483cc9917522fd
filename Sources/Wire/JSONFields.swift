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

  /// Writes a member with an integer, `null` for nil.
  package mutating func field<T: FixedWidthInteger>(_ key: StaticString, _ value: T?) {
    if let value { field(key, value) } else { fieldNull(key) }
  }

  /// Writes a member with an integer. Made for these types: other rooms have the general form alone, which takes three
  /// times as long.
  @_specialize(where T == UInt64)
  @_specialize(where T == Int64)
  @_specialize(where T == Int)
  @_specialize(where T == UInt32)
  @_specialize(where T == Int32)
  @_specialize(where T == UInt16)
  package mutating func field<T: FixedWidthInteger>(_ key: StaticString, _ value: T) {
    guard let small = Int64(exactly: value) else {
      self.key(key)
      return number(value)
    }
    field(key, room: 20) { JSONWriter.append(small, to: &$0) }
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
