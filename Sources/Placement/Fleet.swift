package import Domain

/// The fleet as placement sees it: nodes, what is on them, and what follows from both. It is never copied.
///
/// Rows go in by `put` and `remove`; the ledger's rows of nodes first, then kept capacity and VMs in any order. What
/// goes in is undone by `rollback`.
package struct Fleet: ~Copyable {
  // By node number.
  var nodes: [Node?] = []
  var hardware: [Hardware] = []
  var free: [Amounts] = []
  var used: [Amounts] = []
  var kept: [Amounts] = []
  var capacity: [Amounts] = []
  /// 2^40 over the capacity, of processors and memory.
  var inverse: [SIMD2<Int64>] = []
  /// That of the largest node there ever was.
  var leastInverse = Int64.max
  /// -1 = no node has this number.
  var nodeClass: [Int32] = []
  var hasDevices: [Bool] = []
  var rack: [Int32] = []
  var firstVM: [Int32] = []
  /// What could be freed in each of 16 bands of priority; 16 entries a node.
  var bands: [Amounts] = []
  var numbers: [NodeName: Int32] = [:]
  private var vacantNodes: [Int32] = []
  /// Nodes in the fleet.
  package internal(set) var nodeCount = 0

  /// Nodes with room, without devices and with.
  var plainCells = CellIndex()
  var deviceCells = CellIndex()

  var places = Places()
  var nodeShapes = Interned<NodeShape>()
  /// By node class: whether its peak price counts now.
  var isPeak: [Bool] = []
  /// By node class: whether it takes VMs.
  var isReady: [Bool] = []
  var hour: UInt8 = 0

  var shapes = Interned<RequestShape>()
  var knowledge: [Knowledge] = []
  var ruleSets = Interned<RuleSet>()
  var rules: [CompiledRules?] = []
  var groupKeys = Interned<GroupKey>()
  var groups: [Group] = []

  var vms = VMTable()
  /// VMs with groups that had to give way and do not run again yet.
  var away: [UInt64: RuleSet] = [:]
  /// Classes that were asked for without a VM, kept for a while; the oldest goes first.
  var recentShapes: [Int32] = []
  var oldestShape = 0
  var verdictCount = 0
  /// How many VMs might have to give way.
  var preemptibleCount = 0
  /// How many of each tenant, by its number.
  var preemptibleOf: [Int32] = []
  /// How many VMs migrate, and how many have a standby.
  var shadowCount = 0
  var reservations: [CapacityName: CapacityReservation] = [:]
  /// The names of the reservations on a node, in order.
  var reservationsOn: [Int32: [CapacityName]] = [:]

  /// Asked about addresses; nil = there are always enough.
  package var addresses: (any AddressView)? { didSet { poolsChanged() } }
  var segments: [Int] = []
  var segmentCount = 0
  /// Whether every node is looked at for every question: the measure for what the bounded walk costs in packing.
  package var isExhaustive = false
  /// Filters and scorers in code.
  package var extensions: [any PlacementRule] = []

  /// Grows whenever something becomes free or changes for the better: a "no" of before holds while it stays.
  var growth: UInt64 = 0
  var journal: [Undo] = []
  var scratch = Scratch()
  /// What all questions so far have cost, in nodes and VMs looked at: some 20 ns each, but the same on every machine.
  package internal(set) var work: UInt64 = 0

  /// Counts what whoever asks has looked at aside from questions.
  package mutating func spend(_ work: UInt64) { self.work &+= work }

  /// What is worked out once for a request class.
  struct Knowledge {
    var verdicts: [Verdict] = []
    var places: [PlaceVerdict] = []
    /// The last "no" to a question that only this class and `growth` decide.
    var refusal: (growth: UInt64, explanation: Explanation)?
  }

  /// An empty fleet.
  package init() {}

  // MARK: Undo

  enum Undo {
    case node(NodeName, Node?)
    case added(UInt64)
    indirect case removed(VMRecord)
    case reservation(CapacityName, CapacityReservation?)
    case away(UInt64, RuleSet?)
  }

  /// Where the journal stands.
  package var mark: Int { journal.count }

  /// Undoes everything since `mark`.
  package mutating func rollback(to mark: Int) {
    while journal.count > mark, let change = journal.popLast() {
      let length = journal.count
      switch change {
      case .node(let name, let node):
        if let node { put(node) } else { remove(node: name) }
      case .added(let id): removeVM(id)
      case .removed(let record): addVM(record)
      case .reservation(let name, let old):
        if let old { put(old) } else { remove(capacity: name) }
      case .away(let id, let set): setAway(id, set)
      }
      journal.removeLast(journal.count - length)
    }
  }

  /// What was done is durable: it is not undone any more.
  package mutating func commit() { journal.removeAll(keepingCapacity: true) }

  // MARK: Nodes

  /// Registers a node, or takes over what changed of it; its VMs stay.
  package mutating func put(_ node: Node) {
    growth += 1
    let number: Int
    if let known = numbers[node.name] {
      number = Int(known)
      journal.append(.node(node.name, nodes[number]))
      if nodes[number] == node { return }
      moveGroups(of: number, -1)
      _ = nodeShapes.release(nodeClass[number])
    } else {
      journal.append(.node(node.name, nil))
      number = newNumber()
      numbers[node.name] = Int32(number)
      nodeCount += 1
    }
    nodes[number] = node
    rack[number] = places.number(node.topology)
    let interned = nodeShapes.retain(NodeShape(node))
    nodeClass[number] = interned.number
    if interned.isNew { learn(nodeClass: Int(interned.number), node) }
    capacity[number] = node.effective.amounts
    inverse[number] = SIMD2(
      (1 << 40) / Int64(max(1, capacity[number][0])), (1 << 40) / Int64(max(1, capacity[number][1])))
    leastInverse = min(leastInverse, inverse[number][0])
    recount(number)
    moveGroups(of: number, 1)
    settle(number)
  }

  /// Removes a node, which must carry nothing.
  package mutating func remove(node name: NodeName) {
    guard let known = numbers.removeValue(forKey: name) else { return }
    let number = Int(known)
    precondition(firstVM[number] < 0, "node \(name) still carries VMs")
    journal.append(.node(name, nodes[number]))
    _ = nodeShapes.release(nodeClass[number])
    nodes[number] = nil
    nodeClass[number] = -1
    nodeCount -= 1
    plainCells.move(number, to: nil)
    deviceCells.move(number, to: nil)
    vacantNodes.append(known)
  }

  /// The node of this name.
  package func node(_ name: NodeName) -> Node? { numbers[name].flatMap { nodes[Int($0)] } }

  /// A node's state: its whole row is much to copy for that.
  package borrowing func state(of name: NodeName) -> NodeState? { numbers[name].flatMap { nodes[Int($0)]?.state } }

  /// What a node costs.
  package borrowing func prices(of name: NodeName) -> Prices? { numbers[name].flatMap { nodes[Int($0)]?.prices } }

  /// What a node has left to promise, kept capacity taken off.
  package func free(on name: NodeName) -> Resources? { numbers[name].map { Resources(free[Int($0)]) } }

  /// The names of the reservations on a node, used up ones included, in order.
  package func kept(on name: NodeName) -> [CapacityName] { numbers[name].flatMap { reservationsOn[$0] } ?? [] }

  /// What is in use on a node.
  package func used(on name: NodeName) -> Resources? { numbers[name].map { Resources(used[Int($0)]) } }

  private mutating func newNumber() -> Int {
    if let vacant = vacantNodes.popLast() { return Int(vacant) }
    nodes.append(nil)
    hardware.append(Hardware(Node(name: NodeName(trusted: "none"), physical: .none)))
    free.append(.zero)
    used.append(.zero)
    kept.append(.zero)
    capacity.append(.zero)
    inverse.append(.zero)
    nodeClass.append(-1)
    hasDevices.append(false)
    rack.append(0)
    firstVM.append(-1)
    bands.append(contentsOf: repeatElement(.zero, count: Fleet.bandCount))
    plainCells.grow()
    deviceCells.grow()
    return nodes.count - 1
  }

  private mutating func learn(nodeClass number: Int, _ node: Node) {
    let peak = node.prices.rates(hour: hour) == node.prices.peak
    if number == isPeak.count {
      isPeak.append(peak)
      return isReady.append(node.state == .ready)
    }
    // The number meant another class before.
    isPeak[number] = peak
    isReady[number] = node.state == .ready
    forgetVerdicts()
  }

  mutating func forgetVerdicts() {
    for place in knowledge.indices { knowledge[place] = Knowledge() }
    verdictCount = 0
  }

  /// The hour of `time` decides which prices count.
  mutating func turn(to time: LogTime) {
    let now = Prices.hour(of: time)
    if now == hour { return }
    hour = now
    growth += 1
    for (number, shape) in nodeShapes.values.enumerated() {
      if let shape { isPeak[number] = shape.prices.rates(hour: now) == shape.prices.peak }
    }
  }

  /// A pool was made, changed or deleted: which of them serve which place is asked again.
  package mutating func poolsChanged() {
    segments.removeAll()
    segmentCount = 0
    growth += 1
  }

  /// Takes over the latest measurements; whatever is not among them is not known.
  package mutating func setLatencies(_ measured: [Latency]) {
    places.setLatencies(measured)
    growth += 1
    forgetVerdicts()
  }

  // MARK: What follows

  static let bandCount = 16
  static func band(_ priority: UInt16) -> Int { min(15, Int(priority) >> 6) }

  /// Counts again what the VMs of a node take: its profile or its parts may be others now.
  private mutating func recount(_ number: Int) {
    guard let node = nodes[number] else { return }
    hardware[number] = Hardware(node)
    hasDevices[number] = hardware[number].hasDevices
    used[number] = .zero
    for band in 0..<Fleet.bandCount { bands[number * Fleet.bandCount + band] = .zero }
    var slot = firstVM[number]
    while slot >= 0 {
      if vms.isPreemptible[Int(slot)] { countPreemptible(Int(slot), -1) }
      charge(Int(slot), number, 1)
      slot = vms.next[Int(slot)]
    }
  }

  /// Works out what is free, and puts the node in its cell.
  mutating func settle(_ number: Int) {
    free[number] = capacity[number] &- used[number] &- kept[number]
    guard nodeClass[number] >= 0 else { return }
    let place = isReady[Int(nodeClass[number])] ? free[number] : nil
    if hasDevices[number] {
      plainCells.move(number, to: nil)
      deviceCells.move(number, to: place)
    } else {
      deviceCells.move(number, to: nil)
      plainCells.move(number, to: place)
    }
  }

  // MARK: Kept capacity

  /// Keeps room on a node, or takes over what changed of it. Its node must be known.
  package mutating func put(_ row: CapacityReservation) {
    guard let number = numbers[row.node] else { return }
    unkeep(row.name)
    journal.append(.reservation(row.name, reservations[row.name]))
    reservations[row.name] = row
    var names = reservationsOn[number] ?? []
    names.insert(row.name, at: names.firstIndex { $0 > row.name } ?? names.count)
    reservationsOn[number] = names
    kept[Int(number)] &+= row.left.amounts
    growth += 1
    settle(Int(number))
  }

  /// Gives kept room back to everybody.
  package mutating func remove(capacity name: CapacityName) {
    guard let old = reservations[name] else { return }
    unkeep(name)
    journal.append(.reservation(name, old))
    reservations[name] = nil
    growth += 1
  }

  private mutating func unkeep(_ name: CapacityName) {
    guard let old = reservations[name], let number = numbers[old.node] else { return }
    reservationsOn[number]?.removeAll { $0 == name }
    if reservationsOn[number]?.isEmpty == true { reservationsOn[number] = nil }
    kept[Int(number)] &-= old.left.amounts
    settle(Int(number))
  }
}
