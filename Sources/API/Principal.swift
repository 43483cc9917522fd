package import APITypes
internal import Addressing
package import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Platform

/// Who asks, once it is known.
enum Principal: Sendable {
  /// Nobody in particular, at a route that asks for nothing.
  case nobody
  /// Whoever reaches the port, while there are no tokens.
  case anonymous
  /// The holder of a token.
  case token(Token)
  /// Somebody with a certificate.
  case certificate(CertificateIdentity)

  /// As entries name the actor.
  var text: String {
    switch self {
    case .nobody: "nobody"
    case .anonymous: "anonymous"
    case .token(let token): token.actor
    case .certificate(let identity): identity.text
    }
  }

  /// As a node names whom it passes on; nil for those who bring a token of their own.
  var passedOn: String? {
    switch self {
    case .token, .nobody: nil
    case .anonymous, .certificate: text
    }
  }

  /// What it may do; nil = nothing.
  var role: Role? {
    switch self {
    case .nobody: nil
    case .anonymous: .clusterAdmin
    case .token(let token): token.role
    case .certificate(let identity): identity.role
    }
  }

  /// Whose part it takes of what all share, such as the room for bodies: a tenant's, however many tokens it has.
  var payer: String { if case .tenant(let name) = scope { "tenant \(name)" } else { text } }

  /// Where it may.
  var scope: Scope { if case .token(let token) = self { token.scope } else { .global } }

  /// Whether it is there to get an agent's certificate, and for nothing else.
  var isEnrolling: Bool { if case .token(let token) = self { token.enrolment != nil } else { false } }

  /// As the ledger wants to know it.
  var creator: TokenRequest.Creator {
    switch self {
    case .nobody, .anonymous: .anonymous
    case .token(let token): .token(token.id)
    case .certificate: .certificate
    }
  }

  /// What it may see of rows.
  var visibility: Visibility {
    let seesTokens = role.map { Permission.tokensRead.isGranted(to: $0) } ?? false
    switch self {
    case .token(let token):
      return Visibility(
        token.scope, seesTokens: seesTokens && token.scope == .global, agent: token.role == .agent ? .anyNode : nil,
        token: token.id, expiresAt: token.expiresAt)
    case .certificate(.agent(let name)): return Visibility(.global, agent: .node(name))
    case .anonymous: return Visibility(.global, seesTokens: seesTokens, isAnonymous: true)
    default: return Visibility(.global, seesTokens: seesTokens)
    }
  }
}

/// Who a client certificate says that it is.
enum CertificateIdentity: Hashable, Sendable {
  /// A node of the cluster.
  case node(NodeName)
  /// The agent of a VM host.
  case agent(NodeName)

  /// Reads the URI of a certificate's subject: `berth://node/NAME` or `berth://agent/NAME`.
  init?(uri: String) {
    guard uri.hasPrefix("berth://") else { return nil }
    self.init(text: String(uri.dropFirst(8)))
  }

  /// Reads `node/NAME` or `agent/NAME`.
  init?(text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let name = NodeName(String(parts[1])) else { return nil }
    switch parts[0] {
    case "node": self = .node(name)
    case "agent": self = .agent(name)
    default: return nil
    }
  }

  /// As entries name the actor.
  var text: String {
    switch self {
    case .node(let name): "node/\(name)"
    case .agent(let name): "agent/\(name)"
    }
  }

  /// A node by itself only looks; what it passes on is judged by whom it passes on.
  var role: Role {
    switch self {
    case .node: .viewer
    case .agent: .agent
    }
  }
}

/// What of the rows a principal may see, and for how long.
package struct Visibility: Hashable, Sendable {
  /// Only this tenant's.
  package let tenant: TenantName?
  /// Only what lies in this pool.
  package let pool: PoolName?
  /// Whether tokens are seen.
  let seesTokens: Bool
  /// Of an agent: nodes and VMs alone, and with a certificate those of its own node.
  let agent: AgentView?
  /// The token that it comes from; it ends with it.
  let token: TokenID?
  let expiresAt: LogTime?
  /// Whether it is that of nobody in particular; it ends with the first token.
  let isAnonymous: Bool
  /// The last second, since 1970, of the certificate that its connection began with; it ends with that.
  var certificateEndsAt: Int64?

  /// Everything, for ever.
  package static let all = Visibility(.global, seesTokens: true)

  /// What an agent may see.
  enum AgentView: Hashable, Sendable { case anyNode, node(NodeName) }

  init(
    _ scope: Scope, seesTokens: Bool = false, agent: AgentView? = nil, token: TokenID? = nil,
    expiresAt: LogTime? = nil, isAnonymous: Bool = false
  ) {
    switch scope {
    case .global: (tenant, pool) = (nil, nil)
    case .tenant(let name): (tenant, pool) = (name, nil)
    case .pool(let name): (tenant, pool) = (nil, name)
    }
    (self.seesTokens, self.agent, self.token, self.expiresAt) = (seesTokens, agent, token, expiresAt)
    self.isAnonymous = isAnonymous
  }

  /// Whose share of what all share it takes; nil = those who may see the whole, whom nobody counts apart.
  var sharer: String? { tenant.map { "tenant \($0)" } ?? pool.map { "pool \($0)" } }

  /// Whether nothing is hidden.
  var isWhole: Bool { tenant == nil && pool == nil && seesTokens }

  /// Whether an allocation may be seen.
  func sees(_ row: Allocation) -> Bool {
    agent == nil && (tenant == nil || row.tenant == tenant) && (pool == nil || row.pool == pool)
  }

  /// Whether a row may be seen; releases do not say whose they were, so a tenant sees none.
  func sees(_ row: Row) -> Bool {
    if agent != nil, row.isOfAddresses { return false }
    return switch row {
    case .allocation(let row): sees(row)
    case .pool(let row): pool == nil || row.name == pool
    case .reservation(let row): pool == nil || row.pool == pool
    case .released(let row): tenant == nil && (pool == nil || row.pool == pool)
    case .token: seesTokens
    case .cursor, .answered: false
    case .fleet(let row): sees(row)
    }
  }

  /// Nodes are for those who see everything; the rest is its tenant's.
  private func sees(_ row: FleetRow) -> Bool {
    if let agent { return agent.sees(row) }
    return switch row {
    case .node: tenant == nil && pool == nil
    case .vm(let vm): pool == nil && (tenant == nil || vm.key.tenant == tenant)
    case .quota(let quota): pool == nil && (tenant == nil || quota.tenant == tenant)
    case .capacity(let row): pool == nil && (tenant == nil || row.tenant == tenant)
    }
  }

  /// The tenant that a request is about: the one it names, which must be its own, or else its own.
  package func tenant(named: TenantName?) throws(Problem) -> TenantName? {
    guard let tenant, let named, named != tenant else { return named ?? tenant }
    throw .outsideScope("tenant", "this token is for tenant \(tenant) alone")
  }

  /// The pool that a request is about: the one it names, which must be its own, or else its own.
  package func pool(named: PoolName?) throws(Problem) -> PoolName? {
    guard let pool, let named, named != pool else { return named ?? pool }
    throw .outsideScope("pool", "this token is for pool \(pool) alone")
  }
}

extension Visibility.AgentView {
  /// Whether a row is an agent's business.
  fileprivate func sees(_ row: FleetRow) -> Bool {
    switch (self, row) {
    case (_, .quota), (_, .capacity): false
    case (.anyNode, _): true
    case (.node(let own), .node(let node)): node.name == own
    case (.node(let own), .vm(let vm)): vm.node == own || vm.leaving == own
    }
  }
}

extension Row {
  /// Whether it says who holds which address, or held it.
  fileprivate var isOfAddresses: Bool {
    switch self {
    case .allocation, .reservation, .released: true
    case .pool, .token, .cursor, .answered, .fleet: false
    }
  }
}

extension Visibility {
  /// Whether what it comes from still lets in; `wall` in microseconds since 1970.
  func isAlive(_ tokens: TokenRegister, wall: Int64) -> Bool {
    if let certificateEndsAt, wall / 1_000_000 > certificateEndsAt { return false }
    guard let token else { return !isAnonymous || tokens.isEmpty }
    return tokens.token(token) != nil && !(expiresAt.map { $0 <= tokens.time } ?? false)
  }

  /// How many items a walk must find for a page of `limit`: one more for tenants, so that their cursors follow from
  /// what they may see and not from what lies beyond.
  func lookAhead(_ limit: Int) -> Int { tenant == nil ? limit : limit + 1 }

  /// How full a pool is, but for tenants: the numbers are those of all of them together.
  func capacity(of state: PoolState) -> Capacity? { tenant == nil ? Capacity(state) : nil }
}

extension Principal {
  /// A refusal without what is none of the caller's business: who else holds what, and how much.
  func told(_ rejection: Rejection) -> Rejection {
    switch (scope, rejection.code) {
    case (.tenant, .addressInUse): Rejection(.addressInUse, "the address is in use: choose another", field: "ip")
    case (.tenant, .addressQuarantined):
      Rejection(.addressQuarantined, "the address rests after its release: choose another", field: "ip")
    case (.tenant, .poolExhausted):
      Rejection(.poolExhausted, "there is no free address: release some, or ask for the pool to be grown")
    case (.pool, .poolOverlap):
      Rejection(.poolOverlap, "the network overlaps another pool: choose another range", field: "cidr")
    default: rejection
    }
  }
}

/// How handlers keep to the scope of their caller.
extension Call {
  /// What the caller may see.
  var visibility: Visibility {
    var visibility = principal.visibility
    visibility.certificateEndsAt = request.certificate?.endsAt
    return visibility
  }

  /// The tenant of requests that name none.
  var ownTenant: TenantName { if case .tenant(let name) = principal.scope { name } else { .standard } }

  /// The tenant that only may be touched; nil = any.
  var onlyTenant: TenantName? { if case .tenant(let name) = principal.scope { name } else { nil } }

  /// Refuses a request for another tenant.
  func checkTenant(of request: AllocateRequest) throws(Problem) {
    _ = try visibility.tenant(named: request.holder.tenant)
  }
}

extension Problem {
  /// Outside of what a token is for.
  static func outsideScope(_ field: String, _ why: String) -> Problem {
    Problem(
      403, "outside_scope", "\(field): \(why)", errors: [FieldError(field: field, message: why)])
  }
}
