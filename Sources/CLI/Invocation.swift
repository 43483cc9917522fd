internal import Client
internal import Config
internal import Platform
internal import Wire

/// One run of one command: what was typed, checked, and the ways in and out.
struct Invocation: Sendable {
  let command: Command
  let arguments: Arguments
  let environment: [String: String]
  let handlers: Handlers
  let io: CommandIO
  let printer: Printer
  private let client: Client?
  private let token: String?
  private let tls: TLSContext?
  private let servers: [ServerAddress]
  /// The servers as they were named.
  let serverNames: [String]

  init(
    _ command: Command, _ arguments: Arguments, _ environment: [String: String], _ handlers: Handlers, _ io: CommandIO
  ) throws(Failure) {
    (self.command, self.arguments, self.environment) = (command, arguments, environment)
    (self.handlers, self.io) = (handlers, io)
    var format = OutputFormat.table
    var servers: [ServerAddress] = []
    var names: [String] = []
    var token: String?
    var tls: TLSContext?
    if command.flags.contains(where: { $0.name == "output" }) {
      let settings: Settings
      do throws(ConfigFaults) {
        settings = try ClientSettings.table.resolve(arguments, environment: environment)
      } catch { throw Failure(error) }
      format = settings.text("output").flatMap(OutputFormat.init) ?? .table
      names = settings.list("server")
      for text in names {
        do throws(ServerAddress.Fault) { servers.append(try ServerAddress(text)) } catch {
          throw .usage("the server '\(text)' \(error.rule)", "it comes from \(settings.origin(of: "server"))")
        }
      }
      if command.place != .login {
        token = try TokenStore(environment).token(settings.text("token_file"), for: names, io)
      }
      if servers.contains(where: \.isEncrypted) { tls = try Self.encryption(settings) }
    }
    (self.servers, serverNames) = (servers, names)
    (self.token, self.tls) = (token, tls)
    // Nothing is connected before the first call.
    client = servers.isEmpty ? nil : Client(servers, token: token, tls: tls, pause: io.pause)
    printer = Printer(format, io, Style(isOn: io.outputIsTerminal && Style.isWanted(environment)))
  }

  private static func encryption(_ settings: Settings) throws(Failure) -> TLSContext {
    let (certificate, key) = (settings.text("cert"), settings.text("key"))
    guard (certificate == nil) == (key == nil) else {
      throw .usage("a certificate needs its key, and a key its certificate", "give both --cert and --key")
    }
    let own = certificate.flatMap { certificate in key.map { TLSFiles(certificate: certificate, key: $0) } }
    do throws(TLSFault) { return try .client(authorities: settings.text("ca"), own: own) } catch {
      throw .usage(error.sentence, "--ca, --cert and --key name files in PEM")
    }
  }

  /// The way to Berth; each run of a command has one.
  func connect() -> Client {
    guard let client else { preconditionFailure("\(command.name) is declared as local") }
    return client
  }

  /// The same way with another patience, and so many connections.
  func connect(_ policy: RetryPolicy, connections: Int) -> Client {
    Client(servers, token: token, policy: policy, tls: tls, connections: connections)
  }

  /// The same way with another token.
  func connect(with token: String) -> Client { Client(servers, token: token, tls: tls, pause: io.pause) }

  /// Whether everything goes over TLS or stays on this machine.
  var isPrivate: Bool {
    zip(servers, serverNames).allSatisfy { server, name in server.isEncrypted || TokenStore.isHere(name) }
  }

  /// The positional argument at `index`; nil when it is optional and was left out.
  subscript(index: Int) -> String? { index < arguments.positional.count ? arguments.positional[index] : nil }

  /// The positional argument at `index`, which the table declares as needed.
  func needed(_ index: Int) -> String { arguments.positional[index] }

  /// The value of a flag.
  subscript(flag: String) -> String? { arguments[flag] }

  /// Whether a flag without a value was given.
  func has(_ flag: String) -> Bool { arguments.has(flag) }

  /// Sends one call.
  func send(_ call: Call) throws(Failure) -> Answer {
    do throws(ClientFault) { return try connect().send(call) } catch { throw Failure(error) }
  }

  /// Asks before something is destroyed: `--yes`, or yes on the terminal.
  func confirm(_ deed: String) throws(Failure) {
    if has("yes") || has("dry-run") { return }
    guard io.inputIsTerminal, io.errorIsTerminal else {
      throw .usage("this would \(deed), and nobody can be asked here", "add --yes if that is what you want")
    }
    io.err(Array("This will \(printable(deed)). Type yes to go on: ".utf8))
    guard io.readLine() == "yes" else { throw Failure(.refused, "nothing was done") }
  }
}
