package import LogEtcd

/// What a run is made of.
package struct WorldPlan {
  /// How many nodes.
  package var nodes = 3
  /// How many members etcd has.
  package var members = 3
  /// How many places they are spread over; 1 = one room, at most 5.
  package var sites = 1
  /// How long faults happen, in microseconds of the world's clock.
  package var trouble: Int64 = 30_000_000
  /// How long everything is well after that.
  package var peace: Int64 = 20_000_000
  /// The mean time between two faults.
  package var faultEvery: Int64 = 700_000
  /// Deliberate bugs of the protocol.
  package var flaws: EtcdFlaws = []
  /// Whether etcd may come back from an old backup.
  package var restores = false
  /// Nothing else happens than that the leader and one follower do not reach each other.
  package var isOnlyApart = false
  /// The hosts that the nodes look after; nil = there are addresses alone.
  package var fleet: FleetPlan?
  /// Makes the engine of a node.
  package var engine: (_ seed: UInt64) -> any SimulatedEngine = { ToyEngine(seed: $0, snapshotEvery: 12) }

  /// The usual plan.
  package init() {}

  /// The plan of a seed, always the same.
  package init(seed: UInt64) {
    nodes = seed % 5 == 0 ? 5 : 3
    sites = seed % 3 == 0 ? 5 : seed % 7 == 0 ? 3 : 1
    members = sites == 5 ? 5 : 3
    isOnlyApart = seed % 41 == 0
    restores = seed % 4 == 0 && !isOnlyApart
    if WorldPlan.isReal(seed) { engine = { CoreEngine(seed: $0) } }
  }

  /// Whether a seed runs the real engine: half of those with each other trait do.
  package static func isReal(_ seed: UInt64) -> Bool { (seed ^ seed >> 3) & 1 == 1 }
}
