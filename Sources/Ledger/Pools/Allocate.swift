import Addressing
import Domain

/// Giving addresses: who holds some already gets the same answer; else a pool is chosen, a block picked and taken.
extension Ledger {
  func allocate(_ request: AllocateRequest, _ context: Context) throws(Rejection) -> Decided {
    try check(request)
    let held = holdings(request.holder.tenant, request.holder.owner)
    let mine = held.filter { $0.isHeld(by: request.holder) }
    var plan = Plan(request: request, context: context, held: held.count)
    switch request.source {
    case .pool(let name):
      let state = try pool(name)
      let here = mine.filter { $0.pool == name }
      if here.isEmpty { try give(from: state, &plan) } else { try repeatAnswer(here, &plan) }
    case .choose(let families, let topology, let labels):
      for family in families { try choose(family, topology, labels, mine, &plan) }
    }
    let outcome = Outcome.granted(plan.grants, isNew: !plan.effects.isEmpty, unchanged: plan.unchanged)
    return Decided(
      outcome: outcome, kind: .allocated, effects: plan.effects,
      told: .grants(plan.grants, unchanged: plan.unchanged))
  }

  /// What an allocation gathers on its way.
  struct Plan {
    let request: AllocateRequest
    let context: Context
    var held: Int
    var grants: [Grant] = []
    var effects: [Effect] = []
    var unchanged: [String] = []

    var count: Int { request.count ?? 1 }
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

  private func repeatAnswer(_ held: [Allocation], _ plan: inout Plan) throws(Rejection) {
    let request = plan.request
    let sameCount = held.count == plan.count
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
    let pool = tables.pools[allocation.pool]?.pool
    return Grant(allocation, gateway: pool?.extent.gateway, network: pool?.cidr ?? allocation.block)
  }

  // MARK: Choosing a pool

  /// What is held in any matching pool is the answer; else the best matching pool that has room gives.
  private func choose(
    _ family: AddressFamily, _ topology: Topology, _ labels: Labels, _ mine: [Allocation], _ plan: inout Plan
  ) throws(Rejection) {
    let matching = tables.poolNames.compactMap { tables.pools[$0] }.filter {
      $0.pool.family == family && $0.pool.labels.includes(labels) && $0.pool.topology.match(topology) != nil
    }
    let names = Set(matching.map(\.pool.name))
    if let first = mine.first(where: { names.contains($0.pool) }) {
      return try repeatAnswer(mine.filter { $0.pool == first.pool }, &plan)
    }
    guard !matching.isEmpty else {
      throw Rejection(
        .noMatchingPool, "no \(family.name) pool serves this topology with these labels: see `berth pool list`",
        field: "topology")
    }
    let ranked = matching.map { Ranked(state: $0, score: $0.pool.topology.match(topology) ?? 0, free: free($0)) }
      .sorted()
    var refusal: Rejection?
    for candidate in ranked where candidate.state.pool.enabled {
      let (before, mark) = (plan, undoMark)
      do throws(Rejection) { return try give(from: candidate.state, &plan) } catch {
        // Full, or too small for the child prefix: the next one may do.
        guard error.code == .poolExhausted || error.field == "prefix_length" else { throw error }
        undo(to: mark)
        plan = before
        if refusal?.code != .poolExhausted { refusal = error.code == .poolExhausted ? error : refusal ?? error }
      }
    }
    throw refusal
      ?? Rejection(.poolDisabled, "every \(family.name) pool that matches is disabled: `berth pool enable NAME`")
  }

  private func free(_ state: PoolState) -> AddressCount { indexes[state.pool.name]?.available ?? .zero }

  /// Most specific first, then the most free addresses, then by name.
  private struct Ranked: Comparable {
    let state: PoolState
    let score: Int
    let free: AddressCount

    static func == (a: Self, b: Self) -> Bool { a.state === b.state }

    static func < (a: Self, b: Self) -> Bool {
      if a.score != b.score { return a.score > b.score }
      return a.free != b.free ? a.free > b.free : a.state.pool.name < b.state.pool.name
    }
  }

  // MARK: Giving

  private func give(from state: PoolState, _ plan: inout Plan) throws(Rejection) {
    let pool = state.pool
    guard pool.enabled else {
      throw Rejection(.poolDisabled, "pool \(pool.name) is disabled: `berth pool enable \(pool.name)`", field: "pool")
    }
    guard plan.held + plan.count <= Limits.perOwner else {
      throw Rejection(
        .tooManyForOwner, "\(plan.request.holder.owner) would hold over \(Limits.perOwner) allocations: use more owners"
      )
    }
    guard let index = indexes[pool.name] else { preconditionFailure("pool \(pool.name) has no index") }
    // A child prefix of the full length is one address like any other.
    let length = plan.request.prefixLength ?? pool.family.bitCount
    if plan.request.address != nil || length != pool.family.bitCount {
      let block = try pickBlock(plan.request, state, index)
      try checkMemories(inside: block, index)
      put(block, isStatic: plan.request.address != nil, index: 0, state, index, &plan)
    } else if plan.request.contiguous, plan.count > 1 {
      for (number, ip) in try pickRun(plan, state, index).enumerated() {
        put(Prefix(containing: ip, length: pool.family.bitCount), isStatic: false, index: number, state, index, &plan)
      }
    } else {
      try giveSingles(state, index, &plan)
    }
    plan.held += plan.count
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

  private func giveSingles(_ state: PoolState, _ index: PoolIndex, _ plan: inout Plan) throws(Rejection) {
    let pool = state.pool
    guard index.available >= AddressCount(UInt128(plan.count)) else { throw exhausted(state, index, plan.context) }
    let cursorBefore = index.cursor
    for number in 0..<plan.count {
      guard let ip = pickOne(state, index, plan.context, number) else { throw exhausted(state, index, plan.context) }
      if pool.strategy == .next {
        note(.cursor(pool.name, index.cursor))
        index.cursor = ip
      }
      put(Prefix(containing: ip, length: pool.family.bitCount), isStatic: false, index: number, state, index, &plan)
    }
    if let cursor = index.cursor, cursor != cursorBefore { plan.effects.append(.put(.cursor(pool.name, cursor))) }
  }

  private func put(
    _ block: Prefix, isStatic: Bool, index number: Int, _ state: PoolState, _ index: PoolIndex, _ plan: inout Plan
  ) {
    let (request, context, pool) = (plan.request, plan.context, state.pool)
    let seconds = request.leaseSeconds ?? pool.leaseSeconds
    let allocation = Allocation(
      pool: pool.name, block: block, tenant: request.holder.tenant, owner: request.holder.owner,
      interface: request.holder.interface, index: UInt16(number), hostname: request.hostname, mac: request.mac,
      node: request.node, isStatic: isStatic, labels: request.labels, createdAt: context.time,
      expiresAt: seconds == 0 ? nil : context.time + LogTime(seconds) * 1_000_000, generation: context.revision,
      revision: context.revision)
    plan.effects += take(block, in: pool.name, index)
    plan.effects.append(.put(.allocation(allocation)))
    plan.grants.append(Grant(allocation, gateway: pool.extent.gateway, network: pool.cidr))
  }

  func exhausted(_ state: PoolState, _ index: PoolIndex, _ context: Context) -> Rejection {
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
