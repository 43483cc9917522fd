package import Domain

/// Nodes and VMs that are durable, for readers.
extension Tables {
  /// The node of this name.
  package func node(_ name: NodeName) -> Node? { fleet?.loads[name]?.node }

  /// All nodes, in order.
  package var nodeNames: [NodeName] { fleet?.nodeNames ?? [] }

  /// The VM of this key.
  package func vm(_ key: VMKey) -> VM? {
    guard fleet != nil, case .fleet(.vm(let vm)) = rows.row(KeyProbe(.fleet(.vm(key)))) else { return nil }
    return vm
  }

  /// The VMs that have a node, are leaving it or have their standby there, in order of their keys; `VM.duty(of:)` says what the node is to do.
  package func vms(on node: NodeName) -> [VM] { (fleet?.loads[node]?.items ?? []).compactMap { vm($0.key) } }

  /// Those of them that are named.
  package func vms(on node: NodeName, among ids: Set<VMID>) -> [VM] {
    (fleet?.loads[node]?.items ?? []).compactMap { ids.contains($0.id) ? vm($0.key) : nil }
  }

  /// VMs in order of their keys, of one tenant or all, after `after`, at most `limit`.
  package func vms(of tenant: TenantName?, after: VMKey?, limit: Int) -> [VM] {
    vmKeys(of: tenant, after: after, limit: limit).compactMap { vm($0) }
  }

  /// Their keys alone, without reading a row.
  func vmKeys(of tenant: TenantName?, after: VMKey?, limit: Int) -> [VMKey] {
    guard let fleet else { return [] }
    var start = after
    var isInclusive = false
    if let tenant {
      let first = VMKey(tenant: tenant, name: VMName(trusted: ""))
      if after.map({ $0 < first }) ?? true { (start, isInclusive) = (first, true) }
    }
    return fleet.keys.keys(from: start, inclusive: isInclusive, limit: limit) {
      tenant == nil || $0.tenant == tenant
    }
  }

  /// The entry that last changed what a node is to do: its row, or which VMs it has, or one of them. After a start, of a
  /// node that has not changed since, the entry that was the newest then.
  package func changed(_ node: NodeName) -> Revision { fleet?.loads[node]?.changed ?? 0 }

  /// How many VMs are in a state.
  package func count(of state: VMState) -> Int { fleet?.counts[Int(state.rawValue)] ?? 0 }

  /// How many VMs there are.
  package var vmCount: Int { fleet?.keys.count ?? 0 }

  /// What a tenant uses: VMs that are wanted or have a node, all its addresses, and a month of what is on nodes. It is
  /// counted from the first node, VM or quota on; before, nothing is.
  package func usage(of tenant: TenantName) -> Quota.Usage { fleet?.usage[tenant] ?? Quota.Usage() }

  /// The tenants that use anything or have a quota, in order; none before the first node, VM or quota.
  package var tenants: [TenantName] {
    guard let fleet else { return [] }
    return Set(fleet.usage.tenants).union(fleet.quotas.keys).sorted()
  }

  /// A tenant's quota.
  package func quota(_ tenant: TenantName) -> Quota? { fleet?.quotas[tenant] }

  /// All kept capacity, in order of the names.
  package var capacities: [CapacityReservation] { (fleet?.capacities ?? [:]).values.sorted { $0.name < $1.name } }

  /// A VM's addresses, in the order of its interfaces.
  package func grants(of vm: VM) -> [Grant] {
    let held = allocations(tenant: vm.key.tenant, owner: vm.key.name.owner)
    return vm.ordered(held.filter { $0.manager == .vm }).map { row in
      let pool = pools[row.pool]?.pool
      return Grant(row, gateway: pool?.extent.gateway, network: pool?.cidr ?? row.block)
    }
  }

  /// What the VMs with room on a node take in sum, standbys included; one that migrates takes it on both nodes.
  package func carried(by node: NodeName) -> (used: Resources, vms: Int) {
    let load = fleet?.loads[node]
    return (load?.used ?? .none, load?.vms ?? 0)
  }
}

extension VM {
  /// Its addresses in the order of its interfaces, IPv4 first.
  func ordered(_ held: [Allocation]) -> [Allocation] {
    if held.count < 2 { return held }
    let numbers = Dictionary(uniqueKeysWithValues: spec.interfaces.enumerated().map { ($1.name, $0) })
    return held.sorted { a, b in
      let (first, second) = (numbers[a.interface] ?? .max, numbers[b.interface] ?? .max)
      return first != second ? first < second : (a.ip, a.pool) < (b.ip, b.pool)
    }
  }
}

/// How the first row of the fleet finds what is there already.
extension Tables {
  /// The state before the first row of the fleet: addresses alone are in use.
  func firstFleet() -> FleetState { FleetState(addresses: Tables.addresses(rows)) }

  /// The state after a start; nil if there is no row of the fleet.
  func loadedFleet() -> FleetState? {
    var nodes: [Node] = []
    var hasRows = false
    rows.forEach { page, row in
      guard KeyProbe.isOfFleet(page[row.lowerBound]) else { return }
      hasRows = true
      if case .fleet(.node(let node)) = rows.decode(page, row) { nodes.append(node) }
    }
    guard hasRows else { return nil }
    let fleet = FleetState(addresses: Tables.addresses(rows))
    fleet.now = revision
    for node in nodes { fleet.remember(.node(node), isLoading: true) }
    var keys: [VMKey] = []
    rows.forEach { page, row in
      guard KeyProbe.isOfFleet(page[row.lowerBound]), case .fleet(let row) = rows.decode(page, row) else { return }
      if case .node = row { return }
      fleet.remember(row, isLoading: true)
      if case .vm(let vm) = row { keys.append(vm.key) }
    }
    fleet.finish(keys)
    return fleet
  }

  /// How many addresses each tenant has.
  static func addresses(_ rows: borrowing RowTable) -> [TenantName: Quota.Usage] {
    var usage: [TenantName: Quota.Usage] = [:]
    rows.forEach { page, row in
      guard page[row.lowerBound] == AllocationView.tag, let view = try? AllocationView(page, row) else { return }
      usage[tenant(of: view, page), default: Quota.Usage()][.addresses] += 1
    }
    return usage
  }

  /// The tenant of an allocation that is read where it lies.
  static func tenant(of view: AllocationView, _ bytes: [UInt8]) -> TenantName {
    guard let range = view.tenant else { return .standard }
    return TenantName(trusted: String(decoding: bytes[range], as: UTF8.self))
  }
}
