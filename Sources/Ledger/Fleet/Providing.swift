import Addressing
import Domain

/// Addresses for VMs: what the VM holds stays, what its namesake holds unmanaged is taken over, the rest is given by the
/// same functions as for everybody.
extension Ledger {
  /// What a VM's owner holds with everything pending, this command's changes included.
  func holdings(of key: VMKey, _ draft: FleetDraft) -> [Allocation] {
    let held = holdings(key.tenant, key.name.owner).map { row -> Allocation in
      if case .allocation(let changed)?? = draft.row(.address(row.pool, row.ip)) { return changed }
      return row
    }
    let given = draft.given(to: key)
    return given.isEmpty ? held : held + given
  }

  /// A VM's addresses.
  func addresses(of vm: VM, _ draft: FleetDraft) -> [Allocation] {
    vm.spec.interfaces.isEmpty ? [] : vm.ordered(holdings(of: vm.key, draft).filter { $0.manager == .vm })
  }

  /// A VM with its addresses, for an answer.
  func placed(_ vm: VM, _ draft: FleetDraft) -> PlacedVM { PlacedVM(vm, addresses(of: vm, draft).map(grant)) }

  /// Gives a VM that has a node every address that it lacks; what it holds already goes there with it.
  func provide(_ vm: VM, _ draft: inout FleetDraft) throws(Rejection) {
    guard !vm.spec.interfaces.isEmpty, let name = vm.node else { return }
    let place = try node(name).topology
    let held = holdings(of: vm.key, draft)
    var provision = Provision(vm: vm, place: place, held: held, plan: Plan(held: held.count))
    for interface in vm.spec.interfaces {
      if case .pool(let name) = interface.source { try provide(interface, from: name, &provision, &draft) }
    }
    for interface in vm.spec.interfaces {
      guard case .choose(let families, let labels) = interface.source else { continue }
      try provide(interface, families, labels, &provision, &draft)
    }
    if !held.isEmpty { carry(vm, &draft) }
  }

  /// What is being provided.
  private struct Provision {
    let vm: VM
    let place: Topology
    let held: [Allocation]
    var plan: Plan
  }

  private func provide(
    _ interface: VMInterface, from name: PoolName, _ provision: inout Provision, _ draft: inout FleetDraft
  ) throws(Rejection) {
    let state = try pool(name)
    guard state.pool.topology.match(provision.place) != nil else {
      throw Rejection(.noMatchingPool, "pool \(name) does not serve the place of node \(provision.vm.node?.text ?? "")")
    }
    let mine = provision.held.filter { $0.interface == interface.name && $0.pool == name }
    if !mine.isEmpty { return try adopt(mine, interface, provision.vm, &draft) }
    var request = request(interface, .pool(name), provision.vm)
    request.address = interface.address
    try give(from: state, request, draft.context, &provision.plan)
    take(over: &provision.plan, provision.vm, &draft)
  }

  /// Addresses of all families of an interface, from pools that go together.
  private func provide(
    _ interface: VMInterface, _ families: [AddressFamily], _ labels: Labels, _ provision: inout Provision,
    _ draft: inout FleetDraft
  ) throws(Rejection) {
    let place = provision.place
    let held = families.map { family in mine(family, labels, interface, provision) }
    var pools: [[Pool]] = []
    for (number, family) in families.enumerated() where families.count > 1 {
      pools.append(
        held[number].first.map { [tables.pools[$0.pool]?.pool].compactMap(\.self) } ?? givers(family, place, labels))
    }
    for (number, family) in families.enumerated() {
      let beside = pools.indices.filter { $0 != number }.map { pools[$0] }
      if let row = held[number].first {
        guard tables.pools[row.pool]?.pool.goes(with: beside) ?? true else { throw isApart(interface, row.pool) }
        try adopt(held[number], interface, provision.vm, &draft)
        continue
      }
      let request = request(interface, .choose([family], place, labels), provision.vm)
      let wanted = Wanted(topology: place, labels: labels, request: request, beside: beside)
      try choose(family, wanted, [], draft.context, &provision.plan)
      if number < pools.count, let given = provision.plan.grants.last?.allocation.pool {
        pools[number] = [tables.pools[given]?.pool].compactMap(\.self)
      }
      take(over: &provision.plan, provision.vm, &draft)
    }
  }

  /// What an interface holds of a family and keeps: first what is the VM's already.
  private func mine(
    _ family: AddressFamily, _ labels: Labels, _ interface: VMInterface, _ provision: Provision
  ) -> [Allocation] {
    let found = provision.held.filter { row in
      guard row.interface == interface.name, row.ip.family == family else { return false }
      if row.manager == .vm { return true }
      guard let pool = tables.pools[row.pool]?.pool else { return false }
      return pool.labels.includes(labels) && pool.topology.match(provision.place) != nil
    }
    return found.filter { $0.manager == .vm } + found.filter { $0.manager != .vm }
  }

  /// The pools that could give an address now.
  private func givers(_ family: AddressFamily, _ place: Topology, _ labels: Labels) -> [Pool] {
    let there = tables.byPlace[family]?.pools(matching: place).map(\.pool) ?? []
    return there.filter { pool in
      pool.enabled && pool.labels.includes(labels) && indexes[pool.name].map { $0.available > .zero } ?? false
    }
  }

  private func isApart(_ interface: VMInterface, _ pool: PoolName) -> Rejection {
    .invalid(
      "interfaces",
      "\(interface.name) holds an address of pool \(pool), which is in another VLAN than all that the other family could"
        + " be from: release it, or give the pools one VLAN")
  }

  private func request(_ interface: VMInterface, _ source: AllocateRequest.Source, _ vm: VM) -> AllocateRequest {
    let holder = Holder(tenant: vm.key.tenant, owner: vm.key.name.owner, interface: interface.name)
    var request = AllocateRequest(source, holder: holder)
    (request.node, request.manager, request.leaseSeconds) = (vm.node, .vm, 0)
    request.mac = vm.mac(of: interface.name)
    return request
  }

  private func take(over plan: inout Plan, _ vm: VM, _ draft: inout FleetDraft) {
    draft.give(plan.effects, to: vm.key)
    plan.effects.removeAll(keepingCapacity: true)
    plan.grants.removeAll(keepingCapacity: true)
  }

  /// Takes over what the VM's owner holds on an interface.
  private func adopt(
    _ held: [Allocation], _ interface: VMInterface, _ vm: VM, _ draft: inout FleetDraft
  ) throws(Rejection) {
    // One is enough; whatever else the owner holds stays its own.
    for row in [held.first { $0.manager == .vm } ?? held.first].compactMap(\.self) {
      if let objection = row.objection ?? (interface.address.map { $0 != row.ip } == true ? "it holds \(row.ip)" : nil)
      {
        throw Rejection(
          .alreadyAllocated, "interface \(interface.name) of \(vm.key.name): \(objection): release that first",
          field: "interfaces"
        ).with("held", text: "\(row.ip)")
      }
      if row.manager == .vm, row.node == vm.node { continue }
      let mac = interface.mac ?? row.mac ?? vm.mac(of: interface.name)
      draft.put(.allocation(row.managed(by: .vm, mac: mac, node: vm.node, revision: draft.context.revision)))
    }
  }

  /// Says at a VM's addresses which node has it now.
  func carry(_ vm: VM, _ draft: inout FleetDraft) {
    for row in addresses(of: vm, draft) where row.node != vm.node {
      draft.put(.allocation(row.managed(by: .vm, mac: row.mac, node: vm.node, revision: draft.context.revision)))
    }
  }

  /// Ends a VM: its row goes, and its addresses with it.
  func clear(_ vm: VM, _ draft: inout FleetDraft) {
    for row in addresses(of: vm, draft) { draft.release(end(row, draft.context), of: row) }
    remove(vm, &draft)
  }
}
