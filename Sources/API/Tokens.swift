internal import APITypes
package import Domain
internal import Engine
internal import HTTPServer
internal import Platform
internal import Wire

/// Who may come in.
let tokenEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/tokens", id: "listTokens", tag: "tokens", permission: .tokensRead,
    summary: "Tokens in the order of their ids, without their secrets.", query: [.limit, .cursor],
    answers: [.init(200, "A page of tokens.", .page(of: Schemas.token))], handler: listTokens),
  Endpoint(
    method: .post, pattern: "/api/v1/tokens", id: "createToken", tag: "tokens", permission: .tokensWrite,
    summary: """
      Make a token. Its secret is in this one answer and kept nowhere; a repeat under the same idempotency key tells \
      everything but the secret (`token` is null).
      """,
    body: Schemas.tokenCreate,
    answers: [
      .init(201, "The token with its secret.", Schemas.tokenCreated),
      .init(200, "What it would be (`dry_run`), without a secret.", Schemas.tokenCreated)
    ],
    refusals: [
      .init(404, "pool_not_found"), .init(409, "first_token_must_be_admin", "too_many_tokens", "token_exists")
    ],
    isCommand: true, handler: createToken),
  Endpoint(
    method: .get, pattern: "/api/v1/tokens/{id}", id: "getToken", tag: "tokens", permission: .tokensRead,
    summary: "One token, without its secret.", answers: [.init(200, "The token.", Schemas.token)],
    refusals: [.init(404, "token_not_found")], handler: getToken),
  Endpoint(
    method: .delete, pattern: "/api/v1/tokens/{id}", id: "revokeToken", tag: "tokens", permission: .tokensWrite,
    summary: "End a token at once; streams that it opened end too.",
    answers: [.init(200, "The token that is gone.", Schemas.token)], refusals: [.init(404, "token_not_found")],
    isCommand: true, handler: revokeToken),
  Endpoint(
    method: .get, pattern: "/api/v1/whoami", id: "whoami", tag: "tokens", permission: .identity,
    summary: "Who the caller is, and what it may do.", answers: [.init(200, "That.", Schemas.whoami)],
    handler: { call in whoami(call) })
]

/// A token that was just made: the only moment at which its secret exists here.
package struct FreshToken: Sendable {
  /// Its public half.
  package let id: TokenID
  /// What its secret hashes to.
  package let hash: TokenHash
  private let secret: Secret

  /// Draws an id and a secret from the kernel.
  package init() {
    id = TokenID(bits: Entropy.bytes(10).reduce(0) { $0 << 8 | UInt128($1) })
    secret = TokenText.make(id, Entropy.bytes(32))
    hash = TokenHash(of: Array(secret.text.utf8), TokenText.secretRange)
  }

  /// The whole text, for whom it was made.
  package var text: String { secret.text }

  fileprivate func secret(for token: Token) -> Secret? { token.id == id ? secret : nil }
}

@Sendable private func listTokens(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let after = try call.cursor()?.key
  let revision = call.api.engine.status.revision
  let rest = call.api.engine.tokens.all.filter { token in after.map { token.id.description > $0 } ?? true }
  let items = Array(rest.prefix(limit))
  let next = rest.count > limit ? items.last.map { Cursor($0.id.description) } : nil
  call.send(Page(items, next: next).encoded { out, token in out.token(token) }, revision: revision)
}

@Sendable private func createToken(_ call: Call) throws(Problem) {
  let body = try call.body(TokenBody.init(decoding:))
  let fresh = FreshToken()
  let isDryRun = try call.flag("dry_run")
  let request = TokenRequest(
    id: fresh.id, hash: fresh.hash, role: body.role, scope: body.scope, note: body.note,
    lifetimeSeconds: body.lifetimeSeconds, enrols: body.enrols, creator: call.principal.creator)
  try call.submit(.createToken(request)) { outcome in
    guard case .token(let token, let spent) = outcome else { unexpected(outcome) }
    if spent, !isDryRun { call.api.oneTimeTokenIsGone() }
    var out = JSONWriter()
    // A replay tells of the token that was made then, whose secret nobody has.
    out.token(token, created: .some(isDryRun ? nil : fresh.secret(for: token)))
    var answer = Rendered(status: 201, headers: [("Cache-Control", "no-store")], body: out.finish())
    if !isDryRun { answer.headers.append(("Location", "/api/v1/tokens/\(token.id)")) }
    return answer
  }
}

@Sendable private func getToken(_ call: Call) throws(Problem) {
  let id = try tokenID(call)
  guard let token = call.api.engine.tokens.token(id) else { throw .noToken }
  call.send(rendered(token).body, revision: call.api.engine.status.revision)
}

@Sendable private func revokeToken(_ call: Call) throws(Problem) {
  let id = try tokenID(call)
  let isDryRun = try call.flag("dry_run")
  try call.submit(.revokeToken(id)) { outcome in
    guard case .tokenRevoked(let token) = outcome else { unexpected(outcome) }
    if token.isOneTime, !isDryRun { call.api.oneTimeTokenIsGone() }
    return rendered(token)
  }
}

private func rendered(_ token: Token) -> Rendered {
  var out = JSONWriter()
  out.token(token)
  return Rendered(body: out.finish())
}

private func tokenID(_ call: Call) throws(Problem) -> TokenID {
  guard let id = TokenID(call.request.parameter(0)) else { throw .noToken }
  return id
}

private func whoami(_ call: Call) {
  let principal = call.principal
  var out = JSONWriter()
  out.object { out in
    out.field("principal", principal.text)
    out.field("role", principal.role?.name)
    out.scope(principal.scope)
    if case .token(let token) = principal {
      out.field("token_id", token.id.description)
      out.field("expires_at", time: token.expiresAt)
    } else {
      out.field("token_id", nil as String?)
      out.field("expires_at", time: nil)
    }
    out.key("permissions")
    out.array { out in
      for permission in Permission.allCases where principal.role.map(permission.isGranted(to:)) ?? false {
        if permission.reaches(principal.scope) { out.string(permission.rawValue) }
      }
    }
  }
  call.send(out.finish(), revision: call.api.engine.status.revision)
}

extension BerthAPI {
  /// Lets whoever keeps the one-time token's file remove it, on a thread that may wait for the disk.
  fileprivate func oneTimeTokenIsGone() {
    let security = security
    if !log.perform({ _ in security.oneTimeTokenIsGone() }) { security.oneTimeTokenIsGone() }
  }
}

extension Problem {
  /// Whatever was asked for is not repeated: it may have been a whole token.
  static let noToken = Problem(
    Rejection(
      .tokenNotFound, "there is no such token: `berth token list` shows the ids, \(TokenID.rule)", field: "id"))
}
