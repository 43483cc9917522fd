/// Colours of a terminal, or none.
struct Style: Sendable {
  let isOn: Bool

  /// Whether colours are welcome where they can be shown (no-color.org).
  static func isWanted(_ environment: [String: String]) -> Bool {
    (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
  }

  func red(_ text: String) -> String { paint(text, "31") }
  func yellow(_ text: String) -> String { paint(text, "33") }
  func green(_ text: String) -> String { paint(text, "32") }
  func bold(_ text: String) -> String { paint(text, "1") }

  private func paint(_ text: String, _ code: String) -> String { isOn ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}

/// Text from elsewhere without what would command the terminal: control characters become `?`.
func printable(_ text: String) -> String {
  String(
    String.UnicodeScalarView(
      text.unicodeScalars.map { $0.properties.generalCategory.isHarmless ? $0 : "?" }))
}

extension Unicode.GeneralCategory {
  /// Neither a control character nor one that turns the direction of the text or splits lines.
  fileprivate var isHarmless: Bool {
    switch self {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
    default: true
    }
  }
}

/// The columns that a character takes: two for East Asian wide ones and pictures.
func textWidth(_ character: Character) -> Int {
  guard let scalar = character.unicodeScalars.first else { return 0 }
  switch scalar.value {
  case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
    0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F9FF, 0x20000...0x3FFFD:
    return 2
  default: return 1
  }
}

/// The columns that a text takes.
func textWidth(_ text: String) -> Int { text.reduce(0) { $0 + textWidth($1) } }
