import Addressing
package import Domain
package import Wire

/// Which of the two routes that allocate a body belongs to.
package enum AllocateForm: Sendable {
  /// `POST /api/v1/pools/{pool}/allocations`: this pool.
  case pool(PoolName)
  /// `POST /api/v1/allocations`: Berth chooses.
  case choose
}

/// Reads the body of a request for addresses; `tenant` is taken when it names none.
package func decodeAllocate(
  _ body: [UInt8], _ form: AllocateForm, tenant: TenantName = .standard
) throws(JSONFault) -> AllocateRequest {
  var reader = JSONReader(body)
  var fields = AllocateFields()
  fields.tenant = tenant
  try reader.object { (key, reader) throws(JSONFault) in
    if try fields.read(key, &reader) { return }
    switch form {
    case .pool: if try fields.readNamed(key, &reader) { return }
    case .choose: if try fields.readChoice(key, &reader) { return }
    }
    throw reader.unknownField(key)
  }
  try reader.end()
  guard let owner = fields.owner else { throw reader.missing("owner") }
  let source: AllocateRequest.Source =
    switch form {
    case .pool(let name): .pool(name)
    case .choose: .choose(fields.families ?? [.ipv4], fields.topology, fields.poolLabels)
    }
  var request = fields.request
  request.source = source
  request.holder = Holder(tenant: fields.tenant, owner: owner, interface: fields.interface)
  return request
}

private struct AllocateFields {
  var owner: OwnerName?
  var tenant = TenantName.standard
  var interface = InterfaceName.standard
  var families: [AddressFamily]?
  var topology = Topology()
  var poolLabels = Labels.none
  var request = AllocateRequest(.pool(.simple), holder: Holder(owner: OwnerName(trusted: "-")))

  /// A field that both forms know.
  mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "owner": owner = try reader.name()
    case "tenant": if let named: TenantName = try reader.nameOrNull() { tenant = named }
    case "interface": interface = try reader.nameOrNull() ?? .standard
    case "prefix_length": request.prefixLength = try reader.integerOrNull(0...128)
    case "count": request.count = try reader.integerOrNull(1...Limits.count)
    case "contiguous": request.contiguous = try reader.bool()
    case "hostname": request.hostname = try reader.nameOrNull()
    case "mac": request.mac = try reader.macOrNull()
    case "node": request.node = try reader.nameOrNull()
    case "lease_seconds": request.leaseSeconds = try reader.null() ? nil : try reader.seconds()
    case "labels": request.labels = try reader.labels()
    default: return false
    }
    return true
  }

  mutating func readNamed(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    guard "ip" ~= key else { return false }
    request.address = try reader.addressOrNull()
    return true
  }

  mutating func readChoice(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "families": families = try reader.list { (reader) throws(JSONFault) in try reader.family() }
    case "topology": topology = try reader.topology()
    case "pool_labels": poolLabels = try reader.labels()
    default: return false
    }
    return true
  }
}

/// Reads the body of `PATCH .../allocations/{ip}`.
package func decodeAllocationPatch(_ body: [UInt8]) throws(JSONFault) -> AllocationPatch {
  var reader = JSONReader(body)
  var patch = AllocationPatch()
  try reader.object { (key, reader) throws(JSONFault) in
    switch key {
    case "hostname": patch.hostname = .some(try reader.nameOrNull())
    case "mac": patch.mac = .some(try reader.macOrNull())
    case "node": patch.node = .some(try reader.nameOrNull())
    case "labels": patch.labels = try reader.labels()
    default: throw reader.unknownField(key)
    }
  }
  try reader.end()
  return patch
}

/// Reads the body of `.../renew`: `{lease_seconds?}`, or none at all.
package func decodeRenew(_ body: [UInt8]) throws(JSONFault) -> UInt32? {
  if body.isEmpty { return nil }
  var reader = JSONReader(body)
  var seconds: UInt32?
  try reader.object { (key, reader) throws(JSONFault) in
    guard "lease_seconds" ~= key else { throw reader.unknownField(key) }
    seconds = try reader.null() ? nil : try reader.seconds()
  }
  try reader.end()
  return seconds
}

extension JSONReader {
  fileprivate mutating func family() throws(JSONFault) -> AddressFamily {
    let text = try string()
    guard let family = AddressFamily.allCases.first(where: { $0.name == text }) else {
      throw invalid("must be ipv4 or ipv6")
    }
    return family
  }

  fileprivate mutating func integerOrNull(_ allowed: ClosedRange<Int>) throws(JSONFault) -> Int? {
    if try null() { return nil }
    let value: Int = try integer()
    guard allowed.contains(value) else { throw invalid("must be \(allowed.lowerBound) to \(allowed.upperBound)") }
    return value
  }
}

extension JSONWriter {
  /// Writes an allocation.
  package mutating func grant(_ grant: Grant) {
    let row = grant.allocation
    beginObject()
    field("pool", row.pool)
    field("tenant", row.tenant)
    field("owner", row.owner)
    field("interface", row.interface)
    field("index", row.index)
    field("ip", address: row.ip)
    field("prefix_length", row.isChildPrefix ? row.block.length : nil)
    if row.isChildPrefix { field("cidr", prefix: row.block) } else { field("cidr", nil as String?) }
    field("gateway", address: grant.gateway)
    field("pool_cidr", prefix: grant.network)
    field("hostname", row.hostname)
    field("mac", row.mac?.description)
    field("node", row.node)
    field("static", row.isStatic)
    field("managed_by", row.manager?.name)
    field("labels", row.labels)
    field("created_at", time: row.createdAt)
    field("expires_at", time: row.expiresAt)
    field("generation", row.generation)
    field("revision", row.revision)
    endObject()
  }

  /// Writes `{"allocations":[...]}`.
  package mutating func grants(_ grants: [Grant]) {
    object { out in
      out.key("allocations")
      out.array { out in for grant in grants { out.grant(grant) } }
    }
  }
}

extension JSONReader {
  /// Reads an allocation from an answer.
  package mutating func grant() throws(JSONFault) -> Grant {
    var read = GrantFields()
    try object { (key, reader) throws(JSONFault) in
      if try read.readPlace(key, &reader) { return }
      if try read.readNotes(key, &reader) { return }
      throw reader.unknownField(key)
    }
    guard let pool = read.pool, let ip = read.ip, let owner = read.owner, let network = read.network else {
      throw missing(read.pool == nil ? "pool" : read.ip == nil ? "ip" : read.owner == nil ? "owner" : "pool_cidr")
    }
    let block = read.block ?? Prefix(containing: ip, length: ip.family.bitCount)
    let allocation = Allocation(
      pool: pool, block: block, tenant: read.tenant, owner: owner, interface: read.interface, index: read.index,
      hostname: read.hostname, mac: read.mac, node: read.node, isStatic: read.isStatic, manager: read.manager,
      labels: read.labels, createdAt: read.createdAt, expiresAt: read.expiresAt, generation: read.generation,
      revision: read.revision)
    return Grant(allocation, gateway: read.gateway, network: network)
  }

  /// Reads `{"allocations":[...]}`.
  package mutating func grants() throws(JSONFault) -> [Grant] {
    var grants: [Grant] = []
    try object { (key, reader) throws(JSONFault) in
      guard "allocations" ~= key else { throw reader.unknownField(key) }
      grants = try reader.list { (reader) throws(JSONFault) in try reader.grant() }
    }
    return grants
  }
}

private struct GrantFields {
  var pool: PoolName?
  var tenant = TenantName.standard
  var owner: OwnerName?
  var interface = InterfaceName.standard
  var index: UInt16 = 0
  var ip: IPAddress?
  var block: Prefix?
  var gateway: IPAddress?
  var network: Prefix?
  var hostname: Hostname?
  var mac: MACAddress?
  var node: NodeName?
  var isStatic = false
  var manager: Manager?
  var labels = Labels.none
  var createdAt: LogTime = 0
  var expiresAt: LogTime?
  var generation: Revision = 0
  var revision: Revision = 0

  mutating func readPlace(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "pool": pool = try reader.name()
    case "tenant": tenant = try reader.name()
    case "owner": owner = try reader.name()
    case "interface": interface = try reader.storedName()
    case "index": index = try reader.integer()
    case "ip": ip = try reader.address()
    case "prefix_length": _ = try reader.integerOrNull(0...128)
    case "cidr": block = try reader.null() ? nil : try reader.prefix()
    case "gateway": gateway = try reader.addressOrNull()
    case "pool_cidr": network = try reader.prefix()
    default: return false
    }
    return true
  }

  mutating func readNotes(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "hostname": hostname = try reader.nameOrNull()
    case "mac": mac = try reader.macOrNull()
    case "node": node = try reader.nameOrNull()
    case "static": isStatic = try reader.bool()
    case "managed_by":
      let name = try reader.null() ? nil : try reader.string()
      manager = name.flatMap { name in [Manager.vm, .kube].first { $0.name == name } }
    case "labels": labels = try reader.labels()
    case "created_at": createdAt = try reader.time()
    case "expires_at": expiresAt = try reader.timeOrNull()
    case "generation": generation = try reader.integer()
    case "revision": revision = try reader.integer()
    default: return false
    }
    return true
  }
}
