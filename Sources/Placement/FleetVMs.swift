package import Domain

extension Fleet {
  /// Takes over a VM's row: whether it is on a node now, on another than before, or on none any more. A migrating VM
  /// counts on both nodes, and on its standby's too.
  package mutating func put(_ vm: VM) {
    setAway(vm.id.raw, vm.isAway ? RuleSet(vm.key, vm.spec) : nil)
    if let found = vms.slots[vm.id.raw] {
      if vm.state != .migrating, vm.standby == nil, let node = vm.node, isUnchanged(vm, node, found) { return }
      removeVM(vm.id.raw)
    }
    removeShadows(of: vm.id)
    if let node = vm.node { add(vm, node, id: vm.id.raw) }
    if vm.state == .migrating, let leaving = vm.leaving { add(vm, leaving, id: Role.leaving.id(vm.id)) }
    if let standby = vm.standby { add(vm, standby, id: Role.standby.id(vm.id)) }
  }

  /// Forgets a VM.
  package mutating func remove(vm id: VMID) {
    setAway(id.raw, nil)
    removeVM(id.raw)
    removeShadows(of: id)
  }

  private mutating func removeShadows(of id: VMID) {
    guard shadowCount > 0 else { return }
    removeVM(Role.leaving.id(id))
    removeVM(Role.standby.id(id))
  }

  /// Most reports of a node change nothing of what is counted.
  private func isUnchanged(_ vm: VM, _ node: NodeName, _ found: Int32) -> Bool {
    if shadowCount > 0, vms.slots[Role.leaving.id(vm.id)] != nil || vms.slots[Role.standby.id(vm.id)] != nil {
      return false
    }
    let slot = Int(found)
    return nodes[Int(vms.node[slot])]?.name == node && vms.priority[slot] == vm.spec.priority
      && vms.isPreemptible[slot] == Fleet.canGiveWay(vm) && (vms.seats[found] ?? .plain) == vm.seat
      && (vms.preemptedAt[found] ?? 0) == vm.preemptedAt && shapes[vms.shape[slot]] == RequestShape(vm.spec)
      && RuleSet(vm.key, vm.spec) == (vms.rules[slot] < 0 ? nil : ruleSets[vms.rules[slot]])
  }

  /// Notes that members of a VM's groups are away until it runs again: disruption budgets count them.
  mutating func setAway(_ id: UInt64, _ set: RuleSet?) {
    if set == nil, away.isEmpty { return }
    let old = away[id]
    if old == set { return }
    journal.append(.away(id, old))
    for name in old?.groups ?? [] {
      let group = groupNumber(GroupKey(tenant: old?.tenant ?? .standard, name: name))
      groups[Int(group)].disrupted -= 1
      releaseGroup(group)
      releaseGroup(group)
    }
    for name in set?.groups ?? [] {
      groups[Int(retainGroup(GroupKey(tenant: set?.tenant ?? .standard, name: name)))].disrupted += 1
    }
    away[id] = set
  }

  /// What a VM is on a node where it has room; the number is in the upper bits of its id there.
  package enum Role: UInt64, Hashable, Sendable {
    /// It is there.
    case home = 0
    /// Room is kept for it, in case its own node is lost.
    case standby = 1
    /// It is on its way from there to another node.
    case leaving = 2

    /// Of a VM in this role.
    func id(_ id: VMID) -> UInt64 { id.raw | rawValue << 62 }

    init(of id: UInt64) {
      guard let role = Role(rawValue: id >> 62) else { preconditionFailure("an id of no role") }
      self = role
    }
  }

  /// How many VMs are on nodes; one that migrates or has a standby counts twice.
  package var vmCount: Int { vms.slots.count }

  private mutating func add(_ vm: VM, _ node: NodeName, id: UInt64) {
    addVM(
      VMRecord(
        id: id, key: vm.key, shape: RequestShape(vm.spec), rules: RuleSet(vm.key, vm.spec), node: node,
        priority: vm.spec.priority, isPreemptible: Role(of: id) != .standby && Fleet.canGiveWay(vm),
        seat: Role(of: id) == .standby ? .plain : vm.seat, preemptedAt: vm.preemptedAt))
  }

  /// Who goes down or moves already gives its room back without being asked.
  private static func canGiveWay(_ vm: VM) -> Bool {
    // Who may be on two nodes must first be known to be on one.
    vm.spec.isPreemptible
      && (vm.state == .placed || vm.state == .starting || vm.state == .running && vm.leaving == nil)
  }

  mutating func addVM(_ record: VMRecord) {
    guard let number = numbers[record.node] else { return }
    let slot = vms.newSlot()
    vms.slots.insert(record.id, Int32(slot))
    if Role(of: record.id) != .home { shadowCount += 1 }
    vms.id[slot] = record.id
    vms.name[slot] = record.key.name
    vms.tenant[slot] = vms.tenants.retain(record.key.tenant).number
    vms.shape[slot] = retainShape(record.shape)
    vms.rules[slot] = record.rules.map { retainRules($0) } ?? -1
    vms.priority[slot] = record.priority
    vms.isPreemptible[slot] = record.isPreemptible
    if record.seat != .plain { vms.seats[Int32(slot)] = record.seat }
    if record.preemptedAt != 0 { vms.preemptedAt[Int32(slot)] = record.preemptedAt }
    link(slot, Int(number))
    charge(slot, Int(number), 1)
    if vms.rules[slot] >= 0 { moveGroups(ofVM: slot, on: Int(number), 1) }
    settle(Int(number))
    journal.append(.added(record.id))
  }

  mutating func removeVM(_ id: UInt64) {
    guard let found = vms.slots[id] else { return }
    let slot = Int(found)
    let number = Int(vms.node[slot])
    journal.append(.removed(record(slot)))
    growth += 1
    if vms.rules[slot] >= 0 { moveGroups(ofVM: slot, on: number, -1) }
    charge(slot, number, -1)
    unlink(slot, number)
    settle(number)
    vms.slots.remove(id)
    if Role(of: id) != .home { shadowCount -= 1 }
    _ = vms.tenants.release(vms.tenant[slot])
    releaseShape(vms.shape[slot])
    if vms.rules[slot] >= 0 { releaseRules(vms.rules[slot]) }
    vms.seats[found] = nil
    vms.preemptedAt[found] = nil
    vms.free(slot)
  }

  func record(_ slot: Int) -> VMRecord {
    let number = Int(vms.node[slot])
    guard let node = nodes[number] else { preconditionFailure("a VM on no node") }
    return VMRecord(
      id: vms.id[slot], key: key(slot), shape: shapes[vms.shape[slot]],
      rules: vms.rules[slot] < 0 ? nil : ruleSets[vms.rules[slot]], node: node.name, priority: vms.priority[slot],
      isPreemptible: vms.isPreemptible[slot], seat: vms.seats[Int32(slot)] ?? .plain,
      preemptedAt: vms.preemptedAt[Int32(slot)] ?? 0)
  }

  func key(_ slot: Int) -> VMKey { VMKey(tenant: vms.tenants[vms.tenant[slot]], name: vms.name[slot]) }

  /// The VMs on a node, in no particular order.
  package func vms(on name: NodeName) -> [VMID] {
    guard let number = numbers[name] else { return [] }
    var found: [VMID] = []
    var slot = firstVM[Int(number)]
    while slot >= 0 {
      found.append(Fleet.plainID(vms.id[Int(slot)]))
      slot = vms.next[Int(slot)]
    }
    return found
  }

  private static func plainID(_ id: UInt64) -> VMID { VMID(raw: id & (1 << 62 - 1)) }

  /// A VM that has room on a node.
  package struct Resident: Sendable {
    /// Whose, and its name.
    package let key: VMKey
    /// Which.
    package let id: VMID
    /// What it takes.
    package let resources: Resources
    /// What it is here.
    package let role: Role
    /// Whether it has processors or devices of its own here.
    package let isSeated: Bool
  }

  /// Who has room on a node, in order of the keys.
  package borrowing func residents(of name: NodeName) -> [Resident] {
    guard let number = numbers[name] else { return [] }
    var found: [Resident] = []
    var slot = firstVM[Int(number)]
    while slot >= 0 {
      let id = vms.id[Int(slot)]
      found.append(
        Resident(
          key: key(Int(slot)), id: Fleet.plainID(id),
          resources: Resources(shapes[vms.shape[Int(slot)]].amounts), role: Role(of: id),
          isSeated: vms.seats[slot] != nil))
      slot = vms.next[Int(slot)]
    }
    return found.sorted { $0.key < $1.key }
  }

  /// The VMs whose own place is on one of these nodes, the most important first, then the oldest: `most` of them, and how
  /// many there are.
  package mutating func homes(on names: [NodeName], most: Int) -> (first: [VMKey], count: Int) {
    var found: [(priority: UInt16, id: UInt64, slot: Int)] = []
    for number in names.compactMap({ numbers[$0] }) {
      var slot = Int(firstVM[Int(number)])
      while slot >= 0 {
        if Role(of: vms.id[slot]) == .home { found.append((vms.priority[slot], vms.id[slot], slot)) }
        slot = Int(vms.next[slot])
      }
    }
    work &+= UInt64(found.count)
    found.sort { ($1.priority, $0.id) < ($0.priority, $1.id) }
    return (found.prefix(most).map { key($0.slot) }, found.count)
  }

  /// Whether nobody has room on a node.
  package borrowing func isEmpty(_ name: NodeName) -> Bool { numbers[name].map { firstVM[Int($0)] < 0 } ?? true }

  /// The key of a VM that is on a node.
  package borrowing func vmKey(of id: VMID) -> VMKey? { vms.slots[id.raw].map { key(Int($0)) } }

  private mutating func link(_ slot: Int, _ number: Int) {
    let head = firstVM[number]
    vms.node[slot] = Int32(number)
    vms.next[slot] = head
    vms.previous[slot] = -1
    if head >= 0 { vms.previous[Int(head)] = Int32(slot) }
    firstVM[number] = Int32(slot)
  }

  private mutating func unlink(_ slot: Int, _ number: Int) {
    let (before, after) = (vms.previous[slot], vms.next[slot])
    if before >= 0 { vms.next[Int(before)] = after } else { firstVM[number] = after }
    if after >= 0 { vms.previous[Int(after)] = before }
  }

  /// What a VM takes of a node's promise.
  func need(_ slot: Int, _ number: Int) -> Amounts {
    let shape = shapes[vms.shape[slot]]
    guard shape.wishes?.isBacked == true, let node = nodes[number] else { return shape.amounts }
    return node.profile.backed(Resources(shape.amounts)).amounts
  }

  /// Counts a VM on a node, or no longer.
  mutating func charge(_ slot: Int, _ number: Int, _ sign: Int32) {
    let shape = shapes[vms.shape[slot]]
    let change = need(slot, number) &* Amounts(repeating: sign)
    used[number] &+= change
    if vms.isPreemptible[slot] {
      countPreemptible(slot, Int(sign))
      bands[number * Fleet.bandCount + Fleet.band(vms.priority[slot])] &+= change
    }
    if let wishes = shape.wishes, wishes.isSpecial {
      hardware[number].take(shape.amounts, wishes, vms.seats[Int32(slot)] ?? .plain, back: sign < 0)
    }
  }

  mutating func countPreemptible(_ slot: Int, _ sign: Int) {
    preemptibleCount += sign
    let tenant = Int(vms.tenant[slot])
    while preemptibleOf.count <= tenant { preemptibleOf.append(0) }
    preemptibleOf[tenant] += Int32(sign)
  }

  // MARK: Classes and groups

  mutating func retainShape(_ shape: RequestShape) -> Int32 {
    let (number, isNew) = shapes.retain(shape)
    if isNew {
      if number == knowledge.count { knowledge.append(Knowledge()) } else { knowledge[Int(number)] = Knowledge() }
    }
    return number
  }

  mutating func releaseShape(_ number: Int32) {
    if shapes.release(number) { knowledge[Int(number)] = Knowledge() }
  }

  mutating func retainRules(_ set: RuleSet) -> Int32 {
    let (number, isNew) = ruleSets.retain(set)
    guard isNew else { return number }
    var named: [GroupName: Int32] = [:]
    for name in set.groups + set.affinity.map(\.group) + (set.spreading.map { [$0.group] } ?? []) {
      named[name] = retainGroup(GroupKey(tenant: set.tenant, name: name))
    }
    let compiled = CompiledRules(set) { named[$0] ?? -1 }
    if number == rules.count { rules.append(compiled) } else { rules[Int(number)] = compiled }
    return number
  }

  mutating func releaseRules(_ number: Int32) {
    let set = ruleSets[number]
    guard ruleSets.release(number) else { return }
    rules[Int(number)] = nil
    for name in set.groups + set.affinity.map(\.group) + (set.spreading.map { [$0.group] } ?? []) {
      let group = groupNumber(GroupKey(tenant: set.tenant, name: name))
      releaseGroup(group)
      releaseGroup(group)
    }
  }

  /// A group's number, kept as long as somebody who was counted uses it, and as long as it has members away.
  private mutating func retainGroup(_ key: GroupKey) -> Int32 {
    let (number, isNew) = groupKeys.retain(key)
    if isNew {
      if number == groups.count { groups.append(Group()) } else { groups[Int(number)] = Group() }
    }
    return number
  }

  private mutating func groupNumber(_ key: GroupKey) -> Int32 { retainGroup(key) }

  private mutating func releaseGroup(_ number: Int32) {
    if groupKeys.release(number) { groups[Int(number)] = Group() }
  }

  /// Counts the members on a node, and the rules they hold, in their places; or no longer.
  mutating func moveGroups(of number: Int, _ change: Int32) {
    var slot = firstVM[number]
    while slot >= 0 {
      if vms.rules[Int(slot)] >= 0 { moveGroups(ofVM: Int(slot), on: number, change) }
      slot = vms.next[Int(slot)]
    }
  }

  mutating func moveGroups(ofVM slot: Int, on number: Int, _ change: Int32) {
    guard let compiled = rules[Int(vms.rules[slot])] else { return }
    let isThere = Role(of: vms.id[slot]) != .standby
    for group in compiled.members {
      for scope in PlaceScope.allCases {
        groups[Int(group)].add(
          change, scope, places.domain(scope, node: number, rack: rack[number]), isThere: isThere)
      }
    }
    for rule in compiled.rules where rule.isAnti && rule.weight == nil {
      let domain = places.domain(rule.scope, node: number, rack: rack[number])
      groups[Int(rule.group)].addGuard(change, rule, domain)
    }
  }
}
