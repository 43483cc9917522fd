import Domain
import Testing

@testable import Ledger

/// How much looking for room one command does, and what becomes of the rest.
@Suite struct WorkTests {
  private func house(nodes: Int) -> Desk {
    let desk = Desk()
    desk.pool("web", "10.1.0.0/24")
    for number in 0..<nodes { desk.node("n\(number)") }
    return desk
  }

  @Test func ofManyAlikeOneLookSaysNoForAll() {
    let desk = house(nodes: 10)
    let before = desk.ledger.work
    let made = desk.create("huge", cpus: 9, count: 60)
    #expect(made.vms.count == 60 && made.vms.allSatisfy { $0.vm.state == .pending && $0.vm.why.contains("smaller") })
    #expect(desk.ledger.work - before < 2 * (64 + 20))
  }

  @Test func whoHoldsAnAddressIsNotLikeThoseWhoHoldNone() {
    let desk = Desk()
    let pool = desk.pool("web", "10.1.0.0/30")
    _ = desk.give(pool, "app-3")
    desk.node("n1")
    #expect(desk.create("app", cpus: 1, count: 4).vms.map(\.vm.state) == [.pending, .pending, .placed, .pending])
    // The other way round: what it holds is in its way, and in nobody else's.
    _ = desk.give(desk.pool("cut", "10.3.0.0/24"), "db-1") { $0.prefixLength = 28 }
    #expect(desk.create("db", cpus: 1, count: 2).vms.map(\.vm.state) == [.pending, .placed])
  }

  @Test func aLargeRequestIsServedInPartsAndAllOrNothingIsRefused() {
    let desk = house(nodes: 10)
    desk.ledger.workMost = 1_000
    let made = desk.create("app", cpus: 1, memory: 1, count: 60)
    let placed = made.vms.count { $0.vm.state == .placed }
    #expect(placed >= 5 && placed < 30 && made.vms.last?.vm.why.contains("waits its turn") == true)
    let refusal = desk.create("must", cpus: 1, memory: 1, count: 60, mustPlace: true).refusal
    #expect(refusal?.code == .noPlacement && refusal?.detail.contains("fewer at once") == true && !desk.has("must-1"))
    desk.schedule()
    #expect((1...60).allSatisfy { desk.vm("app-\($0)").state == .placed && !desk.vm("app-\($0)").grants(desk).isEmpty })
  }

  @Test func whatIsTooLargeForOneEntryIsRefusedBeforeAllOfItIsLookedFor() {
    let desk = house(nodes: 200)
    let before = desk.ledger.work
    let refusal = desk.create("app", cpus: 1, memory: 1, count: 1_024) {
      ($0.interfaces, $0.labels) = ([], Labels((0..<20).map { ("label-\($0)", String(repeating: "x", count: 50)) })!)
    }
    #expect(refusal.code == .tooLarge && desk.ledger.work - before < 600 * 100)
  }

  @Test func aPlanSaysHowManyItHasLookedAt() {
    let desk = house(nodes: 6)
    for number in 0..<6 {
      desk.node("east-\(number)") { $0.topology = Topology(datacenter: "east") }
    }
    for number in 0..<24 {
      desk.create("vm-\(number)", cpus: 2) { ($0.priority, $0.locality.datacenter) = (UInt16(number), "east") }
    }
    func lose() -> PlanReport? {
      guard case .fleet(.plan(let report)) = desk.ask(.fleet(.plan(.lose(datacenter: "east")))) else { return nil }
      return report
    }
    #expect(lose()?.moveCount == 24 && lose()?.notes == [])
    desk.ledger.workMost = 1_000
    let report = lose()
    #expect(report?.moves.first?.vm == vmKey("vm-23"), "the most important first")
    #expect((report?.moveCount).map { $0 >= 5 && $0 < 20 } == true)
    #expect(report?.notes.first?.contains("of the 24 VMs") == true)
    let fit = VMRequest(vmKey("fit"), VMSpec(Resources(cpu: 100, memory: 1)))
    guard case .fleet(.plan(let many)) = desk.ask(.fleet(.plan(.fit(fit)))) else { return #expect(Bool(false)) }
    #expect(many.fitting >= 5 && many.notes == ["\(many.fitting) and more: one question has only so much time"])
    #expect(
      desk.vm("vm-0").state == .placed
        && desk.ledger.fleet.fleet.fingerprint() == Ledger(desk.tables).fleet.fleet.fingerprint())
  }

  /// Reading a row is work too, also of those that a policy excludes.
  @Test func aQuestionForCheaperPlacesReadsNoMoreThanItHasTimeFor() {
    let desk = house(nodes: 2)
    let keep = Labels([("keep", "here")])!
    for part in 0..<4 {
      let tenant = part < 2 ? "acme" : "default"
      desk.create("vm-\(part)", cpus: 1, memory: 1, tenant: tenant, count: 500, isWanted: false) { $0.labels = keep }
    }
    func ask(_ policy: CostPolicy) -> (notes: [String], work: UInt64) {
      let before = desk.ledger.work
      guard case .fleet(.plan(let report)) = desk.ask(.fleet(.plan(.cheaper(policy)))) else { return ([], 0) }
      return (report.notes, desk.ledger.work - before)
    }
    var policy = CostPolicy()
    #expect(ask(policy).notes.first?.contains("1000 of which may move") == true, "one question is about so many")
    policy.excludedLabels = keep
    let all = ask(policy)
    #expect(all.notes == [] && all.work >= 2_000 * Limits.rowWork)
    policy.excludedTenants = [TenantName(trusted: "acme")]
    #expect(ask(policy).notes == [] && ask(policy).work < all.work * 2 / 3, "of whom nothing is asked nothing is read")
    policy.excludedTenants = []
    desk.ledger.workMost = 100 * Limits.rowWork
    let some = ask(policy)
    #expect(some.work <= desk.ledger.workMost && some.work >= desk.ledger.workMost / 3)
    #expect(some.notes.first?.contains("only the first") == true, "\(some.notes)")
  }

  @Test func aFreedAddressWakesOnlyThoseWhoMayWantOne() {
    let desk = house(nodes: 1)
    desk.create("huge", cpus: 9)
    _ = desk.give(PoolName(trusted: "web"), "a")
    desk.schedule()
    let (before, rest) = (desk.ledger.work, desk.ledger.nextWork)
    desk.release(PoolName(trusted: "web"), "10.1.0.2")
    #expect(desk.ledger.nextWork == rest && rest.map { $0 > desk.time } == true)
    desk.schedule()
    #expect(desk.ledger.work == before)
    for number in 0..<253 { _ = desk.give(PoolName(trusted: "web"), "owner-\(number)") }
    desk.create("waits", cpus: 1)
    desk.schedule()
    #expect(desk.vm("waits").state == .pending && desk.vm("waits").why.contains("address"))
    desk.release(PoolName(trusted: "web"), "10.1.0.9")
    desk.schedule()
    #expect(desk.vm("waits").state == .placed)
  }

  /// A new leader makes what follows from the rows before it leads, and says now and then that it lives.
  @Test func aLedgerOverManyVMsStepsBetweenTheirPages() {
    let desk = house(nodes: 2)
    for part in 0..<8 { desk.create("vm-\(part)", cpus: 9, count: 500) }
    var steps = 0
    let ledger = Ledger(desk.tables) { steps += 1 }
    let rows = steps
    #expect(rows >= 2 && ledger.fleetIndex == nil)
    ledger.prepareFleet { steps += 1 }
    #expect(steps == 2 * rows && ledger.fleetIndex?.queue.count == 4_000)
    ledger.prepareFleet { steps += 1 }
    #expect(steps == 2 * rows, "once is enough")
  }

  /// A datacenter that falls silent has thousands of nodes, and is told of every few seconds.
  @Test func nodesWhoseLeasesHaveEndedAreLookedAtInPartsAndOnce() {
    let desk = house(nodes: 4)
    for number in 0..<32 {
      desk.create("vm-\(number)", cpus: 1, memory: 1) { $0.interfaces = [] }
      desk.run("vm-\(number)")
    }
    let names = (0..<4).map { nodeName("n\($0)") }
    desk.ask(.fleet(.nodesLost(names)))
    desk.ledger.workMost = 8 * Limits.rowWork
    let before = desk.ledger.work
    desk.ask(.fleet(.leasesEnded(names)))
    #expect(desk.ledger.work - before < 2 * 8 * Limits.rowWork && !desk.ledger.fleet.unmoved.isEmpty)
    desk.schedule()
    #expect(desk.ledger.fleet.unmoved.isEmpty)
    desk.ask(.fleet(.leasesEnded(names)))
    #expect(desk.ledger.fleet.unmoved.isEmpty)
  }
}

extension VM {
  fileprivate func grants(_ desk: Desk) -> [Grant] { desk.tables.grants(of: self) }
}
