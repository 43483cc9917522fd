import Engine
import LogEtcd
import Simulation
import Testing

@Suite struct SimulationTests {
  private func plan(_ seed: UInt64, _ flaws: EtcdFlaws = [], _ toy: ToyEngine.Flaws = []) -> WorldPlan {
    var plan = WorldPlan(seed: seed)
    plan.flaws = flaws
    plan.engine = { ToyEngine(seed: $0, snapshotEvery: 12, flaws: toy) }
    return plan
  }

  @Test func aClusterKeepsItsPromisesUnderEveryFault() {
    var seen: Set<String> = []
    for seed in Array(1...16 as ClosedRange<UInt64>) + [24, 41] {
      let world = World(seed: seed, plan: plan(seed))
      if let violation = world.run() { Issue.record("\(violation)") }
      seen.formUnion(world.seen.map(\.name))
    }
    for what in [
      "a keepalive lied", "a read was stale", "a request landed after its sender gave up", "a request was repeated",
      "a watch lost an event", "a watch went back in time", "a watch was canceled by a compaction",
      "a watch told other bytes", "an append stayed unknown", "etcd came back from a backup", "leases ended early",
      "a node was bootstrapped", "a node found that etcd lost history", "the store was full", "an engine was wedged",
      "seeds: 5 sites", "leader and follower were apart", "a write could not be passed on",
      "only leader and follower were apart", "an archive was full"
    ] { #expect(seen.contains(what), "never happened: \(what)") }
  }

  @Test func aSeedIsOneRun() {
    let first = World(seed: 4, plan: plan(4))
    let second = World(seed: 4, plan: plan(4))
    #expect(first.run() == second.run())
    #expect(first.trace == second.trace)
    let other = World(seed: 5, plan: plan(5))
    _ = other.run()
    #expect(other.trace != first.trace)
  }

  @Test(arguments: [
    ("no epoch compare", EtcdFlaws.noEpochCompare, 1), ("no place compare", .noPlaceCompare, 1),
    ("takes unknown for refused", .refuseUnknown, 1), ("acknowledges before the append", .ackBeforeAppend, 1),
    ("trusts keepalives", .trustKeepalive, 1), ("ignores gaps of a watch", .ignoreWatchGap, 1),
    ("reads without a write as a barrier", .plainBarrier, 1), ("joins a barrier under way", .joinBarrier, 3),
    ("no witness", .noWitness, 28), ("no check of the chain", .noChainCheck, 1),
    ("takes an old read for news", .staleResolve, 80), ("takes its own batch for another's", .refuseOwn, 43),
    ("trims too far", .trimTooFar, 1), ("believes a full store", .believeFull, 1)
  ]) func theSimulatorCatchesABugOfTheProtocol(name: String, flaw: EtcdFlaws, hint: UInt64) {
    #expect(seedThatCatches(from: hint, plan: { plan($0, flaw) }) != nil, "\(name) was not caught")
  }

  @Test(arguments: [
    ("reads of a leader without a barrier", ToyEngine.Flaws.readWithoutBarrier),
    ("acknowledges what is decided", .ackDecided), ("keeps what was refused", .keepRefused)
  ]) func theSimulatorCatchesABugOfTheEngine(name: String, flaw: ToyEngine.Flaws) {
    #expect(seedThatCatches(from: 1, plan: { plan($0, [], flaw) }) != nil, "\(name) was not caught")
  }

  private func realPlan(_ seed: UInt64, _ flaws: CoreFlaws = []) -> WorldPlan {
    var plan = plan(seed)
    plan.engine = { CoreEngine(seed: $0, flaws: flaws) }
    return plan
  }

  @Test func theRealEngineKeepsItsPromisesUnderEveryFault() {
    var seen: Set<String> = []
    for seed in Array(1...12 as ClosedRange<UInt64>) + [20] {
      let world = World(seed: seed, plan: realPlan(seed))
      if let violation = world.run() { Issue.record("\(violation)") }
      seen.formUnion(world.seen.map(\.name))
    }
    for what in [
      "a clock jumped ahead", "a clock jumped back", "a clock stepped by seconds", "a leader's clock jumped",
      "a node with a wrong clock leads", "a clock was set right", "an archive was full",
      "a node stopped because of a full archive", "seeds: 5 sites", "etcd came back from a backup",
      "leader and follower were apart", "a repeat got the first answer", "a history was judged", "calls judged"
    ] { #expect(seen.contains(what), "never happened: \(what)") }
    #expect(!seen.contains("the search of a history was given up"))
  }

  @Test(arguments: [
    ("answers before the append", CoreFlaws.answerBeforeAppend, 1),
    ("answers repeats and refusals without a barrier", .answerWithoutBarrier, 1),
    ("keeps what was refused", .keepRefused, 1), ("expires by the local clock", .expireByLocalClock, 1),
    ("believes its clock when it begins to lead", .believeWhenLeading, 1)
  ]) func theSimulatorCatchesABugOfTheRealEngine(name: String, flaw: CoreFlaws, hint: UInt64) {
    #expect(seedThatCatches(from: hint, plan: { realPlan($0, flaw) }) != nil, "\(name) was not caught")
  }

  /// The first seeds are those that are known to catch it, which only saves time.
  private func seedThatCatches(from hint: UInt64, plan: (UInt64) -> WorldPlan) -> UInt64? {
    (hint..<hint + 250).first { World(seed: $0, plan: plan($0)).run() != nil }
  }
}
