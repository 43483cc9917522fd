package import Domain
package import Wire

/// Body of `POST /api/v1/tokens`.
package struct TokenBody: Sendable {
  /// What its holder may do.
  package let role: Role
  /// Where.
  package let scope: Scope
  /// What it is for.
  package let note: String
  /// Seconds until it ends; nil = never.
  package let lifetimeSeconds: UInt32?
  /// The agent that it enrols, and nothing else.
  package let enrols: NodeName?

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var role: Role?
    var tenant: TenantName?
    var pool: PoolName?
    var note = ""
    var lifetime: UInt32?? = nil
    var enrols: NodeName?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "role":
        guard let named = Role(name: try reader.string()) else {
          throw reader.invalid("must be one of \(Role.allCases.map(\.name).joined(separator: ", "))")
        }
        role = named
      case "tenant": tenant = try reader.nameOrNull()
      case "pool": pool = try reader.nameOrNull()
      case "description":
        note = try reader.string()
        guard note.utf8.count <= Limits.noteBytes, note.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 })
        else { throw reader.invalid("at most \(Limits.noteBytes) bytes without control characters") }
      case "expires_in_seconds": lifetime = .some(try reader.null() ? nil : try reader.seconds())
      case "enrols": enrols = try reader.nameOrNull()
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let role = role ?? enrols.map({ _ in .agent }) else { throw reader.missing("role") }
    if tenant != nil, pool != nil { throw reader.invalid("name a tenant or a pool, not both") }
    (self.role, self.note, self.enrols) = (role, note, enrols)
    lifetimeSeconds = lifetime ?? (enrols == nil ? Limits.tokenSeconds : Limits.enrolmentStandard)
    scope = tenant.map(Scope.tenant) ?? pool.map(Scope.pool) ?? .global
  }
}

extension JSONWriter {
  /// Writes a token without anything secret; `created` adds the member `token`, which holds the secret once.
  package mutating func token(_ token: Token, created: Secret?? = nil) {
    object { out in
      out.field("id", token.id.description)
      out.field("role", token.role.name)
      out.scope(token.scope)
      out.field("description", token.note)
      out.field("created_at", time: token.createdAt)
      out.field("expires_at", time: token.expiresAt)
      out.field("created_by", token.createdBy)
      out.field("one_time", token.isOneTime)
      out.field("enrols", token.enrolment?.agent.text)
      out.field("used", token.enrolment?.made != nil)
      out.field("revision", token.revision)
      if let created { out.field("token", created?.text) }
    }
  }

  /// Writes the members `tenant` and `pool`.
  package mutating func scope(_ scope: Scope) {
    var names: (tenant: String?, pool: String?)
    switch scope {
    case .global: break
    case .tenant(let name): names.tenant = name.text
    case .pool(let name): names.pool = name.text
    }
    field("tenant", names.tenant)
    field("pool", names.pool)
  }
}

/// Body of `POST /api/v1/enrolments`.
package struct EnrolmentBody: Sendable {
  /// No larger request is read.
  package static let requestMax = 16 << 10
  /// A request for a certificate, in PEM.
  package let request: String

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var request: String?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "request":
        let text = try reader.string()
        guard text.utf8.count <= EnrolmentBody.requestMax else {
          throw reader.invalid("at most \(EnrolmentBody.requestMax) bytes")
        }
        request = text
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let request else { throw reader.missing("request") }
    self.request = request
  }
}
