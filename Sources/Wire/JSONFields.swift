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
    self.key(key)
    if let value { number(value) } else { null() }
  }

  /// Writes a member with true or false.
  package mutating func field(_ key: StaticString, _ value: Bool) {
    self.key(key)
    bool(value)
  }

  /// Writes a member with an array of strings.
  package mutating func field(_ key: StaticString, _ values: [String]) {
    self.key(key)
    array { writer in for value in values { writer.string(value) } }
  }
}
