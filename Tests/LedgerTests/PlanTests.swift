import Domain
import Testing

@testable import Ledger

/// What-if questions about money, and what a VM may cost.
@Suite struct CostPlanTests {
  /// A dear node with three VMs of 1, 2 and 3 vCPUs, and a cheap one.
  private func house(isCheapThere: Bool = true) -> Desk {
    let desk = Desk()
    desk.node("dear") { $0.prices = Prices(Rates(cpu: 10_000)) }
    for (cpus, name) in [(1, "a"), (2, "b"), (3, "c")] {
      desk.create(name, cpus: Int32(cpus), memory: 1, tenant: name == "c" ? "acme" : "default") {
        $0.interfaces = []
        if name == "b" { $0.labels = Labels([("keep", "here")])! }
      }
      run(desk, name)
    }
    if isCheapThere { addCheap(desk) }
    return desk
  }

  private func addCheap(_ desk: Desk) { desk.node("cheap") { $0.prices = Prices(Rates(cpu: 4_000)) } }

  private func run(_ desk: Desk, _ name: String) {
    let vm = desk.vm(name, tenant: name == "c" ? "acme" : "default")
    desk.ask(.fleet(.reportVMs(nodeName("dear"), epoch: 1, [VMReport(id: vm.id, epoch: vm.epoch, fact: .running)])))
  }

  private func moves(_ desk: Desk, _ change: (inout CostPolicy) -> Void = { _ in }) -> PlanReport {
    var policy = CostPolicy()
    change(&policy)
    guard case .fleet(.plan(let report)) = desk.ask(.fleet(.plan(.cheaper(policy)))) else {
      preconditionFailure("no plan")
    }
    return report
  }

  @Test func s3_75_whoSavesMostComesFirstAndEachLimitAloneChangesTheList() {
    let desk = house()
    let entries = desk.entries.count
    let all = moves(desk)
    #expect(all.moves.map(\.vm.name.text) == ["c", "b", "a"] && all.saves == 6 * 6_000)
    #expect(all.moves.allSatisfy { $0.to == nodeName("cheap") && $0.from == nodeName("dear") })
    #expect(moves(desk) { $0.mostMoves = 1 }.moves.map(\.vm.name.text) == ["c"])
    #expect(moves(desk) { $0.mostMoves = 1 }.notes.first?.contains("1 moves") == true)
    #expect(moves(desk) { $0.leastSaving = 12_000 }.moves.map(\.vm.name.text) == ["c", "b"])
    #expect(moves(desk) { $0.excludedTenants = [TenantName(trusted: "acme")] }.moves.map(\.vm.name.text) == ["b", "a"])
    #expect(moves(desk) { $0.excludedLabels = Labels([("keep", "here")])! }.moves.map(\.vm.name.text) == ["c", "a"])
    #expect(moves(desk) { $0.excludedLabels = Labels([("keep", "there")])! }.moves.count == 3)
    #expect(moves(desk) { $0.tenant = TenantName(trusted: "acme") }.moves.map(\.vm.name.text) == ["c"])
    #expect(desk.entries.count == entries && desk.vm("a").node == nodeName("dear"), "nothing has happened")
  }

  /// What the plan lists is what `migrate` takes: only what runs, and nothing that has a seat of its own.
  @Test func onlyWhatRunsAndCanBeMovedIsListed() {
    let desk = house(isCheapThere: false)
    desk.create("placed", cpus: 1, memory: 1) { $0.interfaces = [] }
    desk.create("pinned", cpus: 1, memory: 1) { ($0.isPinned, $0.interfaces) = (true, []) }
    run(desk, "pinned")
    #expect(desk.vm("pinned").state == .running && desk.vm("pinned").seat != .plain)
    #expect(desk.vm("placed").state == .placed && desk.vm("placed").node == nodeName("dear"))
    addCheap(desk)
    #expect(moves(desk).moves.map(\.vm.name.text) == ["c", "b", "a"])
  }

  @Test func aPlanStopsWhereTheCheapNodeIsFull() {
    let desk = house()
    desk.create("big", cpus: 4, memory: 1) {
      $0.interfaces = []
      $0.node = nodeName("cheap")
    }
    #expect(moves(desk).moves.map(\.vm.name.text) == ["c", "a"], "after the first there are no two vCPUs left")
  }
}
