internal import Agent
internal import APITypes
internal import AgentHost
internal import Addressing
internal import Domain
internal import VMM
internal import VMMSimulated

/// The machines of a host and its packet filter, as the contract of backends wants them: whoever is ended at once says
/// nothing from then on, even if it does not go down.
final class HostVMs: VMBackend {
  let machines: SimulatedVMs
  private(set) var muted: Set<VMID> = []
  /// Told of each machine that is ended at once.
  private let ends: (ObservedVM) -> Void
  private let note: (String) -> Void

  init(_ machines: SimulatedVMs, note: @escaping (String) -> Void, _ ends: @escaping (ObservedVM) -> Void) {
    (self.machines, self.note, self.ends) = (machines, note, ends)
  }

  var name: BackendName { machines.name }
  var capabilities: VMCapabilities { machines.capabilities }
  var quietFor: Duration? { machines.quietFor }

  func observe() -> [ObservedVM] { machines.observe() }

  /// It has gone to another host.
  func hand(over machine: ObservedVM) {
    note("hands over \(machine.order.key.name)")
    muted.insert(machine.id)
    machines.stop(machine.id, epoch: machine.epoch, graceSeconds: 0)
  }

  func prepare(_ order: VMOrder) { machines.prepare(order) }
  func remove(_ id: VMID, epoch: UInt64) { machines.remove(id, epoch: epoch) }

  func ensure(_ order: VMOrder) {
    guard !machines.watch().contains(where: { $0.id == order.id && $0.phase != .prepared }) else { return }
    muted.remove(order.id)
    note("brings up \(order.key.name) at \(order.epoch)")
    machines.ensure(order)
  }

  func stop(_ id: VMID, epoch: UInt64, graceSeconds: UInt32) {
    let machine = machines.watch().first { $0.id == id && $0.epoch == epoch && $0.phase.isUp }
    note("brings down VM \(id.raw) at \(epoch) within \(graceSeconds) s")
    if graceSeconds == 0, let machine, muted.insert(id).inserted { ends(machine) }
    machines.stop(id, epoch: epoch, graceSeconds: graceSeconds)
  }
}

/// A host: its power, its clocks, its agent, its machines.
final class Host {
  let index: Int
  let node: HostedNode
  /// What its clock shows of a thousandth of a microsecond of the world's time: up to 15 % off.
  let permille: Int64
  private let offset: Int64
  private let flaws: HostFlaws
  /// What its time of day is ahead.
  var skew: Int64 = 0
  /// How long it has slept, by its own clock.
  var slept: Int64 = 0
  /// nil = it has no power.
  var vms: HostVMs?
  /// nil = the agent's process is not there.
  var loop: NodeLoop?
  /// Counts its processes, so that what was meant for an earlier one is dropped.
  var life = 0
  /// The agent's process stands still; its machines go on.
  var stoppedUntil: Int64 = 0
  /// All of it stands still.
  var sleepsUntil: Int64 = 0
  /// Until when it does not reach a node of Berth.
  var cuts: [Int64]
  /// Whom it asks next.
  var server: Int
  /// Which of its calls is under way.
  var call: Int?
  var calls = 0
  /// Counts its alarms, so that only the last one rings.
  var alarm = 0
  /// Whether a person has switched it off and says so.
  var isFenced = false
  /// Whether it never comes back.
  var isGone = false
  /// Until when the packet filter lets leased machines speak.
  var leaseEnd: Duration?

  init(_ index: Int, offset: Int64, permille: Int64, nodes: Int, _ flaws: HostFlaws) {
    var body = NodeBody(Resources(cpu: 6_000, memory: 8_192, disk: 1 << 20, bandwidth: 10_000))
    body.topology = Topology(datacenter: index % 2 == 0 ? "east" : "west")
    node = HostedNode(NodeName(trusted: "h\(index)"), body)
    (self.index, self.offset, self.permille, self.flaws) = (index, offset, permille, flaws)
    (cuts, server) = ([Int64](repeating: 0, count: nodes), index % nodes)
  }

  /// The time since boot, by its own clock.
  func time(_ now: Int64) -> Duration { .microseconds(offset + now * permille / 1_000) }

  /// The time that its agent goes by.
  func agentTime(_ now: Int64) -> Duration {
    if flaws.contains(.wallClock) { return .microseconds(offset + now + skew) }
    return flaws.contains(.sleepingClock) ? time(now) - .microseconds(slept) : time(now)
  }

  /// So much of its own time in the world's, rounded up.
  func inWorld(_ time: Duration) -> Int64 { max(0, time.microseconds) * 1_000 / permille + 1 }

  /// The machines that speak on the network at the world's time.
  func speakers(_ now: Int64) -> [ObservedVM] {
    guard let vms, sleepsUntil <= now else { return [] }
    let hasLease = leaseEnd.map { agentTime(now) < $0 } ?? false
    return vms.machines.watch().filter { machine in
      guard machine.phase.isUp, !vms.muted.contains(machine.id), vms.machines.isHere(machine.id) else { return false }
      return hasLease || !(loop?.agent.isLeased(machine) ?? (machine.order.failover == .restart))
    }
  }
}

extension Duration {
  var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
