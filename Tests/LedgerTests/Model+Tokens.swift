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
    if request.enrols != nil, request.role != .agent || !isGlobal || request.lifetimeSeconds == nil {
      throw Refused(code: .invalidField)
    }
    if case .pool(let name) = request.scope { _ = try pool(name) }
    if tokens.isEmpty, request.role != .clusterAdmin { throw Refused(code: .firstTokenIsAdmin) }
    let token = Token(
      id: request.id, hash: request.hash, role: request.role, scope: request.scope, note: request.note,
      createdAt: time, expiresAt: request.lifetimeSeconds.map { time + LogTime($0) * 1_000_000 }, createdBy: actor,
      isOneTime: request.isOneTime, enrolment: request.enrols.map { Enrolment(agent: $0) }, revision: revision)
    tokens[token.id] = token
    guard let maker, maker.isOneTime, request.role == .clusterAdmin else { return (token, false) }
    tokens[maker.id] = nil
    return (token, true)
  }

  mutating func enrol(
    _ request: EnrolRequest, _ revision: Revision, _ time: LogTime
  ) throws(Refused) -> (token: Token, isNew: Bool) {
    guard let token = tokens[request.token], let enrolment = token.enrolment, time < token.expiresAt! else {
      throw Refused(code: .creatorIsGone)
    }
    if let made = enrolment.made {
      guard made.key == request.made.key else { throw Refused(code: .enrolmentUsed) }
      return (token, false)
    }
    let used = token.enrolled(request.made, revision: revision)
    tokens[token.id] = used
    return (used, true)
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

  mutating func enrolling() -> Command {
    let known = model.tokens.values.filter { $0.enrolment != nil }.map(\.id).min()
    if known == nil ? !oneIn(9) : oneIn(6) {
      // The first token of all is an administrator's, which enrols nobody.
      let enrols = model.tokens.isEmpty ? nil : NodeName(trusted: "h\(number(1...3))")
      let role: Role = enrols == nil ? .clusterAdmin : oneIn(9) ? .viewer : .agent
      return .createToken(
        TokenRequest(
          id: tokenID(), hash: TokenHash(high: 1, low: 2), role: role, scope: .global, note: "",
          lifetimeSeconds: oneIn(9) ? nil : 90, enrols: enrols, creator: .system))
    }
    let key = TokenHash(high: 3, low: UInt128(number(1...2)))
    return .enrol(
      EnrolRequest(
        token: oneIn(4) ? tokenID() : known ?? tokenID(),
        made: Enrolment.Made(key: key, certificate: "pem \(number(1...9))")))
  }

  mutating func revokingToken() -> Command { .revokeToken(tokenID()) }
}
