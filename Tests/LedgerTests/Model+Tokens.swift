import Domain

/// Tokens: a dictionary and the rules.
extension Model {
  mutating func create(
    _ request: TokenRequest, _ revision: Revision, _ time: LogTime, actor: String
  ) throws(Refused) -> (token: Token, spent: Bool) {
    var maker: Token?
    switch request.creator {
    case .anonymous: if !tokens.isEmpty { throw Refused(code: .creatorIsGone) }
    case .token(let id):
      guard let found = tokens[id] else { throw Refused(code: .creatorIsGone) }
      maker = found
    case .system, .certificate: break
    }
    if tokens[request.id] != nil { throw Refused(code: .tokenExists) }
    let isGlobal = request.scope == .global
    if request.note.utf8.count > 128 || request.lifetimeSeconds == 0 { throw Refused(code: .invalidField) }
    if request.role == .clusterAdmin, !isGlobal { throw Refused(code: .invalidField) }
    if case .pool(let name) = request.scope { _ = try pool(name) }
    if tokens.isEmpty, request.role != .clusterAdmin { throw Refused(code: .firstTokenIsAdmin) }
    let token = Token(
      id: request.id, hash: request.hash, role: request.role, scope: request.scope, note: request.note,
      createdAt: time, expiresAt: request.lifetimeSeconds.map { time + LogTime($0) * 1_000_000 }, createdBy: actor,
      isOneTime: request.isOneTime, revision: revision)
    tokens[token.id] = token
    guard let maker, maker.isOneTime, request.role == .clusterAdmin else { return (token, false) }
    tokens[maker.id] = nil
    return (token, true)
  }

  mutating func revoke(_ id: TokenID) throws(Refused) -> Token {
    guard let token = tokens.removeValue(forKey: id) else { throw Refused(code: .tokenNotFound) }
    return token
  }
}

extension Asking {
  private mutating func tokenID() -> TokenID { TokenID(bits: UInt128(number(1...4))) }

  mutating func creatingToken() -> Command {
    let role = oneIn(2) ? .clusterAdmin : random.pick(Role.allCases)
    let scope: Scope = oneIn(3) ? oneIn(2) ? .pool(poolName()) : .tenant(TenantName(trusted: "t2")) : .global
    let creator: TokenRequest.Creator =
      switch number(0...3) {
      case 0: .system
      case 1: .anonymous
      default: .token(tokenID())
      }
    return .createToken(
      TokenRequest(
        id: tokenID(), hash: TokenHash(high: 1, low: UInt128(number(0...9))), role: role, scope: scope,
        note: oneIn(9) ? String(repeating: "n", count: 129) : "ci",
        lifetimeSeconds: [nil, 0, 60, 90, 100][number(0...4)],
        isOneTime: oneIn(3), creator: creator))
  }

  mutating func revokingToken() -> Command { .revokeToken(tokenID()) }
}
