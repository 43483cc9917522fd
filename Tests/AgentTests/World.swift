import Agent
import Domain
import TestSupport
import VMM
import VMMSimulated

/// A few nodes, something that decides like Berth, and a network that loses and delays, on one clock from one seed.
final class World {
  final class Clock {
    var now = Duration.zero
  }

  /// A VM as the one who decides knows it.
  struct Row {
    var order: VMOrder
    var node: Int?
    var isWanted = true
    var isEnding = false
    var runs = false
  }

  final class Host {
    let index: Int
    let backend: SimulatedVMs
    var agent: Agent
    /// Machines that nothing of reaches the network any more.
    var cut: Set<VMID> = []
    var isCutOff = false
    var pending: [(at: Duration, deliver: (World, Host) -> Void)] = []
    var nextReport = Duration.zero

    init(_ index: Int, _ backend: SimulatedVMs) {
      (self.index, self.backend) = (index, backend)
      agent = Agent(capacity: World.room, capabilities: backend.capabilities)
    }
  }

  static let room = Resources(cpu: 16_000, memory: 1 << 20, disk: 1 << 20, bandwidth: 1 << 20)
  static let lease = Duration.seconds(3)
  static let margin = Duration.milliseconds(200)

  let clock = Clock()
  var random: SeededRandom
  var hosts: [Host] = []
  var rows: [VMID: Row] = [:]
  var nodeEpochs: [UInt64]
  var heardAt: [Duration?]
  var isLost: [Bool]
  var revision: UInt64 = 1
  var nextID: UInt64 = 1
  var isUnfair = true
  /// What must never be, found.
  var broken: [String] = []

  init(seed: UInt64, nodes: Int) {
    random = SeededRandom(seed: seed)
    nodeEpochs = [UInt64](repeating: 0, count: nodes)
    heardAt = [Duration?](repeating: nil, count: nodes)
    isLost = [Bool](repeating: false, count: nodes)
    let clock = clock
    hosts = (0..<nodes).map { index in
      Host(index, SimulatedVMs(seed: seed &+ UInt64(index)) { clock.now })
    }
  }

  // MARK: - The one who decides

  private func place(_ id: VMID) {
    let able = nodeEpochs.indices.filter { nodeEpochs[$0] > 0 && !isLost[$0] }
    revision += 1
    guard var row = rows[id] else { return }
    row.node = able.isEmpty ? nil : random.pick(able)
    row.runs = false
    if row.node != nil { row.order = row.order.with(epoch: row.order.epoch + 1) }
    rows[id] = row
  }

  func create() {
    let id = VMID(raw: nextID)
    nextID += 1
    var order = VMOrder(
      id: id, epoch: 0, key: VMKey(name: VMName(trusted: "vm-\(id.raw)")),
      resources: Resources(cpu: 1_000, memory: 512))
    order.failover = random.oneIn(2) ? .restart : .never
    rows[id] = Row(order: order, node: nil)
  }

  func toggle(_ id: VMID) {
    rows[id]!.isWanted.toggle()
    revision += 1
  }

  func delete(_ id: VMID) {
    (rows[id]!.isWanted, rows[id]!.isEnding) = (false, true)
    revision += 1
  }

  /// What becomes so by time alone.
  func decide() {
    for index in nodeEpochs.indices {
      guard let heard = heardAt[index] else { continue }
      if clock.now - heard > Self.lease { isLost[index] = true }
      guard clock.now - heard > Self.lease + Self.margin else { continue }
      for (id, row) in rows where row.node == index && row.order.failover == .restart {
        rows[id]!.node = nil
        rows[id]!.runs = false
      }
    }
    for id in rows.keys.sorted() where rows[id]!.node == nil {
      if rows[id]!.isWanted { place(id) } else if rows[id]!.isEnding { rows[id] = nil }
    }
  }

  private func register(_ index: Int) -> UInt64 {
    nodeEpochs[index] += 1
    (heardAt[index], isLost[index]) = (clock.now, false)
    revision += 1
    return nodeEpochs[index]
  }

  /// nil = it must register again.
  private func take(_ report: AgentReport, from index: Int) -> Acknowledgement? {
    guard report.epoch > 0, report.epoch == nodeEpochs[index], !isLost[index] else { return nil }
    heardAt[index] = clock.now
    for vm in report.vms {
      guard let row = rows[vm.id], row.node == index, row.order.epoch == vm.epoch else { continue }
      switch vm.fact {
      case .starting: break
      case .running: rows[vm.id]!.runs = true
      case .gone, .failed:
        revision += 1
        rows[vm.id]!.node = nil
        rows[vm.id]!.runs = false
      }
    }
    let list = rows.values.filter { $0.node == index }.map {
      WantedVM($0.order, isWanted: $0.isWanted, graceSeconds: 1)
    }
    return Acknowledgement(epoch: nodeEpochs[index], lease: Self.lease, revision: revision, desired: list)
  }

  // MARK: - The nodes

  private var delay: Duration { isUnfair ? .milliseconds(Int.random(in: 0...400, using: &random)) : .milliseconds(1) }
  private var isLostOnTheWay: Bool { isUnfair && random.oneIn(5) }

  func work(_ host: Host) {
    for message in host.pending where message.at <= clock.now && !host.isCutOff { message.deliver(self, host) }
    host.pending.removeAll { $0.at <= clock.now }
    act(host)
    let observed = host.backend.observe()
    let isDue = clock.now >= host.nextReport || host.agent.isUrgent(observed)
    guard isDue, host.pending.isEmpty else { return }
    host.nextReport = clock.now + .milliseconds(500)
    send(host, observed)
  }

  private func send(_ host: Host, _ observed: [ObservedVM]) {
    let report = host.agent.report(observed, now: clock.now, isWhole: random.oneIn(8))
    if isLostOnTheWay || host.isCutOff { return }
    host.pending.append(
      (
        clock.now + delay,
        { world, host in
          let answer = world.take(report, from: host.index)
          let epoch = answer == nil ? world.register(host.index) : 0
          if world.isLostOnTheWay { return }
          host.pending.append(
            (
              world.clock.now + world.delay,
              { world, host in
                if let answer {
                  host.agent.acknowledged(report, answer)
                } else {
                  host.agent.registered(epoch: epoch)
                }
                world.act(host)
              }
            ))
        }
      ))
  }

  func act(_ host: Host) {
    for _ in 0..<8 {
      let actions = host.agent.actions(host.backend.observe(), now: clock.now)
      for action in actions { perform(action, host) }
      if !actions.contains(where: { if case .stop = $0 { false } else { true } }) { return }
    }
  }

  private func perform(_ action: AgentAction, _ host: Host) {
    switch action {
    case .cut(let id, let epoch):
      host.cut.insert(id)
      host.backend.stop(id, epoch: epoch, graceSeconds: 0)
    case .stop(let id, let epoch, let grace): host.backend.stop(id, epoch: epoch, graceSeconds: grace)
    case .remove(let id, let epoch): host.backend.remove(id, epoch: epoch)
    case .ensure(let order):
      if host.backend.observe().contains(where: { $0.id == order.id }) {
        broken.append("\(order.id.raw) is started on \(host.index) while one of it is there")
      }
      host.cut.remove(order.id)
      host.backend.ensure(order)
    case .prepare(let order): host.backend.prepare(order)
    }
  }

  /// Looks at what must never be.
  func look() {
    var carriers: [VMID: [String]] = [:]
    for host in hosts {
      for machine in host.backend.observe() where machine.phase.isUp && !host.cut.contains(machine.id) {
        carriers[machine.id, default: []].append("\(host.index)@\(machine.epoch)")
        if machine.order.failover == .restart, !host.agent.hasLease(at: clock.now) {
          broken.append("\(machine.id.raw) runs on \(host.index) without a lease at \(clock.now)")
        }
      }
    }
    for (id, places) in carriers where places.count > 1 {
      broken.append("\(id.raw) runs on \(places) at \(clock.now)")
    }
  }
}

extension VMOrder {
  /// The same under another placement.
  fileprivate func with(epoch: UInt64) -> VMOrder {
    var order = VMOrder(id: id, epoch: epoch, key: key, resources: resources)
    order.failover = failover
    return order
  }
}
