/// Follows the rows of nodes and VMs through the log and tells who had room where, when, and for how much.
///
/// A VM pays for the room that its row names: on `node`, on `leaving` too while it migrates, and for what its standby
/// keeps. It pays nothing for a node that is `lost`: nobody can say whether it runs there. A node's new prices, or another place, begin a new interval.
package struct BillingMeter: Sendable {
  private struct Room: Sendable {
    let id: VMID
    let resources: Resources
    let since: LogTime
  }

  private struct Place: Hashable {
    let key: VMKey
    let node: NodeName
  }

  private struct Rate: Equatable {
    let prices: Prices
    let datacenter: String?
  }

  private var rooms: [VMKey: [NodeName: Room]] = [:]
  private var rates: [NodeName: Rate] = [:]
  private var tenants: [NodeName: Set<VMKey>] = [:]
  private var begin: LogTime
  private var end: LogTime

  /// Measures from `begin` to `end`: what lies outside is followed, and not told.
  package init(from begin: LogTime, to end: LogTime) { (self.begin, self.end) = (begin, end) }

  /// The same state of things, measured over another period; what it has told is not told again.
  package mutating func measure(from begin: LogTime, to end: LogTime) { (self.begin, self.end) = (begin, end) }

  /// How many VMs have room.
  package var vmCount: Int { rooms.count }

  /// Takes one changed row of the entry made at `time`; tells the intervals that it ends.
  package mutating func apply(_ row: FleetRow, isPut: Bool, at time: LogTime, _ tell: (BilledInterval) -> Void) {
    switch row {
    case .vm(let vm): apply(vm, isPut: isPut, time, tell)
    case .node(let node): apply(node, isPut: isPut, time, tell)
    case .quota, .capacity: break
    }
  }

  /// Tells the intervals that are still open, up to the end of the period.
  package func finish(_ tell: (BilledInterval) -> Void) {
    for key in rooms.keys.sorted() {
      for (node, room) in (rooms[key] ?? [:]).sorted(by: { $0.key < $1.key }) { close(key, node, room, end, tell) }
    }
  }

  private mutating func apply(_ vm: VM, isPut: Bool, _ time: LogTime, _ tell: (BilledInterval) -> Void) {
    let leaving = vm.state == .migrating ? vm.leaving : nil
    let running = vm.state == .lost ? [] : [vm.node, leaving]
    let nodes = isPut ? Set((running + [vm.standby]).compactMap { $0 }) : []
    var mine = rooms[vm.key] ?? [:]
    for (node, room) in mine.sorted(by: { $0.key < $1.key }) {
      let stays = nodes.contains(node) && room.id == vm.id && room.resources == vm.spec.resources
      if stays { continue }
      close(vm.key, node, room, time, tell)
      mine[node] = nil
      tenants[node]?.remove(vm.key)
    }
    for node in nodes where mine[node] == nil {
      mine[node] = Room(id: vm.id, resources: vm.spec.resources, since: time)
      tenants[node, default: []].insert(vm.key)
    }
    rooms[vm.key] = mine.isEmpty ? nil : mine
  }

  private mutating func apply(_ node: Node, isPut: Bool, _ time: LogTime, _ tell: (BilledInterval) -> Void) {
    let rate = Rate(prices: node.prices, datacenter: node.topology.datacenter)
    defer { rates[node.name] = isPut ? rate : nil }
    guard isPut, let old = rates[node.name], old != rate else { return }
    for key in (tenants[node.name] ?? []).sorted() {
      guard let room = rooms[key]?[node.name] else { continue }
      close(key, node.name, room, time, tell)
      rooms[key]?[node.name] = Room(id: room.id, resources: room.resources, since: time)
    }
  }

  private func close(_ key: VMKey, _ node: NodeName, _ room: Room, _ time: LogTime, _ tell: (BilledInterval) -> Void) {
    let (from, to) = (max(room.since, begin), min(time, end))
    guard from < to else { return }
    let rate = rates[node]
    tell(
      BilledInterval(
        id: room.id, key: key, node: node, datacenter: rate?.datacenter, from: from, to: to,
        resources: room.resources, prices: rate?.prices ?? Prices()))
  }
}
