// The hosts of a run: the real loop of an agent on each, over the world's network, against whichever node of Berth.
internal import Agent
internal import AgentHost
internal import Addressing
internal import Domain
internal import Engine
internal import Ledger
internal import TestSupport
internal import VMM
internal import VMMSimulated

final class Hosts {
  /// How long a call may take, as agents have it.
  static let patience = Duration.seconds(2)
  static let shortestCall = Duration.milliseconds(50)

  unowned let world: World
  let plan: FleetPlan
  private(set) var all: [Host] = []
  var truth = FleetTruth()
  /// The newest entry some seconds before the end: what it left on its way has arrived by then.
  private(set) var settled: UInt64 = .max

  init(_ plan: FleetPlan, _ world: World) {
    (self.plan, self.world) = (plan, world)
    all = (0..<plan.hosts).map { index in
      Host(
        index, offset: Int64.random(in: 0...1_000_000_000, using: &world.random),
        permille: world.random.pick(plan.clocks), nodes: world.nodes.count, plan.hostFlaws)
    }
  }

  func begin() {
    for host in all { later(Int64.random(in: 500_000...2_000_000, using: &world.random)) { self.power(host) } }
  }

  /// The engines of Berth's nodes.
  func engine(_ index: Int) -> CoreEngine {
    guard let engine = world.nodes[index].engine as? CoreEngine else {
      preconditionFailure("a fleet needs the real engine")
    }
    return engine
  }

  func note(_ host: Host, _ what: @autoclosure () -> String) { world.note("\(host.node.name) \(what())") }

  func later(_ delay: Int64, _ act: @escaping () -> Void) { world.queue.add(.act(act), at: world.now + delay) }

  /// Nobody asks for anything more.
  func settle() {
    for index in world.nodes.indices { engine(index).wantsFleet = false }
    later(world.plan.peace / 4) { [unowned self] in settled = truth.tables.revision }
  }

  // MARK: A host's life

  /// The host gets power, and with it an agent that knows nothing; it had no machines.
  func power(_ host: Host) {
    guard host.vms == nil, !host.isGone, !host.isFenced else { return }
    let machines = SimulatedVMs(seed: world.random.next()) { [unowned host, unowned world] in host.time(world.now) }
    note(host, "has power")
    let say = { [unowned self, unowned host] (what: String) in note(host, what) }
    host.vms = HostVMs(machines, note: say) { [unowned self, unowned host] machine in
      if host.loop?.agent.isLeased(machine) == true, host.agentTime(world.now) >= host.leaseEnd ?? .zero {
        world.saw("a host cut a VM whose lease had ended")
      }
    }
    machines.takeOver = { [unowned self, unowned host] order in takeOver(order, to: host) }
    host.leaseEnd = nil
    start(host)
  }

  /// The host that has a machine lets it go if its agent knows of this placement, and no other.
  private func takeOver(_ order: VMOrder, to host: Host) -> Bool {
    guard host.sleepsUntil <= world.now else { return false }
    for other in all where other !== host && isAway(other) == nil {
      guard let vms = other.vms, other.loop?.agent.mayHandOver(order.id, to: order.epoch) == true,
        let there = other.speakers(world.now).first(where: { $0.id == order.id && $0.phase == .running })
      else { continue }
      vms.hand(over: there)
      plan(other)
      return true
    }
    return false
  }

  /// The host loses its power, and its machines with it.
  func unplug(_ host: Host) {
    note(host, "has no power")
    stop(host)
    (host.vms, host.leaseEnd) = (nil, nil)
    (host.stoppedUntil, host.sleepsUntil) = (0, 0)
  }

  /// The agent's process begins; the filter knows when its lease ends.
  func start(_ host: Host) {
    guard let vms = host.vms, host.loop == nil else { return }
    note(host, "has an agent, with a lease until \(host.leaseEnd.map { "\($0)" } ?? "-")")
    host.life += 1
    let loop = NodeLoop(
      host.node, vms, heartbeat: plan.timing.heartbeat, polls: host.index % 2 == 0, leaseEnd: host.leaseEnd,
      flaws: plan.agentFlaws, clock: { [unowned host, unowned world] in host.agentTime(world.now) },
      ask: { _, _, _ in .failed("is asked by the world") })
    host.loop = loop
    loop.begin(after: .milliseconds(Int64.random(in: 0...200, using: &world.random)))
    plan(host)
  }

  /// The agent's process ends; its machines go on.
  func stop(_ host: Host) {
    host.life += 1
    (host.loop, host.call) = (nil, nil)
  }

  // MARK: Its turns

  /// Until when its agent does nothing.
  func isAway(_ host: Host) -> Int64? {
    let until = max(host.stoppedUntil, host.sleepsUntil)
    return until > world.now ? until : nil
  }

  /// Sets its alarm for what it has to do next.
  func plan(_ host: Host) {
    guard let loop = host.loop else { return }
    host.alarm += 1
    let (alarm, now) = (host.alarm, host.agentTime(world.now))
    let due = loop.deadline.map { $0 > now ? min($0, loop.due) : loop.due } ?? loop.due
    later(max(1_000, host.inWorld(due - now))) { [unowned self] in
      guard host.alarm == alarm else { return }
      serve(host)
    }
  }

  /// As a crew does: what must be cut is, and then one call is made.
  func serve(_ host: Host) {
    guard let loop = host.loop, host.call == nil else { return }
    if let until = isAway(host) { return later(until - world.now) { [unowned self] in serve(host) } }
    let now = host.agentTime(world.now)
    if let deadline = loop.deadline, deadline <= now { loop.lookAfter() }
    if loop.due <= now {
      let limit = loop.deadline.flatMap { $0 > now ? max(Hosts.shortestCall, $0 - now) : nil }
      let patience = min(Hosts.patience, limit ?? Hosts.patience)
      if let message = loop.question(within: patience) { call(host, message, patience) }
    }
    look()
    if host.call == nil { plan(host) }
  }

  /// A call has ended.
  func end(_ call: Int, _ host: Host, _ life: Int, _ reply: NodeReply) {
    guard host.call == call, host.life == life, let loop = host.loop else { return }
    if let until = isAway(host) {
      return later(until - world.now) { [unowned self] in end(call, host, life, reply) }
    }
    host.call = nil
    note(host, "hears \(reply.brief), clock \(host.agentTime(world.now).microseconds / 1_000)")
    if case .failed = reply { host.server = (host.server + 1) % world.nodes.count }
    loop.take(reply)
    host.leaseEnd = loop.agent.leaseEnd
    world.fold(UInt64(host.index), UInt64(world.now), loop.agent.epoch, loop.agent.seenRevision)
    look()
    plan(host)
  }

  // MARK: What must never be

  /// Of no VM, and of no address, are there two that speak.
  func look() {
    var places: [VMID: (host: Int, epoch: UInt64)] = [:]
    var holders: [IPAddress: VMID] = [:]
    for host in all {
      for machine in host.speakers(world.now) {
        if let other = places.updateValue((host.index, machine.epoch), forKey: machine.id) {
          world.violate(
            "VM \(machine.order.key.name) runs on h\(other.host) at \(other.epoch) and on h\(host.index) at \(machine.epoch)"
          )
        }
        for address in machine.order.interfaces.flatMap(\.addresses) {
          if let other = holders.updateValue(machine.id, forKey: address.ip), other != machine.id {
            world.violate("\(address.ip) is carried by VMs \(other.raw) and \(machine.id.raw)")
          }
        }
      }
    }
  }
}

extension NodeReply {
  /// A few words for a person.
  fileprivate var brief: String {
    switch self {
    case .registered(let epoch, _): "that it is registered at \(epoch)"
    case .answered(let answer):
      "\(answer.lease.microseconds / 1_000) ms as of \(answer.revision)"
        + (answer.desired.map { list in
          ": "
            + list.map { "\($0.order.key.name)@\($0.order.epoch)\($0.isKept ? " kept" : $0.isWanted ? "" : " down")" }
            .joined(separator: ", ")
        } ?? "")
    case .unknown: "that it is to register"
    case .failed(let why): "nothing: \(why)"
    }
  }
}
