import Domain

/// Tokens: made and ended, never changed. Both commands are structural: they see every other one.
extension Ledger {
  func createToken(_ request: TokenRequest, _ context: Context, actor: String) throws(Rejection) -> Decided {
    let maker = try maker(of: request)
    try check(request)
    let token = Token(
      id: request.id, hash: request.hash, role: request.role, scope: request.scope, note: request.note,
      createdAt: context.time, expiresAt: request.lifetimeSeconds.map { context.time + LogTime($0) * 1_000_000 },
      createdBy: actor, isOneTime: request.isOneTime, revision: context.revision)
    var effects: [Effect] = [.put(.token(token))]
    var spent = false
    // The first administrator's token takes the place of the one that came with the start.
    if let maker, maker.isOneTime, token.isAdmin {
      effects.append(.delete(.token(maker)))
      spent = true
    }
    return Decided(outcome: .token(token, spent: spent), kind: .tokenCreated, effects: effects)
  }

  /// The token of whoever asks, looked at once more: it may have been spent or revoked since the request came in.
  private func maker(of request: TokenRequest) throws(Rejection) -> Token? {
    switch request.creator {
    case .system, .certificate: return nil
    case .anonymous:
      guard tables.tokenCount == 0 else {
        throw Rejection(.creatorIsGone, "there is a token now: from here on it takes one to make another")
      }
      return nil
    case .token(let id):
      guard case .token(let token) = row(.token(id)) else {
        throw Rejection(.creatorIsGone, "the token of this request has just been revoked")
      }
      return token
    }
  }

  private func check(_ request: TokenRequest) throws(Rejection) {
    if row(.token(request.id)) != nil { throw Rejection(.tokenExists, "token \(request.id) exists: ask again") }
    guard tables.tokenCount < Limits.tokens else {
      throw Rejection(.tooManyTokens, "there are \(Limits.tokens) tokens, the most Berth keeps: revoke some first")
    }
    guard request.note.utf8.count <= Limits.noteBytes else {
      throw .invalid("description", "at most \(Limits.noteBytes) bytes")
    }
    if let seconds = request.lifetimeSeconds, !(1...Limits.maxSeconds).contains(seconds) {
      throw .invalid("expires_in_seconds", "must be 1 to \(Limits.maxSeconds) (ten years), or null for never")
    }
    if request.role == .clusterAdmin, request.scope != .global {
      throw .invalid("role", "cluster-admin is for everything: leave `tenant` and `pool` out")
    }
    if case .pool(let name) = request.scope { _ = try pool(name) }
    guard tables.tokenCount > 0 || request.role == .clusterAdmin else {
      throw Rejection(
        .firstTokenIsAdmin,
        "the first token ends access without one, so it must be an administrator's: make one of role cluster-admin first",
        field: "role")
    }
  }

  func revokeToken(_ id: TokenID) throws(Rejection) -> Decided {
    guard case .token(let token) = row(.token(id)) else {
      throw Rejection(.tokenNotFound, "there is no token \(id): `berth token list` shows those there are", field: "id")
    }
    return Decided(outcome: .tokenRevoked(token), kind: .tokenRevoked, effects: [.delete(.token(token))])
  }
}
