internal import Client
internal import Config
internal import Wire

private let dataDirectory = Flag("data-dir", value: "DIR", help: "Where the log lives. Default: ./berth-data.")

/// What concerns this program, this machine, and the health of a server.
let machineCommands: [Command] = [
  Command(
    "config show", "Show all settings and, with --origin, where each comes from.", place: .local,
    flags: [
      ServeSettings.configFile, Flag("origin", help: "Say where each value comes from."), ClientSettings.localOutput
    ],
    examples: [Example("berth config show --origin --config berth.toml", "what `berth serve` would use, and why")],
    action: showConfig),
  Command(
    "doctor", "Look whether a Berth is well, and say what to do if not.",
    flags: [
      Flag("confirm-time", help: "Say that the clock is right: ends a held clock and held expiries.")
    ],
    examples: [
      Example("berth doctor", "exit code 7 if something needs you"),
      Example("berth doctor --confirm-time", "after a jump of the clock was looked at")
    ], action: examine),
  Command(
    "check", "Check a data directory while no server runs on it.", place: .local,
    flags: [dataDirectory, Flag("rebuild", help: "Make derived files anew."), ClientSettings.localOutput],
    examples: [Example("berth check --data-dir ./berth-data", "exit code 7 if something is wrong")]
  ) { run throws(Failure) in
    let options = CheckOptions(
      dataDirectory: run.dataDirectory, rebuild: run.has("rebuild"), json: run.printer.format == .json)
    return run.ended(run.handlers.check(options, run.io))
  },
  Command(
    "log dump", "Print the log of a data directory.", place: .local,
    flags: [
      dataDirectory, Flag("since", value: "REVISION", help: "Entries behind this revision."),
      Flag("limit", value: "N", help: "At most N entries."), ClientSettings.localOutput
    ],
    examples: [Example("berth log dump --since 100 -o json", "each entry as a line of JSON")]
  ) { run throws(Failure) in
    let options = LogDumpOptions(
      dataDirectory: run.dataDirectory, since: try run.number("since"), limit: try run.number("limit"),
      json: run.printer.format == .json)
    return run.ended(run.handlers.dumpLog(options, run.io))
  },
  Command(
    "completion", "Print a shell's completion of this command line.",
    [Positional("SHELL", offer: .words(["bash", "zsh", "fish"]), "bash, zsh or fish.")], place: .local,
    examples: [
      Example("berth completion bash > /etc/bash_completion.d/berth", "for everybody on this machine"),
      Example("source <(berth completion bash)", "for this shell")
    ]
  ) { run throws(Failure) in
    let completion = Completion(.standard)
    switch run.needed(0) {
    case "bash": run.io.print(completion.bash)
    case "zsh": run.io.print(completion.zsh)
    case "fish": run.io.print(completion.fish)
    default: throw .usage("there is no completion for '\(run.needed(0))'", "there is bash, zsh and fish")
    }
    return .ok
  },
  Command(
    "version", "Print the version of this program.", place: .local, flags: [ClientSettings.localOutput],
    examples: [Example("berth version -o json", "for a script")]
  ) { run throws(Failure) in
    guard run.printer.format != .table else {
      run.io.print("berth \(run.handlers.version)\n")
      return .ok
    }
    run.printer.show(.object([.init("version", .string(run.handlers.version))]), name: "version")
    return .ok
  },
  Command(
    "help", "Show the help of a command, or the manual page.",
    [
      Positional("NOUN", isOptional: true, "The first word of a command."),
      Positional("VERB", isOptional: true, "Its second word.")
    ],
    place: .local, flags: [Flag("man", help: "Print the manual page, for man -l.")],
    examples: [
      Example("berth help pool create", "the same as berth pool create --help"),
      Example("berth help --man | man -l -", "the manual")
    ]
  ) { run throws(Failure) in
    run.io.print(run.has("man") ? ManualPage(.standard).text : Help(width: 100).overview(of: nil, in: .standard))
    return .ok
  }
]

extension Invocation {
  fileprivate var dataDirectory: String { self["data-dir"] ?? environment["BERTH_DATA_DIR"] ?? "./berth-data" }

  fileprivate func number(_ flag: String) throws(Failure) -> UInt64? {
    guard let text = self[flag] else { return nil }
    guard let number = UInt64(text) else { throw .usage("--\(flag) takes a whole number, not '\(text)'") }
    return number
  }
}

private func showConfig(_ run: Invocation) throws(Failure) -> ExitCode {
  let serve = try ServeSettings.resolve(run)
  let client: Settings
  let nothing = try run.command.parse([])
  do throws(ConfigFaults) {
    // Without the arguments: the flag -o of this command is about this command.
    client = try ClientSettings.table.resolve(nothing, environment: run.environment)
  } catch { throw Failure(error) }
  let hasOrigin = run.has("origin")
  let items = (serve.rows + client.rows).map { row in
    var members: [JSONValue.Member] = [.init("setting", .string(row.key)), .init("value", .string(row.value))]
    if hasOrigin { members.append(.init("origin", .string("\(row.origin)"))) }
    return JSONValue.object(members)
  }
  for name in ServeSettings.unknownVariables(serve) {
    run.io.remark("warning: \(printable(name)) is set, and no setting has this name")
  }
  guard run.printer.format == .table else {
    run.printer.show(.array(items))
    return .ok
  }
  let fields = [Shape.Field("SETTING", "setting"), Shape.Field("VALUE", "value"), Shape.Field("ORIGIN", "origin")]
  run.printer.rows(items, Shape(fields: fields, name: "setting"))
  return .ok
}
