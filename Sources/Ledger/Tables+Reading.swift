package import Addressing
package import Domain

/// Look-ups and lists; all of them read only what is durable.
extension Tables {
  /// The row of an address: its allocation, or how it was released.
  package func row(at ip: IPAddress, in pool: PoolName) -> Row? { rows.row(KeyProbe(.address(pool, ip))) }

  /// The allocation addressed by `ip` (of a child prefix its network address).
  package func allocation(at ip: IPAddress, in pool: PoolName) -> Allocation? {
    if case .allocation(let allocation) = row(at: ip, in: pool) { return allocation }
    return nil
  }

  /// The allocation that holds `ip`, be it inside a child prefix.
  package func allocation(holding ip: IPAddress, in pool: PoolName) -> Allocation? {
    if let exact = allocation(at: ip, in: pool) { return exact }
    guard let state = pools[pool] else { return nil }
    for length in state.childLengths.keys.sorted(by: >) {
      let block = Prefix(containing: ip, length: length)
      if let found = allocation(at: block.first, in: pool), found.block == block { return found }
    }
    return nil
  }

  /// What an owner holds of one pool on one interface: the first by index.
  package func allocation(
    tenant: TenantName, owner: OwnerName, pool: PoolName, interface: InterfaceName
  ) -> Allocation? {
    var first: Allocation?
    rows.forEachAllocation(OwnerProbe(tenant, owner)) { row in
      guard row.pool == pool, row.interface == interface else { return }
      if first.map({ row.index < $0.index }) ?? true { first = row }
    }
    return first
  }

  /// What an owner holds, by pool, interface and index.
  package func allocations(tenant: TenantName, owner: OwnerName) -> [Allocation] {
    rows.allocations(OwnerProbe(tenant, owner)).sorted(by: Allocation.inHoldingOrder)
  }

  /// The pools whose network contains `ip`, by routing domain: at most one in each, and at most `limit`.
  package func pools(containing ip: IPAddress, limit: Int = .max) -> [PoolState] {
    var found: [PoolState] = []
    for length in (lengths[ip.family] ?? [:]).keys {
      found += (byCIDR[Prefix(containing: ip, length: length)] ?? []).prefix(limit)
    }
    return Array(found.sorted { $0.pool.network < $1.pool.network }.prefix(limit))
  }

  /// The pool of one routing domain whose network contains `ip`.
  package func pool(containing ip: IPAddress, in network: NetworkName) -> PoolState? {
    guard let list = byAddress[network] else { return nil }
    let above = list.partitionPoint { $0.pool.cidr.first > ip }
    guard above > 0, list[above - 1].pool.cidr.contains(ip) else { return nil }
    return list[above - 1]
  }

  /// A pool of `network` that shares an address with `cidr`.
  package func overlap(_ cidr: Prefix, in network: NetworkName, except name: PoolName) -> Pool? {
    (byAddress[network] ?? []).first { $0.pool.name != name && $0.pool.cidr.range.overlaps(cidr.range) }?.pool
  }

  /// A pool's allocations in the order of their addresses, after `after`, at most `limit`; `visited` counts how many
  /// rows may be read.
  package func allocations(
    in pool: PoolName, after: IPAddress?, limit: Int, visiting visited: inout Int, where matches: (Allocation) -> Bool
  ) -> (items: [Allocation], more: IPAddress?) {
    guard let state = pools[pool] else { return ([], nil) }
    let range = state.cidr.range
    var from = range.first
    if let after, after >= from {
      let last = allocation(at: after, in: pool)?.block.last ?? after
      guard last < range.last, let next = last.next else { return ([], nil) }
      from = next
    }
    var items: [Allocation] = []
    var last = after
    while let bits = state.allocated.firstMember(in: from.bits...range.last.bits) {
      if items.count == limit || visited == 0 { return (items, last) }
      visited -= 1
      let ip = IPAddress(family: range.family, bits: bits)
      guard let found = allocation(holding: ip, in: pool) else {
        preconditionFailure("\(ip) of pool \(pool) is allocated without a row")
      }
      // `from` lies inside a child prefix if that took the place of what the list ended with: it is passed over whole.
      let isWhole = found.ip == ip
      if isWhole, matches(found) { items.append(found) }
      last = isWhole ? ip : found.block.last
      guard let next = found.block.last.next, next <= range.last else { return (items, nil) }
      from = next
    }
    return (items, nil)
  }

  /// All tokens, in no order.
  package var tokens: [Token] {
    var found: [Token] = []
    guard tokenCount > 0 else { return found }
    rows.forEach { page, row in
      guard KeyProbe.isOfToken(page[row.lowerBound]) else { return }
      if case .token(let token) = rows.decode(page, row) { found.append(token) }
    }
    return found
  }

  /// A row found under an idempotency key.
  func answered(_ key: UInt128) -> (key: IdempotencyKey, revision: Revision, time: LogTime)? {
    if case .answered(let key, let revision, let time) = rows.row(KeyProbe(.answered(key))) {
      return (key, revision, time)
    }
    return nil
  }
}

extension Allocation {
  /// By pool, interface and index.
  static func inHoldingOrder(_ a: Allocation, _ b: Allocation) -> Bool {
    if a.pool != b.pool { return a.pool < b.pool }
    if a.interface != b.interface { return a.interface < b.interface }
    return a.index < b.index
  }
}
