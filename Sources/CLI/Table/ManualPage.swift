internal import Config

/// The manual page in the language of man(7), made from the table.
struct ManualPage {
  private let table: CommandTable

  init(_ table: CommandTable) { self.table = table }

  var text: String {
    var out = """
      .TH BERTH 1
      .SH NAME
      berth \\- hands out IP addresses and never gives one to two owners
      .SH SYNOPSIS
      .B berth
      .I COMMAND
      .RI [ arguments ]
      .RI [ flags ]
      .SH COMMANDS

      """
    for command in table.commands { out += section(command) }
    out += ".SH COMMON FLAGS\nOf commands that ask a server.\n"
    for flag in ClientSettings.table.flags + [Command.yes] { out += item(flag) }
    out += ".SH EXIT STATUS\n"
    for (code, meaning) in Self.codes { out += ".TP\n.B \(code.rawValue)\n\(meaning)\n" }
    return out
  }

  /// What each exit code says.
  static let codes: [(ExitCode, String)] = [
    (.ok, "It is done."), (.refused, "Berth refused, and nothing was changed."),
    (.usage, "The command line is wrong."), (.notFound, "There is no such thing."),
    (.noServer, "No server could be asked, or none had time."), (.notAllowed, "Not allowed."),
    (.outcomeUnknown, "The request was sent, and whether it was done is not known."),
    (.differs, "A check or a dry run found something."), (.storageFailed, "The storage failed.")
  ]

  private func section(_ command: Command) -> String {
    var out = ".SS \(escaped(command.synopsis))\n\(escaped(command.summary))\n"
    if !command.details.isEmpty { out += ".PP\n\(escaped(command.details))\n" }
    for positional in command.positionals {
      out += ".TP\n.I \(escaped(positional.name))\n\(escaped(positional.help))\n"
    }
    for flag in command.ownFlags { out += item(flag) }
    for example in command.examples {
      out += ".PP\n\(escaped(example.comment)):\n.PP\n.EX\n\(escaped(example.line))\n.EE\n"
    }
    return out
  }

  private func item(_ flag: Flag) -> String {
    let letter = flag.letter.map { "\\fB\\-\($0)\\fR, " } ?? ""
    let value = flag.value.map { " \\fI\(escaped($0))\\fR" } ?? ""
    return ".TP\n\(letter)\\fB\\-\\-\(escaped(flag.name))\\fR\(value)\n\(escaped(flag.help))\n"
  }

  /// Text that roff takes for nothing else: backslashes, dashes, and dots and quotes at the start of a line.
  private func escaped(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var out = line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" : ""
      for character in line {
        switch character {
        case "\\": out += "\\e"
        case "-": out += "\\-"
        case "`", "'": out += character == "`" ? "\\(ga" : "\\(aq"
        default: out.append(character)
        }
      }
      return out
    }.joined(separator: "\n")
  }
}
