import Addressing
import Domain
import Testing

@testable import Ledger

/// VMs and their addresses, as a user sees them.
@Suite struct VMTests {
  private func house() -> Desk {
    let desk = Desk()
    desk.pool("web", "10.1.0.0/28")
    desk.node("n1")
    desk.node("n2")
    return desk
  }

  @Test func s0_31_aVMWithoutAWishForAnAddressGetsOneAndItIsInTheAnswer() {
    let desk = house()
    let made = desk.create("web-1")
    #expect(made.made && made.vms.count == 1)
    #expect(made.vms[0].vm.state == .placed && made.vms[0].vm.node == nodeName("n1") && made.vms[0].vm.epoch == 1)
    let grant = made.vms[0].grants[0]
    #expect("\(grant.allocation.ip)" == "10.1.0.2" && grant.gateway == ip("10.1.0.1"))
    #expect(grant.allocation.manager == .vm && grant.allocation.node == nodeName("n1") && grant.allocation.mac != nil)
    #expect(desk.tables.vm(vmKey("web-1")) == made.vms[0].vm)
    #expect(desk.entries.last?.effects.count { $0.isPut } == 3)
  }

  @Test func s0_30_anAddressThatIsTakenIsRefusedAndTheHolderIsNamed() {
    let desk = house()
    _ = desk.give(PoolName(trusted: "web"), "router") { $0.address = ip("10.1.0.9") }
    let named = [VMInterface(source: .pool(PoolName(trusted: "web")), address: ip("10.1.0.9"))]
    let refusal = desk.create("web-1") { $0.interfaces = named }.refusal
    #expect(refusal?.code == .addressInUse && refusal?.detail.contains("router") == true)
    #expect(!desk.has("web-1") && desk.tables.carried(by: nodeName("n1")).vms == 0)
    #expect(desk.give(PoolName(trusted: "web"), "other").count == 1)
  }

  @Test func s0_35_anAddressOutsideItsPoolIsRefusedWithBothNamed() {
    let desk = house()
    let outside = [VMInterface(source: .pool(PoolName(trusted: "web")), address: ip("10.9.0.9"))]
    let refusal = desk.create("web-1") { $0.interfaces = outside }.refusal
    #expect(refusal?.code == .addressOutsidePool)
    #expect(refusal?.detail.contains("10.9.0.9") == true && refusal?.detail.contains("web") == true)
  }

  /// One rule for hardware addresses, whoever asks: the one that was chosen, or one that follows from the VM.
  @Test func aVMsHardwareAddressIsTheSameInItsRowsAndByItsRuleAndStaysOverMoves() {
    let desk = house()
    let chosen = MACAddress(bits: 0x0200_5E10_0001)
    desk.create("web-1") {
      $0.interfaces = [
        VMInterface(source: .choose([.ipv4], .none)),
        VMInterface(name: InterfaceName(trusted: "eth1"), source: .choose([.ipv4], .none), mac: chosen)
      ]
    }
    func macs() -> [MACAddress?] { desk.tables.grants(of: desk.vm("web-1")).map(\.allocation.mac) }
    let first = macs()
    #expect(first == [desk.vm("web-1").mac(of: InterfaceName(trusted: "eth0")), chosen] && first[0] != chosen)
    desk.run("web-1")
    desk.ask(.fleet(.migrateVM(vmKey("web-1"), to: nil)))
    #expect(macs() == first)
    desk.create("web-2")
    #expect(desk.tables.grants(of: desk.vm("web-2"))[0].allocation.mac != first[0])
  }

  @Test func s0_44_exactlyTheAddressAskedFor() {
    let desk = house()
    desk.create("web-1") {
      $0.interfaces = [VMInterface(source: .pool(PoolName(trusted: "web")), address: ip("10.1.0.9"))]
    }
    #expect(desk.addresses("web-1") == ["10.1.0.9"])
  }

  @Test func s0_50_asManyVMsAsAddressesAndOneGoingMakesRoomForOne() {
    let desk = house()
    let named = [VMInterface(source: .pool(PoolName(trusted: "web")))]
    for number in 1...8 { #expect(desk.create("vm-\(number)", cpus: 1, memory: 1) { $0.interfaces = named }.made) }
    desk.pool("tiny", "10.2.0.0/30")
    let tiny = [VMInterface(source: .pool(PoolName(trusted: "tiny")))]
    #expect(desk.create("a", cpus: 1, memory: 1) { $0.interfaces = tiny }.made)
    let full = desk.create("b", cpus: 1, memory: 1) { $0.interfaces = tiny }
    #expect(full.code == .poolExhausted && full.refusal?.detail.contains("tiny") == true && !desk.has("b"))
    desk.ask(.fleet(.deleteVM(vmKey("a"), force: false)))
    desk.report("a", .gone)
    #expect(!desk.has("a") && desk.create("b", cpus: 1, memory: 1) { $0.interfaces = tiny }.made)
  }

  /// A chosen pool that is full is like a node that is full: the VM waits and says for what.
  @Test func whoFindsNoAddressWaitsAndComesUpWhenOneIsFree() {
    let desk = house()
    for number in 0..<13 { _ = desk.give(PoolName(trusted: "web"), "owner-\(number)") }
    let made = desk.create("web-1")
    #expect(made.vms[0].vm.state == .pending && made.vms[0].vm.why.contains("address"))
    #expect(desk.create("must", mustPlace: true).code == .noPlacement)
    desk.release(PoolName(trusted: "web"), "10.1.0.5")
    desk.schedule()
    #expect(desk.vm("web-1").state == .placed && desk.addresses("web-1") == ["10.1.0.5"])
  }

  @Test func s0_32_andS0_33_neitherAVMWithoutItsAddressNorAnAddressWithoutItsVM() {
    let desk = house()
    desk.create("web-1", cpus: 8)
    desk.create("web-2", cpus: 8)
    // There is no room for all three: not one of them, nor one of their addresses, is there.
    #expect(desk.create("more", mustPlace: true).code == .noPlacement)
    #expect(desk.create("trio", count: 3, mustPlace: true) { $0.interfaces = anyAddress }.code == .noPlacement)
    #expect(desk.tables.vmCount == 2 && desk.state(PoolName(trusted: "web")).allocations == 2)
    let gone = desk.ask(.fleet(.deleteVM(vmKey("web-1"), force: false)))
    #expect(gone.vms[0].vm.state == .stopping && desk.state(PoolName(trusted: "web")).allocations == 2)
    #expect(desk.release(PoolName(trusted: "web"), desk.addresses("web-1")[0]).code == .managedByVM)
    let before = desk.entries.count
    desk.report("web-1", .gone)
    #expect(
      desk.entries.count == before + 1 && !desk.has("web-1") && desk.state(PoolName(trusted: "web")).allocations == 1)
  }

  @Test func aRepeatIsAnsweredWithWhatIsThereAndAnotherVMOfThatNameIsRefused() {
    let desk = house()
    let first = desk.create("web-1")
    let again = desk.create("web-1")
    #expect(!again.made && again.vms == first.vms && desk.entries.count == 4)
    #expect(desk.create("web-1", cpus: 1).code == .vmExists)
    #expect(desk.create("trio", count: 3).vms.map(\.vm.key.name.text) == ["trio-1", "trio-2", "trio-3"])
    #expect(desk.create("trio", count: 3).vms.count == 3 && desk.create("trio", count: 4).code == .vmExists)
  }

  @Test func anUnmanagedAllocationOfTheSameOwnerIsTakenOver() {
    let desk = house()
    _ = desk.give(PoolName(trusted: "web"), "web-1") { $0.leaseSeconds = 60 }
    desk.create("web-1")
    #expect(desk.addresses("web-1") == ["10.1.0.2"] && desk.state(PoolName(trusted: "web")).allocations == 1)
    desk.pass(seconds: 3_600)
    #expect(desk.addresses("web-1") == ["10.1.0.2"])
  }

  @Test func s3_1_aPriorityOver1000IsRefused() {
    let desk = house()
    #expect(desk.create("web-1") { $0.priority = 1_001 }.refusal?.field == "priority")
    #expect(desk.create("web-1") { $0.priority = 1_000 }.made)
  }

  @Test func aVMKeepsItsAddressesWhenItStopsAndGivesItsRoomBack() {
    let desk = house()
    desk.create("web-1", cpus: 8)
    desk.run("web-1")
    let address = desk.addresses("web-1")
    desk.ask(.fleet(.stopVM(vmKey("web-1"))))
    #expect(desk.vm("web-1").state == .stopping)
    desk.report("web-1", .gone)
    #expect(desk.vm("web-1").state == .stopped && desk.vm("web-1").node == nil && desk.addresses("web-1") == address)
    #expect(desk.tables.carried(by: nodeName("n1")).used == .none)
    #expect(desk.create("other", cpus: 8).vms[0].vm.node == nodeName("n1"))
    let started = desk.ask(.fleet(.startVM(vmKey("web-1"))))
    #expect(started.vms[0].vm.node == nodeName("n2") && started.vms[0].vm.epoch == 2)
    #expect(desk.addresses("web-1") == address && started.vms[0].grants[0].allocation.node == nodeName("n2"))
  }

  @Test func s3_25_overQuotaSaysItemLimitUsedAndAsked() {
    let desk = house()
    var quota = Quota(tenant: TenantName(trusted: "acme"))
    quota[.cpu] = 3_000
    desk.ask(.fleet(.setQuota(quota)))
    #expect(desk.create("a", tenant: "acme").made)
    let refusal = desk.create("b", tenant: "acme").refusal
    #expect(refusal?.code == .quotaExceeded)
    #expect(refusal?.facts.map { "\($0.name)=\($0.value)" } == ["item=cpu", "limit=3000", "used=2000", "asked=2000"])
    #expect(desk.create("b").made)
    // Stopped and gone from its node, it counts no longer.
    desk.ask(.fleet(.stopVM(vmKey("a", tenant: "acme"))))
    #expect(desk.create("b", tenant: "acme").code == .quotaExceeded)
    let vm = desk.vm("a", tenant: "acme")
    desk.ask(.fleet(.reportVMs(nodeName("n1"), epoch: 1, [VMReport(id: vm.id, epoch: vm.epoch, fact: .gone)])))
    #expect(desk.create("b", tenant: "acme").made && desk.ask(.fleet(.startVM(vm.key))).code == .quotaExceeded)
    #expect(desk.tables.usage(of: quota.tenant)[.cpu] == 2_000)
  }

  @Test func s3_25_addressesAreLimitedTooAndAlsoThoseOfPlainAllocations() {
    let desk = house()
    var quota = Quota(tenant: .standard)
    quota[.addresses] = 2
    desk.ask(.fleet(.setQuota(quota)))
    _ = desk.give(PoolName(trusted: "web"), "router")
    #expect(desk.create("a").made && desk.create("b").code == .quotaExceeded)
    #expect(desk.allocate(PoolName(trusted: "web"), "other").code == .quotaExceeded)
    #expect(desk.tables.usage(of: .standard)[.addresses] == 2)
  }

  @Test func s3_26_aTenantGoesOverItsLimitsForAWhileAndNoLonger() {
    let desk = house()
    var quota = Quota(tenant: .standard, burstPercent: 100, burstSeconds: 60)
    quota[.vms] = 1
    desk.ask(.fleet(.setQuota(quota)))
    #expect(desk.create("a").made && desk.tables.quota(.standard)?.burstSince == nil)
    #expect(desk.create("b").made && desk.tables.quota(.standard)?.burstSince == desk.time)
    #expect(desk.create("c").refusal?.facts.first { $0.name == "limit" }?.value == "2")
    desk.ask(.fleet(.deleteVM(vmKey("b"), force: false)))
    desk.report("b", .gone)
    #expect(desk.tables.quota(.standard)?.burstSince == nil && desk.create("b").made)
    desk.pass(seconds: 61)
    #expect(desk.has("a") && desk.has("b"))
    #expect(desk.create("c").refusal?.facts.first { $0.name == "limit" }?.value == "1")
  }

  /// Addresses that are asked for by themselves count as those of VMs do.
  @Test func s3_26_theTimeOverTheLimitsBeginsAndEndsWithPlainAddressesToo() {
    let desk = house()
    let pool = PoolName(trusted: "web")
    var quota = Quota(tenant: .standard, burstPercent: 100, burstSeconds: 60)
    quota[.addresses] = 2
    desk.ask(.fleet(.setQuota(quota)))
    func limit(_ outcome: Outcome) -> String? { outcome.refusal?.facts.first { $0.name == "limit" }?.value }
    func since() -> LogTime? { desk.tables.quota(.standard)?.burstSince }
    for name in ["a", "b"] { #expect(!desk.give(pool, name).isEmpty && since() == nil) }
    #expect(!desk.give(pool, "c") { $0.leaseSeconds = 3_600 }.isEmpty && since() == desk.time)
    #expect(desk.entries.last?.kind == .allocated && desk.tables.quota(.standard)?.revision == desk.tables.revision)
    desk.pass(seconds: 30)
    #expect(!desk.give(pool, "d").isEmpty && since() == desk.time - 30_000_000, "the fourth begins nothing anew")
    #expect(limit(desk.allocate(pool, "e")) == "4")
    desk.pass(seconds: 31)
    #expect(limit(desk.allocate(pool, "e")) == "2", "it is over its limits for a minute and no longer")
    desk.release(pool, "10.1.0.2")
    #expect(since() != nil)
    // A lease that ends is as good as a release.
    desk.pass(seconds: 3_600)
    #expect(since() == nil && desk.entries.last?.kind == .expired)
    #expect(desk.create("web-1").made && since() == desk.time)
    desk.pass(seconds: 61)
    #expect(desk.create("web-2").code == .quotaExceeded)
    desk.release(pool, "10.1.0.3")
    #expect(since() == nil && desk.create("web-2").made, "what VMs have begun a release ends")
    // What is refused or only tried is not noted.
    let before = desk.tables.quota(.standard)
    desk.release(pool, "10.1.0.5")
    var request = AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: "x")))
    request.count = 2
    desk.ask(.allocate(request), dryRun: true)
    #expect(since() == nil && before?.burstSince != nil && desk.ledger.fleet.quotas[.standard]?.burstSince == nil)
  }

  @Test func moneyIsLimitedByTheMonth() {
    let desk = Desk()
    desk.node("n1") { $0.prices = Prices(Rates(cpu: 10_000)) }
    var quota = Quota(tenant: .standard)
    quota[.money] = 2 * 10_000 * 730
    desk.ask(.fleet(.setQuota(quota)))
    #expect(desk.create("a") { $0.interfaces = [] }.made)
    #expect(desk.tables.usage(of: .standard)[.money] == 14_600_000)
    let refusal = desk.create("b", cpus: 1) { $0.interfaces = [] }.refusal
    #expect(refusal?.facts.map(\.value) == ["money", "14600000", "14600000", "7300000"])
    var patch = NodePatch()
    patch.prices = Prices(Rates(cpu: 5_000))
    desk.ask(.fleet(.updateNode(nodeName("n1"), patch, ifMatch: nil)))
    #expect(
      desk.tables.usage(of: .standard)[.money] == 7_300_000 && desk.create("b", cpus: 1) { $0.interfaces = [] }.made)
  }

  @Test func whatAReaderAsksOfTheTables() {
    let desk = house()
    for name in ["c", "a", "b"] { desk.create(name, cpus: 1, memory: 1, tenant: "t2") }
    desk.create("z", cpus: 1, memory: 1, tenant: "t1")
    let (tables, t2) = (desk.tables, TenantName(trusted: "t2"))
    #expect(tables.nodeNames == [nodeName("n1"), nodeName("n2")] && tables.node(nodeName("n1"))?.epoch == 1)
    #expect(tables.vms(of: nil, after: nil, limit: 9).map(\.key.name.text) == ["z", "a", "b", "c"])
    #expect(tables.vms(of: t2, after: nil, limit: 2).map(\.key.name.text) == ["a", "b"])
    #expect(tables.vms(of: t2, after: vmKey("b", tenant: "t2"), limit: 2).map(\.key.name.text) == ["c"])
    #expect(tables.vms(of: TenantName(trusted: "t1"), after: nil, limit: 9).count == 1)
    #expect(tables.vms(of: TenantName(trusted: "t3"), after: nil, limit: 9).isEmpty && tables.vmCount == 4)
    #expect(tables.vms(on: nodeName("n1")).count == 4 && tables.vms(on: nodeName("n2")).isEmpty)
    #expect(tables.carried(by: nodeName("n1")).used == Resources(cpu: 4_000, memory: 4_096))
    #expect(tables.usage(of: t2)[.vms] == 3 && tables.usage(of: t2)[.addresses] == 3)
    #expect(tables.tenants.map(\.text) == ["t1", "t2"])
  }
}

@Suite struct VMLeakTests {
  @Test func s0_33_tenThousandVMsComeAndGoAndLeaveNothing() {
    let desk = Desk()
    let pool = desk.pool("web", "10.1.0.0/28")
    desk.node("n1")
    let (rows, hash) = (desk.tables.rowCount, desk.tables.stateHash)
    for number in 0..<10_000 {
      desk.create("v\(number)")
      desk.ask(.fleet(.deleteVM(vmKey("v\(number)"), force: false)))
      desk.report("v\(number)", .gone)
    }
    #expect(
      desk.tables.vmCount == 0 && desk.state(pool).allocations == 0)
    #expect(desk.state(pool).available == AddressCount(13))
    #expect(desk.tables.usage(of: .standard) == Quota.Usage() && desk.tables.carried(by: nodeName("n1")).vms == 0)
    // Where the pool's strategy stands is one row more.
    #expect(desk.tables.rowCount == rows + 1 && desk.tables.stateHash != hash && desk.ledger.nextWork == nil)
    #expect(desk.ledger.fleet.fleet.fingerprint() == Ledger(desk.tables).fleet.fleet.fingerprint())
  }
}
