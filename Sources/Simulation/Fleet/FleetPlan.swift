package import Agent
package import Engine

/// The hosts of a run, and what is wrong with their programs on purpose.
package struct FleetPlan {
  /// How many hosts.
  package var hosts = 4
  /// What their clocks may show of a thousandth of a microsecond.
  package var clocks: [Int64] = [850, 1_000, 1_150]
  /// What goes wrong with them; what stands here more often does so more often.
  package var faults: [HostFault] = HostFault.allCases + [.power, .cut, .cut, .jump]
  /// Their leases: short, so that some end within a run.
  package var timing = FleetTiming(lease: .seconds(2))
  /// Deliberate bugs of the leader.
  package var leaseFlaws: LeaseFlaws = []
  /// Deliberate bugs of the agents.
  package var agentFlaws: AgentFlaws = []
  /// Deliberate bugs of the clocks that agents go by.
  package var hostFlaws: HostFlaws = []

  /// Nothing is wrong.
  package init() {}
}

/// What may go wrong with a host.
package enum HostFault: CaseIterable, Sendable {
  /// It loses its power, and its machines with it.
  case power
  /// The agent's process is started again; machines go on.
  case restart
  /// It reaches no node of Berth.
  case cut
  /// It does not reach one of them.
  case apart
  /// The agent's process stands still.
  case stop
  /// All of it stands still.
  case sleep
  /// Its time of day jumps.
  case jump
  /// Machines do not come up.
  case noStart
  /// Machines do not go down.
  case noEnd
  /// It reaches only the leader, whose engine is stuck.
  case strand
  /// A person switches it off and says so.
  case fence
}

/// Deliberate bugs of hosts that the simulator must catch.
package struct HostFlaws: OptionSet, Hashable, Sendable {
  /// The bits.
  package let rawValue: Int
  /// Makes a set from bits.
  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Leases are counted by the time of day.
  package static let wallClock = HostFlaws(rawValue: 1 << 0)
  /// Leases are counted by a clock that stands still while the host sleeps.
  package static let sleepingClock = HostFlaws(rawValue: 1 << 1)
}

extension WorldPlan {
  /// The plan of a seed with hosts and VMs, always the same.
  package init(fleet seed: UInt64, _ fleet: FleetPlan = FleetPlan(), flaws: CoreFlaws = []) {
    self.init()
    sites = seed % 5 == 0 ? 5 : 1
    members = sites == 5 ? 5 : 3
    (trouble, faultEvery) = (40_000_000, 900_000)
    var fleet = fleet
    // A batch takes half a second there.
    if sites == 5 { fleet.timing = FleetTiming(lease: .seconds(5)) }
    self.fleet = fleet
    engine = { [fleet] in CoreEngine(seed: $0, snapshotEvery: 40, flaws: flaws, fleet: fleet) }
  }
}
