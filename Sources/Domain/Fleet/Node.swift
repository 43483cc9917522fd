/// Whether a node takes VMs.
package enum NodeState: UInt8, Hashable, Sendable, CaseIterable {
  /// Takes VMs.
  case ready = 0
  /// Takes no new ones, keeps those it has.
  case cordoned = 1
  /// Takes no new ones, and those it has leave.
  case draining = 2
  /// Silent; what it carries may still run.
  case lost = 3
  /// Proven to carry nothing any more.
  case fenced = 4

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }
}

/// A host that carries VMs, as it was registered.
package struct Node: Hashable, Sendable {
  /// Its name.
  package let name: NodeName
  /// What it really has.
  package var physical: Resources
  /// What else it has, in order of the names.
  package var custom: [CustomAmount]
  /// Its devices, in order of their ids; at most `Limits.devices`.
  package var devices: [Device]
  /// Its NUMA nodes; empty = one, of which nothing is known.
  package var numa: [NUMANode]
  /// Where it stands.
  package var topology: Topology
  /// What can run VMs there, in order.
  package var backends: [BackendName]
  /// What it costs.
  package var prices: Prices
  /// Whether its owner may take it back with short notice.
  package var isSpot: Bool
  /// How much it may promise.
  package var profile: OvercommitProfile
  /// The operator's labels.
  package var labels: Labels
  /// Whether it takes VMs.
  package var state: NodeState
  /// Grows with each registration and each fencing; an older one is not believed any more.
  package var epoch: UInt64
  /// When its owner takes it back; nil = nobody said so.
  package var reclaimAt: LogTime?
  /// When it was registered first.
  package let createdAt: LogTime
  /// The entry that last changed it.
  package var revision: Revision

  /// Makes a node as it is; `Ledger` checks the rules.
  package init(
    name: NodeName, physical: Resources, custom: [CustomAmount] = [], devices: [Device] = [], numa: [NUMANode] = [],
    topology: Topology = Topology(), backends: [BackendName] = [], prices: Prices = Prices(), isSpot: Bool = false,
    profile: OvercommitProfile = .conservative, labels: Labels = .none, state: NodeState = .ready, epoch: UInt64 = 1,
    reclaimAt: LogTime? = nil, createdAt: LogTime = 0, revision: Revision = 0
  ) {
    (self.name, self.physical, self.custom, self.devices, self.numa) = (name, physical, custom, devices, numa)
    (self.topology, self.backends, self.prices, self.isSpot) = (topology, backends, prices, isSpot)
    (self.profile, self.labels, self.state, self.epoch) = (profile, labels, state, epoch)
    (self.reclaimAt, self.createdAt, self.revision) = (reclaimAt, createdAt, revision)
  }

  /// What it may promise.
  package var effective: Resources { profile.effective(physical) }

  /// The rule that a new node breaks, in words; nil = none.
  package var flaw: (field: String, rule: String)? {
    if !physical.isLegal || physical.cpu == 0 || physical.memory == 0 {
      return ("capacity", "vCPU and memory must be over 0, and nothing over \(Limits.resource)")
    }
    if custom.count > Limits.customResources || zip(custom, custom.dropFirst()).contains(where: { $0.name >= $1.name })
    {
      return ("custom", "at most \(Limits.customResources) resources, each once")
    }
    if devices.count > Limits.devices || zip(devices, devices.dropFirst()).contains(where: { $0.id >= $1.id }) {
      return ("devices", "at most \(Limits.devices) devices, each id once")
    }
    if numa.count > Limits.numaNodes { return ("numa", "at most \(Limits.numaNodes) NUMA nodes") }
    var seen = CPUSet()
    for part in numa {
      if part.memory < 0 || !seen.isDisjoint(with: part.cpus) { return ("numa", "no processor in two NUMA nodes") }
      seen.formUnion(part.cpus)
    }
    let inParts = numa.reduce(0) { $0 + Int($1.memory) }
    if !numa.isEmpty, Int32(seen.count) * 1_000 > physical.cpu || inParts > Int(physical.memory) {
      return ("numa", "no more processors and memory than the node has")
    }
    if !prices.peak.isLegal || !prices.offPeak.isLegal || prices.peakFrom > 23 || prices.peakUntil > 23 {
      return ("prices", "rates from 0 to \(Limits.rate) millionths, hours from 0 to 23")
    }
    if max(prices.peak.hourly(effective), prices.offPeak.hourly(effective)) > Limits.hourly {
      return ("prices", "an hour of all that the node may promise must not cost over \(Limits.hourly) millionths")
    }
    return nil
  }
}
