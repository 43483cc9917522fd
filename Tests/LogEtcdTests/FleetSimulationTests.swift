import Agent
import Engine
import Simulation
import Testing

/// Hosts and VMs beside the addresses: leases, failover, migrations, under faults of nodes, hosts, clocks and network.
@Suite struct FleetSimulationTests {
  @Test func s3_70_noAddressHasTwoCarriersWhateverHappens() {
    var seen: Set<String> = []
    for seed in 21...25 as ClosedRange<UInt64> {
      let world = World(seed: seed, plan: WorldPlan(fleet: seed))
      if let violation = world.run() { Issue.record("\(violation)") }
      seen.formUnion(world.seen.map(\.name))
    }
    for what in [
      "a node was lost", "a host cut a VM whose lease had ended", "a lost VM was placed elsewhere",
      "a lost VM's node came back with it", "a VM arrived", "a VM did not arrive and stayed",
      "a VM gave way", "a deposed leader heard an agent",
      "a host saw only a leader that was stuck", "a host was cut off", "a host lost its power", "a host slept",
      "a host's clock jumped", "a host was fenced", "an agent stood still", "an agent was started again",
      "an agent's call came late", "an agent's call came twice", "an agent's call was passed on",
      "machines did not come up", "machines did not go down"
    ] { #expect(seen.contains(what), "never happened: \(what)") }
  }

  @Test func aSeedWithAFleetIsOneRun() {
    let first = World(seed: 3, plan: WorldPlan(fleet: 3))
    let second = World(seed: 3, plan: WorldPlan(fleet: 3))
    #expect(first.run() == second.run())
    #expect(first.trace == second.trace)
  }

  /// With the faults that matter to each of them, from a seed on that is known to catch it: both only save time.
  @Test(arguments: [
    ("grants leases without a proof that it leads", LeaseFlaws.grantWithoutProof, [HostFault.strand], 55),
    ("begins to lead without giving a lease to everybody", .noGrace, [.cut], 8),
    ("forgets the margin", .noMargin, [.cut], 16),
    ("starts elsewhere before the lease has ended", .impatient, [.cut], 1)
  ]) func theSimulatorCatchesABugOfTheLeases(name: String, flaw: LeaseFlaws, faults: [HostFault], hint: UInt64) {
    var fleet = FleetPlan()
    (fleet.leaseFlaws, fleet.faults, fleet.clocks) = (flaw, faults, [850])
    // What clocks differ by must be more than what a look and a batch take.
    if flaw == .noMargin { fleet.timing = FleetTiming(lease: .seconds(5)) }
    catches(name, from: hint, fleet)
  }

  @Test func theSimulatorCatchesAnAgentThatIgnoresEpochs() {
    var fleet = FleetPlan()
    (fleet.agentFlaws, fleet.faults, fleet.hosts) = (.ignoreEpochs, [.cut], 1)
    catches("ignores epochs", from: 17, fleet)
  }

  @Test(arguments: [
    ("counts leases by the time of day", HostFlaws.wallClock, [HostFault.cut, .jump]),
    ("counts leases by a clock that sleeps", .sleepingClock, [.sleep])
  ]) func theSimulatorCatchesABugOfAHost(name: String, flaw: HostFlaws, faults: [HostFault]) {
    var fleet = FleetPlan()
    (fleet.hostFlaws, fleet.faults) = (flaw, faults)
    catches(name, fleet)
  }

  @Test(arguments: [
    ("answers a fence before it is durable", CoreFlaws.answerBeforeAppend, 1),
    ("keeps what was refused", .keepRefused, 7)
  ]) func theSimulatorCatchesABugOfTheEngineWithAFleet(name: String, flaw: CoreFlaws, hint: UInt64) {
    catches(name, from: hint, FleetPlan(), flaw)
  }

  private func catches(_ name: String, from hint: UInt64 = 1, _ fleet: FleetPlan, _ flaws: CoreFlaws = []) {
    let found = (hint..<hint + 100).first {
      World(seed: $0, plan: WorldPlan(fleet: $0, fleet, flaws: flaws)).run() != nil
    }
    print("\(name): seed \(found.map(String.init) ?? "-")")
    #expect(found != nil, "\(name) was not caught")
  }
}
