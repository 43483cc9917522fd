internal import APITypes
internal import Client
internal import Config
internal import Wire

/// Who may come in.
let tokenCommands: [Command] = [
  Command(
    "token create", "Make a token and print it, this once.",
    details: """
      Roles: viewer looks, operator also allocates, pool-admin also changes pools, auditor also sees tokens, agent is a \
      VM host, cluster-admin may everything. The first token ends access without one. With --out the token goes into a \
      file for its owner alone and nowhere else.
      """,
    flags: [
      Flag("role", value: "ROLE", help: "viewer, operator, pool-admin, auditor, agent or cluster-admin."),
      Flag(
        "enrol", value: "AGENT",
        help: "Only for getting this agent's certificate, once (`berth cert enrol`). Default --expires: 1h; 7d at most."
      ),
      Flag("tenant", value: "TENANT", help: "Only for this tenant."),
      Flag("pool", value: "POOL", help: "Only for this pool."),
      Flag("description", value: "TEXT", help: "What it is for."),
      Flag("expires", value: "TIME", help: "How long it lives: 12h, 30d, or never. Default: 90d."),
      Flag("out", value: "FILE", help: "Write the token into this file instead of printing it."), CommonFlag.dryRun
    ],
    examples: [
      Example("berth token create --role cluster-admin", "the first one, for yourself"),
      Example("berth token create --role operator --tenant acme --out acme.token", "for a pipeline of one tenant"),
      Example("berth token create --role viewer --expires 7d", "for a guest"),
      Example("berth token create --enrol host-7 --out host-7.token", "for one machine to get its certificate with")
    ], action: createToken),
  Command(
    "token list", "List tokens; their secrets are not kept anywhere.",
    examples: [Example("berth token list", "who may come in, and until when")]
  ) { run throws(Failure) in
    try run.printer.show(Pages(run.connect(), run.call(.get, "tokens")), .token, onlyOne: false)
    return .ok
  },
  Command(
    "token revoke", "End a token at once.",
    [Positional("ID", "The public half: what `berth token list` shows. Never the whole token.")], place: .destructive,
    flags: [CommonFlag.dryRun], examples: [Example("berth token revoke abcdefghijklmnop", "what it opened is closed")]
  ) { run throws(Failure) in
    let id = run.needed(0)
    guard !id.hasPrefix(TokenText.prefix) else {
      throw .usage(
        "this is a token, or the beginning of one, and now others may have seen it on the command line",
        "revoke it by its id, the 16 characters behind \(TokenText.prefix)")
    }
    try run.confirm("end token \(id)")
    return try run.show(run.call(.delete, "tokens", id), name: "id")
  },
  Command(
    "login", "Keep a token for the servers of --server.",
    details: """
      Reads the token from the terminal, which does not show it, or from the standard input; never from the command \
      line, where others can see it. The server is asked whose it is, and then it is kept, for this server alone, in \
      ~/.config/berth/token.
      """,
    place: .login,
    examples: [
      Example("berth login", "asks for the token"),
      Example("berth login --server berth.example:8080", "for a server elsewhere")
    ], action: logIn)
]

extension Shape {
  static let token = Shape(
    fields: [
      Field("ID", "id"), Field("ROLE", "role"), Field("TENANT", "tenant"), Field("POOL", "pool"),
      Field("EXPIRES") { token in token["expires_at"]?.string ?? "never" }, Field("MADE BY", "created_by"),
      Field("ONE TIME") { token in
        guard let agent = token["enrols"]?.string else { return token["one_time"]?.bool == true ? "yes" : "" }
        return token["used"]?.bool == true ? "enrolled \(agent)" : "enrols \(agent)"
      }, Field("DESCRIPTION", "description")
    ], name: "id")
}

private func createToken(_ run: Invocation) throws(Failure) -> ExitCode {
  guard run["role"] != nil || run["enrol"] != nil else {
    throw .usage("a token needs a role", "--role viewer, for example")
  }
  var body = Body(run.arguments)
  body.text("enrols", "enrol")
  for name in ["role", "tenant", "pool", "description"] { body.text(name, name) }
  if run["expires"] == "never" {
    body.set("expires_in_seconds", .null)
  } else {
    try body.seconds("expires_in_seconds", "expires")
  }
  let answer = try run.send(run.call(.post, "tokens", body: body))
  let made: JSONValue
  do throws(ClientFault) { made = try answer.value() } catch { throw Failure(error) }
  if run.has("dry-run") {
    run.printer.show(made, name: "id")
    return .ok
  }
  guard let token = made["token"]?.string else {
    // A repeat after a lost answer: the token is there, and nobody knows it.
    throw Failure(
      .refused, "the token was made, but the answer with its secret got lost",
      hints: ["`berth token revoke \(cellText(made.at("id")))`, and make another"])
  }
  if let path = run["out"] {
    do throws(CommandIO.FileUnreadable) {
      try run.io.writeSecret(path, Array((token + "\n").utf8))
    } catch {
      throw Failure(
        .refused, "the token was made and could not be kept: \(error.reason)",
        hints: ["`berth token revoke \(cellText(made.at("id")))`, and make another"])
    }
    run.io.remark("token \(cellText(made.at("id"))) is in \(printable(path)), for its owner alone")
    return .ok
  }
  switch run.printer.format {
  case .table:
    run.io.print(token + "\n")
    run.io.remark("this is shown once: keep it, for example with `berth login`")
  default: run.printer.show(made, name: "token")
  }
  return .ok
}

private func logIn(_ run: Invocation) throws(Failure) -> ExitCode {
  if run.io.inputIsTerminal { run.io.err(Array("Token (not shown): ".utf8)) }
  let line = run.io.readSecretLine()
  if run.io.inputIsTerminal { run.io.remark("") }
  let token = String((line ?? "").filter { !$0.isWhitespace })
  guard !token.isEmpty else { throw .usage("no token was typed", "`berth token create` makes one") }
  if let flaw = TokenText.flaw(in: token) { throw .usage(flaw) }
  let answer: Answer
  do throws(ClientFault) {
    answer = try run.connect(with: token).send(run.call(.get, "whoami"))
  } catch { throw Failure(error) }
  let me: JSONValue
  do throws(ClientFault) { me = try answer.value() } catch { throw Failure(error) }
  let store = TokenStore(run.environment)
  guard let path = store.path else {
    throw Failure(.refused, "there is no place to keep it: neither HOME nor XDG_CONFIG_HOME is set")
  }
  do throws(CommandIO.FileUnreadable) {
    let before = try run.io.readSecret(path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let text = TokenStore.keeping(token, for: run.serverNames, in: before)
    try run.io.writeSecret(path, Array(text.utf8))
  } catch { throw Failure(.refused, "the token could not be kept: \(error.reason)") }
  if !run.isPrivate {
    run.io.remark("warning: the connection is not encrypted, and whoever listens on the way has read the token")
  }
  let who = "\(cellText(me.at("role"))) (\(cellText(me.at("principal"))))"
  run.io.remark("you are \(printable(who)) at \(run.serverNames.joined(separator: ", ")); kept in \(path)")
  return .ok
}
