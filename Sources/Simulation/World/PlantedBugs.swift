internal import Agent
internal import Engine
package import LogEtcd

/// A deliberate bug and the worlds in which it is looked for; `make sim BUGS=1` says which seeds catch each.
package struct PlantedBug: Sendable {
  /// What the wrong code does.
  package let name: String
  /// A seed that was seen to catch it, or shortly before one: it only saves time.
  package let hint: UInt64
  /// How a seed becomes a world with the bug.
  package let plan: @Sendable (UInt64) -> WorldPlan

  /// The first seed of these whose world breaks a promise.
  package func seed(in seeds: Range<UInt64>) -> UInt64? { seeds.first { World(seed: $0, plan: plan($0)).run() != nil } }
}

extension PlantedBug {
  /// Of the protocol over etcd, behind an engine that is a toy.
  package static let ofTheProtocol: [PlantedBug] = [
    ofTheProtocol("no epoch compare", .noEpochCompare, 2), ofTheProtocol("no place compare", .noPlaceCompare),
    ofTheProtocol("takes unknown for refused", .refuseUnknown, 6),
    ofTheProtocol("acknowledges before the append", .ackBeforeAppend),
    ofTheProtocol("trusts keepalives", .trustKeepalive), ofTheProtocol("ignores gaps of a watch", .ignoreWatchGap),
    ofTheProtocol("reads without a write as a barrier", .plainBarrier),
    ofTheProtocol("joins a barrier under way", .joinBarrier, 6), ofTheProtocol("no witness", .noWitness, 52),
    ofTheProtocol("no check of the chain", .noChainCheck),
    ofTheProtocol("takes an old read for news", .staleResolve, 50),
    ofTheProtocol("takes its own batch for another's", .refuseOwn, 25),
    ofTheProtocol("trims too far", .trimTooFar), ofTheProtocol("believes a full store", .believeFull)
  ]

  /// Of the toy itself: what no protocol can mend.
  package static let ofTheToy: [PlantedBug] = [
    ofTheToy("reads of a leader without a barrier", .readWithoutBarrier),
    ofTheToy("acknowledges what is decided", .ackDecided), ofTheToy("keeps what was refused", .keepRefused)
  ]

  /// Of the real engine.
  package static let ofTheEngine: [PlantedBug] = [
    ofTheEngine("answers before the append", .answerBeforeAppend),
    ofTheEngine("answers repeats and refusals without a barrier", .answerWithoutBarrier, 44),
    ofTheEngine("keeps what the log refused", .keepRefused),
    ofTheEngine("expires by the local clock", .expireByLocalClock),
    ofTheEngine("believes its clock when it begins to lead", .believeWhenLeading, 11)
  ]

  /// Of what drives a fleet: leases, agents, hosts, and the engine under it; each with the faults that matter to it.
  package static let ofTheFleet: [PlantedBug] = [
    ofTheFleet("grants leases without a proof that it leads", 3312) {
      ($0.leaseFlaws, $0.faults, $0.clocks) = (.grantWithoutProof, [.strand], [850])
    },
    ofTheFleet("begins to lead without giving a lease to everybody", 7) {
      ($0.leaseFlaws, $0.faults, $0.clocks) = (.noGrace, [.cut], [850])
    },
    ofTheFleet("forgets the margin", 7) {
      ($0.leaseFlaws, $0.faults, $0.clocks) = (.noMargin, [.cut], [850])
      // What clocks differ by must be more than what a look and a batch take.
      $0.timing = FleetTiming(lease: .seconds(5))
    },
    ofTheFleet("starts elsewhere before the lease has ended", 2) {
      ($0.leaseFlaws, $0.faults, $0.clocks) = (.impatient, [.cut], [850])
    },
    ofTheFleet("ignores epochs", 719) { ($0.agentFlaws, $0.faults, $0.hosts) = (.ignoreEpochs, [.cut], 1) },
    ofTheFleet("counts leases by the time of day", 2) { ($0.hostFlaws, $0.faults) = (.wallClock, [.cut, .jump]) },
    ofTheFleet("counts leases by a clock that sleeps") { ($0.hostFlaws, $0.faults) = (.sleepingClock, [.sleep]) },
    ofTheFleet("answers a fence before it is durable", core: .answerBeforeAppend) { _ in },
    ofTheFleet("keeps what was refused, with a fleet", 1, core: .keepRefused) { _ in }
  ]

  /// All.
  package static let all = ofTheProtocol + ofTheToy + ofTheEngine + ofTheFleet

  private static func ofTheProtocol(_ name: String, _ flaw: EtcdFlaws, _ hint: UInt64 = 1) -> PlantedBug {
    PlantedBug(name: name, hint: hint) { WorldPlan(toy: $0, flaw) }
  }

  private static func ofTheToy(_ name: String, _ flaw: ToyEngine.Flaws) -> PlantedBug {
    PlantedBug(name: name, hint: 1) { WorldPlan(toy: $0, [], flaw) }
  }

  private static func ofTheEngine(_ name: String, _ flaw: CoreFlaws, _ hint: UInt64 = 1) -> PlantedBug {
    PlantedBug(name: name, hint: hint) { seed in
      var plan = WorldPlan(seed: seed)
      plan.engine = { CoreEngine(seed: $0, flaws: flaw) }
      return plan
    }
  }

  private static func ofTheFleet(
    _ name: String, _ hint: UInt64 = 1, core: CoreFlaws = [], _ change: @escaping @Sendable (inout FleetPlan) -> Void
  ) -> PlantedBug {
    PlantedBug(name: name, hint: hint) { seed in
      var fleet = FleetPlan()
      change(&fleet)
      return WorldPlan(fleet: seed, fleet, flaws: core)
    }
  }
}

extension WorldPlan {
  /// The protocol behind an engine that is simple enough to be sure of.
  package init(toy seed: UInt64, _ flaws: EtcdFlaws = [], _ toy: ToyEngine.Flaws = []) {
    self.init(seed: seed)
    self.flaws = flaws
    engine = { ToyEngine(seed: $0, snapshotEvery: 12, flaws: toy) }
  }
}
