/// The kinds of value that the file may hold.
enum TOMLValue: Hashable, Sendable {
  /// `"text"` or `'text'`
  case string(String)
  /// `42`
  case integer(Int64)
  /// `true`
  case boolean(Bool)
  /// `["a", "b"]`
  case array([String])
}

extension TOMLValue: CustomStringConvertible {
  /// As one would write it.
  var description: String {
    switch self {
    case .string(let text): "\"\(text)\""
    case .integer(let number): "\(number)"
    case .boolean(let flag): "\(flag)"
    case .array(let texts): "[" + texts.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
    }
  }
}

/// One `key = value` of the file.
struct TOMLEntry: Hashable, Sendable {
  /// With its table: `tls.certificate`.
  let key: String
  /// The value.
  let value: TOMLValue
  /// Counted from 1.
  let line: Int
}

/// Reads our part of TOML: tables, strings on one line, whole numbers, booleans, arrays of strings, comments.
struct TOMLReader {
  /// A longer file is not a configuration.
  static let bytesMax = 1 << 20

  private let name: String
  private var rest: ArraySlice<UInt8>
  private var line = 1

  private init(_ text: String, name: String) {
    self.name = name
    rest = Array(text.utf8)[...]
  }

  /// All entries in order; `name` is the file's name in errors.
  static func read(_ text: String, name: String) throws(ConfigFault) -> [TOMLEntry] {
    guard text.utf8.count <= bytesMax else {
      throw ConfigFault(name, "is longer than \(bytesMax) bytes", remedy: "is it the right file?")
    }
    var reader = TOMLReader(text, name: name)
    return try reader.entries()
  }

  private mutating func entries() throws(ConfigFault) -> [TOMLEntry] {
    var entries: [TOMLEntry] = []
    var lines: [String: Int] = [:]
    var table = ""
    skipBlank()
    while let byte = rest.first {
      if byte == UInt8(ascii: "[") {
        table = try header()
        try note("[\(table)]", at: line, in: &lines)
        table += "."
      } else {
        let start = line
        let key = table + (try assignedKey())
        try note(key, at: start, in: &lines)
        entries.append(TOMLEntry(key: key, value: try value(), line: start))
      }
      try endOfLine()
      skipBlank()
    }
    return entries
  }

  private func note(_ key: String, at line: Int, in lines: inout [String: Int]) throws(ConfigFault) {
    if let before = lines.updateValue(line, forKey: key) {
      throw fault("\(key) was given in line \(before) already", "leave one out")
    }
  }

  private mutating func header() throws(ConfigFault) -> String {
    rest.removeFirst()
    if rest.first == UInt8(ascii: "[") { throw fault("arrays of tables are not read here", "write one [table]") }
    var name = try word()
    while take(".") { name += "." + (try word()) }
    guard take("]") else { throw fault("a table's name must end in ]", "write [name]") }
    return name
  }

  private mutating func assignedKey() throws(ConfigFault) -> String {
    let key = try word()
    skipSpaces()
    if rest.first == UInt8(ascii: ".") { throw fault("dotted keys are not read here", "write [\(key)] above it") }
    guard take("=") else { throw fault("after \(key) there must be = and a value", "write \(key) = ...") }
    skipSpaces()
    return key
  }

  /// A bare key.
  private mutating func word() throws(ConfigFault) -> String {
    let bytes = rest.prefix {
      (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == UInt8(ascii: "_")
        || $0 == UInt8(ascii: "-")
    }
    guard !bytes.isEmpty else { throw fault("a key has letters, digits, _ and -", "quoted keys are not read here") }
    rest = rest.dropFirst(bytes.count)
    return String(decoding: bytes, as: UTF8.self)
  }

  private mutating func value() throws(ConfigFault) -> TOMLValue {
    switch rest.first {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try string())
    case UInt8(ascii: "["): return .array(try array())
    case UInt8(ascii: "{"): throw fault("inline tables are not read here", "write a [table]")
    default: break
    }
    let bytes = rest.prefix { $0 > 0x20 && $0 != UInt8(ascii: "#") }
    let text = String(decoding: bytes, as: UTF8.self)
    rest = rest.dropFirst(bytes.count)
    if text == "true" || text == "false" { return .boolean(text == "true") }
    let digits = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
    if let number = Int64(text), digits.first != UInt8(ascii: "0") || digits.count == 1 { return .integer(number) }
    throw fault(
      text.isEmpty ? "there is no value" : "\(text) is no string, whole number, boolean or array",
      "put text in quotes: \"\(text)\"")
  }

  private mutating func array() throws(ConfigFault) -> [String] {
    rest.removeFirst()
    var texts: [String] = []
    while true {
      skipBlank()
      if take("]") { return texts }
      guard rest.first == UInt8(ascii: "\"") || rest.first == UInt8(ascii: "'") else {
        throw fault("an array holds strings and ends in ]", "write [\"a\", \"b\"]")
      }
      texts.append(try string())
      skipBlank()
      if !take(","), rest.first != UInt8(ascii: "]") {
        throw fault("between strings there must be ,", "write [\"a\", \"b\"]")
      }
    }
  }

  private mutating func string() throws(ConfigFault) -> String {
    let quote = rest.removeFirst()
    if rest.starts(with: [quote, quote]) {
      throw fault("strings over several lines are not read here", "write one line")
    }
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      if byte == quote { return String(decoding: text, as: UTF8.self) }
      if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
        text += try escape().utf8
      } else if byte < 0x20 && byte != 0x09 || byte == 0x7F {
        throw fault("a string ends on its line and has no control characters", "close the quote, or write \\n")
      } else {
        text.append(byte)
      }
    }
    throw fault("a string has no end", "close the quote")
  }

  private mutating func escape() throws(ConfigFault) -> String {
    let letter = rest.popFirst()
    switch letter {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "u"), UInt8(ascii: "U"):
      let digits = rest.prefix(letter == UInt8(ascii: "u") ? 4 : 8)
      let isHex = digits.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
      if isHex, let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16), let scalar = UnicodeScalar(code)
      {
        rest = rest.dropFirst(digits.count)
        return String(scalar)
      }
    default: break
    }
    throw fault("a string holds an unknown \\ escape", "write \\\\ for a backslash, or use '...'")
  }

  private mutating func endOfLine() throws(ConfigFault) {
    skipSpaces()
    skipComment()
    if rest.isEmpty || rest.first == 0x0A || rest.starts(with: [0x0D, 0x0A]) { return }
    throw fault("something stands behind the value", "one key = value per line")
  }

  /// Spaces, comments and line ends.
  private mutating func skipBlank() {
    while true {
      skipSpaces()
      skipComment()
      if rest.starts(with: [0x0D, 0x0A]) { rest.removeFirst() }
      guard rest.first == 0x0A else { return }
      rest.removeFirst()
      line += 1
    }
  }

  private mutating func skipSpaces() { rest = rest.drop { $0 == 0x20 || $0 == 0x09 } }

  private mutating func skipComment() {
    if rest.first == UInt8(ascii: "#") { rest = rest.drop { $0 != 0x0A } }
  }

  private mutating func take(_ character: Character) -> Bool {
    skipSpaces()
    guard rest.first == character.asciiValue else { return false }
    rest.removeFirst()
    return true
  }

  private func fault(_ rule: String, _ remedy: String) -> ConfigFault {
    ConfigFault("\(name):\(line):", rule, remedy: remedy)
  }
}
