/// What a setting takes.
package enum SettingKind: Hashable, Sendable {
  /// Any text but the empty one.
  case text
  /// True or false.
  case boolean
  /// A whole number in a range.
  case integer(ClosedRange<Int64>)
  /// A length of time in a range: `5s`, `1h30m`.
  case duration(ClosedRange<Duration>)
  /// A number of bytes in a range: `1MiB`.
  case size(ClosedRange<Int64>)
  /// One of these words.
  case choice([String])
  /// Several texts: an array in the file, separated by commas elsewhere.
  case list
}

/// The checked value of a setting.
package enum SettingValue: Hashable, Sendable {
  /// Of `text` and `choice`.
  case text(String)
  /// Of `boolean`.
  case boolean(Bool)
  /// Of `integer`.
  case integer(Int64)
  /// Of `duration`.
  case duration(Duration)
  /// Of `size`, in bytes.
  case size(Int64)
  /// Of `list`.
  case list([String])
}

extension SettingValue: CustomStringConvertible {
  /// As one would write it in a flag.
  package var description: String {
    switch self {
    case .text(let text): text
    case .boolean(let flag): "\(flag)"
    case .integer(let number): "\(number)"
    case .duration(let duration): describe(duration)
    case .size(let bytes): describe(bytes: bytes)
    case .list(let texts): texts.joined(separator: ",")
    }
  }
}

/// One thing that can be configured; its flag and its environment variable are named after its key in the file.
package struct Setting: Sendable {
  /// The key in the file, with its table: `data_dir`, `tls.certificate`.
  package let key: String
  /// What it takes.
  package let kind: SettingKind
  /// The value when nobody says anything; nil means that there is none.
  package let fallback: SettingValue?
  /// Whether its value must not be shown.
  package let isSecret: Bool
  /// Its flag: `--data-dir`, `--tls-certificate`.
  package let flag: Flag

  /// Makes a setting; `value` is what the help calls its value.
  package init(
    _ key: String, _ kind: SettingKind, letter: Character? = nil, value: String? = nil,
    default fallback: SettingValue? = nil,
    isSecret: Bool = false, help: String
  ) {
    self.key = key
    self.kind = kind
    self.fallback = fallback
    self.isSecret = isSecret
    let name = String(key.map { $0 == "_" || $0 == "." ? "-" : $0 })
    let variable = Setting.variable(name)
    let defaultText = fallback.map { $0 == .boolean(false) ? "" : " Default: \($0)." } ?? ""
    flag = Flag(
      name, letter: letter, value: kind == .boolean ? nil : value ?? kind.placeholder, repeats: kind == .list,
      help: "\(help)\(defaultText) [\(variable)]")
  }

  /// Its environment variable: `BERTH_DATA_DIR`.
  package var variable: String { Setting.variable(flag.name) }

  private static func variable(_ flagName: String) -> String {
    "BERTH_" + String(flagName.map { $0 == "-" ? "_" : $0 }).uppercased()
  }

  /// The value that text from a flag or a variable stands for, or the rule that it breaks.
  func value(of text: String) -> Result<SettingValue, Broken> {
    let value: SettingValue? =
      switch kind {
      case .text: text.isEmpty ? nil : .text(text)
      case .boolean: words[text].map(SettingValue.boolean)
      case .integer: Int64(text).map(SettingValue.integer)
      case .duration: parseDuration(text).map(SettingValue.duration)
      case .size: parseSize(text).map(SettingValue.size)
      case .choice: .text(text)
      case .list: .list(text.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
      }
    return value.flatMap(checked).map { .success($0) } ?? .failure(Broken(found: "'\(text)'"))
  }

  /// The value that a value in the file stands for; strings may not stand for numbers or truth there.
  func value(of value: TOMLValue) -> Result<SettingValue, Broken> {
    let taken: SettingValue? =
      switch (kind, value) {
      case (.boolean, .boolean(let flag)): .boolean(flag)
      case (.integer, .integer(let number)): .integer(number)
      case (.size, .integer(let number)): .size(number)
      case (.list, .array(let texts)): .list(texts)
      case (.text, .string(let text)) where !text.isEmpty: .text(text)
      case (.choice, .string(let text)): .text(text)
      case (.duration, .string(let text)): parseDuration(text).map(SettingValue.duration)
      case (.size, .string(let text)): parseSize(text).map(SettingValue.size)
      default: nil
      }
    return taken.flatMap(checked).map { .success($0) } ?? .failure(Broken(found: "\(value)"))
  }

  /// What was found where something else is taken.
  struct Broken: Error {
    let found: String
  }

  /// The value if it is in the range or among the choices.
  private func checked(_ value: SettingValue) -> SettingValue? {
    let isLegal =
      switch (kind, value) {
      case (.integer(let range), .integer(let number)): range.contains(number)
      case (.duration(let range), .duration(let duration)): range.contains(duration)
      case (.size(let range), .size(let bytes)): range.contains(bytes)
      case (.choice(let choices), .text(let text)): choices.contains(text)
      case (.list, .list(let texts)): texts.allSatisfy { !$0.isEmpty }
      default: true
      }
    return isLegal ? value : nil
  }
}

extension SettingKind {
  /// The rule in words.
  var rule: String {
    switch self {
    case .text: "takes a text that is not empty"
    case .boolean: "takes true or false"
    case .integer(let range): "takes a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .duration(let range):
      "takes a time from \(describe(range.lowerBound)) to \(describe(range.upperBound)), such as 90s or 1h30m"
    case .size(let range):
      "takes a size from \(describe(bytes: range.lowerBound)) to \(describe(bytes: range.upperBound)), such as 64MiB"
    case .choice(let words): "takes one of \(words.joined(separator: ", "))"
    case .list: "takes texts that are not empty"
    }
  }

  fileprivate var placeholder: String {
    switch self {
    case .text, .boolean: "TEXT"
    case .integer: "N"
    case .duration: "TIME"
    case .size: "SIZE"
    case .choice(let words): words.joined(separator: "|")
    case .list: "A,B,..."
    }
  }
}

private let words = [
  "true": true, "1": true, "yes": true, "on": true, "false": false, "0": false, "no": false, "off": false
]
