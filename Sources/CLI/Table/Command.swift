internal import Config

/// An argument without dashes.
struct Positional: Sendable {
  /// What a shell can offer for it.
  enum Offer: Hashable, Sendable {
    case nothing
    case pools
    case nodes
    case vms
    case files
    case words([String])
  }

  let name: String
  let isOptional: Bool
  let help: String
  let offer: Offer

  init(_ name: String, isOptional: Bool = false, offer: Offer = .nothing, _ help: String) {
    (self.name, self.isOptional, self.offer, self.help) = (name, isOptional, offer, help)
  }

  var synopsis: String { isOptional ? "[\(name)]" : name }
}

/// A line to try, with what it does.
struct Example: Sendable {
  let line: String
  let comment: String

  init(_ line: String, _ comment: String) { (self.line, self.comment) = (line, comment) }
}

/// What a command needs of the world.
enum Place: Hashable, Sendable {
  /// A running Berth: takes `--server` and `-o`.
  case server
  /// As `server`, and it brings a token of its own.
  case login
  /// As `server`, and it destroys something: takes `--yes` too.
  case destructive
  /// Nothing but this machine.
  case local
}

/// One entry of the table.
struct Command: Sendable {
  typealias Action = @Sendable (Invocation) throws(Failure) -> ExitCode

  /// Noun and verb, or a single word.
  let words: [String]
  let summary: String
  /// Further paragraphs of the help.
  let details: String
  let positionals: [Positional]
  let place: Place
  let ownFlags: [Flag]
  let examples: [Example]
  let action: Action

  init(
    _ words: String, _ summary: String, details: String = "", _ positionals: [Positional] = [],
    place: Place = .server, flags: [Flag] = [], examples: [Example], action: @escaping Action
  ) {
    self.words = words.split(separator: " ").map(String.init)
    (self.summary, self.details, self.positionals) = (summary, details, positionals)
    (self.place, ownFlags, self.examples, self.action) = (place, flags, examples, action)
  }

  var name: String { words.joined(separator: " ") }

  /// The flags that come with the place.
  var commonFlags: [Flag] {
    let help = [Flag("help", letter: "h", help: "Show this help.")]
    return switch place {
    case .server, .login: ClientSettings.table.flags + help
    case .destructive: ClientSettings.table.flags + [Self.yes] + help
    case .local: help
    }
  }

  static let yes = Flag("yes", letter: "y", help: "Do not ask before something is destroyed.")

  var flags: [Flag] { ownFlags + commonFlags }

  var synopsis: String {
    (["berth"] + words + positionals.map(\.synopsis) + ["[flags]"]).joined(separator: " ")
  }

  /// Checks flags and the number of arguments.
  func parse(_ words: [String]) throws(Failure) -> Arguments {
    let found: Arguments
    do throws(ConfigFault) { found = try FlagTable(flags).parse(words) } catch { throw Failure(error) }
    if found.has("help") { return found }
    let needed = positionals.filter { !$0.isOptional }
    if found.positional.count < needed.count {
      let missing = needed[found.positional.count]
      throw .usage("`berth \(name)` needs \(missing.name): \(missing.help)", "usage: \(synopsis)")
    }
    if found.positional.count > positionals.count {
      throw .usage("'\(found.positional[positionals.count])' is one argument too many", "usage: \(synopsis)")
    }
    return found
  }
}
