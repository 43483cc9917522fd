import Domain
import Testing

@testable import Ledger

/// Rules about nodes, VMs and tenants, each with what happens where it ends.
@Suite struct FleetRuleTests {
  private func house(nodes: Int = 2) -> Desk {
    let desk = Desk()
    desk.pool("web", "10.1.0.0/24")
    for number in 0..<nodes { desk.node("n\(number + 1)") }
    return desk
  }

  private func limit(_ desk: Desk, burst: UInt16 = 0, _ change: (inout Quota) -> Void) {
    var quota = Quota(tenant: .standard, burstPercent: burst, burstSeconds: 60)
    change(&quota)
    desk.ask(.fleet(.setQuota(quota)))
  }

  private func patch(_ desk: Desk, _ name: String, _ change: (inout VMPatch) -> Void) -> Outcome {
    var patch = VMPatch()
    change(&patch)
    return desk.ask(.fleet(.updateVM(vmKey(name), patch, ifMatch: nil)))
  }

  // MARK: Quotas

  /// Until then nobody has counted what tenants hold, and what comes with it in one batch must know it.
  @Test func theVeryFirstQuotaCountsWhatWasGivenBeforeIt() throws {
    let desk = Desk()
    let pool = desk.pool("web", "10.1.0.0/24")
    for name in ["a", "b"] { _ = desk.give(pool, name) }
    let before = desk.tables.revision
    func decide(_ command: Command) -> Ledger.Decision {
      revision += 1
      return desk.ledger.decide(
        Submission(command, actor: "t", requestID: "r", asked: "", idempotency: nil, dryRun: false),
        Ledger.Context(revision: revision, time: desk.time, seed: 1))
    }
    var revision = before
    var quota = Quota(tenant: .standard)
    quota[.addresses] = 1
    #expect(decide(.fleet(.setQuota(quota))).entry != nil)
    func allocate(_ owner: String) -> Outcome {
      decide(.allocate(AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: owner))))).outcome
    }
    #expect(allocate("c").refusal?.code == .quotaExceeded)
    #expect(decide(.release(.address(AllocationTarget(pool: pool, ip: ip("10.1.0.2"))))).entry != nil)
    #expect(allocate("c").refusal?.code == .quotaExceeded, "one is held still")
    #expect(decide(.release(.address(AllocationTarget(pool: pool, ip: ip("10.1.0.3"))))).entry != nil)
    #expect(allocate("c").refusal == nil)
  }

  /// Who waits for room counts as if it had some: or a quota would hold only as long as there is room.
  @Test func whoWaitsForRoomIsCountedToo() {
    let desk = house(nodes: 0)
    limit(desk) { $0[.vms] = 2 }
    #expect(desk.create("trio", count: 3).code == .quotaExceeded)
    #expect(desk.create("pair", count: 2).vms.allSatisfy { $0.vm.state == .pending })
    #expect(desk.create("one").code == .quotaExceeded)
    #expect(desk.create("idle", isWanted: false).made)
    #expect(desk.ask(.fleet(.startVM(vmKey("idle")))).code == .quotaExceeded && desk.vm("idle").state == .stopped)
  }

  @Test func theTimeOverTheLimitsIsCountedFromTheFirstStepOverThem() {
    let desk = house()
    limit(desk, burst: 200) { $0[.vms] = 1 }
    for name in ["a", "b"] { desk.create(name, cpus: 1, memory: 1) }
    let since = desk.time
    desk.time += 40_000_000
    #expect(desk.create("c", cpus: 1, memory: 1).made && desk.tables.quota(.standard)?.burstSince == since)
    desk.ask(.fleet(.deleteVM(vmKey("c"), force: false)))
    desk.report("c", .gone)
    desk.time += 20_000_000
    #expect(desk.create("c", cpus: 1, memory: 1).code == .quotaExceeded, "a minute after the first step")
  }

  @Test func nobodyMovesToWhereItCostsMoreThanTheTenantMaySpend() {
    let desk = house(nodes: 0)
    desk.node("cheap") { $0.prices = Prices(Rates(cpu: 1_000)) }
    desk.create("a") { $0.interfaces = [] }
    desk.run("a")
    desk.node("dear") { $0.prices = Prices(Rates(cpu: 2_000)) }
    limit(desk) { $0[.money] = 3 * 1_000 * 730 }
    let refusal = desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("dear")))).refusal
    #expect(refusal?.code == .quotaExceeded && refusal?.facts.first?.value == "money")
    #expect(desk.vm("a").state == .running && desk.vm("a").node == nodeName("cheap"))
    limit(desk) { $0[.money] = 4 * 1_000 * 730 }
    #expect(desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("dear")))).vms.first?.vm.state == .migrating)
  }

  @Test func aTenantHasSoManyVMsOnANodeAndNoMore() {
    let desk = house()
    limit(desk) { $0[.vmsPerNode] = 1 }
    let places = ["a", "b", "c"].map { desk.create($0, cpus: 1, memory: 1).vms[0].vm.node }
    #expect(places == [nodeName("n1"), nodeName("n2"), nil] && desk.vm("c").why.contains("tenant's number"))
    #expect(desk.create("d", cpus: 1, memory: 1, tenant: "acme").vms[0].vm.node == nodeName("n1"))
  }

  @Test func limitsThatNobodyCouldCountAreRefused() {
    let desk = house(nodes: 0)
    var quota = Quota(tenant: .standard)
    quota[.money] = UInt64(Int64.max)
    #expect(desk.ask(.fleet(.setQuota(quota))).refusal?.field == "limits")
    quota[.money] = UInt64(Int64.max) / 1_024
    #expect(desk.ask(.fleet(.setQuota(quota))).refusal == nil)
  }

  // MARK: Nodes and kept capacity

  @Test func anotherProfilePromisesAnotherAmount() {
    let desk = house(nodes: 1)
    desk.create("a", cpus: 8)
    #expect(desk.create("b", cpus: 8).vms[0].vm.state == .pending)
    var patch = NodePatch()
    patch.profile = .aggressive
    desk.ask(.fleet(.updateNode(nodeName("n1"), patch, ifMatch: nil)))
    desk.schedule()
    #expect(desk.vm("b").node == nodeName("n1"))
    patch.profile = .conservative
    #expect(desk.ask(.fleet(.updateNode(nodeName("n1"), patch, ifMatch: nil))).code == .nodeInUse)
  }

  @Test func whatIsKeptMustBeThereAndEndInTheFuture() {
    let desk = house(nodes: 1)
    desk.create("a", cpus: 4)
    func keep(_ cpus: Int32, until end: LogTime?) -> Rejection? {
      let row = CapacityReservation(
        name: CapacityName(trusted: "k\(cpus)"), tenant: .standard, node: nodeName("n1"),
        asked: Resources(cpu: cpus * 1_000), priority: 0, expiresAt: end)
      return desk.ask(.fleet(.reserveCapacity(row))).refusal
    }
    #expect(keep(5, until: nil)?.code == .noPlacement)
    #expect(keep(2, until: desk.time)?.field == "expires_at" && keep(2, until: desk.time + 1) == nil)
  }

  // MARK: VMs

  @Test func aFailedVMIsStartedByHandWithoutWaitingForItsRest() {
    let desk = house()
    desk.create("a")
    desk.report("a", .failed)
    #expect(desk.vm("a").state == .failed)
    #expect(desk.ask(.fleet(.startVM(vmKey("a")))).vms.first?.vm.state == .placed && desk.vm("a").epoch == 2)
  }

  @Test func whoGaveWayDrivesNobodyOutToComeBack() {
    let desk = house(nodes: 0)
    desk.node("n1") { $0.labels = Labels([("disk", "fast")])! }
    desk.create("soft", cpus: 8) { ($0.priority, $0.isPreemptible) = (400, true) }
    desk.node("n2")
    desk.create("low", cpus: 8) { ($0.priority, $0.isPreemptible) = (100, true) }
    desk.run("low")
    desk.create("boss", cpus: 8) { ($0.priority, $0.nodeLabels) = (900, Labels([("disk", "fast")])!) }
    desk.schedule()
    #expect(desk.vm("soft").state == .preempted && desk.vm("low").state == .running)
    #expect(desk.vm("boss").node == nodeName("n1") && desk.vm("low").preemptions == 0)
  }

  @Test func whoIsNoLongerPreemptibleStaysAndWhoBecomesSoGives() {
    let desk = house(nodes: 1)
    desk.create("a", cpus: 8) { $0.priority = 100 }
    desk.run("a")
    #expect(desk.create("b", cpus: 8) { $0.priority = 900 }.vms[0].vm.state == .pending)
    #expect(patch(desk, "a") { $0.isPreemptible = true }.refusal == nil)
    #expect(desk.create("c", cpus: 8) { $0.priority = 950 }.vms[0].vm.state == .placed)
    #expect(desk.vm("a").state == .preempted)
  }

  @Test func aVMOnASilentNodeIsGoneOnlyByForce() {
    let desk = house()
    desk.create("a")
    desk.run("a")
    desk.ask(.fleet(.nodesLost([nodeName("n1")])))
    desk.ask(.fleet(.deleteVM(vmKey("a"), force: false)))
    #expect(desk.vm("a").isEnding && desk.state(PoolName(trusted: "web")).allocations == 1, "it may still run there")
    desk.ask(.fleet(.deleteVM(vmKey("a"), force: true)))
    #expect(!desk.has("a") && desk.state(PoolName(trusted: "web")).allocations == 0)
  }

  @Test func moreVMsThanANamedPoolHasAddressesAreRefusedAtOnce() {
    let desk = house()
    desk.pool("tiny", "10.2.0.0/29")
    let tiny = [VMInterface(source: .pool(PoolName(trusted: "tiny")))]
    #expect(desk.create("six", cpus: 1, memory: 1, count: 6) { $0.interfaces = tiny }.code == .poolExhausted)
    #expect(desk.create("five", cpus: 1, memory: 1, count: 5) { $0.interfaces = tiny }.vms.count == 5)
  }

  @Test func aStandbyGoesElsewhereWhenItsVMMovesIntoItsDatacenter() {
    let desk = house(nodes: 0)
    for name in ["east-1", "west-1", "west-2"] {
      desk.node(name) { $0.topology = Topology(datacenter: String(name.prefix(4))) }
    }
    desk.create("db") { ($0.failover, $0.hasStandby) = (.restart, true) }
    desk.run("db")
    #expect(desk.vm("db").node == nodeName("east-1"))
    guard let standby = desk.vm("db").standby else { return #expect(Bool(false), "no standby") }
    let other = nodeName(standby == nodeName("west-1") ? "west-2" : "west-1")
    desk.ask(.fleet(.migrateVM(vmKey("db"), to: other)))
    desk.report("db", .running)
    desk.schedule()
    #expect(desk.vm("db").node == other && desk.vm("db").standby == nodeName("east-1"))
  }

  @Test func whoWaitsForSomebodyToMeasureIsTriedAsSoonAsSomebodyHas() {
    let desk = house(nodes: 0)
    desk.node("n1") { $0.topology = Topology(datacenter: "ams") }
    desk.create("a") {
      $0.locality.latencyFrom = "fra"
      $0.locality.maxLatency = 5_000
    }
    desk.schedule()
    #expect(desk.vm("a").state == .pending)
    desk.ask(.fleet(.measured([Latency(from: "ams", to: "fra", microseconds: 3_000)])))
    desk.schedule()
    #expect(desk.vm("a").node == nodeName("n1"))
  }

  @Test func aPlanSaysWhatADrainSavesOrCosts() {
    let desk = house(nodes: 0)
    desk.node("dear") { $0.prices = Prices(Rates(cpu: 3_000)) }
    desk.create("a") { $0.interfaces = [] }
    desk.run("a")
    desk.node("cheap") { $0.prices = Prices(Rates(cpu: 1_000)) }
    func drain(_ name: String) -> PlanReport? {
      if case .fleet(.plan(let report)) = desk.ask(.fleet(.plan(.drain(nodeName(name))))) { report } else { nil }
    }
    #expect(drain("dear")?.saves == 4_000 && drain("dear")?.moves.first?.saves == 4_000)
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("cheap"))))
    desk.report("a", .running)
    #expect(drain("cheap")?.saves == -4_000)
  }
}
