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

  @Test(arguments: PlantedBug.ofTheFleet) func theSimulatorCatchesABugOfTheFleet(_ bug: PlantedBug) { isCaught(bug) }
}
