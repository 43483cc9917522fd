// CLI: what a person types, and what Berth says back on a terminal.
//
// One table of commands (noun, verb, arguments, flags, summary, examples) is the only place that knows them. Parsing,
// `--help` at each level, suggestions for misspelt words, completion for three shells and the manual page are functions
// of that table, so none of them can forget a command. Adding one is an entry in the table and the function it names.
//
// A command gets an `Invocation`: its checked arguments, a client, a printer, the streams. It goes through the public
// routes and nothing else, and ends with an exit code or throws a `Failure` that knows its code, its sentence and the
// way out. What works without a server (serve, check, log dump) is declared here and done by handlers that the
// executable injects, because this room imports neither the engine nor the log.
//
// All input and output goes through `CommandIO`, a struct of closures, so tests run the whole program in-process.
// Results go to standard output, remarks and errors to standard error; colour and progress only to a terminal.
//
// Refused: interactive menus, configuration written by commands, aliases beyond `ip-pool`, abbreviations of verbs
// (a script that says `pool del` today must not mean something else tomorrow).
internal import Config

/// The command line of Berth.
package enum CLI {
  /// Runs one command and returns the exit code of the process.
  package static func run(
    arguments: [String], environment: [String: String], handlers: Handlers, io: CommandIO
  ) -> Int32 {
    do throws(Failure) {
      return try dispatch(arguments, environment, handlers, io).rawValue
    } catch {
      error.report(to: io, Style(isOn: io.errorIsTerminal && Style.isWanted(environment)))
      return error.exit.rawValue
    }
  }

  private static func dispatch(
    _ arguments: [String], _ environment: [String: String], _ handlers: Handlers, _ io: CommandIO
  ) throws(Failure) -> ExitCode {
    let help = Help(width: min(io.width ?? 100, 120))
    switch try CommandTable.standard.find(arguments) {
    case .overview(let noun):
      io.print(help.overview(of: noun, in: .standard))
      // Without a word nothing was done, and a script should notice.
      return arguments.isEmpty ? .usage : .ok
    case .help(let command):
      io.print(help.text(of: command))
      return .ok
    case .command(let command, let words):
      let parsed = try command.parse(words)
      if parsed.has("help") {
        io.print(help.text(of: command))
        return .ok
      }
      let invocation = try Invocation(command, parsed, environment, handlers, io)
      return try command.action(invocation)
    }
  }
}

/// What the process ends with.
package enum ExitCode: Int32, Sendable {
  case ok = 0
  case refused = 1
  case usage = 2
  case notFound = 3
  case noServer = 4
  case notAllowed = 5
  case outcomeUnknown = 6
  case differs = 7
  case storageFailed = 70
}
