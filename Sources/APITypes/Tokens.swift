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

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var role: Role?
    var tenant: TenantName?
    var pool: PoolName?
    var note = ""
    var lifetime: UInt32? = Limits.tokenSeconds
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
      case "expires_in_seconds": lifetime = try reader.null() ? nil : try reader.seconds()
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let role else { throw reader.missing("role") }
    if tenant != nil, pool != nil { throw reader.invalid("name a tenant or a pool, not both") }
    (self.role, self.note, lifetimeSeconds) = (role, note, lifetime)
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
