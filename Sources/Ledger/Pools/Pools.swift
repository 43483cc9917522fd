import Addressing
import Domain

/// Pools: made, changed, grown, rolled back, removed. All are structural: decided with nothing pending.
extension Ledger {
  func pool(_ name: PoolName) throws(Rejection) -> PoolState {
    if let state = tables.pool(name) { return state }
    throw Rejection(.poolNotFound, "there is no pool \(name): `berth pool list` shows those there are", field: "pool")
  }

  func createPool(_ wanted: Pool, _ context: Context) throws(Rejection) -> Decided {
    if tables.pools[wanted.name] != nil {
      throw Rejection(
        .poolExists, "a pool \(wanted.name) exists: choose another name or change it with PATCH", field: "name")
    }
    guard tables.pools.count < Limits.pools else {
      throw Rejection(.tooManyPools, "there are \(Limits.pools) pools, the most Berth keeps: delete one first")
    }
    try checkExtent(wanted.extent, of: wanted, reservations: [])
    try checkRules(wanted)
    let pool = Pool(
      name: wanted.name, extent: wanted.extent, dns: wanted.dns, vlan: wanted.vlan, mtu: wanted.mtu,
      network: wanted.network, topology: wanted.topology, strategy: wanted.strategy,
      quarantineSeconds: wanted.quarantineSeconds, leaseSeconds: wanted.leaseSeconds, enabled: wanted.enabled,
      nat: wanted.nat, labels: wanted.labels, createdAt: context.time, revision: context.revision)
    return Decided(outcome: .pool(pool), kind: .poolCreated, effects: [.put(.pool(pool))])
  }

  func updatePool(_ name: PoolName, _ patch: PoolPatch, _ ifMatch: Revision?, _ context: Context) throws(Rejection)
    -> Decided
  {
    let state = try pool(name)
    try checkRevision(ifMatch, state.pool.revision, "pool \(name)")
    return try change(state, patch, .poolUpdated, context)
  }

  func expandPool(_ name: PoolName, _ patch: PoolPatch, _ context: Context) throws(Rejection) -> Decided {
    let state = try pool(name)
    guard let cidr = patch.cidr, cidr != state.cidr, cidr.contains(state.cidr) else {
      throw .invalid("cidr", "must be a larger network that contains \(state.cidr)")
    }
    return try change(state, patch, .poolExpanded, context)
  }

  func rollbackPool(_ name: PoolName, _ context: Context) throws(Rejection) -> Decided {
    let state = try pool(name)
    guard let extent = state.pool.past.last else {
      throw Rejection(.nothingToRollBack, "pool \(name) has had no other extent: there is nothing to go back to")
    }
    var pool = state.pool
    pool.past.removeLast()
    return try moved(state, pool, to: extent, .poolRolledBack, context)
  }

  func deletePool(_ name: PoolName, _ ifMatch: Revision?) throws(Rejection) -> Decided {
    let state = try pool(name)
    try checkRevision(ifMatch, state.pool.revision, "pool \(name)")
    if state.allocations > 0 {
      throw Rejection(
        .poolInUse,
        "pool \(name) has \(state.allocations) allocations: release them first (`berth pool allocations \(name)`)"
      ).with("allocations", state.allocations)
    }
    if state.quarantinedCount > .zero {
      throw Rejection(
        .poolInUse, "\(state.quarantinedCount) addresses of pool \(name) rest in quarantine: wait until it ends"
      ).with("quarantined", state.quarantinedCount.exact ?? .max)
    }
    var effects = try endOfMemory(state)
    effects += state.reservations.map { .delete(.reservation($0)) }
    if let cursor = state.cursor { effects.append(.delete(.cursor(name, cursor))) }
    effects.append(.delete(.pool(state.pool)))
    return Decided(outcome: .poolDeleted(state.pool), kind: .poolDeleted, effects: effects.poolFirst)
  }

  /// Deletes the rows of all remembered releases, inside and outside the present extent.
  private func endOfMemory(_ state: PoolState) throws(Rejection) -> [Effect] {
    let (name, family) = (state.name, state.family)
    guard let index = indexes[name] else { return [] }
    let count = index.remembered.count(in: 0...family.maxBits)
    guard count <= UInt128(Limits.perOwner) else {
      throw Rejection(
        .poolInUse,
        "pool \(name) remembers the order of \(count) released addresses: set its strategy to lowest, wait a moment, ask again"
      )
    }
    var effects: [Effect] = []
    while let bits = index.remembered.firstMember(in: 0...family.maxBits) {
      effects += forget(IPAddress(family: family, bits: bits), index)
    }
    return effects
  }

  // MARK: Changing

  private func change(_ state: PoolState, _ patch: PoolPatch, _ kind: EntryKind, _ context: Context) throws(Rejection)
    -> Decided
  {
    var pool = state.pool
    if let dns = patch.dns { pool.dns = dns }
    if let vlan = patch.vlan { pool.vlan = vlan }
    if let mtu = patch.mtu { pool.mtu = mtu }
    if let topology = patch.topology { pool.topology = topology }
    if let strategy = patch.strategy { pool.strategy = strategy }
    if let quarantine = patch.quarantineSeconds { pool.quarantineSeconds = quarantine }
    if let lease = patch.leaseSeconds { pool.leaseSeconds = lease }
    if let enabled = patch.enabled { pool.enabled = enabled }
    if let nat = patch.nat { pool.nat = nat }
    if let labels = patch.labels { pool.labels = labels }
    try checkRules(pool)
    var extent = pool.extent
    if let cidr = patch.cidr { extent.cidr = cidr }
    if let gateway = patch.gateway { extent.gateway = gateway }
    if let ranges = patch.ranges { extent.ranges = ranges }
    if extent == state.pool.extent {
      if pool == state.pool { return Decided(outcome: .pool(pool)) }
      pool.revision = context.revision
      return Decided(outcome: .pool(pool), kind: kind, effects: [.put(.pool(pool))])
    }
    pool.past = Array((pool.past + [state.pool.extent]).suffix(Limits.extents))
    return try moved(state, pool, to: extent, kind, context)
  }

  /// The pool on another extent; strategy `next` begins again. What guests know as their network, gateway and broadcast
  /// address is reserved when it loses that meaning, and no longer when the pool goes back.
  private func moved(
    _ state: PoolState, _ pool: Pool, to extent: Extent, _ kind: EntryKind, _ context: Context
  ) throws(Rejection) -> Decided {
    var pool = pool
    pool.extent = extent
    pool.revision = context.revision
    let needless = state.reservations.filter { isInherited($0, from: extent) }
    let kept = state.reservations.filter { !isInherited($0, from: extent) }
    try checkExtent(extent, of: pool, reservations: kept)
    try checkNobodyOutside(state, extent)
    let inherited = inherited(state, by: extent, beside: kept, context)
    if !inherited.isEmpty {
      guard kept.count + inherited.count <= Limits.reservations else { throw tooManyReservations(pool.name) }
      try checkExtent(extent, of: pool, reservations: kept + inherited)
    }
    var effects: [Effect] = [.put(.pool(pool))]
    if let cursor = state.cursor { effects.append(.delete(.cursor(pool.name, cursor))) }
    // What was released of the other family never comes back, and by its bits it could be taken for one of this.
    if extent.cidr.family != state.family { effects += try endOfMemory(state) }
    effects += needless.map { .delete(.reservation($0)) }
    effects += inherited.map { .put(.reservation($0)) }
    return Decided(outcome: .pool(pool), kind: kind, effects: effects)
  }

  /// Guests keep their old mask and router: for them a newcomer at one of these addresses would be the router, or
  /// everybody. Whether the pool may give them now does not matter: its ranges change without a word about guests.
  private func inherited(
    _ state: PoolState, by extent: Extent, beside reservations: [Reservation], _ context: Context
  ) -> [Reservation] {
    guard state.allocations > 0 else { return [] }
    let anew = Ledger.meanings(of: extent).map(\.address)
    return Ledger.meanings(of: state.pool.extent).compactMap { address, reason in
      guard extent.cidr.contains(address), !anew.contains(address),
        !reservations.contains(where: { $0.range.contains(address) })
      else { return nil }
      return Reservation(
        pool: state.pool.name, range: AddressRange(address, address), reason: reason, createdAt: context.time,
        revision: context.revision)
    }
  }

  private func isInherited(_ reservation: Reservation, from extent: Extent) -> Bool {
    Ledger.meanings(of: extent).contains {
      reservation.range == AddressRange($0.address, $0.address) && reservation.reason == $0.reason
    }
  }

  /// The addresses that mean something to the guests of an extent, and what.
  private static func meanings(of extent: Extent) -> [(address: IPAddress, reason: String)] {
    [
      (extent.cidr.reservedFirst, "network address"), (extent.gateway, "gateway"),
      (extent.cidr.reservedLast, "broadcast address")
    ].compactMap { address, meaning in
      address.map { ($0, "\(meaning) of \(extent.cidr) for those who lived there before") }
    }
  }

  // MARK: Rules

  func checkRevision(_ wanted: Revision?, _ current: Revision, _ what: String) throws(Rejection) {
    guard let wanted, wanted != current else { return }
    throw Rejection(
      .revisionMismatch, "\(what) is at revision \(current), not \(wanted): read it again and repeat the change"
    ).with("revision", current)
  }

  private func checkExtent(_ extent: Extent, of pool: Pool, reservations: [Reservation]) throws(Rejection) {
    let cidr = extent.cidr
    if let other = tables.overlap(cidr, in: pool.network, except: pool.name) {
      throw Rejection(
        .poolOverlap,
        "\(cidr) overlaps pool \(other.name) (\(other.cidr)) in network \(pool.network): choose another range, or another `network`",
        field: "cidr"
      ).with("pool", text: other.name.text)
    }
    if let gateway = extent.gateway {
      guard cidr.hosts.contains(gateway) else {
        throw .invalid("gateway", "\(gateway) is not a host address of \(cidr); leave it out for \(gatewayHint(cidr))")
      }
    }
    guard extent.ranges.count <= Limits.ranges else { throw .invalid("ranges", "at most \(Limits.ranges)") }
    for range in extent.ranges where !cidr.range.contains(range) {
      throw .invalid("ranges", "\(range) is not inside \(cidr)")
    }
    if let outside = reservations.first(where: { !cidr.range.contains($0.range) }) {
      throw .invalid("cidr", "reservation \(outside.range) would lie outside \(cidr): delete it first")
    }
    if PoolState.usable(extent, reservations).isEmpty {
      throw .invalid("ranges", "no address is left to give out after gateway, network and broadcast addresses")
    }
  }

  private func gatewayHint(_ cidr: Prefix) -> String { Extent.defaultGateway(of: cidr).map { "\($0)" } ?? "none" }

  private func checkRules(_ pool: Pool) throws(Rejection) {
    guard pool.dns.count <= Limits.dns else { throw .invalid("dns", "at most \(Limits.dns) name servers") }
    if let vlan = pool.vlan, !(1...4_094).contains(vlan) { throw .invalid("vlan", "must be 1 to 4094") }
    if let mtu = pool.mtu, mtu < (pool.family == .ipv6 ? 1_280 : 68) {
      throw .invalid("mtu", "must be at least \(pool.family == .ipv6 ? 1_280 : 68)")
    }
    if pool.quarantineSeconds > Limits.maxSeconds {
      throw .invalid("quarantine_seconds", "at most \(Limits.maxSeconds) (ten years)")
    }
    if pool.leaseSeconds > Limits.maxSeconds {
      throw .invalid("lease_seconds", "at most \(Limits.maxSeconds) (ten years)")
    }
  }

  /// Refuses an extent that somebody would be left outside of, naming who.
  private func checkNobodyOutside(_ state: PoolState, _ extent: Extent) throws(Rejection) {
    let usable = PoolState.usable(extent, state.reservations)
    let lost = state.usable.subtracting(usable)
    var outside: [Allocation] = []
    var count: UInt128 = 0
    for range in lost {
      count += state.allocated.count(in: range.bits)
      var from = range.first
      while outside.count < 10, let bits = state.allocated.firstMember(in: from.bits...range.last.bits) {
        let ip = IPAddress(family: range.family, bits: bits)
        let found = tables.allocation(holding: ip, in: state.name)
        if let found, outside.last?.ip != found.ip { outside.append(found) }
        guard let next = (found?.block.last ?? ip).next, next <= range.last else { break }
        from = next
      }
    }
    if count > 0 {
      let list = outside.map { "\($0.ip) (\($0.owner))" }.joined(separator: ", ")
      throw Rejection(
        .outsidersLive, "\(count) allocated addresses would lie outside, among them \(list): release or move them first"
      ).with("count", count).with("addresses", text: outside.map { "\($0.ip)" }.joined(separator: " "))
    }
    // What else is taken among the usable rests in quarantine.
    guard let taken = indexes[state.name]?.taken else { return }
    let resting = lost.reduce(UInt128(0)) { $0 + taken.count(in: $1.bits) }
    guard resting > 0, let first = lost.lazy.compactMap({ taken.firstMember(in: $0.bits) }).first else { return }
    throw Rejection(
      .outsidersLive,
      "\(resting) addresses that would lie outside still rest in quarantine, among them "
        + "\(IPAddress(family: state.family, bits: first)): wait until it ends"
    ).with("quarantined", resting)
  }
}

extension [Effect] {
  /// The pool's own row first: what a reader of the entry wants to see.
  fileprivate var poolFirst: [Effect] { filter(\.isOfPool) + filter { !$0.isOfPool } }
}

extension Effect {
  fileprivate var isOfPool: Bool { if case .pool = row { true } else { false } }
}
