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
  private var wantsComma = false
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
    key.withUTF8Buffer { unsafe appendQuoted($0) }
    endKey()
  }

  /// Writes the key of the next member.
  package mutating func key(_ key: String) {
    beginKey()
    quoted(key)
    endKey()
  }

  /// Writes a string.
  package mutating func string(_ text: String) {
    beginValue()
    quoted(text)
  }

  /// Writes an integer of any width.
  package mutating func number(_ value: some FixedWidthInteger) {
    beginValue()
    if let small = Int64(exactly: value) {
      digits(small.magnitude, isNegative: small < 0)
    } else {
      append(String(value))
    }
  }

  /// Writes a number that stands as text in JSON's own grammar, such as an integer of 128 bits.
  package mutating func number(text: String) {
    precondition(JSONReader.isNumber(text), "\(text) is not a JSON number")
    beginValue()
    append(text)
  }

  /// Writes a double, which must be finite, as the shortest text that reads back the same.
  package mutating func number(_ value: Double) {
    precondition(value.isFinite, "JSON has no \(value)")
    beginValue()
    append(value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)")
  }

  /// Writes `true` or `false`.
  package mutating func bool(_ value: Bool) {
    beginValue()
    if value { append("true") } else { append("false") }
  }

  /// Writes `null`.
  package mutating func null() {
    beginValue()
    append("null")
  }

  /// Writes bytes that are a JSON value already.
  package mutating func raw(_ value: [UInt8]) {
    beginValue()
    out.append(contentsOf: value)
  }

  /// The document; nothing may be open.
  package consuming func finish() -> [UInt8] {
    precondition(depth == 0 && wantsComma, "the JSON document is not complete")
    return out
  }

  /// How many bytes are written so far, for callers who must stay below a limit.
  package var count: Int { out.count }

  // MARK: - Structure

  private var isInObject: Bool { depth > 0 && nesting & 1 == 1 }

  private mutating func open(_ bracket: UInt8, isObject: Bool) {
    precondition(depth < JSONLimits.deepest, "JSON nesting is limited to \(JSONLimits.deepest)")
    beginValue()
    out.append(bracket)
    nesting = nesting << 1 | (isObject ? 1 : 0)
    depth += 1
    wantsComma = false
  }

  private mutating func close(_ bracket: UInt8, isObject: Bool) {
    precondition(depth > 0 && isInObject == isObject && !hasKey, "this bracket closes nothing")
    nesting >>= 1
    depth -= 1
    if indented, wantsComma { newLine() }
    out.append(bracket)
    wantsComma = true
  }

  private mutating func beginKey() {
    precondition(isInObject && !hasKey, "a key belongs into an object, before a value")
    separate()
  }

  private mutating func endKey() {
    out.append(JSONByte.colon)
    if indented { out.append(0x20) }
    hasKey = true
  }

  private mutating func beginValue() {
    if hasKey {
      hasKey = false
    } else {
      precondition(!isInObject && (depth > 0 || !wantsComma), "a value needs a key in an object, and stands alone")
      if depth > 0 { separate() }
    }
    wantsComma = true
  }

  private mutating func separate() {
    if wantsComma { out.append(JSONByte.comma) }
    if indented { newLine() }
  }

  private mutating func newLine() {
    out.append(0x0A)
    for _ in 0..<(2 * depth) { out.append(0x20) }
  }

  // MARK: - Bytes

  private mutating func append(_ text: String) { out.append(contentsOf: text.utf8) }

  private mutating func quoted(_ text: String) {
    var text = text
    text.withUTF8 { unsafe appendQuoted($0) }
  }

  /// Copies whole runs; only quotes, backslashes and control characters interrupt one.
  private mutating func appendQuoted(_ text: UnsafeBufferPointer<UInt8>) {
    out.append(JSONByte.quote)
    var run = 0
    for i in text.indices {
      let byte = unsafe text[i]
      guard byte < 0x20 || byte == JSONByte.quote || byte == JSONByte.backslash else { continue }
      unsafe out.append(contentsOf: text[run..<i])
      escape(byte)
      run = i + 1
    }
    unsafe out.append(contentsOf: UnsafeBufferPointer(rebasing: text[run...]))
    out.append(JSONByte.quote)
  }

  private mutating func escape(_ byte: UInt8) {
    out.append(JSONByte.backslash)
    switch byte {
    case JSONByte.quote, JSONByte.backslash: out.append(byte)
    case 0x0A: out.append(JSONByte.lowerN)
    case 0x0D: out.append(JSONByte.lowerR)
    case 0x09: out.append(JSONByte.lowerT)
    default:
      append("u00")
      append(byte < 0x10 ? "0" : "")
      append(String(byte, radix: 16))
    }
  }

  private mutating func digits(_ magnitude: UInt64, isNegative: Bool) {
    if isNegative { out.append(JSONByte.minus) }
    let start = out.count
    var rest = magnitude
    repeat {
      out.append(JSONByte.zero + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    out[start...].reverse()
  }
}
