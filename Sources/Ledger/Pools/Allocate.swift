import Addressing
import Domain

/// Giving addresses: who holds some already gets the same answer; else a pool is chosen, a block picked and taken.
extension Ledger {
  func allocate(_ request: AllocateRequest, _ context: Context) throws(Rejection) -> Decided {
    try check(request)
    let held = holdings(OwnerProbe(request.holder.tenant, request.holder.owner))
    let mine = held.isEmpty ? held : held.filter { $0.isHeld(by: request.holder) }
    var plan = Plan(held: held.count)
    switch request.source {
    case .pool(let name):
      let state = try pool(name)
      let here = mine.isEmpty ? mine : mine.filter { $0.pool == name }
      if here.isEmpty { try give(from: state, request, context, &plan) } else { try repeatAnswer(here, request, &plan) }
    case .choose(let families, let topology, let labels):
      let wanted = Wanted(topology: topology, labels: labels, request: request)
      for family in families { try choose(family, wanted, mine, context, &plan) }
    }
    let outcome = Outcome.granted(plan.grants, isNew: !plan.effects.isEmpty, unchanged: plan.unchanged)
    return Decided(
      outcome: outcome, kind: .allocated, effects: plan.effects,
      told: .grants(plan.grants, unchanged: plan.unchanged))
  }

  /// What an allocation gathers on its way.
  struct Plan {
    var held: Int
    var grants: [Grant] = []
    var effects: [Effect] = []
    var unchanged: [String] = []
  }

  /// What a chosen pool must be like, and for what.
  struct Wanted {
    let topology: Topology
    let labels: Labels
    let request: AllocateRequest
    /// For each other family of the interface the pools that its address may be from: they must go together.
    var beside: [[Pool]] = []
  }

  private func check(_ request: AllocateRequest) throws(Rejection) {
    let count = request.count ?? 1
    guard (1...Limits.count).contains(count) else { throw .invalid("count", "must be 1 to \(Limits.count)") }
    if request.address != nil, count > 1 { throw .invalid("count", "must be 1 when `ip` names the address") }
    if request.prefixLength != nil, count > 1 {
      throw .invalid("count", "must be 1 when `prefix_length` asks for a child prefix")
    }
    if case .choose(let families, _, _) = request.source {
      if families.isEmpty || Set(families).count != families.count {
        throw .invalid("families", "must name ipv4, ipv6 or both, each once")
      }
      if request.address != nil { throw .invalid("ip", "needs a named pool") }
    }
    if let seconds = request.leaseSeconds, seconds > Limits.maxSeconds {
      throw .invalid("lease_seconds", "at most \(Limits.maxSeconds) (ten years)")
    }
  }

  // MARK: What is held already

  private func repeatAnswer(_ held: [Allocation], _ request: AllocateRequest, _ plan: inout Plan) throws(Rejection) {
    let sameCount = held.count == request.count ?? 1
    let sameLength = held.allSatisfy { $0.block.length == request.prefixLength ?? $0.block.family.bitCount }
    let sameAddress = request.address == nil || held.map(\.ip) == [request.address]
    guard sameCount, sameLength, sameAddress else {
      let list = held.prefix(10).map { "\($0.isChildPrefix ? $0.block.description : $0.ip.description)" }
      throw Rejection(
        .alreadyAllocated,
        "\(request.holder.owner) holds \(held.count) of pool \(held[0].pool) on \(request.holder.interface) already "
          + "(\(list.joined(separator: ", "))): release it first, or use another interface",
        field: sameAddress ? (sameLength ? "count" : "prefix_length") : "ip"
      ).with("held", text: list.joined(separator: " "))
    }
    for allocation in held { plan.grants.append(grant(allocation)) }
    for field in unchangedFields(request, held[0]) where !plan.unchanged.contains(field) {
      plan.unchanged.append(field)
    }
  }

  private func unchangedFields(_ request: AllocateRequest, _ held: Allocation) -> [String] {
    var fields: [String] = []
    if let hostname = request.hostname, hostname != held.hostname { fields.append("hostname") }
    if let mac = request.mac, mac != held.mac { fields.append("mac") }
    if let node = request.node, node != held.node { fields.append("node") }
    if !request.labels.pairs.isEmpty, request.labels != held.labels { fields.append("labels") }
    return fields
  }

  func grant(_ allocation: Allocation) -> Grant {
    let pool = tables.pool(allocation.pool)
    return Grant(allocation, gateway: pool?.gateway, network: pool?.cidr ?? allocation.block)
  }

  // MARK: Choosing a pool

  /// What is held in any matching pool is the answer; else the best matching pool that has room gives.
  func choose(
    _ family: AddressFamily, _ wanted: Wanted, _ mine: [Allocation], _ context: Context, _ plan: inout Plan
  ) throws(Rejection) {
    let (topology, request) = (wanted.topology, wanted.request)
    let matching = (tables.byPlace[family]?.pools(matching: topology) ?? []).filter {
      $0.pool.labels.includes(wanted.labels)
    }
    let names = mine.isEmpty ? [] : Set(matching.map(\.name))
    if let first = mine.first(where: { names.contains($0.pool) }) {
      return try repeatAnswer(mine.filter { $0.pool == first.pool }, request, &plan)
    }
    guard !matching.isEmpty else {
      throw Rejection(
        .noMatchingPool, "no \(family.name) pool serves this topology with these labels: see `berth pool list`",
        field: "topology")
    }
    var candidates = Heap<Ranked>()
    for state in matching where state.pool.enabled && state.pool.goes(with: wanted.beside) {
      candidates.push(Ranked(state: state, score: state.pool.topology.match(topology) ?? 0, free: free(state)))
    }
    var refusal: Rejection?
    while let candidate = candidates.pop() {
      let (before, mark) = (plan, undoMark)
      do throws(Rejection) { return try give(from: candidate.state, request, context, &plan) } catch {
        // Full, or too small for the child prefix: the next one may do.
        guard error.code == .poolExhausted || error.field == "prefix_length" else { throw error }
        undo(to: mark)
        plan = before
        if refusal?.code != .poolExhausted { refusal = error.code == .poolExhausted ? error : refusal ?? error }
      }
    }
    if refusal == nil, matching.contains(where: { !$0.pool.goes(with: wanted.beside) }) {
      throw .invalid("interfaces", "no \(family.name) pool that serves there is in the VLAN of the other family's")
    }
    throw refusal
      ?? Rejection(.poolDisabled, "every \(family.name) pool that matches is disabled: `berth pool enable NAME`")
  }

  private func free(_ state: PoolState) -> AddressCount { indexes[state.name]?.available ?? .zero }

  /// Most specific first, then the most free addresses, then by name.
  private struct Ranked: Comparable {
    let state: PoolState
    let score: Int
    let free: AddressCount

    static func == (a: Self, b: Self) -> Bool { a.state === b.state }

    static func < (a: Self, b: Self) -> Bool {
      if a.score != b.score { return a.score > b.score }
      return a.free != b.free ? a.free > b.free : a.state.name < b.state.name
    }
  }

  // MARK: Giving

  func give(
    from state: PoolState, _ request: AllocateRequest, _ context: Context, _ plan: inout Plan
  ) throws(Rejection) {
    let (name, bitCount, count) = (state.name, state.family.bitCount, request.count ?? 1)
    guard state.pool.enabled else {
      throw Rejection(.poolDisabled, "pool \(name) is disabled: `berth pool enable \(name)`", field: "pool")
    }
    guard plan.held + count <= Limits.perOwner else {
      throw Rejection(
        .tooManyForOwner, "\(request.holder.owner) would hold over \(Limits.perOwner) allocations: use more owners")
    }
    if let fleetIndex, !fleetIndex.quotas.isEmpty, request.manager != .vm {
      let given = plan.effects.count { $0.isPut && KeyProbe.isAllocation($0.bytes[0]) }
      try checkAddresses(of: request.holder.tenant, count + given, context)
    }
    guard let index = index(of: name) else { preconditionFailure("pool \(name) has no index") }
    // A child prefix of the full length is one address like any other.
    let length = request.prefixLength ?? bitCount
    if request.address != nil || length != bitCount {
      let block = try pickBlock(request, state, index)
      try checkMemories(inside: block, index)
      put(block, 0, request, context, Giver(state, index), &plan)
    } else if request.contiguous, count > 1 {
      for (number, ip) in try pickRun(count, state, index).enumerated() {
        put(Prefix(containing: ip, length: bitCount), number, request, context, Giver(state, index), &plan)
      }
    } else {
      try giveSingles(count, request, context, Giver(state, index), &plan)
    }
    plan.held += count
  }

  /// The pool that gives.
  private struct Giver {
    let state: PoolState
    let index: PoolIndex

    init(_ state: PoolState, _ index: PoolIndex) { (self.state, self.index) = (state, index) }
  }

  /// Taking a block ends what is remembered inside it, row by row, in one entry.
  private func checkMemories(inside block: Prefix, _ index: PoolIndex) throws(Rejection) {
    let count = index.remembered.count(in: block.range.bits)
    guard count <= UInt128(Limits.perOwner) else {
      throw Rejection(
        .tooLarge,
        "\(block) has \(count) released addresses whose order is remembered, over \(Limits.perOwner): "
          + "give the pool another strategy than oldest for a moment, or ask for a smaller block",
        field: "prefix_length")
    }
  }

  private func giveSingles(
    _ count: Int, _ request: AllocateRequest, _ context: Context, _ giver: Giver, _ plan: inout Plan
  ) throws(Rejection) {
    let (state, index) = (giver.state, giver.index)
    guard index.available >= AddressCount(UInt128(count)) else { throw exhausted(state, index) }
    plan.effects.reserveCapacity(count)
    plan.grants.reserveCapacity(count)
    for number in 0..<count {
      guard let ip = pickOne(state, index, context, number) else { throw exhausted(state, index) }
      if state.pool.strategy == .next {
        move(index, of: state.name, to: ip)
      }
      put(Prefix(containing: ip, length: ip.family.bitCount), number, request, context, giver, &plan)
    }
  }

  private func put(
    _ block: Prefix, _ number: Int, _ request: AllocateRequest, _ context: Context, _ giver: Giver, _ plan: inout Plan
  ) {
    let state = giver.state
    let seconds = request.leaseSeconds ?? state.pool.leaseSeconds
    let allocation = Allocation(
      pool: state.name, block: block, tenant: request.holder.tenant, owner: request.holder.owner,
      interface: request.holder.interface, index: UInt16(number), hostname: request.hostname, mac: request.mac,
      node: request.node, isStatic: request.address != nil, manager: request.manager, labels: request.labels,
      createdAt: context.time,
      expiresAt: seconds == 0 ? nil : context.time + LogTime(seconds) * 1_000_000, generation: context.revision,
      revision: context.revision)
    take(block, giver.index, &plan.effects)
    plan.effects.append(.put(.allocation(allocation)))
    plan.grants.append(Grant(allocation, gateway: state.pool.extent.gateway, network: state.cidr))
  }

  func exhausted(_ state: PoolState, _ index: PoolIndex) -> Rejection {
    let pool = state.pool
    var refusal = Rejection(
      .poolExhausted,
      "pool \(pool.name) (\(pool.cidr)) has no free address: release some, or grow it with `berth pool expand \(pool.name)`",
      field: "pool"
    ).with("quarantined", state.quarantinedCount.exact ?? .max)
    if let due = index.due.nextEnd { refusal = refusal.with("next_free_at_us", due) }
    return refusal
  }
}
