import Addressing
import Domain

/// Pools and reservations.
extension Model {
  private func check(_ extent: Extent, _ pool: Pool, _ reservations: [Reservation]) throws(Refused) {
    let cidr = extent.cidr
    let others = pools.values.filter { $0.name != pool.name && $0.network == pool.network }
    if others.contains(where: { $0.cidr.range.overlaps(cidr.range) }) { throw Refused(code: .poolOverlap) }
    if let gateway = extent.gateway, !cidr.hosts.contains(gateway) { throw Refused(code: .invalidField) }
    if extent.ranges.contains(where: { !cidr.range.contains($0) }) { throw Refused(code: .invalidField) }
    if reservations.contains(where: { !cidr.range.contains($0.range) }) { throw Refused(code: .invalidField) }
    var probe = Model()
    var pool = pool
    pool.extent = extent
    probe.pools[pool.name] = pool
    probe.reservations[pool.name] = reservations
    probe.changed(pool.name)
    if probe.usable(pool) == .zero { throw Refused(code: .invalidField) }
  }

  private func checkRules(_ pool: Pool) throws(Refused) {
    if let vlan = pool.vlan, vlan == 0 || vlan > 4_094 { throw Refused(code: .invalidField) }
    if let mtu = pool.mtu, mtu < 1_280 { throw Refused(code: .invalidField) }
  }

  mutating func create(_ wanted: Pool, _ revision: Revision, _ time: LogTime) throws(Refused) -> Pool {
    if pools[wanted.name] != nil { throw Refused(code: .poolExists) }
    try check(wanted.extent, wanted, [])
    try checkRules(wanted)
    let pool = Pool(
      name: wanted.name, extent: wanted.extent, dns: wanted.dns, vlan: wanted.vlan, mtu: wanted.mtu,
      network: wanted.network, topology: wanted.topology, strategy: wanted.strategy,
      quarantineSeconds: wanted.quarantineSeconds, leaseSeconds: wanted.leaseSeconds, enabled: wanted.enabled,
      nat: wanted.nat, labels: wanted.labels, createdAt: time, revision: revision)
    pools[pool.name] = pool
    changed(pool.name)
    return pool
  }

  mutating func update(
    _ name: PoolName, _ patch: PoolPatch, ifMatch: Revision?, _ revision: Revision, _ time: LogTime
  ) throws(Refused) -> Pool {
    let before = try pool(name)
    if let ifMatch, ifMatch != before.revision { throw Refused(code: .revisionMismatch) }
    var after = before
    if let vlan = patch.vlan { after.vlan = vlan }
    if let strategy = patch.strategy { after.strategy = strategy }
    if let seconds = patch.quarantineSeconds { after.quarantineSeconds = seconds }
    if let seconds = patch.leaseSeconds { after.leaseSeconds = seconds }
    if let enabled = patch.enabled { after.enabled = enabled }
    if let labels = patch.labels { after.labels = labels }
    try checkRules(after)
    if let cidr = patch.cidr { after.extent.cidr = cidr }
    if let gateway = patch.gateway { after.extent.gateway = gateway }
    if let ranges = patch.ranges { after.extent.ranges = ranges }
    if after == before { return before }
    after.revision = revision
    if after.extent != before.extent {
      after.past = Array((before.past + [before.extent]).suffix(4))
      try move(after, time)
    }
    pools[name] = after
    return after
  }

  private mutating func move(_ after: Pool, _ time: LogTime) throws(Refused) {
    // Going back to an extent, what was reserved for its guests is none of them any more.
    let present = (reservations[after.name] ?? []).filter { row in
      !Model.meanings(after.extent).contains { row.range == AddressRange($0.ip, $0.ip) && row.reason == $0.reason }
    }
    try check(after.extent, after, present)
    let excluded = Model.excluded(after.extent, present)
    for block in blocks(in: after.name) {
      if !after.cidr.contains(block) || excluded.contains(where: { $0.overlaps(block.range) }) {
        throw Refused(code: .outsidersLive)
      }
    }
    let inherited = inherited(after, present, time)
    if !inherited.isEmpty { try check(after.extent, after, present + inherited) }
    reservations[after.name] = present + inherited
    keepInMind(after)
    if after.cidr.family != pools[after.name]?.cidr.family {
      released = released.filter { $0.key.pool != after.name }
    }
    pools[after.name] = after
    cursors[after.name] = nil
    changed(after.name)
  }

  /// What guests know as network, broadcast or gateway, and what is none of these any more.
  private func inherited(_ after: Pool, _ present: [Reservation], _ time: LogTime) -> [Reservation] {
    guard let before = pools[after.name], allocations.values.contains(where: { $0.pool == after.name }) else {
      return []
    }
    return Model.meanings(before.extent).compactMap { ip, reason in
      if !after.cidr.contains(ip) || Model.meanings(after.extent).contains(where: { $0.ip == ip }) { return nil }
      if present.contains(where: { $0.range.contains(ip) }) { return nil }
      return Reservation(
        pool: after.name, range: AddressRange(ip, ip), reason: reason, createdAt: time, revision: after.revision)
    }
  }

  /// Whatever is reserved for it: what an address has meant to somebody who lives there stays in mind until it has that
  /// meaning again, or somebody gives it free by hand.
  private mutating func keepInMind(_ after: Pool) {
    var kept = known[after.name] ?? []
    if let before = pools[after.name], allocations.values.contains(where: { $0.pool == after.name }) {
      kept.formUnion(Model.meanings(before.extent).map(\.ip))
    }
    known[after.name] = kept.subtracting(Model.meanings(after.extent).map(\.ip)).filter(after.cidr.contains)
  }

  private static func meanings(_ extent: Extent) -> [(ip: IPAddress, reason: String)] {
    var list: [(ip: IPAddress, reason: String)] = []
    let what = "of \(extent.cidr) for those who lived there before"
    if let ip = extent.cidr.reservedFirst { list.append((ip, "network address \(what)")) }
    if let ip = extent.gateway { list.append((ip, "gateway \(what)")) }
    if let ip = extent.cidr.reservedLast { list.append((ip, "broadcast address \(what)")) }
    return list
  }

  mutating func expand(
    _ name: PoolName, _ patch: PoolPatch, _ revision: Revision, _ time: LogTime
  ) throws(Refused) -> Pool {
    let before = try pool(name)
    guard let cidr = patch.cidr, cidr.contains(before.cidr), cidr != before.cidr else {
      throw Refused(code: .invalidField)
    }
    return try update(name, patch, ifMatch: nil, revision, time)
  }

  mutating func rollback(_ name: PoolName, _ revision: Revision, _ time: LogTime) throws(Refused) -> Pool {
    var after = try pool(name)
    guard let extent = after.past.popLast() else { throw Refused(code: .nothingToRollBack) }
    after.extent = extent
    after.revision = revision
    try move(after, time)
    return after
  }

  mutating func delete(_ name: PoolName, ifMatch: Revision?) throws(Refused) -> Pool {
    let pool = try pool(name)
    if let ifMatch, ifMatch != pool.revision { throw Refused(code: .revisionMismatch) }
    if !blocks(in: name).isEmpty { throw Refused(code: .poolInUse) }
    pools[name] = nil
    reservations[name] = nil
    known[name] = nil
    cursors[name] = nil
    released = released.filter { $0.key.pool != name }
    changed(name)
    return pool
  }

  mutating func reserve(
    _ name: PoolName, _ range: AddressRange, _ reason: String, _ revision: Revision, _ time: LogTime
  )
    throws(Refused) -> Reservation
  {
    let pool = try pool(name)
    guard pool.cidr.range.contains(range) else { throw Refused(code: .addressOutsidePool) }
    let present = reservations[name] ?? []
    if present.contains(where: { $0.range.overlaps(range) }) { throw Refused(code: .reservationExists) }
    if allocations.values.contains(where: { $0.pool == name && $0.block.range.overlaps(range) }) {
      throw Refused(code: .addressInUse)
    }
    if blocks(in: name).contains(where: { $0.range.overlaps(range) }) { throw Refused(code: .addressQuarantined) }
    let row = Reservation(pool: name, range: range, reason: reason, createdAt: time, revision: revision)
    reservations[name] = present + [row]
    changed(name)
    return row
  }

  mutating func unreserve(_ name: PoolName, _ first: IPAddress) throws(Refused) -> Reservation {
    _ = try pool(name)
    guard let row = reservations[name]?.first(where: { $0.range.first == first }) else {
      throw Refused(code: .reservationNotFound)
    }
    reservations[name]?.removeAll { $0 == row }
    known[name] = known[name]?.filter { !row.range.contains($0) }
    changed(name)
    return row
  }
}
