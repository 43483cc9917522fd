package import Domain
package import Wire

/// Body of `POST /api/v1/capacity`.
package struct CapacityBody: Sendable {
  /// Its name.
  package var name: CapacityName
  /// Whose VMs may use it.
  package var tenant: TenantName
  /// The node.
  package var node: NodeName
  /// How much.
  package var amounts: Resources
  /// A VM of a higher priority may use it too.
  package var priority: UInt16
  /// When it ends; nil = never, or as `expiresInSeconds` says.
  package var expiresAt: LogTime?
  /// In how many seconds it ends.
  package var expiresInSeconds: UInt32?
  /// Why.
  package var reason: String

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var name: CapacityName?
    var tenant = TenantName.standard
    var node: NodeName?
    var amounts = Resources.none
    var priority: UInt16 = 500
    var expiresAt: LogTime?
    var seconds: UInt32?
    var reason = ""
    try reader.object { (key, reader) throws(JSONFault) in
      if try amounts.read(key, &reader) { return }
      switch key {
      case "name": name = try reader.name()
      case "tenant": tenant = try reader.name()
      case "node": node = try reader.name()
      case "priority": priority = try reader.whole(0...Limits.priority)
      case "expires_at": expiresAt = try reader.timeOrNull()
      case "expires_in_seconds": seconds = try reader.null() ? nil : try reader.seconds()
      case "reason": reason = try reader.lineOrNull(Limits.reasonBytes)
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let name else { throw reader.missing("name") }
    guard let node else { throw reader.missing("node") }
    if expiresAt != nil, seconds != nil { throw reader.invalid("say expires_at or expires_in_seconds, not both") }
    (self.name, self.tenant, self.node, self.amounts) = (name, tenant, node, amounts)
    (self.priority, self.expiresAt, expiresInSeconds, self.reason) = (priority, expiresAt, seconds, reason)
  }
}

extension JSONWriter {
  /// Writes kept capacity.
  package mutating func capacity(_ row: CapacityReservation) {
    object { out in
      out.field("name", row.name)
      out.field("tenant", row.tenant)
      out.field("node", row.node)
      out.field("asked", row.asked)
      out.field("left", row.left)
      out.field("priority", row.priority)
      out.field("expires_at", time: row.expiresAt)
      out.field("reason", row.reason)
      out.field("created_at", time: row.createdAt)
      out.field("revision", row.revision)
    }
  }
}

extension JSONReader {
  /// Reads kept capacity from an answer.
  package mutating func capacityReservation() throws(JSONFault) -> CapacityReservation {
    var name: CapacityName?
    var (tenant, node): (TenantName, NodeName?) = (.standard, nil)
    var (asked, left) = (Resources.none, Resources.none)
    var (priority, reason): (UInt16, String) = (0, "")
    var (expiresAt, createdAt): (LogTime?, LogTime) = (nil, 0)
    var revision: Revision = 0
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "name": name = try reader.name()
      case "tenant": tenant = try reader.name()
      case "node": node = try reader.name()
      case "asked": asked = try reader.amounts()
      case "left": left = try reader.amounts()
      case "priority": priority = try reader.integer()
      case "expires_at": expiresAt = try reader.timeOrNull()
      case "reason": reason = try reader.string()
      case "created_at": createdAt = try reader.time()
      case "revision": revision = try reader.integer()
      default: throw reader.unknownField(key)
      }
    }
    guard let name else { throw missing("name") }
    guard let node else { throw missing("node") }
    return CapacityReservation(
      name: name, tenant: tenant, node: node, asked: asked, left: left, priority: priority, expiresAt: expiresAt,
      reason: reason, createdAt: createdAt, revision: revision)
  }
}
