import Domain
import Testing

@testable import Ledger

/// Room in another datacenter that is kept for a VM and taken at once when its node is lost.
@Suite struct StandbyTests {
  /// Two nodes in each of these datacenters.
  private func house(_ datacenters: [String] = ["east", "west", "north"]) -> Desk {
    let desk = Desk()
    desk.pool("web", "10.1.0.0/24")
    for name in datacenters {
      for number in 1...2 {
        desk.node("\(name)-\(number)") {
          $0.topology = Topology(datacenter: name)
          $0.prices = Prices(Rates(cpu: 1_000))
        }
      }
    }
    return desk
  }

  private func critical(_ spec: inout VMSpec) { (spec.failover, spec.hasStandby) = (.restart, true) }
  private func datacenter(_ desk: Desk, _ name: NodeName?) -> String? {
    name.flatMap { desk.tables.node($0) }?.topology.datacenter
  }

  @Test func s3_16_carrierAndStandbyAreFoundInOneEntryAndTheRoomIsReallyKept() {
    let desk = house(["east", "west"])
    let before = desk.entries.count
    let made = desk.create("db", cpus: 6, critical).vms[0]
    #expect(desk.entries.count == before + 1 && made.vm.state == .placed && made.vm.standbyWhy == "")
    guard let node = made.vm.node, let standby = made.vm.standby else { return #expect(Bool(false), "no standby") }
    #expect(datacenter(desk, node) == "east" && datacenter(desk, standby) == "west")
    #expect(desk.tables.carried(by: standby).used.cpu == 6_000 && desk.tables.carried(by: standby).vms == 1)
    // It carries no address: the only one is the carrier's.
    #expect(desk.state(PoolName(trusted: "web")).allocations == 1 && made.grants[0].allocation.node == node)
    // Nobody else has that room: of eight places of six vCPUs' size on four nodes two are in use.
    for number in 1...3 { desk.create("fill-\(number)", cpus: 6) }
    #expect(desk.vm("fill-2").state == .placed && desk.vm("fill-3").state == .pending)
    // Its node is told to be ready, and never to run it.
    #expect(made.vm.duty(of: standby) == .prepare && made.vm.duty(of: node) == .run)
    #expect(desk.tables.vms(on: standby).map(\.key.name.text) == ["db"])
  }

  @Test func s3_16_whenTheLeaseOfTheCarrierHasEndedTheStandbyTakesOverInOneEntryAndANewOneIsSought() {
    let desk = house()
    desk.create("db", critical)
    desk.run("db")
    let (old, address) = (desk.vm("db"), desk.addresses("db"))
    guard let node = old.node, let standby = old.standby else { return #expect(Bool(false), "no standby") }
    desk.ask(.fleet(.nodesLost([node])))
    #expect(desk.vm("db").state == .lost && desk.vm("db").standby == standby, "it may still run there")
    desk.schedule()
    #expect(desk.vm("db").state == .lost && desk.vm("db").duty(of: standby) == .prepare)
    let before = desk.entries.count
    desk.ask(.fleet(.leasesEnded([node])))
    let new = desk.vm("db")
    #expect(desk.entries.count == before + 1 && new.state == .placed && new.node == standby)
    #expect(new.epoch == old.epoch + 1 && desk.addresses("db") == address && new.duty(of: standby) == .run)
    #expect(desk.tables.grants(of: new)[0].allocation.node == standby && new.why.contains("takes over"))
    #expect(new.isLeased, "and again it may be started elsewhere")
    // Another one, in yet another datacenter: neither where it is now nor on what was lost.
    #expect(new.standby != nil && datacenter(desk, new.standby) != datacenter(desk, standby) && new.standby != node)
  }

  @Test func s3_16_aFencedCarrierIsReplacedAtOnce() {
    let desk = house(["east", "west"])
    desk.create("db", critical)
    desk.run("db")
    let old = desk.vm("db")
    for number in 1...2 { desk.ask(.fleet(.fenceNode(nodeName("east-\(number)")))) }
    #expect(desk.vm("db").node == old.standby && desk.vm("db").state == .placed && desk.vm("db").epoch == 2)
    // There is no other datacenter left: it says so, and gets one when there is.
    #expect(desk.vm("db").standby == nil && desk.vm("db").standbyWhy.contains("another datacenter"))
    desk.node("east-1") { $0.topology = Topology(datacenter: "east") }
    desk.schedule()
    #expect(desk.vm("db").standby == nodeName("east-1") && desk.vm("db").standbyWhy == "")
    #expect(desk.ledger.nextWork == nil)
  }

  @Test(arguments: ["lost", "fenced", "draining"]) func aStandbyWhoseNodeGoesIsMoved(how: String) {
    let desk = house()
    desk.create("db", critical)
    desk.run("db")
    let old = desk.vm("db")
    guard let standby = old.standby else { return #expect(Bool(false), "no standby") }
    switch how {
    case "lost": desk.ask(.fleet(.nodesLost([standby])))
    case "fenced": desk.ask(.fleet(.fenceNode(standby)))
    default: desk.ask(.fleet(.setNode(standby, .draining)))
    }
    desk.schedule()
    let new = desk.vm("db")
    #expect(new.standby != nil && new.standby != standby && new.node == old.node && new.epoch == old.epoch)
    #expect(new.state == .running && desk.tables.vms(on: standby).isEmpty && desk.tables.carried(by: standby).vms == 0)
  }

  @Test func stoppingAndDeletingFreeBothPlaces() {
    let desk = house(["east", "west"])
    desk.create("db", critical)
    desk.run("db")
    guard let standby = desk.vm("db").standby else { return #expect(Bool(false), "no standby") }
    desk.ask(.fleet(.stopVM(vmKey("db"))))
    #expect(desk.vm("db").standby == nil && desk.tables.carried(by: standby).vms == 0)
    desk.report("db", .gone)
    desk.ask(.fleet(.startVM(vmKey("db"))))
    #expect(desk.vm("db").standby == standby)
    desk.ask(.fleet(.deleteVM(vmKey("db"), force: false)))
    #expect(desk.tables.carried(by: standby).vms == 0)
    desk.report("db", .gone)
    #expect(!desk.has("db") && desk.tables.nodeNames.allSatisfy { desk.tables.carried(by: $0).vms == 0 })
    #expect(desk.tables.usage(of: .standard) == Quota.Usage())
  }

  @Test func theRoomOfAStandbyCountsInQuotaAndMoney() {
    let desk = house(["east", "west"])
    var quota = Quota(tenant: .standard)
    quota[.cpu] = 5_000
    desk.ask(.fleet(.setQuota(quota)))
    desk.create("db", critical)
    let usage = desk.tables.usage(of: .standard)
    #expect(usage[.cpu] == 4_000 && usage[.vms] == 1 && usage[.addresses] == 1)
    #expect(usage[.money] == 2 * 2 * 1_000 * 730)
    #expect(desk.create("more", cpus: 1, critical).code == .quotaExceeded)
    #expect(desk.create("plain", cpus: 1).made)
    var patch = VMPatch()
    (patch.failover, patch.hasStandby) = (.restart, true)
    #expect(desk.ask(.fleet(.updateVM(vmKey("plain"), patch, ifMatch: nil))).code == .quotaExceeded)
    patch.hasStandby = false
    desk.ask(.fleet(.updateVM(vmKey("db"), patch, ifMatch: nil)))
    #expect(desk.vm("db").standby == nil && desk.tables.usage(of: .standard)[.cpu] == 3_000)
    // What a month may cost decides whether there is a standby, not whether there is a VM.
    quota[.cpu] = nil
    quota[.money] = 4 * 1_000 * 730
    desk.ask(.fleet(.setQuota(quota)))
    #expect(desk.create("last", cpus: 1, critical).vms[0].vm.state == .placed)
    #expect(desk.vm("last").standby == nil && desk.vm("last").standbyWhy.contains("quota"))
  }

  @Test func itGoesOnWhereItsAddressesServeOrSaysWhyNot() {
    let desk = Desk()
    desk.pool("east", "10.1.0.0/24") { $0.topology = Topology(datacenter: "east") }
    for name in ["east", "west"] { desk.node(name) { $0.topology = Topology(datacenter: name) } }
    desk.create("db", critical)
    #expect(desk.vm("db").node == nodeName("east") && desk.vm("db").standby == nil)
    #expect(desk.vm("db").standbyWhy.contains("does not serve there"))
  }

  @Test func aVMThatMovesToItsStandbysPlaceGetsAnotherStandby() {
    let desk = house(["east", "west"])
    desk.create("db", critical)
    desk.run("db")
    guard let standby = desk.vm("db").standby else { return #expect(Bool(false), "no standby") }
    desk.ask(.fleet(.migrateVM(vmKey("db"), to: standby)))
    #expect(desk.vm("db").node == standby && datacenter(desk, desk.vm("db").standby) == "east")
    #expect(desk.vm("db").standby != desk.vm("db").leaving)
    desk.report("db", .running)
    #expect(desk.vm("db").state == .running && desk.tables.carried(by: standby).vms == 1)
  }

  @Test func whoFindsNoStandbyRestsLongerEachTimeAndHearsOfNews() {
    let desk = house(["east"])
    desk.create("db", critical)
    #expect(desk.vm("db").standby == nil && desk.vm("db").standbyWhy.contains("another datacenter"))
    desk.schedule()
    var rests: [LogTime] = []
    for _ in 0..<13 {
      guard let next = desk.ledger.nextWork, next > desk.time else { return #expect(Bool(false), "it does not rest") }
      rests.append(next - desk.time)
      desk.time = next
      desk.schedule()
    }
    #expect(rests.first == 200_000 && rests == rests.sorted() && rests.last == 60_000_000)
    desk.node("west-1") { $0.topology = Topology(datacenter: "west") }
    desk.schedule()
    #expect(desk.vm("db").standby == nodeName("west-1") && desk.ledger.nextWork == nil)
  }

  @Test func ofManyInOneEntryThoseBeyondItsTimeGetTheirStandbysLater() {
    let desk = house()
    desk.ledger.workMost = 1_500
    let made = desk.create("db", cpus: 1, memory: 1, count: 14, critical).vms
    let waiting = made.filter { $0.vm.node != nil && $0.vm.standby == nil }
    #expect(!waiting.isEmpty && waiting.allSatisfy { $0.vm.standbyWhy.contains("many VMs") })
    desk.schedule()
    #expect((1...14).allSatisfy { desk.vm("db-\($0)").standby != nil })
  }

  @Test func whoLosesADatacenterIsToldThatTheStandbyTakesOver() {
    let desk = house(["east", "west"])
    desk.create("db", critical)
    guard case .fleet(.plan(let report)) = desk.ask(.fleet(.plan(.lose(datacenter: "east")))) else {
      return #expect(Bool(false))
    }
    #expect(report.moves.map(\.to) == [desk.vm("db").standby] && report.moves[0].why.contains("standby"))
  }

  @Test func whatCannotHaveAStandbyIsRefusedByField() {
    let desk = house(["east", "west"])
    func field(_ change: (inout VMSpec) -> Void) -> String? {
      desk.create("db") {
        critical(&$0)
        change(&$0)
      }.refusal?.field
    }
    #expect(field { $0.failover = .never } == "standby" && field { $0.isPinned = true } == "standby")
    #expect(field { $0.node = nodeName("east-1") } == "standby")
    #expect(
      field {
        $0.locality.datacenter = "east"
        $0.locality.isEnforced = true
      } == "standby")
    #expect(field { $0.devices = [DeviceRequest(DeviceModel(trusted: "gpu"))] } == "standby" && !desk.has("db"))
  }
}
