/// How much a line matters; a logger prints its own level and all more urgent ones.
package enum LogLevel: Int, Hashable, Comparable, Sendable, CaseIterable {
  /// Something was lost or refused that should not have been; somebody must look.
  case error
  /// It goes on, but not as it should.
  case warn
  /// The life of the process and one line per request.
  case info
  /// For whoever looks for a bug.
  case debug

  /// `error`, `warn`, `info` or `debug`.
  package var name: String {
    switch self {
    case .error: "error"
    case .warn: "warn"
    case .info: "info"
    case .debug: "debug"
    }
  }

  /// By its name.
  package init?(name: some StringProtocol) {
    guard let level = LogLevel.allCases.first(where: { $0.name == name }) else { return nil }
    self = level
  }

  /// The more urgent is less.
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The shape of a log line.
package enum LogFormat: String, Hashable, Sendable, CaseIterable {
  /// `2026-01-31T12:00:00.000000Z info message key=value`
  case text
  /// One JSON object per line.
  case json
}

/// A value in a log line.
package enum LogValue: Hashable, Sendable {
  /// Text, which may come from outside: it is escaped and cut.
  case text(String)
  /// A whole number.
  case number(Int64)
  /// True or false.
  case flag(Bool)
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral
{
  /// Text.
  package init(stringLiteral value: String) { self = .text(value) }
  /// A whole number.
  package init(integerLiteral value: Int64) { self = .number(value) }
  /// True or false.
  package init(booleanLiteral value: Bool) { self = .flag(value) }
}

/// Builds one line, newline included.
struct LogLine {
  /// Of a message or value no more bytes than this are printed.
  static let textBytesMax = 1_024
  /// No line has more fields.
  static let fieldsMax = 24

  private(set) var bytes: [UInt8] = []
  private let format: LogFormat

  init(
    _ format: LogFormat, microseconds: Int64, _ level: LogLevel, _ message: String,
    _ fields: KeyValuePairs<StaticString, LogValue>
  ) {
    self.format = format
    bytes.reserveCapacity(256)
    switch format {
    case .text:
      appendTimestamp(microseconds, to: &bytes)
      bytes += " \(level.name) ".utf8
      appendEscaped(message)
    case .json:
      bytes += "{\"time\":\"".utf8
      appendTimestamp(microseconds, to: &bytes)
      bytes += "\",\"level\":\"\(level.name)\",\"message\":\"".utf8
      appendEscaped(message)
      bytes.append(UInt8(ascii: "\""))
    }
    for (name, value) in fields.prefix(LogLine.fieldsMax) { append("\(name)", value) }
    if format == .json { bytes.append(UInt8(ascii: "}")) }
    bytes.append(UInt8(ascii: "\n"))
  }

  private mutating func append(_ name: String, _ value: LogValue) {
    switch format {
    case .text: bytes += " \(name)=".utf8
    case .json: bytes += ",\"\(name)\":".utf8
    }
    switch value {
    case .number(let number): bytes += "\(number)".utf8
    case .flag(let flag): bytes += (flag ? "true" : "false").utf8
    case .text(let text):
      let quoted = format == .json || needsQuotes(text)
      if quoted { bytes.append(UInt8(ascii: "\"")) }
      appendEscaped(text)
      if quoted { bytes.append(UInt8(ascii: "\"")) }
    }
  }

  private func needsQuotes(_ text: String) -> Bool {
    text.isEmpty
      || text.utf8.contains { $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "=") || $0 >= 0x7F }
  }

  /// JSON's escapes in both formats; the control characters of Latin-1 too, because terminals obey them.
  private mutating func appendEscaped(_ text: String) {
    let end = bytes.count + LogLine.textBytesMax
    for scalar in text.unicodeScalars {
      if bytes.count >= end {
        bytes += "...".utf8
        return
      }
      switch scalar.value {
      case 0x22, 0x5C: bytes += [UInt8(ascii: "\\"), UInt8(scalar.value)]
      case 0x0A: bytes += "\\n".utf8
      case 0x09: bytes += "\\t".utf8
      case ..<0x20, 0x7F...0x9F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: appendUnicodeEscape(scalar.value)
      case ..<0x7F: bytes.append(UInt8(scalar.value))
      default: bytes += UTF8.encode(scalar)!
      }
    }
  }

  private mutating func appendUnicodeEscape(_ value: UInt32) {
    bytes += "\\u".utf8
    for shift: UInt32 in [12, 8, 4, 0] {
      let digit = UInt8(value >> shift & 15)
      bytes.append(digit < 10 ? 48 + digit : 87 + digit)
    }
  }
}
