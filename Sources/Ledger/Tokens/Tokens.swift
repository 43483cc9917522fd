import Domain

/// Tokens: made and ended, never changed. Both commands are structural: they see every other one.
extension Ledger {
  func createToken(_ request: TokenRequest, _ context: Context, actor: String) throws(Rejection) -> Decided {
    let maker = try maker(of: request)
    let ended = request.enrols == nil ? [] : endedEnrolments(at: context.time)
    try check(request, room: ended.count)
    let token = Token(
      id: request.id, hash: request.hash, role: request.role, scope: request.scope, note: request.note,
      createdAt: context.time, expiresAt: request.lifetimeSeconds.map { context.time + LogTime($0) * 1_000_000 },
      createdBy: actor, isOneTime: request.isOneTime, enrolment: request.enrols.map { Enrolment(agent: $0) },
      revision: context.revision)
    var effects: [Effect] = [.put(.token(token))] + ended.map { .delete(.token($0)) }
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

  /// Where there is no room left, tokens of enrolment that have ended make some: a fleet leaves many of them.
  private func endedEnrolments(at time: LogTime) -> [Token] {
    guard tables.tokenCount >= Limits.tokens else { return [] }
    let ended = tables.tokens.filter { $0.enrolment != nil && $0.hasExpired(at: time) }
    return Array(ended.sorted { $0.id < $1.id }.prefix(Limits.enrolmentsForgotten))
  }

  private func check(_ request: TokenRequest, room: Int) throws(Rejection) {
    if row(.token(request.id)) != nil { throw Rejection(.tokenExists, "token \(request.id) exists: ask again") }
    guard tables.tokenCount - room < Limits.tokens else {
      throw Rejection(.tooManyTokens, "there are \(Limits.tokens) tokens, the most Berth keeps: revoke some first")
    }
    guard request.note.utf8.count <= Limits.noteBytes else {
      throw .invalid("description", "at most \(Limits.noteBytes) bytes")
    }
    if let seconds = request.lifetimeSeconds, !(1...Limits.maxSeconds).contains(seconds) {
      throw .invalid("expires_in_seconds", "must be 1 to \(Limits.maxSeconds) (ten years), or null for never")
    }
    if request.enrols != nil {
      guard request.role == .agent, request.scope == .global else {
        throw .invalid("enrols", "a token of enrolment has role agent, and neither `tenant` nor `pool`")
      }
      guard let seconds = request.lifetimeSeconds, seconds <= Limits.enrolmentSeconds else {
        throw .invalid("expires_in_seconds", "a token of enrolment lives \(Limits.enrolmentSeconds) seconds at most")
      }
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

  /// Notes the certificate that a token of enrolment was used for. The same key again gets the same certificate, since
  /// an answer may be lost on its way; any other key gets nothing.
  func enrol(_ request: EnrolRequest, _ context: Context) throws(Rejection) -> Decided {
    guard case .token(let token) = row(.token(request.token)), let enrolment = token.enrolment,
      !token.hasExpired(at: context.time)
    else { throw Rejection(.creatorIsGone, "the token of enrolment has just ended or been revoked") }
    if let made = enrolment.made {
      guard made.key.isSame(as: request.made.key) else {
        throw Rejection(
          .enrolmentUsed,
          "this token has enrolled agent \(enrolment.agent) already, with another key: make a new one"
            + " (`berth token create --enrol \(enrolment.agent)`), and if that was not you, revoke this one and look who it was"
        )
      }
      return Decided(outcome: .enrolled(token, isNew: false))
    }
    let used = token.enrolled(request.made, revision: context.revision)
    return Decided(outcome: .enrolled(used, isNew: true), kind: .agentEnrolled, effects: [.put(.token(used))])
  }

  func revokeToken(_ id: TokenID) throws(Rejection) -> Decided {
    guard case .token(let token) = row(.token(id)) else {
      throw Rejection(.tokenNotFound, "there is no token \(id): `berth token list` shows those there are", field: "id")
    }
    return Decided(outcome: .tokenRevoked(token), kind: .tokenRevoked, effects: [.delete(.token(token))])
  }
}
