import Domain

/// What follows from the rows of the fleet: kept as rows change, made anew at a start. There is none before the first
/// such row, so whoever wants addresses alone pays nothing for it.
final class FleetState {
  private(set) var nodeNames: [NodeName] = []
  private(set) var loads: [NodeName: NodeLoad] = [:]
  private(set) var keys = SortedKeys()
  private(set) var quotas: [TenantName: Quota] = [:]
  private(set) var capacities: [CapacityName: CapacityReservation] = [:]
  private(set) var usage = UsageBook()
  /// How many VMs there are in each state.
  private(set) var counts = [Int](repeating: 0, count: VMState.allCases.count)
  /// The entry whose rows are being applied.
  var now: Revision = 0

  /// Begins with what is known of addresses.
  init(addresses: [TenantName: Quota.Usage]) { usage = UsageBook(addresses) }

  /// A node with what is on it.
  final class NodeLoad {
    var node: Node?
    /// VMs that have it, or are leaving it, in order.
    var items: [Item] = []
    var used = Resources.none
    var vms = 0
    /// The entry that last changed the node's row, or which VMs it has, or one of them.
    var changed: Revision = 0
  }

  /// A VM on a node.
  struct Item {
    let key: VMKey
    let id: VMID
    let resources: Resources
    /// Whether it has room there: a VM that leaves has none, unless it migrates.
    let hasRoom: Bool
    /// Whether the month of its room there is its tenant's: on its node, and on its standby's.
    let isPaid: Bool
  }

  /// Adds a row that was not there; `isLoading`: its key is added by `finish`.
  func remember(_ row: FleetRow, isLoading: Bool = false) {
    switch row {
    case .node(let node): remember(node)
    case .vm(let vm):
      if !isLoading { keys.insert(vm.key) }
      for (name, item) in FleetState.places(of: vm) {
        load(name).add(item)
        load(name).changed = now
      }
      counts[Int(vm.state.rawValue)] += 1
      usage.count(vm, vm.paidNodes.compactMap { loads[$0]?.node?.prices }, isGone: false)
    case .quota(let quota): quotas[quota.tenant] = quota
    case .capacity(let row): capacities[row.name] = row
    }
  }

  /// All keys at once, for a start.
  func finish(_ keys: [VMKey]) { self.keys = SortedKeys(keys) }

  /// Undoes `remember` for a row that goes, or has a successor.
  func forget(_ row: FleetRow, isReplaced: Bool) {
    switch row {
    case .node(let node): if !isReplaced { forget(node) }
    case .vm(let vm):
      if !isReplaced { keys.remove(vm.key) }
      counts[Int(vm.state.rawValue)] -= 1
      usage.count(vm, vm.paidNodes.compactMap { loads[$0]?.node?.prices }, isGone: true)
      for (name, item) in FleetState.places(of: vm) {
        load(name).remove(item)
        load(name).changed = now
        drop(name)
      }
    case .quota(let quota): quotas[quota.tenant] = nil
    case .capacity(let row): capacities[row.name] = nil
    }
  }

  /// A VM's row has a successor; most are one step on and weigh the same where they are.
  func replace(_ old: VM, with new: VM) {
    guard new.weighsTheSame(as: old) else {
      forget(.vm(old), isReplaced: true)
      return remember(.vm(new))
    }
    counts[Int(old.state.rawValue)] -= 1
    counts[Int(new.state.rawValue)] += 1
    for name in [new.node, new.standby, new.leaving].compactMap(\.self) { load(name).changed = now }
  }

  func countAddresses(_ tenant: TenantName, _ change: Int) { usage.addresses(tenant, change) }

  private func remember(_ node: Node) {
    let load = load(node.name)
    if let old = load.node {
      if old.prices != node.prices {
        for item in load.items where item.isPaid {
          usage.reprice(item.key.tenant, item.resources, from: old.prices, to: node.prices)
        }
      }
    } else {
      nodeNames.insert(node.name, at: nodeNames.partitionPoint { $0 > node.name })
    }
    load.node = node
    load.changed = now
  }

  private func forget(_ node: Node) {
    loads[node.name]?.node = nil
    nodeNames.removeAll { $0 == node.name }
    drop(node.name)
  }

  private func load(_ name: NodeName) -> NodeLoad {
    if let load = loads[name] { return load }
    let load = NodeLoad()
    loads[name] = load
    return load
  }

  private func drop(_ name: NodeName) {
    if let load = loads[name], load.node == nil, load.items.isEmpty { loads[name] = nil }
  }

  private static func places(of vm: VM) -> [(NodeName, Item)] {
    func item(hasRoom: Bool, isPaid: Bool) -> Item {
      Item(key: vm.key, id: vm.id, resources: vm.spec.resources, hasRoom: hasRoom, isPaid: isPaid)
    }
    var places: [(NodeName, Item)] = []
    for node in vm.paidNodes { places.append((node, item(hasRoom: true, isPaid: true))) }
    if let leaving = vm.leaving { places.append((leaving, item(hasRoom: vm.state == .migrating, isPaid: false))) }
    return places
  }
}

extension VM {
  /// Whether it takes as much as another row of the same VM says, in the same places.
  func weighsTheSame(as other: VM) -> Bool {
    id == other.id && node == other.node && leaving == other.leaving && standby == other.standby
      && (state == .migrating) == (other.state == .migrating) && isWanted == other.isWanted
      && spec.resources == other.spec.resources && spec.devices == other.spec.devices
      && spec.hasStandby == other.spec.hasStandby
  }
}

extension FleetState.NodeLoad {
  func add(_ item: FleetState.Item) {
    items.insert(item, at: items.partitionPoint { $0.key > item.key })
    guard item.hasRoom else { return }
    used = used + item.resources
    vms += 1
  }

  func remove(_ item: FleetState.Item) {
    let place = items.partitionPoint { $0.key >= item.key }
    guard place < items.count, items[place].key == item.key else { return }
    items.remove(at: place)
    guard item.hasRoom else { return }
    used = used - item.resources
    vms -= 1
  }
}
