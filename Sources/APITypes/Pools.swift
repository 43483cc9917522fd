package import Addressing
package import Domain
package import Wire

/// How full a pool is; all numbers are exact.
package struct Capacity: Hashable, Sendable {
  /// All addresses of the network.
  package let total: AddressCount
  /// Excluded for any reason.
  package let reserved: AddressCount
  /// Total without reserved.
  package let usable: AddressCount
  /// In somebody's hands; a child prefix counts all its addresses.
  package let allocated: AddressCount
  /// Resting after a release.
  package let quarantined: AddressCount

  /// Joins the numbers.
  package init(
    total: AddressCount, usable: AddressCount, allocated: AddressCount, quarantined: AddressCount
  ) {
    (self.total, self.usable, reserved) = (total, usable, total - usable)
    (self.allocated, self.quarantined) = (allocated, quarantined)
  }

  /// Could be given now.
  package var available: AddressCount { usable - allocated - quarantined }

  /// Allocated and quarantined of usable, in percent with two decimals.
  package var utilizationPercent: Double {
    guard usable > .zero else { return 0 }
    return ((allocated + quarantined).approximate / usable.approximate * 10_000).rounded() / 100
  }
}

/// A pool as the API shows it: what it is, and in answers to GET how full.
package struct PoolView: Hashable, Sendable {
  /// The pool; its past extents stay in the server.
  package let pool: Pool
  /// How full it is; nil in answers to writes, which tell what was decided and can be told again word for word.
  package let capacity: Capacity?

  /// Joins the two.
  package init(_ pool: Pool, _ capacity: Capacity?) { (self.pool, self.capacity) = (pool, capacity) }
}

/// Reads the body of `POST /api/v1/pools`.
package func decodePool(_ body: [UInt8]) throws(JSONFault) -> Pool {
  var reader = JSONReader(body)
  var fields = PoolFields()
  try reader.object { (key, reader) throws(JSONFault) in
    switch key {
    case "name": fields.name = try reader.name()
    case "network": fields.network = try reader.name()
    default: if try !fields.patch.read(key, &reader) { throw reader.unknownField(key) }
    }
  }
  try reader.end()
  guard let name = fields.name else { throw reader.missing("name") }
  guard let cidr = fields.patch.cidr else { throw reader.missing("cidr") }
  let patch = fields.patch
  let gateway = patch.gateway ?? Extent.defaultGateway(of: cidr)
  return Pool(
    name: name, extent: Extent(cidr: cidr, gateway: gateway, ranges: patch.ranges ?? []), dns: patch.dns ?? [],
    vlan: patch.vlan ?? nil, mtu: patch.mtu ?? nil, network: fields.network ?? .standard,
    topology: patch.topology ?? Topology(), strategy: patch.strategy ?? .next,
    quarantineSeconds: patch.quarantineSeconds ?? 0, leaseSeconds: patch.leaseSeconds ?? 0,
    enabled: patch.enabled ?? true, nat: patch.nat ?? false, labels: patch.labels ?? .none)
}

/// Reads the body of `PATCH /api/v1/pools/{pool}`, or of `expand`, which knows only the extent's fields.
package func decodePoolPatch(_ body: [UInt8], extentOnly: Bool) throws(JSONFault) -> PoolPatch {
  var reader = JSONReader(body)
  var patch = PoolPatch()
  try reader.object { (key, reader) throws(JSONFault) in
    let isOfExtent = "cidr" ~= key || "gateway" ~= key || "ranges" ~= key
    guard isOfExtent || !extentOnly, try patch.read(key, &reader) else { throw reader.unknownField(key) }
  }
  try reader.end()
  return patch
}

private struct PoolFields {
  var name: PoolName?
  var network: NetworkName?
  var patch = PoolPatch()
}

extension PoolPatch {
  /// Reads one field that can be changed; false for any other.
  fileprivate mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "cidr": cidr = try reader.prefix()
    case "gateway": gateway = .some(try reader.addressOrNull())
    case "ranges": ranges = try reader.list { (reader) throws(JSONFault) in try reader.range() }
    case "dns": dns = try reader.list { (reader) throws(JSONFault) in try reader.address() }
    case "vlan": vlan = .some(try reader.positive(1...4_094))
    case "mtu": mtu = .some(try reader.positive(68...UInt16.max))
    case "topology": topology = try reader.topology()
    case "strategy": strategy = try reader.strategy()
    case "quarantine_seconds": quarantineSeconds = try reader.seconds()
    case "lease_seconds": leaseSeconds = try reader.seconds()
    case "enabled": enabled = try reader.bool()
    case "nat": nat = try reader.bool()
    case "labels": labels = try reader.labels()
    default: return false
    }
    return true
  }
}

extension JSONReader {
  fileprivate mutating func positive(_ allowed: ClosedRange<UInt16>) throws(JSONFault) -> UInt16? {
    if try null() { return nil }
    let value: UInt16 = try integer()
    guard allowed.contains(value) else { throw invalid("must be \(allowed.lowerBound) to \(allowed.upperBound)") }
    return value
  }

  /// Reads a length of time in whole seconds.
  package mutating func seconds() throws(JSONFault) -> UInt32 {
    let value: UInt32 = try integer()
    guard value <= Limits.maxSeconds else { throw invalid("must be at most \(Limits.maxSeconds) (ten years)") }
    return value
  }

  fileprivate mutating func strategy() throws(JSONFault) -> Strategy {
    let text = try string()
    guard let strategy = Strategy.allCases.first(where: { $0.name == text }) else {
      throw invalid("must be \(Strategy.allCases.map(\.name).joined(separator: ", "))")
    }
    return strategy
  }
}

extension JSONWriter {
  /// Writes a pool.
  package mutating func pool(_ view: PoolView) {
    let pool = view.pool
    beginObject()
    field("name", pool.name)
    field("cidr", prefix: pool.cidr)
    field("family", pool.family.name)
    field("gateway", address: pool.extent.gateway)
    field("ranges", pool.extent.ranges.map(\.description))
    field("dns", pool.dns.map(\.description))
    field("vlan", pool.vlan)
    field("mtu", pool.mtu)
    field("network", pool.network)
    key("topology")
    object { out in
      out.field("datacenter", pool.topology.datacenter)
      out.field("zone", pool.topology.zone)
      out.field("rack", pool.topology.rack)
    }
    field("strategy", pool.strategy.name)
    field("quarantine_seconds", pool.quarantineSeconds)
    field("lease_seconds", pool.leaseSeconds)
    field("enabled", pool.enabled)
    field("nat", pool.nat)
    field("labels", pool.labels)
    if let capacity = view.capacity {
      key("capacity")
      self.capacity(capacity)
    }
    field("created_at", time: pool.createdAt)
    field("revision", pool.revision)
    endObject()
  }

  private mutating func capacity(_ capacity: Capacity) {
    object { out in
      out.field("total", capacity.total)
      out.field("reserved", capacity.reserved)
      out.field("usable", capacity.usable)
      out.field("allocated", capacity.allocated)
      out.field("quarantined", capacity.quarantined)
      out.field("available", capacity.available)
      out.key("utilization_percent")
      out.number(capacity.utilizationPercent)
    }
  }
}

extension JSONReader {
  /// Reads a pool from an answer.
  package mutating func poolView() throws(JSONFault) -> PoolView {
    var fields = PoolFields()
    var capacity: Capacity?
    var createdAt: LogTime = 0
    var revision: Revision = 0
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "name": fields.name = try reader.name()
      case "network": fields.network = try reader.name()
      case "family": _ = try reader.string()
      case "capacity": capacity = try reader.capacity()
      case "created_at": createdAt = try reader.time()
      case "revision": revision = try reader.integer()
      default: if try !fields.patch.read(key, &reader) { throw reader.unknownField(key) }
      }
    }
    guard let name = fields.name else { throw missing("name") }
    guard let cidr = fields.patch.cidr else { throw missing("cidr") }
    let patch = fields.patch
    let pool = Pool(
      name: name, extent: Extent(cidr: cidr, gateway: patch.gateway ?? nil, ranges: patch.ranges ?? []),
      dns: patch.dns ?? [], vlan: patch.vlan ?? nil, mtu: patch.mtu ?? nil, network: fields.network ?? .standard,
      topology: patch.topology ?? Topology(), strategy: patch.strategy ?? .next,
      quarantineSeconds: patch.quarantineSeconds ?? 0, leaseSeconds: patch.leaseSeconds ?? 0,
      enabled: patch.enabled ?? true, nat: patch.nat ?? false, labels: patch.labels ?? .none, createdAt: createdAt,
      revision: revision)
    return PoolView(pool, capacity)
  }

  private mutating func capacity() throws(JSONFault) -> Capacity {
    var (total, usable) = (AddressCount.zero, AddressCount.zero)
    var (allocated, quarantined) = (AddressCount.zero, AddressCount.zero)
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "total": total = try reader.addressCount()
      case "usable": usable = try reader.addressCount()
      case "allocated": allocated = try reader.addressCount()
      case "quarantined": quarantined = try reader.addressCount()
      case "reserved", "available": _ = try reader.addressCount()
      case "utilization_percent": _ = try reader.double()
      default: throw reader.unknownField(key)
      }
    }
    guard usable <= total, allocated <= usable, quarantined <= usable - allocated else {
      throw invalid("the numbers contradict one another")
    }
    return Capacity(total: total, usable: usable, allocated: allocated, quarantined: quarantined)
  }
}
