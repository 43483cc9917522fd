/// Writes a JSON document piece by piece; commas, escapes and indentation are its business.
///
/// The order of calls is the order of the bytes. A document that could not be read back (a value without a key in
/// an object, an array that is not closed) is a bug of the caller and stops the program.
package struct JSONWriter {
  private var out: [UInt8]
  private let indented: Bool
  /// The open objects (1) and arrays (0), innermost in the lowest bit.
  private var nesting: UInt64 = 0
  private var depth = 0
  /// Whether a comma must precede the next key or element.
  private var comma = false
  private var hasKey = false

  /// Starts an empty document with room for about `capacity` bytes.
  package init(capacity: Int = 192, indented: Bool = false) {
    out = []
    out.reserveCapacity(capacity)
    self.indented = indented
  }

  /// Opens an object.
  package mutating func beginObject() { open(JSONByte.openBrace, isObject: true) }

  /// Closes the innermost object.
  package mutating func endObject() { close(JSONByte.closeBrace, isObject: true) }

  /// Opens an array.
  package mutating func beginArray() { open(JSONByte.openBracket, isObject: false) }

  /// Closes the innermost array.
  package mutating func endArray() { close(JSONByte.closeBracket, isObject: false) }

  /// Writes the key of the next member; it must need no escaping.
  package mutating func key(_ key: StaticString) {
    beginKey()
    key.withUTF8Buffer { text in
      unsafe assert(JSONEscape.isPlain(text), "\(key) needs escaping")
      write(text.count + 3) { span in
        unsafe JSONEscape.appendPlain(text, to: &span)
        span.append(JSONByte.colon)
      }
    }
    endKey()
  }

  /// Writes the key of the next member.
  package mutating func key(_ key: String) {
    beginKey()
    quoted(key)
    out.append(JSONByte.colon)
    endKey()
  }

  /// Writes a string.
  package mutating func string(_ text: String) {
    beginValue()
    quoted(text)
    comma = true
  }

  /// Writes a member with a string, `null` for nil.
  package mutating func field(_ key: StaticString, _ text: String?) {
    guard let text else { return fieldNull(key) }
    guard !indented else {
      self.key(key)
      return string(text)
    }
    // Nearly all of nearly every answer: key and value in one append.
    beginKey()
    let isWritten = key.withUTF8Buffer { key in
      unsafe text.utf8Span.span.withUnsafeBufferPointer { value in
        guard unsafe JSONEscape.isPlain(value) else { return false }
        write(key.count + value.count + 5) { span in
          unsafe JSONEscape.appendPlain(key, to: &span)
          span.append(JSONByte.colon)
          unsafe JSONEscape.appendPlain(value, to: &span)
        }
        return true
      }
    }
    guard !isWritten else { return comma = true }
    self.key(key)
    string(text)
  }

  /// Writes a member whose value `body` appends, which must be JSON of at most `room` bytes.
  package mutating func field(_ key: StaticString, room: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
    guard !indented else {
      self.key(key)
      return value(room: room, body)
    }
    beginKey()
    key.withUTF8Buffer { key in
      write(key.count + room + 3) { span in
        unsafe JSONEscape.appendPlain(key, to: &span)
        span.append(JSONByte.colon)
        body(&span)
      }
    }
    comma = true
  }

  /// Writes a value that `body` appends, which must be JSON of at most `room` bytes.
  package mutating func value(room: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
    beginValue()
    write(room, body)
    comma = true
  }

  /// Writes an integer of any width.
  package mutating func number(_ value: some FixedWidthInteger) {
    guard let small = Int64(exactly: value) else { return plain(String(value)) }
    self.value(room: 20) { JSONWriter.append(small, to: &$0) }
  }

  /// Writes a number that stands as text in JSON's own grammar, such as an integer of 128 bits.
  package mutating func number(text: String) {
    precondition(JSONReader.isNumber(text), "\(text) is not a JSON number")
    plain(text)
  }

  /// Writes a double, which must be finite, as the shortest text that reads back the same.
  package mutating func number(_ value: Double) {
    precondition(value.isFinite, "JSON has no \(value)")
    plain(value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)")
  }

  /// Writes `true` or `false`.
  package mutating func bool(_ value: Bool) { plain(value ? "true" : "false") }

  /// Writes `null`.
  package mutating func null() { plain("null") }

  /// Writes bytes that are a JSON value already.
  package mutating func raw(_ value: [UInt8]) {
    beginValue()
    if comma { out.append(JSONByte.comma) }
    out.append(contentsOf: value)
    comma = true
  }

  /// The document; nothing may be open any more.
  package consuming func finish() -> [UInt8] {
    precondition(depth == 0 && comma, "the JSON document is not complete")
    return out
  }

  /// How many bytes are written so far, for callers who must stay below a limit.
  package var count: Int { out.count }

  // MARK: - Structure

  private var isInObject: Bool { depth > 0 && nesting & 1 == 1 }

  private mutating func open(_ bracket: UInt8, isObject: Bool) {
    precondition(depth < JSONLimits.deepest, "JSON nesting is limited to \(JSONLimits.deepest)")
    beginValue()
    write(1) { $0.append(bracket) }
    nesting = nesting << 1 | (isObject ? 1 : 0)
    depth += 1
    comma = false
  }

  private mutating func close(_ bracket: UInt8, isObject: Bool) {
    precondition(depth > 0 && isInObject == isObject && !hasKey, "this bracket closes nothing")
    nesting >>= 1
    depth -= 1
    if indented, comma { newLine() }
    out.append(bracket)
    comma = true
  }

  private mutating func beginKey() {
    precondition(isInObject && !hasKey, "a key belongs into an object, before a value")
    if indented { breakLine() }
  }

  private mutating func endKey() {
    if indented { out.append(0x20) }
    hasKey = true
    comma = false
  }

  private mutating func beginValue() {
    precondition(hasKey || (!isInObject && (depth > 0 || !comma)), "a value needs a key in an object, and stands alone")
    if indented, !hasKey, depth > 0 { breakLine() }
    hasKey = false
  }

  private mutating func breakLine() {
    if comma { out.append(JSONByte.comma) }
    comma = false
    newLine()
  }

  private mutating func newLine() {
    out.append(0x0A)
    for _ in 0..<(2 * depth) { out.append(0x20) }
  }

  // MARK: - Bytes

  /// Appends the comma that is due and what `body` appends, at most `room` bytes.
  @inline(__always)
  private mutating func write(_ room: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
    let comma = comma
    out.append(addingCapacity: room + 1) { span in
      if comma { span.append(JSONByte.comma) }
      body(&span)
    }
  }

  private mutating func plain(_ text: String) {
    beginValue()
    unsafe text.utf8Span.span.withUnsafeBufferPointer { bytes in
      write(bytes.count) { span in unsafe JSONEscape.append(bytes, to: &span) }
    }
    comma = true
  }

  private mutating func quoted(_ text: String) {
    unsafe text.utf8Span.span.withUnsafeBufferPointer { bytes in
      if unsafe JSONEscape.isPlain(bytes) {
        write(bytes.count + 2) { span in unsafe JSONEscape.appendPlain(bytes, to: &span) }
      } else {
        let room = unsafe JSONEscape.escapedCount(bytes) + 2
        write(room) { span in unsafe JSONEscape.appendEscaped(bytes, to: &span) }
      }
    }
  }

  /// Appends an integer, which has at most 20 bytes.
  static func append(_ number: Int64, to span: inout OutputSpan<UInt8>) {
    if number < 0 { span.append(JSONByte.minus) }
    let magnitude = number.magnitude
    var unit: UInt64 = 1
    while magnitude / unit >= 10 { unit *= 10 }
    while unit > 0 {
      span.append(JSONByte.zero + UInt8(truncatingIfNeeded: magnitude / unit % 10))
      unit /= 10
    }
  }
}
