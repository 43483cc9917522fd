internal import Config

/// All commands, in the order of the help.
struct CommandTable: Sendable {
  /// A first word with a sentence; its commands follow in the table.
  struct Noun: Sendable {
    let word: String
    let summary: String
    let aliases: [String]
  }

  /// What a line of words stands for.
  enum Found {
    /// A noun without a verb, or nothing at all.
    case overview(Noun?)
    case help(Command)
    case command(Command, [String])
  }

  let nouns: [Noun]
  let commands: [Command]

  static let standard = CommandTable(
    nouns: [
      Noun(word: "pool", summary: "Pools of addresses.", aliases: ["ip-pool"]),
      Noun(word: "ip", summary: "Addresses and who has them.", aliases: []),
      Noun(word: "vm", summary: "Virtual machines: what is wanted, where it is, and why.", aliases: []),
      Noun(word: "node", summary: "The hosts that carry VMs.", aliases: []),
      Noun(word: "tenant", summary: "Who has what, and how much at most.", aliases: []),
      Noun(word: "capacity", summary: "Room on nodes that is kept for a tenant.", aliases: []),
      Noun(word: "cost", summary: "What VMs cost.", aliases: []),
      Noun(word: "plan", summary: "What would happen if.", aliases: []),
      Noun(word: "cluster", summary: "The nodes, their leader, and etcd.", aliases: []),
      Noun(word: "token", summary: "Tokens: who may come in.", aliases: []),
      Noun(word: "cert", summary: "Certificates for those who have no CA.", aliases: []),
      Noun(word: "config", summary: "Settings and where they come from.", aliases: []),
      Noun(word: "log", summary: "The log of a stopped Berth.", aliases: [])
    ],
    commands: [serveCommand, agentCommand] + poolCommands + poolStateCommands + poolViewCommands + addressCommands
      + addressReadCommands + vmCommands + vmActionCommands + nodeCommands + nodeStateCommands + tenantCommands
      + capacityCommands + costCommands + planCommands + inventoryCommands + tokenCommands + certificateCommands
      + clusterCommands
      + machineCommands)

  func commands(of noun: Noun) -> [Command] { commands.filter { $0.words.count > 1 && $0.words[0] == noun.word } }

  /// Flags with a value that may stand before the noun.
  private static let leading = ClientSettings.table.flags + [Command.yes, Flag("help", letter: "h", help: "Help.")]

  func find(_ arguments: [String]) throws(Failure) -> Found {
    // What follows the name of a container image is often flags alone, and they are those of the server.
    if ServeSettings.begin(arguments) { return .command(serveCommand, arguments) }
    var rest = arguments[...]
    let early = takeLeadingFlags(&rest)
    guard let first = rest.popFirst() else {
      if early.isEmpty || early.contains("--help") || early.contains("-h") { return .overview(nil) }
      throw .usage("there is no command", "`berth help` lists them")
    }
    if first == "help", rest.first?.hasPrefix("-") != true { return try help(Array(rest)) }
    if let noun = nouns.first(where: { $0.word == first || $0.aliases.contains(first) }) {
      guard let verb = rest.first, !["--help", "-h", "help"].contains(verb) else { return .overview(noun) }
      rest.removeFirst()
      return .command(try command(of: noun, verb), Array(rest) + early)
    }
    guard let command = commands.first(where: { $0.words == [first] }) else { throw unknown(first) }
    return .command(command, Array(rest) + early)
  }

  /// `berth help pool create`
  private func help(_ words: [String]) throws(Failure) -> Found {
    guard let first = words.first else { return .overview(nil) }
    if let noun = nouns.first(where: { $0.word == first || $0.aliases.contains(first) }) {
      return words.count == 1 ? .overview(noun) : .help(try command(of: noun, words[1]))
    }
    guard let command = commands.first(where: { $0.words == [first] }) else { throw unknown(first) }
    return .help(command)
  }

  private func command(of noun: Noun, _ verb: String) throws(Failure) -> Command {
    let all = commands(of: noun)
    if let command = all.first(where: { $0.words[1] == verb }) { return command }
    let near = suggestion(for: verb, among: all.map { $0.words[1] })
    throw .usage(
      "`berth \(noun.word)` has no '\(verb)'",
      near.map { "did you mean `berth \(noun.word) \($0)`?" } ?? "`berth \(noun.word) --help` lists what it has")
  }

  private func unknown(_ word: String) -> Failure {
    let words = nouns.map(\.word) + commands.filter { $0.words.count == 1 }.map(\.name) + ["help"]
    let near = suggestion(for: word, among: words)
    return .usage(
      "'\(word)' is no command of berth", near.map { "did you mean `berth \($0)`?" } ?? "`berth help` lists them")
  }

  /// Takes the flags that every command knows from in front of the noun, to be read with those behind it.
  private func takeLeadingFlags(_ rest: inout ArraySlice<String>) -> [String] {
    var taken: [String] = []
    while let word = rest.first, word.hasPrefix("-"), word.count > 1 {
      let name = word.drop { $0 == "-" }.prefix { $0 != "=" }
      let flag = Self.leading.first { $0.name == name || String($0.letter ?? "-") == name }
      taken.append(rest.removeFirst())
      if flag?.value != nil, !word.contains("="), let value = rest.popFirst() { taken.append(value) }
    }
    return taken
  }
}
