internal import Config

/// The help texts, made from the table.
struct Help {
  let width: Int

  /// All commands, or those of one noun.
  func overview(of noun: CommandTable.Noun?, in table: CommandTable) -> String {
    guard let noun else { return front(table) }
    var out = noun.summary + "\n\nUsage: berth \(noun.word) VERB [flags]"
    if let alias = noun.aliases.first { out += "   (also: berth \(alias))" }
    out += "\n\nVerbs:\n" + rows(table.commands(of: noun).map { ($0.words[1], $0.summary) })
    return out + "\n`berth \(noun.word) VERB --help` shows arguments, flags and examples.\n"
  }

  private func front(_ table: CommandTable) -> String {
    let singles = table.commands.filter { $0.words.count == 1 }.map { ($0.name, $0.summary) }
    let nouns = table.nouns.map { noun in
      (noun.word, noun.summary + " " + table.commands(of: noun).map { $0.words[1] }.joined(separator: ", ") + ".")
    }
    return """
      Berth hands out IP addresses and never gives one to two owners.

      Usage: berth COMMAND [arguments] [flags]

      Nouns, each with verbs:
      \(rows(nouns))
      Commands:
      \(rows(singles))
      Start with `berth serve`, then `berth ip allocate vm-1`.
      `berth COMMAND --help` shows arguments, flags and examples.

      """
  }

  /// Everything about one command.
  func text(of command: Command) -> String {
    var out = wrapped(command.summary, indent: 0) + "\nUsage: \(command.synopsis)\n"
    if !command.details.isEmpty { out += "\n" + wrapped(command.details, indent: 0) }
    if !command.positionals.isEmpty {
      out += "\nArguments:\n" + rows(command.positionals.map { ($0.name, $0.help) })
    }
    if !command.ownFlags.isEmpty { out += "\nFlags:\n" + FlagTable(command.ownFlags).help(width: width) }
    out += "\nCommon flags:\n" + FlagTable(command.commonFlags).help(width: width)
    out += "\nExamples:\n"
    for example in command.examples { out += "  # \(example.comment)\n  \(example.line)\n" }
    return out
  }

  /// Two columns, the second one wrapped.
  private func rows(_ pairs: [(name: String, text: String)]) -> String {
    let column = (pairs.map(\.name.count).max() ?? 0) + 4
    return pairs.map { name, text in
      let lines = wrapped(text, indent: column)
      return "  " + name + lines.dropFirst(name.count + 2)
    }.joined()
  }

  /// Lines of at most `width` columns where words allow, each behind `indent` spaces.
  private func wrapped(_ text: String, indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { paragraph in
      var lines: [String] = []
      var line = ""
      for word in paragraph.split(separator: " ") {
        if !line.isEmpty, indent + line.count + 1 + word.count > width {
          lines.append(margin + line)
          line = ""
        }
        line += (line.isEmpty ? "" : " ") + word
      }
      return (lines + [margin + line]).joined(separator: "\n") + "\n"
    }.joined()
  }
}
