import Domain

extension Fleet {
  /// Nodes on which victims are looked for one by one.
  static let victimNodesMax = 64
  /// So many VMs whose tenant alone is looked at cost as much as one node.
  static let vmsPerWork = 32

  /// The node where making room costs least, and who would have to give way there.
  ///
  /// Only VMs that are preemptible, of a strictly lower priority, not at rest after having given way, and within the
  /// disruption budget of their group. Nobody whom the request must be with.
  func preempt(_ asked: Asked, _ scratch: inout Scratch) -> Decision? {
    var candidates: [UInt64] = []
    let own = asked.request.spec.preemption == .own ? ownFrees(asked, &scratch) : nil
    if own?.isEmpty == true { return nil }
    scratch.work += nodeClass.count
    for node in nodeClass.indices where nodeClass[node] >= 0 {
      if let key = promise(node, asked, own, &scratch) { candidates.append(key) }
    }
    candidates.sort()
    var best: (pick: Pick, loss: Loss, items: [VictimSearch.Item])?
    for key in candidates.prefix(Fleet.victimNodesMax) {
      let node = Int(key & 0xFFFF_FFFF)
      guard let found = victims(on: node, asked, limit: best?.loss ?? .unbounded, &scratch) else { continue }
      best = (pick(node, asked), found.loss, found.items)
    }
    guard let best else { return nil }
    if asked.request.spec.preemption == .cost, let most = asked.request.spec.budget, best.loss.first > most {
      return nil
    }
    scratch.top = [best.pick]
    scratch.notes.append(
      "\(best.items.count) give way; nodes where that might help: \(candidates.count),"
        + " looked at closely: \(min(candidates.count, Fleet.victimNodesMax))")
    let node = best.pick.node
    guard let row = nodes[node] else { return nil }
    var seat = Seat.plain
    if asked.isSpecial, let wishes = asked.wishes {
      seat = cleared(node, best.items).seat(for: asked.shape.amounts, wishes).seat ?? .plain
    }
    let placement = Placement(
      node: row.name, seat: seat, price: price(node, asked.verdicts[Int(nodeClass[node])]), uses: [],
      explanation: explain(asked, scratch))
    let gone = best.items.map { item in
      Victim(
        key: key(item.slot), id: VMID(raw: vms.id[item.slot]), priority: vms.priority[item.slot],
        price: price(ofVM: item.slot))
    }
    return .preempt(placement, victims: gone.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) })
  }

  /// Whether making room on a node might help, as a number to sort by: the lowest band of priorities that would be
  /// enough, how much is missing, the node. `own` is what its own tenant's VMs could free, where only those may be driven out.
  private func promise(
    _ node: Int, _ asked: Asked, _ own: [Int32: Amounts]?, _ scratch: inout Scratch
  ) -> UInt64? {
    let mine = own?[Int32(node)]
    if own != nil, mine == nil { return nil }
    guard standing(node, asked, &scratch) == .none else { return nil }
    let need = asked.verdicts[Int(nodeClass[node])].need
    let deficit = (need &- free[node]).positive
    var sum = Amounts.zero
    // The bands have everybody's: whether its own are enough is another question, or others' hide them.
    if let mine, !deficit.fits(in: mine) { return nil }
    for band in 0...Fleet.band(asked.request.spec.priority) {
      sum &+= bands[node * Fleet.bandCount + band]
      guard deficit.fits(in: sum), sum != .zero else { continue }
      // What is not summed in bands is looked at later.
      let parts = (Int64(deficit[0]) * inverse[node][0] + Int64(deficit[1]) * inverse[node][1]) >> 24
      return UInt64(band) << 56 | UInt64(min(parts, 0xFF_FFFF)) << 32 | UInt64(node)
    }
    return nil
  }

  /// What its own tenant's VMs could free, by node; found in one pass over all VMs in the order in which they lie.
  private func ownFrees(_ asked: Asked, _ scratch: inout Scratch) -> [Int32: Amounts] {
    guard let tenant = vms.tenants.number(asked.request.key.tenant), tenant < preemptibleOf.count,
      preemptibleOf[Int(tenant)] > 0
    else { return [:] }
    var sums: [Int32: Amounts] = [:]
    scratch.work += vms.tenant.count / Fleet.vmsPerWork
    for slot in vms.tenant.indices where vms.tenant[slot] == tenant && vms.isPreemptible[slot] {
      scratch.work += 1
      let node = vms.node[slot]
      if let item = movable(slot, Int(node), asked) { sums[node, default: .zero] &+= item.frees }
    }
    return sums
  }

  private func victims(
    on node: Int, _ asked: Asked, limit: Loss, _ scratch: inout Scratch
  ) -> (loss: Loss, items: [VictimSearch.Item])? {
    var items: [VictimSearch.Item] = []
    var slot = firstVM[node]
    while slot >= 0 {
      scratch.work += 1
      if let item = movable(Int(slot), node, asked) { items.append(item) }
      slot = vms.next[Int(slot)]
    }
    guard !items.isEmpty else { return nil }
    let need = asked.verdicts[Int(nodeClass[node])].need
    let deficit = (need &- free[node]).positive
    let wishes = asked.isSpecial ? asked.wishes : nil
    let whole = wishes == nil ? nil : parts(node, items)
    let amounts = asked.shape.amounts
    var search = VictimSearch(items, limit: limit) { chosen in
      guard let wishes, let whole else { return true }
      return whole.without(chosen.map(\.slot)).seat(for: amounts, wishes).seat != nil
    }
    search.run(deficit)
    scratch.work += search.steps
    return search.best.map { ($0.loss, $0.chosen) }
  }

  private func movable(_ slot: Int, _ node: Int, _ asked: Asked) -> VictimSearch.Item? {
    if asked.request.spec.preemption == .own, vms.tenants[vms.tenant[slot]] != asked.request.key.tenant { return nil }
    guard vms.isPreemptible[slot], vms.priority[slot] < asked.request.spec.priority, Role(of: vms.id[slot]) == .home
    else {
      return nil
    }
    if let last = vms.preemptedAt[Int32(slot)], asked.request.time - last < Limits.preemptionRest { return nil }
    var group: Int32 = -1
    var budget: Int32 = 0
    var members: [Int32] = []
    if vms.rules[slot] >= 0, let rules = rules[Int(vms.rules[slot])] {
      for rule in asked.rules?.rules ?? []
      where !rule.isAnti && rule.weight == nil && rules.members.contains(rule.group) {
        return nil
      }
      members = rules.members
      if let most = rules.maxDisrupted, let first = rules.members.first {
        (group, budget) = (first, most - groups[Int(first)].disrupted)
        if budget <= 0 { return nil }
      }
    }
    let loss = Loss(asked.request.spec.preemption, priority: vms.priority[slot], price: price(ofVM: slot))
    return VictimSearch.Item(
      slot: slot, loss: loss, frees: need(slot, node), group: group, budget: budget, members: members)
  }

  /// What an hour of a VM costs where it is.
  func price(ofVM slot: Int) -> Money {
    guard let node = nodes[Int(vms.node[slot])] else { return 0 }
    return node.prices.rates(hour: hour).hourly(Resources(shapes[vms.shape[slot]].amounts))
  }

  // MARK: Parts that are not summed

  /// A node's parts, and how its VMs sit on them.
  struct SeatedParts {
    var hardware: Hardware
    var seated: [Int: (amounts: Amounts, wishes: Wishes, seat: Seat)]

    func without(_ slots: [Int]) -> Hardware {
      var copy = hardware
      for slot in slots {
        if let one = seated[slot] { copy.take(one.amounts, one.wishes, one.seat, back: true) }
      }
      return copy
    }
  }

  private func parts(_ node: Int, _ items: [VictimSearch.Item]) -> SeatedParts {
    var seated: [Int: (amounts: Amounts, wishes: Wishes, seat: Seat)] = [:]
    for item in items {
      let shape = shapes[vms.shape[item.slot]]
      if let wishes = shape.wishes, wishes.isSpecial {
        seated[item.slot] = (shape.amounts, wishes, vms.seats[Int32(item.slot)] ?? .plain)
      }
    }
    return SeatedParts(hardware: hardware[node], seated: seated)
  }

  private func cleared(_ node: Int, _ items: [VictimSearch.Item]) -> Hardware {
    parts(node, items).without(items.map(\.slot))
  }
}
