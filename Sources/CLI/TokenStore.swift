internal import APITypes
internal import Config

/// Where the command line finds its token, without one ever standing in its arguments or variables.
///
/// In turn: the file of `--token-file`; what `berth login` kept for these servers; and, when all servers are on this
/// machine, the one-time token in the data directory. A file of kept tokens has one line for each: the token, then the
/// servers it is for. So a token goes to the server it was kept for and to no other.
struct TokenStore {
  private let environment: [String: String]

  init(_ environment: [String: String]) { self.environment = environment }

  /// The file of kept tokens; nil when nobody says where home is.
  var path: String? {
    if let base = environment["XDG_CONFIG_HOME"], base.hasPrefix("/") { return base + "/berth/token" }
    guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
    return home + "/.config/berth/token"
  }

  /// The token for these servers, if there is one.
  func token(_ file: String?, for servers: [String], _ io: CommandIO) throws(Failure) -> String? {
    if let file {
      guard let bytes = try read(file, io) else {
        throw .usage("there is no file \(file)", "--token-file or BERTH_TOKEN_FILE names it")
      }
      let token = TokenStore.first(in: bytes)
      if let flaw = TokenText.flaw(in: token) { throw .usage("\(file): \(flaw)") }
      return token
    }
    if let path, let bytes = try read(path, io) {
      let lines = TokenStore.lines(String(decoding: bytes, as: UTF8.self))
      if let kept = lines.first(where: { line in servers.allSatisfy { line.dropFirst().contains($0) } }) {
        return kept[0]
      }
    }
    guard servers.allSatisfy(TokenStore.isHere) else { return nil }
    let oneTime = (environment["BERTH_DATA_DIR"] ?? "./berth-data") + "/admin.token"
    // Not being allowed to look is no fault: the server says what it wants.
    guard let bytes = try? io.readSecret(oneTime) else { return nil }
    let token = TokenStore.first(in: bytes)
    return TokenText.flaw(in: token) == nil ? token : nil
  }

  private func read(_ path: String, _ io: CommandIO) throws(Failure) -> [UInt8]? {
    do throws(CommandIO.FileUnreadable) { return try io.readSecret(path) } catch {
      throw .usage(error.reason, "until then no command can show who you are")
    }
  }

  /// The file's new text: `token` for `servers`, and for the others what was there.
  static func keeping(_ token: String, for servers: [String], in text: String) -> String {
    let others = lines(text).compactMap { line -> [String]? in
      let rest = line.dropFirst().filter { !servers.contains($0) }
      return rest.isEmpty || line[0] == token ? nil : [line[0]] + rest
    }
    let mine = lines(text).first { $0[0] == token }.map { $0.dropFirst().filter { !servers.contains($0) } } ?? []
    return ([[token] + mine + servers] + others).map { $0.joined(separator: " ") + "\n" }.joined()
  }

  private static func lines(_ text: String) -> [[String]] {
    text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }.filter { !$0.isEmpty }
  }

  /// The first word of a file.
  private static func first(in bytes: [UInt8]) -> String {
    lines(String(decoding: bytes, as: UTF8.self)).first?.first ?? ""
  }

  /// Whether a server's name says that it is on this machine.
  static func isHere(_ server: String) -> Bool {
    var host = server[...]
    for scheme in ["http://", "https://"] where host.hasPrefix(scheme) { host = host.dropFirst(scheme.count) }
    if host.hasPrefix("unix:") { return true }
    if host.hasPrefix("[") { return host.hasPrefix("[::1]") }
    let name = host.prefix { $0 != ":" && $0 != "/" }
    return name == "localhost" || name.hasPrefix("127.") && name.allSatisfy { $0 == "." || $0.isNumber }
  }
}
