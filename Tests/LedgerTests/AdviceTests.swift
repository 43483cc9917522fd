import Domain
import Testing

@testable import Ledger

/// What schedulers outside say of VMs, as the ledger takes it: when they are heard, late, or not at all.
@Suite struct AdviceTests {
  private func house(_ names: [String] = ["licence"]) -> Desk {
    let desk = Desk()
    desk.pool("web", "10.1.0.0/24")
    desk.node("n1")
    desk.node("n2")
    desk.ledger.advice.names = names
    return desk
  }

  private func refusing(
    _ desk: Desk, _ nodes: [String], _ note: String = "scheduler licence: refuses"
  ) -> Advice {
    var advice = Advice()
    advice.revision = desk.tables.revision
    (advice.vetoes, advice.notes) = (nodes.map(nodeName), [note])
    advice.among = ["n1", "n2", "n3"].map(nodeName)
    return advice
  }

  @discardableResult
  private func create(_ desk: Desk, _ name: String, _ advice: Advice?) -> Outcome {
    var spec = VMSpec(Resources(cpu: 2_000, memory: 4_096))
    spec.interfaces = anyAddress
    var request = VMRequest(vmKey(name), spec)
    request.advice = advice
    return desk.ask(.fleet(.createVM(request)))
  }

  @Test func whatIsSaidWithTheRequestDecidesAtOnce() {
    let desk = house()
    #expect(create(desk, "a", refusing(desk, ["n1"])).vms[0].vm.node == nodeName("n2"))
    #expect(desk.vm("a").why.contains("scheduler licence: refuses"))
    var advice = Advice()
    advice.hints = [.init(nodeName("n1"), 90)]
    #expect(create(desk, "b", advice).vms[0].vm.node == nodeName("n1"))
  }

  @Test func aVetoIsNotForgottenOnTheNextTries() {
    let desk = house()
    create(desk, "a", refusing(desk, ["n1", "n2"]))
    #expect(desk.vm("a").state == .pending)
    // Room appears, and it is tried again: still refused, without anybody being asked.
    desk.create("other", isWanted: false)
    desk.ask(.fleet(.deleteVM(vmKey("other"), force: false)))
    desk.pass(seconds: 10)
    desk.schedule()
    #expect(desk.vm("a").state == .pending && desk.ledger.advice.takeWanted().isEmpty)
    // After a while they are asked again, and what they say then counts.
    desk.pass(seconds: 60)
    desk.schedule()
    #expect(desk.ledger.advice.takeWanted() == [vmKey("a")])
    desk.schedule()
    #expect(desk.vm("a").state == .pending && desk.ledger.advice.takeWanted().isEmpty, "asked once, and waits")
    desk.ask(.fleet(.advise([vmKey("a"): refusing(desk, ["n1"], "scheduler licence: refuses 1")])))
    desk.schedule()
    #expect(desk.vm("a").node == nodeName("n2") && desk.vm("a").why.contains("refuses 1"))
  }

  @Test func aNewNodeIsNotTakenBeforeTheyAreAskedAboutIt() {
    let desk = house()
    create(desk, "a", refusing(desk, ["n1", "n2"]))
    desk.node("n4")
    desk.schedule()
    #expect(desk.vm("a").state == .pending)
    #expect(desk.ledger.advice.takeWanted() == [vmKey("a")])
    var advice = refusing(desk, ["n1", "n2"])
    advice.among = ["n1", "n2", "n4"].map(nodeName)
    desk.ask(.fleet(.advise([vmKey("a"): advice])))
    desk.schedule()
    #expect(desk.vm("a").node == nodeName("n4"))
  }

  @Test func whoIsNotHeardIsWaitedForAWhileAndThenLeftOutByName() {
    let desk = house(["licence", "gpu"])
    create(desk, "a", nil)
    #expect(desk.vm("a").state == .pending && desk.vm("a").why.contains("licence, gpu"))
    #expect(desk.ledger.advice.takeWanted() == [vmKey("a")])
    desk.schedule()
    #expect(desk.vm("a").state == .pending)
    #expect(desk.ledger.nextWork == desk.time + desk.ledger.advice.patience, "nothing is tried before")
    desk.pass(seconds: 6)
    desk.schedule()
    #expect(desk.vm("a").state == .placed && desk.vm("a").why.contains("schedulers left out (licence, gpu)"))
  }

  @Test func anAnswerFromBeforeANodeCameDoesNotBeginTheWaitAnew() {
    let desk = house(["licence"])
    create(desk, "a", nil)
    #expect(desk.ledger.advice.takeWanted() == [vmKey("a")])
    let old = refusing(desk, ["n1"])
    desk.node("n4")
    desk.pass(seconds: 3)
    desk.ask(.fleet(.advise([vmKey("a"): old])))
    desk.schedule()
    #expect(desk.vm("a").state == .pending && desk.ledger.advice.takeWanted() == [vmKey("a")], "asked again at once")
    desk.pass(seconds: 3)
    desk.schedule()
    #expect(desk.vm("a").state == .placed && desk.vm("a").why.contains("schedulers left out (licence)"))
  }

  @Test func whoeverComesUpElsewhereIsAskedAboutFirst() {
    let desk = house()
    create(desk, "a", refusing(desk, ["n2"]))
    desk.run("a")
    #expect(desk.vm("a").node == nodeName("n1"))
    desk.ask(.fleet(.fenceNode(nodeName("n1"))))
    #expect(desk.vm("a").state == .pending && desk.ledger.advice.takeWanted() == [vmKey("a")])
    desk.ask(.fleet(.advise([vmKey("a"): refusing(desk, ["n2"])])))
    desk.schedule()
    #expect(desk.vm("a").state == .pending, "the one that is left is refused")
    // What moves for a drain is asked about too.
    create(desk, "b", refusing(desk, []))
    desk.run("b")
    desk.node("n3")
    desk.ask(.fleet(.setNode(nodeName("n2"), .draining)))
    desk.schedule()
    #expect(desk.vm("b").state == .running && desk.ledger.advice.takeWanted().contains(vmKey("b")))
    desk.ask(.fleet(.advise([vmKey("b"): refusing(desk, [])])))
    desk.schedule()
    #expect(desk.vm("b").state == .migrating && desk.vm("b").node == nodeName("n3"))
  }

  @Test func aStandbyIsSoughtByWhatTheySayToo() {
    let desk = house()
    for name in ["n3", "n4"] { desk.node(name) { $0.topology = Topology(datacenter: "dc-\(name)") } }
    var advice = refusing(desk, ["n1", "n2"])
    advice.among = ["n1", "n2", "n3", "n4"].map(nodeName)
    var spec = VMSpec(Resources(cpu: 2_000, memory: 4_096))
    (spec.failover, spec.hasStandby) = (.restart, true)
    var request = VMRequest(vmKey("db"), spec)
    request.advice = advice
    let made = desk.ask(.fleet(.createVM(request))).vms[0].vm
    #expect(made.node == nodeName("n3") && made.standby == nodeName("n4"), "in the same entry: \(made.standbyWhy)")
    // Its standby's node goes: they are asked, and what they refuse then is none.
    desk.ask(.fleet(.fenceNode(nodeName("n4"))))
    #expect(desk.vm("db").standby == nil)
    desk.node("n5") { $0.topology = Topology(datacenter: "dc-n5") }
    desk.schedule()
    #expect(desk.vm("db").standby == nil && desk.ledger.advice.takeWanted() == [vmKey("db")])
    advice = refusing(desk, ["n5"])
    advice.among = ["n3", "n5"].map(nodeName)
    desk.ask(.fleet(.advise([vmKey("db"): advice])))
    desk.schedule()
    #expect(desk.vm("db").standby == nil && desk.vm("db").standbyWhy.contains("licence"))
    desk.pass(seconds: 60)
    desk.node("n6") { $0.topology = Topology(datacenter: "dc-n6") }
    desk.schedule()
    #expect(desk.ledger.advice.takeWanted() == [vmKey("db")])
    advice.revision = desk.tables.revision
    advice.among = ["n3", "n5", "n6"].map(nodeName)
    desk.ask(.fleet(.advise([vmKey("db"): advice])))
    desk.schedule()
    #expect(desk.vm("db").standby == nodeName("n6"))
  }

  /// Questions are dropped where too many wait, and nobody may ever be told of one.
  @Test func aStandbyOfWhichNothingIsHeardIsFoundWithoutThem() {
    let desk = house()
    for name in ["n3", "n4"] { desk.node(name) { $0.topology = Topology(datacenter: "dc-\(name)") } }
    var spec = VMSpec(Resources(cpu: 2_000, memory: 4_096))
    (spec.failover, spec.hasStandby) = (.restart, true)
    var request = VMRequest(vmKey("db"), spec)
    request.advice = refusing(desk, ["n1", "n2"])
    request.advice?.among = ["n1", "n2", "n3"].map(nodeName)
    #expect(desk.ask(.fleet(.createVM(request))).vms[0].vm.standby == nil)
    desk.pass(seconds: 60)
    desk.schedule()
    #expect(desk.ledger.advice.takeWanted() == [vmKey("db")] && desk.vm("db").standby == nil)
    #expect(desk.ledger.nextWork == desk.time + desk.ledger.advice.patience)
    desk.pass(seconds: 6)
    desk.schedule()
    #expect(desk.vm("db").standby == nodeName("n4"))
  }

  @Test func thePlanWaitsForNobodyAndSaysSo() {
    let desk = house()
    create(desk, "a", refusing(desk, []))
    desk.run("a")
    guard case .fleet(.plan(let report)) = desk.ask(.fleet(.plan(.drain(nodeName("n1"))))) else {
      preconditionFailure("no plan")
    }
    #expect(report.moves.first?.to == nodeName("n2") && report.notes.contains { $0.contains("licence") })
    #expect(desk.ledger.advice.takeWanted().isEmpty)
  }

  @Test func withoutSchedulersNothingIsAskedOrWaitedFor() {
    let desk = house([])
    #expect(create(desk, "a", nil).vms[0].vm.state == .placed)
    #expect(desk.ledger.advice.takeWanted().isEmpty)
  }

  @Test func theBookIsBoundedAndThoseBeyondAreDecidedAtOnce() {
    var book = AdviceBook()
    book.names = ["x"]
    for number in 0..<AdviceBook.most {
      guard case .awaited = book.state(of: vmKey("vm-\(number)"), at: 1, newest: 0, isQuestion: false) else {
        preconditionFailure("vm-\(number) is not awaited")
      }
    }
    guard case .there(let said) = book.state(of: vmKey("one-more"), at: 1, newest: 0, isQuestion: false) else {
      preconditionFailure("one more is awaited")
    }
    #expect(said.notes.first?.contains("too many VMs wait") == true)
    for number in 0..<2 * AdviceBook.most { book.take(Advice(), of: vmKey("vm-\(number)"), at: 2, newest: 0) }
    #expect(book.count == AdviceBook.most)
  }
}
