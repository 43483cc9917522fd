internal import AgentHost
internal import Domain
internal import Engine
internal import Ledger
internal import TestSupport
internal import VMMSimulated

extension Hosts {
  /// Something goes wrong with a host.
  func fault() {
    let host = world.random.pick(all)
    let long = Int64.random(in: 200_000...(world.random.oneIn(2) ? 9_000_000 : 2_000_000), using: &world.random)
    note(host, "has a fault for \(long / 1_000) ms")
    switch world.random.pick(plan.faults) {
    case .power:
      saw("a host lost its power", host)
      unplug(host)
      later(long) { [unowned self] in power(host) }
    case .restart:
      saw("an agent was started again", host)
      stop(host)
      later(long / 2) { [unowned self] in start(host) }
    case .cut:
      saw("a host was cut off", host)
      for server in host.cuts.indices { host.cuts[server] = world.now + long }
    case .apart: host.cuts[Int.random(in: 0..<host.cuts.count, using: &world.random)] = world.now + long
    case .stop:
      saw("an agent stood still", host)
      host.stoppedUntil = world.now + long
    case .sleep: suspend(host, for: long)
    case .jump: jump(host)
    case .noStart: start(failing: host, for: long)
    case .noEnd:
      saw("machines did not go down", host)
      host.vms?.machines.faults.stopsHang = true
      later(long) { host.vms?.machines.faults.stopsHang = false }
    case .strand: strand(host)
    case .fence: fence(host)
    }
    look()
  }

  /// The leader's engine is stuck, and a host sees no other node: it hears of its successor last.
  private func strand(_ host: Host) {
    guard let leader = world.nodes.indices.first(where: { engine($0).leads }) else { return }
    saw("a host saw only a leader that was stuck", host)
    let until = world.now + Int64.random(in: 6_000_000...12_000_000, using: &world.random)
    world.nodes[leader].wedgedUntil = until
    for server in host.cuts.indices where server != leader { host.cuts[server] = until }
  }

  private func saw(_ what: String, _ host: Host) {
    world.saw(what)
    note(host, what)
  }

  private func suspend(_ host: Host, for time: Int64) {
    guard host.sleepsUntil <= world.now else { return }
    saw("a host slept", host)
    host.sleepsUntil = world.now + time
    host.slept += time * host.permille / 1_000
    // Whoever wakes up speaks before anybody has looked after it.
    later(time) { [unowned self] in look() }
  }

  private func jump(_ host: Host) {
    saw("a host's clock jumped", host)
    host.skew = Int64.random(in: -600_000_000...600_000_000, using: &world.random)
    plan(host)
    look()
  }

  private func start(failing host: Host, for time: Int64) {
    saw("machines did not come up", host)
    host.vms?.machines.faults.startFailuresPerMillion = 300_000
    later(time) { host.vms?.machines.faults.startFailuresPerMillion = 0 }
  }

  // MARK: Fencing

  /// A person switches a host off, says so, and gives it power again when Berth has acknowledged it.
  private func fence(_ host: Host) {
    guard host.vms != nil, truth.tables.node(host.node.name) != nil else { return }
    unplug(host)
    host.isFenced = true
    say(host)
  }

  private func say(_ host: Host) {
    guard host.isFenced else { return }
    if let index = world.nodes.indices.first(where: {
      world.nodes[$0].machine != nil && world.nodes[$0].pausedUntil <= world.now && engine($0).leads
    }) {
      let operation = world.nextOperation
      world.nextOperation += 1
      world.truth.asked(write: operation)
      engine(index).ask(.fleet(.fenceNode(host.node.name)), as: operation) { [unowned self] answer in
        guard case .outcome = answer else { return }
        saw("a host was fenced", host)
        later(500_000) { [unowned self] in
          host.isFenced = false
          power(host)
        }
      }
      world.hear(index)
    }
    later(1_500_000) { [unowned self] in say(host) }
  }

  // MARK: Peace

  /// Everything is well from now on, but for a host that never comes back.
  func heal() {
    for host in all {
      host.cuts = host.cuts.map { _ in 0 }
      host.vms?.machines.faults = .none
      (host.stoppedUntil, host.sleepsUntil) = (min(host.stoppedUntil, world.now), min(host.sleepsUntil, world.now))
      if host.index == 0, world.seed % 3 == 0, !host.isFenced {
        saw("a host stayed away", host)
        unplug(host)
        host.isGone = true
      } else if !host.isFenced {
        power(host)
        start(host)
      }
    }
  }
}
