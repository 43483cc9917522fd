internal import Wire

/// A JSON document as YAML, in block style, with quotes wherever a reader of YAML could see something else than text.
func yaml(_ value: JSONValue) -> String {
  var out = ""
  write(value, indent: 0, isInLine: false, to: &out)
  return out
}

/// `isInLine`: the cursor stands behind a key or a dash.
private func write(_ value: JSONValue, indent: Int, isInLine: Bool, to out: inout String) {
  let margin = String(repeating: " ", count: indent)
  switch value {
  case .object(let members) where !members.isEmpty:
    for (index, member) in members.enumerated() {
      if index > 0 || !isInLine { out += margin }
      out += scalar(member.key) + ":"
      below(member.value, indent: indent + 2, to: &out)
    }
  case .array(let elements) where !elements.isEmpty:
    for (index, element) in elements.enumerated() {
      if index > 0 || !isInLine { out += margin }
      out += "- "
      write(element, indent: indent + 2, isInLine: true, to: &out)
    }
  default: out += (isInLine ? "" : margin) + plain(value) + "\n"
  }
}

private func below(_ value: JSONValue, indent: Int, to out: inout String) {
  if value.members?.isEmpty == false || value.elements?.isEmpty == false {
    out += "\n"
    write(value, indent: indent, isInLine: false, to: &out)
  } else {
    out += " " + plain(value) + "\n"
  }
}

private func plain(_ value: JSONValue) -> String {
  switch value {
  case .null: "null"
  case .bool(let flag): "\(flag)"
  case .number(let text): text
  case .string(let text): scalar(text)
  case .array: "[]"
  case .object: "{}"
  }
}

private let wordsOfYAML: Set<String> = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]

private func scalar(_ text: String) -> String {
  let first = text.utf8.first.map { (65...90).contains($0) || (97...122).contains($0) } ?? false
  let isPlain =
    first
    && text.utf8.allSatisfy {
      (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
        || [0x2D, 0x2E, 0x2F, 0x5F].contains($0)
    }
  if isPlain, !wordsOfYAML.contains(text.lowercased()) { return text }
  // A JSON string is a double-quoted YAML string; DEL alone is no printable character there.
  return String(decoding: JSONValue.string(text).encoded(), as: UTF8.self)
    .split(separator: "\u{7F}", omittingEmptySubsequences: false).joined(separator: "\\x7F")
}
