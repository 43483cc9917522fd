import Addressing
import Domain
import Placement

/// What placement must say, worked out in the plainest way: every node, every VM, every time.
struct Model {
  var nodes: [NodeName: Node] = [:]
  var vms: [VMID: VM] = [:]
  var kept: [CapacityName: CapacityReservation] = [:]
  var latencies: [Latency] = []
  /// Addresses left by datacenter; nil = nobody counts.
  var addresses: [String: Int]?

  func vms(on node: NodeName) -> [VM] { vms.values.filter { $0.node == node } }

  static func need(_ spec: VMSpec, _ node: Node) -> Resources {
    spec.isPinned || spec.isSingleNUMA ? node.profile.backed(spec.resources) : spec.resources
  }

  func free(_ node: Node, without gone: Set<VMID> = []) -> Resources {
    var left = node.effective
    for vm in vms(on: node.name) where !gone.contains(vm.id) { left = left - Model.need(vm.spec, node) }
    for row in kept.values where row.node == node.name { left = left - row.left }
    return left
  }

  /// Members of a group of the tenant in the same place as `node`.
  func members(_ group: GroupName, _ tenant: TenantName, near node: Node?, _ scope: PlaceScope) -> [VM] {
    vms.values.filter { vm in
      guard vm.key.tenant == tenant, vm.spec.groups.contains(group), let other = vm.node.flatMap({ nodes[$0] }) else {
        return false
      }
      return node.map { Model.domain($0, scope) == Model.domain(other, scope) } ?? true
    }
  }

  static func domain(_ node: Node, _ scope: PlaceScope) -> [String?] {
    let place = node.topology
    switch scope {
    case .node: return [node.name.text]
    case .rack: return [place.datacenter, place.zone, place.rack]
    case .zone: return [place.datacenter, place.zone]
    case .datacenter: return [place.datacenter]
    }
  }

  // MARK: The filters

  func reason(_ node: Node, _ request: PlacementRequest, open: Bool = false) -> Reason {
    let standing = standing(node, request)
    if standing != .none { return standing }
    let need = Model.need(request.spec, node)
    let free = free(node)
    var there = free
    var all = free
    for row in kept.values where row.node == node.name {
      all = all + row.left
      if open, Model.isOpen(row, request) { there = there + row.left }
    }
    if !need.fits(in: there) {
      if need.fits(in: all) { return .reserved }
      if need.cpu > there.cpu { return .cpu }
      if need.memory > there.memory { return .memory }
      return need.disk > there.disk ? .disk : .bandwidth
    }
    return parts(node, request.spec)
  }

  static func isOpen(_ row: CapacityReservation, _ request: PlacementRequest) -> Bool {
    row.tenant == request.key.tenant
      || row.priority < request.spec.priority && [.lower, .cost].contains(request.spec.preemption)
      || (row.expiresAt ?? .max) <= request.time
  }

  func standing(_ node: Node, _ request: PlacementRequest) -> Reason {
    let spec = request.spec
    if let only = spec.node, only != node.name { return .notNamed }
    if request.avoid.contains(node.name) { return .notNamed }
    if node.state != .ready { return .state }
    if let backend = spec.backend, !node.backends.contains(backend) { return .backend }
    if node.isSpot && spec.spot == .never || !node.isSpot && spec.spot == .only { return .spot }
    if !spec.resources.fits(in: node.physical) { return .size }
    if !node.labels.includes(spec.nodeLabels) { return .labels }
    if let budget = spec.budget, price(spec, node, request.time) > budget { return .budget }
    if let apart = request.apart, [nil, apart].contains(node.topology.datacenter) { return .together }
    if let reason = locality(node, spec.locality) { return reason }
    if let addresses, !spec.interfaces.isEmpty {
      if addresses[node.topology.datacenter ?? "", default: 0] < spec.interfaces.count { return .addresses }
    }
    if let advice = request.advice {
      if advice.vetoes.contains(node.name) || advice.among?.contains(node.name) == false { return .rule }
    }
    if let reason = company(node, request) { return reason }
    let mine = vms(on: node.name).filter { $0.key.tenant == request.key.tenant }
    return mine.count >= Int(request.vmsPerNode ?? 1_000) ? .perNode : .none
  }

  func price(_ spec: VMSpec, _ node: Node, _ time: LogTime) -> Money {
    node.prices.rates(hour: Prices.hour(of: time)).hourly(spec.resources)
  }

  private func locality(_ node: Node, _ wish: Locality) -> Reason? {
    let place = node.topology
    if let name = place.datacenter, wish.excluded.contains(name) { return .excluded }
    if wish.isEnforced, wish.datacenter != nil, wish.datacenter != place.datacenter { return .outside }
    if wish.isEnforced, wish.zone != nil, wish.zone != place.zone { return .outside }
    guard let most = wish.maxLatency, let from = wish.latencyFrom ?? wish.datacenter else { return nil }
    if from == place.datacenter { return nil }
    let measured = latencies.first {
      ($0.from, $0.to) == (from, place.datacenter ?? "") || ($0.to, $0.from) == (from, place.datacenter ?? "")
    }
    return (measured?.microseconds ?? .max) <= most ? nil : .latency
  }

  private func company(_ node: Node, _ request: PlacementRequest) -> Reason? {
    let (spec, tenant) = (request.spec, request.key.tenant)
    for rule in spec.affinity where rule.weight == nil && !rule.isAnti {
      if members(rule.group, tenant, near: nil, .node).isEmpty, spec.groups.contains(rule.group) { continue }
      if members(rule.group, tenant, near: node, rule.scope).isEmpty { return .affinity }
    }
    for rule in spec.affinity where rule.weight == nil && rule.isAnti {
      if members(rule.group, tenant, near: node, rule.scope).count + 1 > Int(rule.most) { return .antiAffinity }
    }
    for holder in vms.values {
      guard holder.key.tenant == tenant, let home = holder.node.flatMap({ nodes[$0] }) else { continue }
      for rule in holder.spec.affinity
      where rule.weight == nil && rule.isAnti && spec.groups.contains(rule.group)
        && Model.domain(home, rule.scope) == Model.domain(node, rule.scope)
      {
        // With the new one there, how many others does the holder see?
        let others = members(rule.group, tenant, near: node, rule.scope).filter { $0.id != holder.id }.count + 1
        if others + 1 > Int(rule.most) { return .antiAffinity }
      }
    }
    guard let spread = spec.locality.spreading else { return nil }
    let occupied = Set(
      members(spread.group, tenant, near: nil, .node).compactMap { vm in
        vm.node.flatMap { nodes[$0] }.map { Model.domain($0, spread.scope) }
      })
    if occupied.count >= Int(spread.least) { return nil }
    let possible = nodes.values.filter { other in
      other.state == .ready && isFit(other, spec) && locality(other, spec.locality) == nil
    }
    if occupied.union(possible.map { Model.domain($0, spread.scope) }).count < Int(spread.least) { return .spreading }
    return members(spread.group, tenant, near: node, spread.scope).isEmpty ? nil : .spreading
  }

  private func isFit(_ node: Node, _ spec: VMSpec) -> Bool {
    (spec.backend.map { node.backends.contains($0) } ?? true) && !(node.isSpot && spec.spot == .never)
      && !(!node.isSpot && spec.spot == .only) && spec.resources.fits(in: node.physical)
  }

  // MARK: Parts

  func parts(_ node: Node, _ spec: VMSpec, without gone: Set<VMID> = []) -> Reason {
    let there = vms(on: node.name).filter { !gone.contains($0.id) }
    for item in spec.custom {
      let used = there.flatMap(\.spec.custom).filter { $0.name == item.name }.reduce(0) { $0 + $1.amount }
      let has = node.custom.first { $0.name == item.name }?.amount ?? 0
      if used + item.amount > has { return .custom }
    }
    let taken = Set(there.flatMap(\.seat.devices))
    for item in spec.devices {
      let free = node.devices.filter { $0.model == item.model && !taken.contains($0.id) }
      if free.count < Int(item.count) { return .devices }
    }
    guard spec.isPinned || spec.isSingleNUMA else { return .none }
    let numa =
      node.numa.isEmpty
      ? [NUMANode(cpus: CPUSet(0..<Int(node.physical.cpu / 1_000)), memory: node.physical.memory)] : node.numa
    var whole = 0
    for (number, part) in numa.enumerated() {
      var left = Int(part.cpus.count) * 1_000
      var memory = part.memory
      for vm in there {
        left -= vm.seat.cpus.members.filter { part.cpus.contains($0) }.count * 1_000
        guard vm.seat.numa == UInt8(number) else { continue }
        memory -= vm.spec.resources.memory
        if vm.seat.cpus.isEmpty { left -= Int(vm.spec.resources.cpu) }
      }
      if left >= Int(spec.resources.cpu), memory >= spec.resources.memory { return .none }
      whole += max(0, left) / 1_000
    }
    if spec.isSingleNUMA { return .numa }
    return whole >= Int(spec.resources.cpu / 1_000) ? .none : .pinning
  }

  // MARK: Wishes

  func penalty(_ node: Node, _ request: PlacementRequest) -> Int32 {
    let (spec, tenant) = (request.spec, request.key.tenant)
    var sum: Int32 = 0
    let isFar = spec.locality.datacenter.map { $0 != node.topology.datacenter } ?? false
    let isOut = spec.locality.zone.map { $0 != node.topology.zone } ?? false
    let places: Int32 = (isFar ? 200 : 0) + (isOut || isFar && spec.locality.zone != nil ? 100 : 0)
    sum += places * (spec.strategy == .local ? 1_000 : 1)
    for rule in spec.affinity {
      guard let weight = rule.weight.map(Int32.init) else { continue }
      let count = Int32(members(rule.group, tenant, near: node, rule.scope).count)
      if rule.isAnti {
        sum += weight * max(0, count + 1 - Int32(rule.most))
      } else if count == 0,
        !(spec.groups.contains(rule.group) && members(rule.group, tenant, near: nil, .node).isEmpty)
      {
        sum += weight
      }
    }
    if let spread = spec.locality.spreading {
      sum += 10 * Int32(members(spread.group, tenant, near: node, spread.scope).count)
    }
    if spec.strategy == .domains, let group = spec.groups.first {
      sum += 1_000 * Int32(members(group, tenant, near: node, spec.locality.spreading?.scope ?? .zone).count)
    }
    let hints = request.advice?.hints ?? []
    let best = hints.filter { nodes[$0.node] != nil }.map { Int32($0.score) }.max() ?? 0
    if best > 0 { sum += best - Int32(hints.last { $0.node == node.name }?.score ?? 0) }
    return sum
  }

  // MARK: Victims

  /// The least that making room costs anywhere, over all sets of all VMs that might give way.
  func leastLoss(_ request: PlacementRequest) -> [Int64]? {
    let spec = request.spec
    var best: [Int64]?
    for node in nodes.values where standing(node, request) == .none {
      let movable = vms(on: node.name).filter { isMovable($0, request) }
      for set in 1..<(1 << movable.count) {
        let gone = movable.indices.filter { set >> $0 & 1 == 1 }.map { movable[$0] }
        guard isWithinBudgets(gone) else { continue }
        let ids = Set(gone.map(\.id))
        guard Model.need(spec, node).fits(in: free(node, without: ids)), parts(node, spec, without: ids) == .none
        else { continue }
        let loss = loss(gone, node, request)
        if best.map({ loss.lexicographicallyPrecedes($0) }) ?? true { best = loss }
      }
    }
    if spec.preemption == .cost, let budget = spec.budget, let found = best, found[0] > budget { return nil }
    return best
  }

  func loss(_ gone: [VM], _ node: Node, _ request: PlacementRequest) -> [Int64] {
    let priorities = gone.reduce(0) { $0 + Int64($1.spec.priority) }
    let prices = gone.reduce(0) { $0 + price($1.spec, node, request.time) }
    let count = Int64(gone.count)
    return request.spec.preemption == .cost ? [prices, priorities, count] : [priorities, count, prices]
  }

  func isMovable(_ vm: VM, _ request: PlacementRequest) -> Bool {
    if request.spec.preemption == .own, vm.key.tenant != request.key.tenant { return false }
    if !vm.spec.isPreemptible || vm.spec.priority >= request.spec.priority { return false }
    if vm.preemptedAt != 0, request.time - vm.preemptedAt < Limits.preemptionRest { return false }
    let needed = request.spec.affinity.filter { !$0.isAnti && $0.weight == nil }.map(\.group)
    return vm.key.tenant != request.key.tenant || !vm.spec.groups.contains { needed.contains($0) }
  }

  private func isWithinBudgets(_ gone: [VM]) -> Bool {
    for vm in gone {
      guard let most = vm.spec.maxDisrupted, let group = vm.spec.groups.first else { continue }
      let same = gone.filter { $0.key.tenant == vm.key.tenant && $0.spec.groups.contains(group) }
      if same.count > Int(most) { return false }
    }
    return true
  }
}

/// Addresses by datacenter, as the model counts them.
struct DatacenterRoom: AddressView {
  let names: [String]
  let left: [String: Int]

  func segment(of place: Topology) -> Int { names.firstIndex(of: place.datacenter ?? "") ?? names.count }

  func shortage(for interfaces: [VMInterface], of key: VMKey, in segment: Int) -> String? {
    let has = segment < names.count ? left[names[segment]] ?? 0 : 0
    return has >= interfaces.count ? nil : "no address left"
  }
}
