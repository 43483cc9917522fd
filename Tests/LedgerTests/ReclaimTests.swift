import Domain
import Testing

@testable import Ledger

/// Nodes that their owner takes back with notice.
@Suite struct ReclaimTests {
  private func house(_ names: [String]) -> Desk {
    let desk = Desk()
    desk.pool("web", "10.1.0.0/24")
    for name in names { desk.node(name) { $0.isSpot = true } }
    return desk
  }

  private func create(_ desk: Desk, _ name: String, cpus: Int32 = 2, _ change: (inout VMSpec) -> Void = { _ in }) {
    desk.create(name, cpus: cpus) {
      $0.spot = .allowed
      change(&$0)
    }
    desk.run(name)
  }

  private func reclaim(_ desk: Desk, _ name: String, seconds: UInt32) -> Outcome {
    desk.ask(.fleet(.reclaimNode(nodeName(name), seconds: seconds)))
  }

  private func pass(_ desk: Desk, seconds: LogTime) {
    desk.time += seconds * 1_000_000
    desk.schedule()
  }

  @Test func s3_20_aNodeTakenBackIsLeftByThoseWhoFindRoomAndTakesNoMore() {
    let desk = house(["n1", "n2"])
    create(desk, "a")
    let address = desk.addresses("a")
    guard case .fleet(.node(let node, _)) = reclaim(desk, "n1", seconds: 120) else { return #expect(Bool(false)) }
    #expect(node.state == .draining && node.reclaimAt == desk.time + 120_000_000)
    #expect(desk.entries.last?.kind == .nodeReclaimed)
    desk.schedule()
    #expect(desk.vm("a").state == .migrating && desk.vm("a").node == nodeName("n2"))
    desk.report("a", .running)
    #expect(desk.addresses("a") == address && desk.tables.vms(on: nodeName("n1")).isEmpty)
    // At the end it is lost, and nobody minds.
    pass(desk, seconds: 120)
    #expect(desk.tables.node(nodeName("n1"))?.state == .lost && desk.vm("a").state == .running)
    #expect(desk.tables.node(nodeName("n1"))?.revision == desk.tables.revision)
    #expect(desk.entries.last?.kind == .nodeLost && desk.ledger.nextWork == nil)
  }

  @Test func s3_20_whoFindsNoRoomGoesDownWithItsGraceJustInTimeAndComesUpElsewhere() {
    let desk = house(["n1"])
    create(desk, "a") { $0.graceSeconds = 30 }
    create(desk, "b") { $0.graceSeconds = 90 }
    let address = desk.addresses("a")
    _ = reclaim(desk, "n1", seconds: 120)
    desk.schedule()
    pass(desk, seconds: 29)
    #expect(desk.vm("a").state == .running && desk.vm("b").state == .running)
    pass(desk, seconds: 1)
    #expect(desk.vm("b").state == .preempted && desk.vm("a").state == .running, "each as late as its own grace allows")
    pass(desk, seconds: 60)
    let gone = desk.vm("a")
    #expect(gone.state == .preempted && gone.leaving == nodeName("n1") && gone.why.contains("taken back"))
    #expect(gone.duty(of: nodeName("n1")) == .stop(graceSeconds: 30) && desk.addresses("a") == address)
    desk.node("n2") { $0.isSpot = true }
    desk.schedule()
    #expect(desk.vm("a").node == nodeName("n2") && desk.vm("a").duty(of: nodeName("n2")) == .wait)
    #expect(desk.addresses("a") == address)
    // The node has let go of it: it runs.
    desk.ask(.fleet(.reportVMs(nodeName("n1"), epoch: 1, [VMReport(id: gone.id, epoch: gone.epoch, fact: .gone)])))
    #expect(desk.vm("a").duty(of: nodeName("n2")) == .run)
  }

  @Test func whoseMoveAwayFailsStillGoesDownInTime() {
    let desk = house(["n1", "n2"])
    create(desk, "a") { $0.graceSeconds = 30 }
    _ = reclaim(desk, "n1", seconds: 120)
    desk.schedule()
    #expect(desk.vm("a").state == .migrating)
    desk.ask(.fleet(.setNode(nodeName("n2"), .cordoned)))
    desk.report("a", .failed)
    #expect(desk.vm("a").state == .running && desk.vm("a").node == nodeName("n1"))
    pass(desk, seconds: 89)
    #expect(desk.vm("a").state == .running)
    pass(desk, seconds: 1)
    #expect(desk.vm("a").state == .preempted && desk.vm("a").duty(of: nodeName("n1")) == .stop(graceSeconds: 30))
  }

  /// A grace longer than the notice is no reason to go down for whoever can move.
  @Test func whoCanMoveMovesHoweverLongItsGraceIs() {
    let desk = house(["n1", "n2"])
    create(desk, "a") { $0.graceSeconds = 3_600 }
    _ = reclaim(desk, "n1", seconds: 60)
    desk.schedule()
    #expect(desk.vm("a").state == .migrating && desk.vm("a").node == nodeName("n2"))
  }

  @Test func s3_20_whatIsLeftAtTheEndStartsElsewhereOnlyByTheRulesOfLostNodes() {
    let desk = house(["n1"])
    create(desk, "leased") { ($0.graceSeconds, $0.failover) = (0, .restart) }
    create(desk, "plain") { $0.graceSeconds = 0 }
    create(desk, "slow") { ($0.graceSeconds, $0.failover) = (30, .restart) }
    _ = reclaim(desk, "n1", seconds: 60)
    desk.schedule()
    pass(desk, seconds: 30)
    #expect(desk.vm("slow").leaving == nodeName("n1"))
    desk.node("n2") { $0.isSpot = true }
    // Its owner is quicker than the moves: none of them has room elsewhere yet.
    desk.time += 30_000_000
    desk.ask(.fleet(.schedule))
    #expect(desk.tables.node(nodeName("n1"))?.state == .lost)
    desk.schedule()
    #expect(desk.vm("leased").state == .lost && desk.vm("leased").node == nodeName("n1"))
    #expect(desk.vm("plain").state == .lost && desk.vm("slow").duty(of: nodeName("n2")) != .run)
    desk.ask(.fleet(.leasesEnded([nodeName("n1")])))
    desk.schedule()
    #expect(desk.vm("leased").duty(of: nodeName("n2")) == .run && desk.vm("slow").duty(of: nodeName("n2")) == .run)
    #expect(desk.vm("plain").state == .lost, "nobody has vouched for the node yet")
    desk.ask(.fleet(.fenceNode(nodeName("n1"))))
    #expect(desk.vm("plain").duty(of: nodeName("n2")) == .run)
    #expect(desk.tables.node(nodeName("n1"))?.reclaimAt == nil)
  }

  @Test func whoAnotherNodeHasNotLetGoOfIsNotSentAwayTwice() {
    let desk = house(["n1", "n2"])
    create(desk, "a") { $0.graceSeconds = 30 }
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("n2"))))
    desk.ask(.fleet(.nodesLost([nodeName("n2")])))
    desk.schedule()
    #expect(desk.vm("a").node == nodeName("n1") && desk.vm("a").leaving == nodeName("n2"))
    _ = reclaim(desk, "n1", seconds: 60)
    desk.schedule()
    pass(desk, seconds: 40)
    // A row without the first node would have the VM start a third time as soon as the second has let go.
    #expect(desk.vm("a").state == .running && desk.vm("a").node == nodeName("n1"))
    pass(desk, seconds: 20)
    #expect(desk.vm("a").state == .lost && desk.vm("a").node == nodeName("n1"))
  }

  @Test func aNodeThatComesBackDoesNotTakeVMsBeforeSomebodySaysSo() {
    let desk = house(["n1"])
    _ = reclaim(desk, "n1", seconds: 60)
    let end = desk.time + 60_000_000
    // Its agent restarts within the notice: the notice stands.
    desk.node("n1") { $0.isSpot = true }
    #expect(desk.tables.node(nodeName("n1"))?.reclaimAt == end)
    #expect(desk.tables.node(nodeName("n1"))?.state == .draining)
    pass(desk, seconds: 60)
    #expect(desk.tables.node(nodeName("n1"))?.state == .lost && reclaim(desk, "n1", seconds: 5).code == .nodeState)
    desk.node("n1") { $0.isSpot = true }
    #expect(desk.tables.node(nodeName("n1"))?.state == .draining && desk.tables.node(nodeName("n1"))?.reclaimAt == nil)
    desk.schedule()
    #expect(desk.tables.node(nodeName("n1"))?.state == .draining, "it is not lost a second time")
    desk.ask(.fleet(.setNode(nodeName("n1"), .ready)))
    #expect(desk.tables.node(nodeName("n1"))?.state == .ready)
    // The owner changes its mind, or an operator knows better.
    _ = reclaim(desk, "n1", seconds: 60)
    desk.ask(.fleet(.setNode(nodeName("n1"), .ready)))
    pass(desk, seconds: 90)
    #expect(desk.tables.node(nodeName("n1"))?.state == .ready && desk.tables.node(nodeName("n1"))?.reclaimAt == nil)
    #expect(reclaim(desk, "n1", seconds: 0).refusal?.field == "notice_seconds")
  }
}

/// Thresholds of a tenant's monthly budget.
@Suite struct BudgetAlertTests {
  /// A node on which an hour of a vCPU costs a thousandth, and a budget of ten vCPUs a month.
  private func house(_ alerts: [UInt16] = Quota.usualAlerts, vCPUs: UInt64 = 10) -> Desk {
    let desk = Desk()
    desk.node("n1", cpus: 32) { $0.prices = Prices(Rates(cpu: 1_000)) }
    var quota = Quota(tenant: .standard)
    (quota[.money], quota.alertPercents) = (vCPUs * 1_000 * 730, alerts)
    desk.ask(.fleet(.setQuota(quota)))
    return desk
  }

  private func create(_ desk: Desk, _ name: String, cpus: Int32) {
    desk.create(name, cpus: cpus, memory: 1) { $0.interfaces = [] }
  }

  /// What the entries from here on say of thresholds.
  private func told(_ desk: Desk, since: Int) -> [UInt16] {
    desk.entries[since...].flatMap { entry in
      entry.effects.compactMap { if case .fleet(.quota(let quota)) = $0.row { quota.alerted } else { nil } }
    }
  }

  @Test func s3_23_eachCrossingIsToldOnceInTheEntryThatCausesItAndAgainAfterItWasBelow() {
    let desk = house()
    let begin = desk.entries.count
    create(desk, "a", cpus: 7)
    #expect(told(desk, since: begin) == [])
    create(desk, "b", cpus: 1)
    #expect(told(desk, since: begin) == [80] && desk.entries.last?.kind == .vmCreated)
    create(desk, "c", cpus: 1)
    #expect(told(desk, since: begin) == [80], "not again")
    create(desk, "d", cpus: 1)
    #expect(told(desk, since: begin) == [80, 100])
    for name in ["c", "d"] {
      desk.ask(.fleet(.deleteVM(vmKey(name), force: false)))
      desk.report(name, .gone)
    }
    #expect(told(desk, since: begin) == [80, 100, 80], "less than all, still four fifths")
    desk.ask(.fleet(.deleteVM(vmKey("b"), force: false)))
    desk.report("b", .gone)
    create(desk, "b", cpus: 1)
    #expect(told(desk, since: begin) == [80, 100, 80, 0, 80] && desk.tables.quota(.standard)?.alerted == 80)
  }

  @Test func pricesAndLimitsCrossTooAndThresholdsAreTheTenants() {
    let desk = house([50], vCPUs: 20)
    create(desk, "a", cpus: 8)
    let begin = desk.entries.count
    var patch = NodePatch()
    patch.prices = Prices(Rates(cpu: 2_000))
    desk.ask(.fleet(.updateNode(nodeName("n1"), patch, ifMatch: nil)))
    #expect(told(desk, since: begin) == [50] && desk.entries.last?.kind == .nodeUpdated)
    guard var quota = desk.tables.quota(.standard) else { return #expect(Bool(false)) }
    quota.alertPercents = []
    desk.ask(.fleet(.setQuota(quota)))
    #expect(desk.tables.quota(.standard)?.alerted == 0)
    quota.alertPercents = [60, 70]
    desk.ask(.fleet(.setQuota(quota)))
    #expect(desk.tables.quota(.standard)?.alerted == 70)
    quota.alertPercents = [70, 60]
    #expect(desk.ask(.fleet(.setQuota(quota))).refusal?.field == "alert_percents")
  }
}
