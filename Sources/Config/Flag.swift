/// One flag of a command.
package struct Flag: Hashable, Sendable {
  /// Without dashes: `data-dir`.
  package let name: String
  /// The letter after a single dash.
  package let letter: Character?
  /// What the help calls the value, `HOST:PORT`; nil for a flag that is only there or not.
  package let value: String?
  /// Whether it may be given several times.
  package let repeats: Bool
  /// One sentence.
  package let help: String

  /// Makes a flag; names are lower-case words joined by dashes.
  package init(
    _ name: String, letter: Character? = nil, value: String? = nil, repeats: Bool = false, help: String
  ) {
    precondition(
      !name.isEmpty && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 },
      "'\(name)' is no flag name")
    precondition(!(repeats && value == nil), "flag \(name) repeats without a value")
    self.name = name
    self.letter = letter
    self.value = value
    self.repeats = repeats
    self.help = help
  }

  /// `-p, --port PORT`
  var synopsis: String {
    (letter.map { "-\($0), " } ?? "    ") + "--\(name)" + (value.map { " \($0)" } ?? "")
  }
}

/// What `FlagTable.parse` found.
package struct Arguments: Hashable, Sendable {
  /// The values of each flag in order; a flag without a value has `true` or `false`.
  fileprivate(set) var values: [String: [String]] = [:]
  /// What was no flag, in order.
  package fileprivate(set) var positional: [String] = []

  /// The value of a flag that does not repeat.
  package subscript(flag: String) -> String? { values[flag]?.last }

  /// All values of a flag that repeats.
  package func all(_ flag: String) -> [String] { values[flag] ?? [] }

  /// Whether a flag without a value was given and not `=false`.
  package func has(_ flag: String) -> Bool { values[flag]?.last == "true" }
}

/// The flags of one command.
package struct FlagTable: Sendable {
  /// In the order of the help text.
  package let flags: [Flag]
  private let byName: [String: Flag]

  /// Takes flags with distinct names and letters.
  package init(_ flags: [Flag]) {
    let letters = flags.compactMap(\.letter)
    precondition(Set(letters).count == letters.count, "a letter twice among \(flags.map(\.name))")
    self.flags = flags
    byName = Dictionary(flags.map { ($0.name, $0) }) { _, twice in preconditionFailure("flag \(twice.name) twice") }
  }

  /// Reads `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-d`, and after `--` nothing but positional arguments.
  package func parse(_ words: some Sequence<String>) throws(ConfigFault) -> Arguments {
    var found = Arguments()
    var rest = Array(words)[...]
    while let word = rest.popFirst() {
      if word == "--" {
        found.positional += rest
        break
      }
      guard word.hasPrefix("-"), word != "-" else {
        found.positional.append(word)
        continue
      }
      let (flag, attached) = try resolve(word)
      let value = try value(of: flag, attached, &rest)
      guard flag.repeats || found.values[flag.name] == nil else {
        throw ConfigFault("--\(flag.name)", "may be given once", remedy: "leave one out")
      }
      found.values[flag.name, default: []].append(value)
    }
    return found
  }

  /// The flag that a word with dashes names, and what stands behind its `=`.
  private func resolve(_ word: String) throws(ConfigFault) -> (flag: Flag, attached: String?) {
    if word.hasPrefix("--") {
      let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      if let flag = byName[name] { return (flag, parts.count > 1 ? String(parts[1]) : nil) }
      let near = suggestion(for: name, among: flags.map(\.name))
      throw ConfigFault(
        "--\(name)", "is no flag of this command", remedy: near.map { "did you mean --\($0)?" } ?? "--help lists them")
    }
    let letter = word[word.index(after: word.startIndex)]
    guard let flag = flags.first(where: { $0.letter == letter }) else {
      throw ConfigFault("-\(letter)", "is no flag of this command", remedy: "--help lists them")
    }
    guard word.count == 2 else {
      let example = flag.value.map { "-\(letter) \($0)" } ?? "-\(letter)"
      throw ConfigFault(word, "joins a letter with something else", remedy: "write \(example), and each flag by itself")
    }
    return (flag, nil)
  }

  private func value(
    of flag: Flag, _ attached: String?, _ rest: inout ArraySlice<String>
  ) throws(ConfigFault) -> String {
    guard let name = flag.value else {
      guard let attached else { return "true" }
      guard attached == "true" || attached == "false" else {
        throw ConfigFault("--\(flag.name)", "is true or false, not '\(attached)'", remedy: "write --\(flag.name) alone")
      }
      return attached
    }
    if let attached { return attached }
    guard let next = rest.first else {
      throw ConfigFault("--\(flag.name)", "needs a value", remedy: "write --\(flag.name) \(name)")
    }
    guard !next.hasPrefix("-") || next == "-" else {
      throw ConfigFault(
        "--\(flag.name)", "needs a value, and '\(next)' looks like a flag",
        remedy: "write --\(flag.name)=\(next) if it is the value")
    }
    rest.removeFirst()
    return next
  }

  /// The help lines of all flags, each line at most `width` columns where words allow.
  package func help(width: Int = 100) -> String {
    let column = min(34, (flags.map { $0.synopsis.count }.max() ?? 0) + 4)
    return flags.map { flag in
      var lines: [String] = []
      var line = "  " + flag.synopsis
      if line.count + 2 > column {
        lines.append(line)
        line = ""
      }
      line += String(repeating: " ", count: column - line.count)
      for word in flag.help.split(separator: " ") {
        if line.count + 1 + word.count > width, line.count > column {
          lines.append(line)
          line = String(repeating: " ", count: column)
        }
        line += (line.count > column ? " " : "") + word
      }
      return (lines + [line]).joined(separator: "\n") + "\n"
    }.joined()
  }
}
