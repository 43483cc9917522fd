import Domain
import Testing

@testable import Ledger

/// How many of a group may be away because others took their room.
@Suite struct DisruptionTests {
  private func member(_ desk: Desk, _ name: String, on node: String? = nil) {
    desk.create(name, cpus: 4) {
      ($0.interfaces, $0.priority, $0.isPreemptible) = ([], 100, true)
      ($0.groups, $0.maxDisrupted) = ([GroupName(trusted: "g")], 1)
      if let node { $0.node = nodeName(node) }
    }
  }

  private func urgent(_ desk: Desk, _ name: String) -> VM? {
    desk.create(name, cpus: 4) {
      ($0.interfaces, $0.priority, $0.node) = ([], 900, nodeName("n1"))
    }.vms.first?.vm
  }

  /// Until it runs again it is away, wherever it goes and whatever it waits for.
  @Test func whoGaveWayAndFoundAnotherNodeIsAwayUntilItRunsThere() {
    let desk = Desk()
    desk.node("n1")
    for name in ["a", "b"] {
      member(desk, name)
      desk.run(name)
    }
    desk.node("n2", cpus: 4)
    #expect(urgent(desk, "first")?.state == .placed)
    let gone = desk.vm("a").node == nodeName("n2") ? "a" : "b"
    let stays = gone == "a" ? "b" : "a"
    #expect(desk.vm(gone).state == .placed && desk.vm(gone).leaving == nodeName("n1"), "it has another node at once")
    func isRefused(_ name: String) -> Bool {
      let vm = urgent(desk, name)
      desk.schedule()
      return vm?.state == .pending && desk.vm(name).state == .pending && desk.vm(stays).node == nodeName("n1")
    }
    #expect(isRefused("second"), "its budget is one, and one is on its way")
    desk.report(gone, .gone, from: nodeName("n1"))
    #expect(isRefused("third"))
    desk.report(gone, .starting)
    #expect(isRefused("fourth") && desk.vm(gone).state == .starting)
    #expect(desk.ledger.fleet.fleet.fingerprint() == Ledger(desk.tables).fleet.fleet.fingerprint())
    desk.report(gone, .running)
    desk.time += 60_000_000
    desk.schedule()
    #expect(desk.vm("second").state == .placed && desk.vm(stays).node != nodeName("n1"))
  }

  /// Or the plan promises a place that nobody will get.
  @Test func whoIsDrivenOutInAPlanIsAwayInIt() {
    let desk = Desk()
    desk.node("n0") { $0.topology = Topology(datacenter: "east") }
    for name in ["x", "y"] {
      desk.create(name, cpus: 4) { ($0.interfaces, $0.priority) = ([], 900) }
      desk.run(name)
    }
    desk.node("n1") { $0.topology = Topology(datacenter: "west") }
    for name in ["a", "b"] {
      member(desk, name, on: "n1")
      desk.run(name)
    }
    let before = desk.ledger.fleet.fleet.fingerprint()
    guard case .fleet(.plan(let report)) = desk.ask(.fleet(.plan(.lose(datacenter: "east")))) else {
      return #expect(Bool(false))
    }
    #expect(report.moves.count == 2 && report.unplaced == 1 && report.moves.flatMap(\.victims).count == 1)
    #expect(desk.ledger.fleet.fleet.fingerprint() == before, "and only in it")
  }
}
