package import Domain
package import Wire

/// Reads the body of `POST /api/v1/vms`, of `POST /api/v1/placements`, and the `fit` of a plan; `tenant` is taken when
/// it names none.
package func decodeVM(_ body: [UInt8], tenant: TenantName = .standard) throws(JSONFault) -> VMRequest {
  var reader = JSONReader(body)
  let request = try reader.vmRequest(tenant: tenant)
  try reader.end()
  return request
}

/// Reads the body of `PATCH /api/v1/vms/{vm}`.
package func decodeVMPatch(_ body: [UInt8]) throws(JSONFault) -> VMPatch {
  var reader = JSONReader(body)
  var patch = VMPatch()
  try reader.object { (key, reader) throws(JSONFault) in
    switch key {
    case "labels": patch.labels = try reader.labels()
    case "priority": patch.priority = try reader.whole(0...Limits.priority)
    case "preemptible": patch.isPreemptible = try reader.bool()
    case "failover": patch.failover = try reader.word { (policy: FailoverPolicy) in policy.name }
    case "standby": patch.hasStandby = try reader.bool()
    case "budget_hourly_micros": patch.budget = .some(try reader.moneyOrNull())
    default: throw reader.unknownField(key)
    }
  }
  try reader.end()
  return patch
}

/// Reads the body of `.../migrate`: `{node?}`, or none at all.
package func decodeMigration(_ body: [UInt8]) throws(JSONFault) -> NodeName? {
  if body.isEmpty { return nil }
  var reader = JSONReader(body)
  var node: NodeName?
  try reader.object { (key, reader) throws(JSONFault) in
    guard "node" ~= key else { throw reader.unknownField(key) }
    node = try reader.nameOrNull()
  }
  try reader.end()
  return node
}

extension JSONReader {
  /// Reads what to make.
  mutating func vmRequest(tenant: TenantName) throws(JSONFault) -> VMRequest {
    var fields = SpecFields()
    var name: VMName?
    var owner = tenant
    var request = VMRequest(VMKey(name: VMName(trusted: "-")), VMSpec(.none))
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "name": name = try reader.name()
      case "tenant": if let named: TenantName = try reader.nameOrNull() { owner = named }
      case "count": request.count = try reader.wholeOrNull(1...Limits.count)
      case "start": request.isWanted = try reader.bool()
      case "must_place": request.mustPlace = try reader.bool()
      case "node": fields.spec.node = try reader.nameOrNull()
      default: if try !fields.read(key, &reader) { throw reader.unknownField(key) }
      }
    }
    guard let name else { throw missing("name") }
    request.key = VMKey(tenant: owner, name: name)
    request.spec = try fields.whole(self, interfaces: [.usual])
    return request
  }
}

extension VMRequest {
  /// The request as a body.
  package var encoded: [UInt8] {
    var out = JSONWriter(capacity: 1_024)
    out.object { out in
      out.field("name", key.name)
      out.field("tenant", key.tenant)
      if let count { out.field("count", count) }
      out.spec(spec)
      if let node = spec.node { out.field("node", node) }
      out.field("start", isWanted)
      out.field("must_place", mustPlace)
    }
    return out.finish()
  }
}
