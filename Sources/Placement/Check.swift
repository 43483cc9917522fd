import Domain

extension Fleet {
  /// Whether a node will do, and if not, the first filter that says so. `extra` is room kept for this request.
  func check(_ node: Int, _ asked: Asked, _ scratch: inout Scratch, extra: Amounts = .zero) -> Reason {
    let reason = standing(node, asked, &scratch)
    return reason == .none ? room(node, asked, extra) : reason
  }

  /// The filters that do not ask what is free.
  func standing(_ node: Int, _ asked: Asked, _ scratch: inout Scratch) -> Reason {
    if asked.isPicky, asked.avoid.contains(node) || asked.only ?? node != node { return .notNamed }
    let verdict = asked.verdicts[Int(nodeClass[node])]
    if verdict.reason != .none { return verdict.reason }
    if asked.isPicky {
      let reason = picky(node, verdict, asked)
      if reason != .none { return reason }
    }
    if !asked.places.isEmpty {
      let reason = asked.places[Int(rack[node])].reason
      if reason != .none { return reason }
    }
    if asked.needsAddresses, !hasAddresses(Int(rack[node]), asked, &scratch) { return .addresses }
    if asked.isPicky, asked.vetoes.contains(node) || asked.among?.contains(node) == false { return .rule }
    if !extensions.isEmpty, let row = nodes[node] {
      for rule in extensions where !rule.accepts(row, for: asked.request) { return .rule }
    }
    if let rules = asked.rules {
      let reason = company(node, rules, asked.canSpread)
      if reason != .none { return reason }
    }
    return asked.perNode < .max && count(of: asked.request.key.tenant, on: node, &scratch) >= asked.perNode
      ? .perNode : .none
  }

  private func picky(_ node: Int, _ verdict: Verdict, _ asked: Asked) -> Reason {
    if !asked.labels.pairs.isEmpty, nodes[node]?.labels.includes(asked.labels) != true { return .labels }
    if asked.budget != .max, price(node, verdict) > asked.budget { return .budget }
    guard let apart = asked.request.apart else { return .none }
    let there = places.topology[Int(rack[node])].datacenter
    return there == nil || there == apart ? .together : .none
  }

  /// The filters that ask what is free.
  func room(_ node: Int, _ asked: Asked, _ extra: Amounts) -> Reason {
    let need = asked.verdicts[Int(nodeClass[node])].need
    let there = free[node] &+ extra
    if !need.fits(in: there) {
      if need.fits(in: free[node] &+ kept[node]) { return .reserved }
      if need[0] > there[0] { return .cpu }
      if need[1] > there[1] { return .memory }
      return need[2] > there[2] ? .disk : .bandwidth
    }
    guard asked.isSpecial, let wishes = asked.wishes else { return .none }
    return hardware[node].seat(for: asked.shape.amounts, wishes).reason
  }

  func price(_ node: Int, _ verdict: Verdict) -> Money {
    isPeak[Int(nodeClass[node])] ? verdict.peakPrice : verdict.offPeakPrice
  }

  /// Asked once in a search for all places that the same pools serve.
  private func hasAddresses(_ rack: Int, _ asked: Asked, _ scratch: inout Scratch) -> Bool {
    let segment = segments[rack]
    if scratch.addressStamp[segment] == scratch.stamp { return scratch.addressSays[segment] }
    let shortage = addresses?.shortage(for: asked.request.spec.interfaces, of: asked.request.key, in: segment)
    scratch.addressStamp[segment] = scratch.stamp
    scratch.addressSays[segment] = shortage == nil
    if scratch.shortage == nil { scratch.shortage = shortage }
    return shortage == nil
  }

  private func count(of tenant: TenantName, on node: Int, _ scratch: inout Scratch) -> Int {
    guard let number = vms.tenants.number(tenant) else { return 0 }
    var count = 0
    var slot = firstVM[node]
    while slot >= 0 {
      scratch.work += 1
      if vms.tenant[Int(slot)] == number { count += 1 }
      slot = vms.next[Int(slot)]
    }
    return count
  }

  /// The hard rules about groups: its own, and those of the VMs that are there.
  private func company(_ node: Int, _ rules: CompiledRules, _ canSpread: Bool) -> Reason {
    for rule in rules.rules where rule.weight == nil && !rule.isAnti {
      let domain = places.domain(rule.scope, node: node, rack: rack[node])
      // The first member of a group has nobody to be with.
      if groups[Int(rule.group)].members == 0, rule.isMember { continue }
      if !groups[Int(rule.group)].isIn(rule.scope, domain) { return .affinity }
    }
    for rule in rules.rules where rule.weight == nil && rule.isAnti {
      let domain = places.domain(rule.scope, node: node, rack: rack[node])
      if groups[Int(rule.group)].count(rule.scope, domain) + 1 > rule.most { return .antiAffinity }
    }
    for member in rules.members {
      for held in groups[Int(member)].guards {
        let domain = places.domain(held.scope, node: node, rack: rack[node])
        guard held.holders[domain] != nil else { continue }
        // A holder that is a member counts itself; another counts as if it were one more.
        let sum = groups[Int(member)].count(held.scope, domain) + (held.isMember ? 1 : 2)
        if sum > held.most { return .antiAffinity }
      }
    }
    if let spread = rules.spread {
      if !canSpread { return .spreading }
      let group = groups[Int(spread.group)]
      let domain = places.domain(spread.scope, node: node, rack: rack[node])
      if group.occupied(spread.scope).count < spread.least, group.isIn(spread.scope, domain) { return .spreading }
    }
    return .none
  }

  // MARK: Scores

  /// How good a node that will do is.
  func pick(_ node: Int, _ asked: Asked, extra: Amounts = .zero) -> Pick {
    let verdict = asked.verdicts[Int(nodeClass[node])]
    let left = free[node] &+ extra &- verdict.need
    // Of 4,096 parts of what the node may promise.
    let cpu = (Int64(left[0]) * inverse[node][0]) >> 28
    let memory = (Int64(left[1]) * inverse[node][1]) >> 28
    let emptiness = cpu * cpu + memory * memory
    let score: Int64
    switch asked.strategy {
    case .pack, .local, .domains, .manual: score = emptiness
    case .spread: score = -emptiness
    case .cost: score = price(node, verdict)
    case .balanced: score = abs(cpu - memory)
    case .bandwidth: score = -Int64(left[3])
    }
    return Pick(
      node: node, penalty: asked.hasWishes ? penalty(node, asked) : 0,
      scarce: hasDevices[node] && !asked.wantsDevices ? 1 : 0,
      score: score, second: emptiness)
  }

  /// The broken wishes in sum.
  private func penalty(_ node: Int, _ asked: Asked) -> Int32 {
    var sum: Int32 = 0
    if !asked.places.isEmpty {
      sum &+= asked.places[Int(rack[node])].penalty &* (asked.strategy == .local ? 1_000 : 1)
    }
    if let rules = asked.rules { sum &+= loneliness(node, rules, asked.strategy) }
    if asked.bestHint > 0 { sum &+= asked.bestHint - (asked.hints[node] ?? 0) }
    if !extensions.isEmpty, let row = nodes[node] {
      for rule in extensions { sum &+= max(0, rule.penalty(row, for: asked.request)) }
    }
    return sum
  }

  /// The broken wishes about groups.
  private func loneliness(_ node: Int, _ rules: CompiledRules, _ strategy: PlacementStrategy) -> Int32 {
    var sum: Int32 = 0
    for rule in rules.rules {
      guard let weight = rule.weight else { continue }
      let domain = places.domain(rule.scope, node: node, rack: rack[node])
      if rule.isAnti {
        sum &+= weight &* max(0, groups[Int(rule.group)].count(rule.scope, domain) + 1 - rule.most)
      } else if !groups[Int(rule.group)].isIn(rule.scope, domain),
        !(rule.isMember && groups[Int(rule.group)].members == 0)
      {
        sum &+= weight
      }
    }
    if let spread = rules.spread { sum &+= crowd(node, spread.group, spread.scope) &* 10 }
    if strategy == .domains, let group = rules.members.first {
      sum &+= crowd(node, group, rules.spread?.scope ?? .zone) &* 1_000
    }
    return sum
  }

  private func crowd(_ node: Int, _ group: Int32, _ scope: PlaceScope) -> Int32 {
    min(1_000, groups[Int(group)].count(scope, places.domain(scope, node: node, rack: rack[node])))
  }
}
