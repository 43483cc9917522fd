/// A strict pull parser: the caller says what must come next and gets it or a `JSONFault`.
///
///     var reader = JSONReader(body)
///     try reader.object { (key, reader) throws(JSONFault) in
///       switch key {
///       case "vm_id": id = try reader.string()
///       default: throw reader.unknownField(key)
///       }
///     }
///     try reader.end()
package struct JSONReader: Sendable {
  /// What can come next.
  package enum Kind: String, Sendable { case object, array, string, number, bool, null }

  let bytes: [UInt8]
  let limits: JSONLimits
  var position = 0
  private var depth = 0
  /// Keys of the open objects, innermost last: one array for the whole document.
  private var seen: [StringToken] = []

  /// Reads `bytes` from their beginning.
  package init(_ bytes: [UInt8], limits: JSONLimits = .standard) {
    self.bytes = bytes
    self.limits = limits
  }

  /// Reads an object: `field` is called for each member and must read its value or throw.
  package mutating func object(
    _ field: (JSONKey, inout JSONReader) throws(JSONFault) -> Void
  ) throws(JSONFault) {
    try open(JSONByte.openBrace, "an object")
    let base = seen.count
    var table: Set<ArraySlice<UInt8>> = []
    var more = try !close(JSONByte.closeBrace)
    while more {
      let key = try self.key(base: base, table: &table)
      let start = position
      do throws(JSONFault) { try field(key, &self) } catch { throw error.inside(key: key.text) }
      precondition(position > start, "the value of \(key.text) was not read")
      more = try separator(closing: JSONByte.closeBrace)
    }
    while seen.count > base { seen.removeLast() }
    depth -= 1
  }

  /// Reads an array: `element` is called for each element and must read it or throw.
  package mutating func array(_ element: (inout JSONReader) throws(JSONFault) -> Void) throws(JSONFault) {
    try open(JSONByte.openBracket, "an array")
    var count = 0
    var more = try !close(JSONByte.closeBracket)
    while more {
      guard count < limits.elements else {
        throw JSONFault(.tooManyElements, at: position, "an array may hold at most \(limits.elements) elements")
      }
      skipSpace()
      let start = position
      do throws(JSONFault) { try element(&self) } catch { throw error.inside(index: count) }
      precondition(position > start, "element \(count) was not read")
      count += 1
      more = try separator(closing: JSONByte.closeBracket)
    }
    depth -= 1
  }

  /// Reads an array whose elements `element` makes.
  package mutating func list<T>(_ element: (inout JSONReader) throws(JSONFault) -> T) throws(JSONFault) -> [T] {
    var items: [T] = []
    try array { (reader) throws(JSONFault) in items.append(try element(&reader)) }
    return items
  }

  /// Reads `true` or `false`.
  package mutating func bool() throws(JSONFault) -> Bool {
    if try literal("true") { return true }
    if try literal("false") { return false }
    throw wrongType("true or false")
  }

  /// Reads `null` if that comes next and says so; anything else stays unread.
  package mutating func null() throws(JSONFault) -> Bool { try literal("null") }

  /// Reads `null` as nil and anything else with `read`.
  package mutating func optional<T>(_ read: (inout JSONReader) throws(JSONFault) -> T) throws(JSONFault) -> T? {
    if try null() { return nil }
    return try read(&self)
  }

  /// What comes next, without reading it.
  package mutating func next() throws(JSONFault) -> Kind {
    skipSpace()
    guard let kind = kindHere else { throw wrongType("a value") }
    return kind
  }

  /// Checks that nothing but white space is left.
  package mutating func end() throws(JSONFault) {
    skipSpace()
    guard position == bytes.count else {
      throw JSONFault(.trailingBytes, at: position, "nothing may follow the end of the document")
    }
  }

  // MARK: - Picking

  /// Visits the members of an object that somebody trusted has written, for whoever wants few of them: `field` reads a
  /// value and says so, or it is passed over. Nobody asks whether a key comes twice.
  package mutating func pick(_ field: (JSONKey, inout JSONReader) throws(JSONFault) -> Bool) throws(JSONFault) {
    try open(JSONByte.openBrace, "an object")
    var more = try !close(JSONByte.closeBrace)
    while more {
      skipSpace()
      guard position < bytes.count else { throw endedEarly("a key") }
      guard bytes[position] == JSONByte.quote else { throw unexpected("expected a key in double quotes") }
      let token = try stringToken()
      let key = JSONKey(content: content(of: token), offset: token.offset)
      try expectColon()
      if try !field(key, &self) { try skip() }
      more = try separator(closing: JSONByte.closeBrace)
    }
    depth -= 1
  }

  /// Passes over what comes next; of objects and arrays it finds the end and no more.
  package mutating func skip() throws(JSONFault) {
    switch try next() {
    case .string: _ = try stringToken()
    case .number: _ = try numberToken()
    case .bool: _ = try bool()
    case .null: guard try null() else { throw wrongType("null") }
    case .object, .array:
      var open = 0
      repeat {
        guard position < bytes.count else { throw endedEarly("a closing bracket") }
        switch bytes[position] {
        case JSONByte.quote:
          _ = try stringToken()
          continue
        case JSONByte.openBrace, JSONByte.openBracket: open += 1
        case JSONByte.closeBrace, JSONByte.closeBracket: open -= 1
        default: break
        }
        position += 1
      } while open > 0
    }
  }

  // MARK: - Faults that only the caller can know

  /// The fault for a key that the caller does not know.
  package func unknownField(_ key: JSONKey) -> JSONFault {
    JSONFault(.unknownField, at: key.offset, "this field is not known here")
  }

  /// The fault for a member that should have been there, raised after its object was read.
  package func missing(_ field: String) -> JSONFault {
    JSONFault(.missingField, at: position, path: field, "this field is required")
  }

  /// The fault for a value of the right type that cannot be accepted.
  package func invalid(_ message: String) -> JSONFault { JSONFault(.invalidValue, at: position, message) }

  // MARK: - Structure

  /// Reads a key and its colon; refuses one that its object has had before. Few keys are compared one by one,
  /// many are looked up in a table, so that a hostile object costs no more per byte than a harmless one.
  private mutating func key(base: Int, table: inout Set<ArraySlice<UInt8>>) throws(JSONFault) -> JSONKey {
    skipSpace()
    guard position < bytes.count else { throw endedEarly("a key") }
    guard bytes[position] == JSONByte.quote else { throw unexpected("expected a key in double quotes") }
    let token = try stringToken()
    let count = seen.count - base
    guard count < limits.keys else {
      throw JSONFault(.tooManyKeys, at: token.offset, "an object may hold at most \(limits.keys) keys")
    }
    let isNew: Bool
    if count < Self.keysComparedOneByOne {
      isNew = !(base..<seen.count).contains { same(seen[$0], token) }
    } else {
      if table.isEmpty { table = Set(seen[base...].map { content(of: $0) }) }
      isNew = table.insert(content(of: token)).inserted
    }
    let key = JSONKey(content: content(of: token), offset: token.offset)
    guard isNew else {
      throw JSONFault(.duplicateKey, at: token.offset, path: String(key.text.prefix(64)), "this key appears twice")
    }
    if seen.isEmpty { seen.reserveCapacity(Self.keysComparedOneByOne) }
    seen.append(token)
    try expectColon()
    return key
  }

  private mutating func open(_ bracket: UInt8, _ expected: StaticString) throws(JSONFault) {
    skipSpace()
    guard position < bytes.count, bytes[position] == bracket else { throw wrongType(expected) }
    guard depth < limits.depth else {
      throw JSONFault(.tooDeep, at: position, "values may be nested at most \(limits.depth) deep")
    }
    depth += 1
    position += 1
  }

  private mutating func close(_ bracket: UInt8) throws(JSONFault) -> Bool {
    skipSpace()
    guard position < bytes.count else { throw endedEarly("\(JSONByte.name(bracket))") }
    guard bytes[position] == bracket else { return false }
    position += 1
    return true
  }

  /// True after a comma, false after the closing bracket.
  private mutating func separator(closing bracket: UInt8) throws(JSONFault) -> Bool {
    if try close(bracket) { return false }
    guard bytes[position] == JSONByte.comma else { throw unexpected("expected \",\" or \(JSONByte.name(bracket))") }
    position += 1
    return true
  }

  private mutating func expectColon() throws(JSONFault) {
    skipSpace()
    guard position < bytes.count else { throw endedEarly("\":\"") }
    guard bytes[position] == JSONByte.colon else { throw unexpected("expected \":\" after the key") }
    position += 1
    skipSpace()
  }

  private mutating func literal(_ word: StaticString) throws(JSONFault) -> Bool {
    skipSpace()
    guard position < bytes.count else { throw endedEarly("a value") }
    guard bytes[...].holds(word, at: position, count: word.utf8CodeUnitCount) else { return false }
    position += word.utf8CodeUnitCount
    return true
  }

  mutating func skipSpace() {
    var i = position
    while i < bytes.count, JSONByte.isSpace(bytes[i]) { i += 1 }
    position = i
  }

  private static let keysComparedOneByOne = 16
}
