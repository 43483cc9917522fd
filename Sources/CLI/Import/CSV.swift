/// Reads comma-separated values (RFC 4180) strictly: what is not clearly meant is an error with its line.
struct CSVReader {
  /// One line of the file, or several when a quoted field holds line ends.
  struct Record: Hashable, Sendable {
    /// Where it begins, counted from 1.
    let line: Int
    let fields: [String]
  }

  /// What is wrong and where.
  struct Fault: Error, Hashable, Sendable {
    let line: Int
    let rule: String
  }

  private let bytes: [UInt8]
  private var position = 0
  private var line = 1

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    // Spreadsheets put a byte order mark in front.
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// The next record; nil at the end. Empty lines are allowed at the end only.
  mutating func next() throws(Fault) -> Record? {
    let start = line
    var isBlank = false
    while endOfLine() { isBlank = true }
    if position == bytes.count { return nil }
    if isBlank { throw Fault(line: start, rule: "is empty; remove it") }
    var fields = [try field()]
    while position < bytes.count, bytes[position] == UInt8(ascii: ",") {
      position += 1
      fields.append(try field())
    }
    guard position == bytes.count || endOfLine() else {
      throw Fault(line: line, rule: "has a carriage return in the middle; lines end in LF or CRLF")
    }
    return Record(line: start, fields: fields)
  }

  private mutating func field() throws(Fault) -> String {
    let isQuoted = position < bytes.count && bytes[position] == UInt8(ascii: "\"")
    let raw = isQuoted ? try quoted() : try bare()
    guard let text = String(validating: raw, as: UTF8.self) else { throw Fault(line: line, rule: "is not UTF-8 text") }
    return text
  }

  private mutating func bare() throws(Fault) -> [UInt8] {
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: ","), 0x0A, 0x0D: return Array(bytes[start..<position])
      case UInt8(ascii: "\""):
        throw Fault(line: line, rule: "has a quote inside a field; quote the whole field and write \"\" for a quote")
      default: position += 1
      }
    }
    return Array(bytes[start...])
  }

  private mutating func quoted() throws(Fault) -> [UInt8] {
    let start = line
    var out: [UInt8] = []
    position += 1
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == 0x0A { line += 1 }
      guard byte == UInt8(ascii: "\"") else {
        out.append(byte)
        continue
      }
      guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
        let isEnd = position == bytes.count || [UInt8(ascii: ","), 0x0A, 0x0D].contains(bytes[position])
        if !isEnd { throw Fault(line: line, rule: "goes on behind a closing quote; write \"\" for a quote") }
        return out
      }
      out.append(byte)
      position += 1
    }
    throw Fault(line: start, rule: "opens a quote that is never closed")
  }

  private mutating func endOfLine() -> Bool {
    if position < bytes.count, bytes[position] == 0x0A {
      position += 1
    } else if position + 1 < bytes.count, bytes[position] == 0x0D, bytes[position + 1] == 0x0A {
      position += 2
    } else {
      return false
    }
    line += 1
    return true
  }
}
