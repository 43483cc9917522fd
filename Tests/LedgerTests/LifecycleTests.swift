import Domain
import Testing

@testable import Ledger

/// What becomes of VMs when somebody asks, when agents report and when nodes fall silent.
@Suite struct VMLifecycleTests {
  @Test func aVMComesUpAsItsNodeSaysAndOldEpochsAreNotBelieved() {
    let desk = house()
    desk.create("a")
    let vm = desk.vm("a")
    let before = desk.entries.count
    func say(_ fact: VMReport.Fact, epoch: UInt64, node: String = "n1", nodeEpoch: UInt64 = 1) -> Outcome {
      desk.ask(.fleet(.reportVMs(nodeName(node), epoch: nodeEpoch, [VMReport(id: vm.id, epoch: epoch, fact: fact)])))
    }
    #expect(say(.running, epoch: 0).changed?.vms == 0 && say(.running, epoch: 1, node: "n2").changed?.vms == 0)
    #expect(say(.running, epoch: 1, nodeEpoch: 0).code == .staleEpoch && desk.entries.count == before)
    #expect(say(.starting, epoch: 1).changed?.vms == 1 && desk.vm("a").state == .starting)
    #expect(say(.running, epoch: 1).changed?.vms == 1 && desk.vm("a").state == .running)
    #expect(say(.running, epoch: 1).changed?.vms == 0 && say(.starting, epoch: 1).changed?.vms == 0)
    #expect(desk.entries.count == before + 2)
  }

  @Test func restartBringsAVMDownAndUpWithItsAddresses() {
    let desk = house()
    desk.create("a")
    desk.run("a")
    let address = desk.addresses("a")
    desk.ask(.fleet(.restartVM(vmKey("a"))))
    #expect(desk.vm("a").duty(of: nodeName("n1")) == .stop(graceSeconds: 30))
    desk.report("a", .gone)
    #expect(desk.vm("a").state == .placed && desk.vm("a").epoch == 2 && desk.addresses("a") == address)
    #expect(desk.vm("a").duty(of: nodeName("n1")) == .run)
  }

  @Test func aVMThatFailsIsTriedAgainAfterAWhileAndKeepsItsAddresses() {
    let desk = house()
    desk.create("a")
    let address = desk.addresses("a")
    desk.report("a", .failed, detail: "no such image")
    #expect(desk.vm("a").state == .failed && desk.vm("a").why == "no such image" && desk.vm("a").node == nil)
    desk.schedule()
    #expect(desk.vm("a").state == .failed, "not at once")
    desk.time += 100_000
    desk.schedule()
    #expect(desk.vm("a").state == .placed && desk.vm("a").epoch == 2 && desk.addresses("a") == address)
    desk.report("a", .failed)
    desk.time += 100_000
    desk.schedule()
    #expect(desk.vm("a").state == .failed, "and longer each time")
    desk.time += 100_000
    desk.schedule()
    #expect(desk.vm("a").state == .placed && desk.vm("a").epoch == 3)
  }

  /// What would not fit a row is refused before it is in the log, where nobody could read it any more.
  @Test func aVMTooLargeForARowIsRefused() {
    let desk = house()
    var spec = VMSpec(Resources(cpu: 1_000, memory: 1_024))
    let labels = Labels((0..<32).map { (key: "k\($0)", value: String(repeating: "v", count: 128)) })!
    spec.interfaces = (0..<16).map {
      VMInterface(name: InterfaceName(trusted: "eth\($0)"), source: .choose([.ipv4], labels))
    }
    #expect(desk.ask(.fleet(.createVM(VMRequest(vmKey("fat"), spec)))).code == .tooLarge)
    #expect(desk.tables.vmCount == 0)
  }

  @Test func movingAVMKeepsItRunningAndItsAddresses() {
    let desk = house()
    desk.create("a")
    desk.run("a")
    let address = desk.addresses("a")
    #expect(desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("nowhere")))).code == .nodeNotFound)
    let moved = desk.ask(.fleet(.migrateVM(vmKey("a"), to: nil))).vms[0]
    #expect(moved.vm.state == .migrating && moved.vm.node == nodeName("n2") && moved.vm.leaving == nodeName("n1"))
    #expect(moved.vm.epoch == 2 && moved.grants[0].allocation.node == nodeName("n2"))
    #expect(moved.vm.duty(of: nodeName("n1")) == .keep && moved.vm.duty(of: nodeName("n2")) == .receive)
    for node in ["n1", "n2"] { #expect(desk.tables.carried(by: nodeName(node)).vms == 1) }
    #expect(desk.tables.vms(on: nodeName("n1")).count == 1)
    desk.report("a", .running)
    #expect(desk.vm("a").state == .running && desk.vm("a").leaving == nil && desk.addresses("a") == address)
    #expect(desk.tables.vms(on: nodeName("n1")).isEmpty && desk.tables.carried(by: nodeName("n1")).vms == 0)
  }

  @Test func aMoveThatFailsLeavesTheVMWhereItRuns() {
    let desk = house()
    desk.create("a")
    desk.run("a")
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("n2"))))
    desk.report("a", .failed, detail: "no room for its disk")
    #expect(desk.vm("a").state == .running && desk.vm("a").node == nodeName("n1") && desk.vm("a").epoch == 3)
    #expect(desk.tables.carried(by: nodeName("n2")).vms == 0)
  }

  @Test func aDrainingNodeIsLeftByItsVMsAndTakesNoNewOnes() {
    let desk = house()
    for name in ["a", "b"] {
      desk.create(name)
      desk.run(name)
    }
    desk.ask(.fleet(.setNode(nodeName("n1"), .draining)))
    desk.schedule()
    #expect(desk.vm("a").state == .migrating && desk.vm("b").node == nodeName("n2"))
    for name in ["a", "b"] { desk.report(name, .running) }
    #expect(desk.tables.vms(on: nodeName("n1")).isEmpty)
    #expect(desk.ask(.fleet(.deleteNode(nodeName("n2")))).refusal?.facts.first?.value == "2")
    guard case .fleet(.nodeDeleted) = desk.ask(.fleet(.deleteNode(nodeName("n1")))) else { return #expect(Bool(false)) }
    #expect(desk.tables.nodeNames == [nodeName("n2")])
  }

  /// Its processors are its own there: it cannot be moved while it runs.
  @Test func whoHasASeatGoesDownOnADrainingNodeAndComesUpElsewhere() {
    let desk = house()
    desk.create("a") { ($0.isPinned, $0.graceSeconds) = (true, 40) }
    desk.run("a")
    let address = desk.addresses("a")
    #expect(desk.vm("a").node == nodeName("n1") && !desk.vm("a").seat.cpus.isEmpty)
    #expect(desk.ask(.fleet(.migrateVM(vmKey("a"), to: nil))).code == .vmState)
    desk.ask(.fleet(.setNode(nodeName("n1"), .draining)))
    desk.schedule()
    let vm = desk.vm("a")
    #expect(vm.state == .stopping && vm.node == nodeName("n1") && vm.why.contains("draining"))
    #expect(vm.duty(of: nodeName("n1")) == .stop(graceSeconds: 40) && !vm.seat.cpus.isEmpty)
    desk.report("a", .gone)
    #expect(desk.vm("a").state == .placed && desk.vm("a").node == nodeName("n2") && desk.addresses("a") == address)
    #expect(!desk.vm("a").seat.cpus.isEmpty && desk.tables.vms(on: nodeName("n1")).isEmpty)
  }

  /// Nobody comes and nobody goes: it is tried again all the same.
  @Test func aDrainThatFoundNoRoomIsTriedAgainAfterAWhile() {
    let desk = house(nodes: 1)
    desk.create("a", cpus: 6)
    desk.run("a")
    desk.ask(.fleet(.setNode(nodeName("n1"), .draining)))
    desk.schedule()
    #expect(desk.vm("a").state == .running && desk.ledger.nextWork == desk.time + Limits.drainRest)
    desk.node("n2")
    desk.time += Limits.drainRest
    desk.schedule()
    #expect(desk.vm("a").state == .migrating && desk.vm("a").node == nodeName("n2"))
  }

  // MARK: Nodes that are lost

  @Test func aVMOfALostNodeStaysWhereItIsUntilItsNodeIsFenced() {
    let desk = house()
    desk.create("a") { $0.failover = .never }
    desk.create("b") { $0.failover = .restart }
    desk.run("a")
    desk.run("b")
    let address = desk.addresses("b")
    desk.ask(.fleet(.nodesLost([nodeName("n1")])))
    #expect(desk.tables.node(nodeName("n1"))?.state == .lost)
    #expect(desk.vm("a").state == .lost && desk.vm("b").state == .lost && desk.vm("b").node == nodeName("n1"))
    desk.schedule()
    #expect(desk.vm("b").state == .lost)
    desk.ask(.fleet(.leasesEnded([nodeName("n1")])))
    #expect(desk.vm("b").state == .placed && desk.vm("b").node == nodeName("n2") && desk.vm("b").epoch == 2)
    #expect(desk.addresses("b") == address && desk.vm("a").state == .lost)
    desk.ask(.fleet(.fenceNode(nodeName("n1"))))
    #expect(desk.vm("a").state == .placed && desk.vm("a").node == nodeName("n2"))
    #expect(desk.tables.node(nodeName("n1"))?.state == .fenced && desk.tables.node(nodeName("n1"))?.epoch == 2)
    #expect(desk.tables.vms(on: nodeName("n1")).isEmpty)
  }

  @Test func aLostNodeThatComesBackIsBelievedAtItsNewEpoch() {
    let desk = house()
    desk.create("a")
    desk.run("a")
    desk.ask(.fleet(.nodesLost([nodeName("n1")])))
    #expect(desk.report("a", .running).code == .staleEpoch)
    #expect(desk.node("n1").epoch == 2 && desk.tables.node(nodeName("n1"))?.state == .ready)
    #expect(desk.vm("a").state == .lost && desk.vm("a").duty(of: nodeName("n1")) == .run)
    desk.report("a", .running)
    #expect(desk.vm("a").state == .running && desk.vm("a").epoch == 1)
  }

  @Test func deletingIsProvenByTheNodeByAFenceOrForcedOnASilentNode() {
    let desk = house()
    for name in ["a", "b", "c"] {
      desk.create(name)
      desk.run(name)
    }
    #expect(desk.ask(.fleet(.deleteVM(vmKey("a"), force: true))).code == .vmState)
    desk.ask(.fleet(.deleteVM(vmKey("a"), force: false)))
    desk.ask(.fleet(.deleteVM(vmKey("c"), force: false)))
    #expect(desk.vm("a").isEnding && desk.create("a").code == .vmExists)
    #expect(desk.ask(.fleet(.startVM(vmKey("a")))).code == .vmState)
    desk.ask(.fleet(.nodesLost([nodeName("n1")])))
    #expect(desk.vm("a").state == .lost && desk.state(PoolName(trusted: "web")).allocations == 3)
    guard case .fleet(.vmDeleted(let gone)) = desk.ask(.fleet(.deleteVM(vmKey("a"), force: true))) else {
      return #expect(Bool(false), "not deleted")
    }
    #expect(gone.grants.count == 1 && !desk.has("a") && desk.state(PoolName(trusted: "web")).allocations == 2)
    desk.ask(.fleet(.fenceNode(nodeName("n1"))))
    #expect(!desk.has("c") && desk.has("b") && desk.state(PoolName(trusted: "web")).allocations == 1)
  }

  // MARK: Room that others have

  @Test func s3_2_whenRoomAppearsTheMostImportantComesUpFirstThenTheFirst() {
    let desk = Desk()
    for (name, priority) in [("low", 100), ("first", 500), ("second", 500), ("high", 900)] {
      desk.create(name) {
        $0.interfaces = []
        $0.priority = UInt16(priority)
      }
    }
    #expect(["low", "first", "second", "high"].allSatisfy { desk.vm($0).state == .pending })
    desk.node("n1", cpus: 2)
    var order: [String] = []
    for number in 2...5 {
      desk.schedule()
      order += ["low", "first", "second", "high"].filter { desk.vm($0).state == .placed && !order.contains($0) }
      desk.node("n\(number)", cpus: 2)
    }
    #expect(order == ["high", "first", "second", "low"])
  }

  @Test func s3_3_andS3_4_aPreemptibleVMGivesWayInOneEntryAndStopsWithItsGracePeriod() {
    let desk = house(nodes: 1)
    desk.create("solid", cpus: 4) { $0.priority = 100 }
    desk.create("soft", cpus: 4) {
      ($0.priority, $0.isPreemptible, $0.graceSeconds) = (400, true, 90)
    }
    desk.run("soft")
    let address = desk.addresses("soft")
    let before = desk.entries.count
    #expect(desk.create("equal", cpus: 4) { $0.priority = 400 }.vms[0].vm.state == .pending)
    let made = desk.create("boss", cpus: 4) { $0.priority = 900 }
    #expect(made.vms[0].vm.node == nodeName("n1") && desk.entries.count == before + 2)
    let soft = desk.vm("soft")
    #expect(soft.state == .preempted && soft.node == nil && soft.leaving == nodeName("n1") && soft.preemptions == 1)
    #expect(soft.duty(of: nodeName("n1")) == .stop(graceSeconds: 90) && desk.vm("solid").state == .placed)
    #expect(desk.tables.vms(on: nodeName("n1")).map(\.key.name.text) == ["boss", "soft", "solid"])
    #expect(desk.addresses("soft") == address && soft.why.contains("boss"))
    // It comes back as soon as there is room, but not while it is still on its old node.
    desk.node("n2")
    desk.schedule()
    #expect(desk.vm("soft").node == nodeName("n2") && desk.vm("soft").duty(of: nodeName("n2")) == .wait)
    desk.report("soft", .starting)
    #expect(desk.vm("soft").state == .placed)
    desk.ask(
      .fleet(.reportVMs(nodeName("n1"), epoch: 1, [VMReport(id: soft.id, epoch: soft.epoch, fact: .gone)])))
    #expect(desk.vm("soft").leaving == nil && desk.vm("soft").duty(of: nodeName("n2")) == .run)
    #expect(desk.addresses("soft") == address)
  }

  /// One entry takes so many victims and no more: the request is refused, and nobody has moved.
  @Test func tooManyVictimsAtOnceAreRefusedAndStay() {
    let desk = Desk()
    desk.node("n1", cpus: Int32(Limits.placementsPerEntry + 1), memory: 64)
    for number in 0...Limits.placementsPerEntry {
      desk.create("soft-\(number)", cpus: 1, memory: 0) {
        ($0.priority, $0.isPreemptible, $0.interfaces) = (100, true, [])
        $0.resources.memory = 64
      }
    }
    func boss(_ cpus: Int32) -> Outcome {
      desk.create("boss-\(cpus)", cpus: cpus, memory: 1) { ($0.priority, $0.interfaces) = (900, []) }
    }
    let entries = desk.entries.count
    let refused = boss(Int32(Limits.placementsPerEntry + 1))
    #expect(refused.code == .noPlacement && refused.refusal?.detail.contains("would have to give way") == true)
    #expect(desk.entries.count == entries && desk.vm("soft-0").state == .placed)
    #expect(boss(Int32(Limits.placementsPerEntry)).vms[0].vm.state == .placed, "so many may")
  }

  @Test func s3_5_whoIsForcedOutHasNoTimeAndTheRowSaysSo() {
    let desk = house(nodes: 1)
    desk.create("soft", cpus: 8) { ($0.priority, $0.isPreemptible) = (400, true) }
    desk.run("soft")
    desk.create("boss", cpus: 8) { ($0.priority, $0.isForced) = (900, true) }
    #expect(desk.vm("soft").duty(of: nodeName("n1")) == .stop(graceSeconds: 0))
    #expect(desk.vm("soft").why.contains("at once"))
  }

  @Test func s3_8_whoGivesWayGoesElsewhereInTheSameEntryIfItFits() {
    let desk = Desk()
    desk.pool("web", "10.1.0.0/24")
    desk.node("n1") { $0.labels = Labels([("disk", "fast")])! }
    desk.create("soft", cpus: 8) { ($0.priority, $0.isPreemptible) = (400, true) }
    desk.run("soft")
    desk.node("n2")
    let before = desk.entries.count
    let address = desk.addresses("soft")
    desk.create("boss", cpus: 8) {
      ($0.priority, $0.nodeLabels) = (900, Labels([("disk", "fast")])!)
    }
    #expect(desk.entries.count == before + 1 && desk.vm("boss").node == nodeName("n1"))
    #expect(desk.vm("soft").state == .placed && desk.vm("soft").node == nodeName("n2"))
    #expect(desk.vm("soft").leaving == nodeName("n1") && desk.addresses("soft") == address)
    // Its new node falls silent before it was allowed to start it: it goes on waiting for room.
    desk.ask(.fleet(.nodesLost([nodeName("n2")])))
    #expect(desk.vm("soft").state == .pending && desk.vm("soft").leaving == nodeName("n1"))
  }

  @Test func keptCapacityIsForItsTenantUntilItEnds() {
    let desk = house(nodes: 1)
    let row = CapacityReservation(
      name: CapacityName(trusted: "launch"), tenant: TenantName(trusted: "acme"), node: nodeName("n1"),
      asked: Resources(cpu: 6_000, memory: 1_024), priority: 700, expiresAt: desk.time + 60_000_000)
    desk.ask(.fleet(.reserveCapacity(row)))
    #expect(desk.create("a", cpus: 4).vms[0].vm.state == .pending)
    #expect(desk.create("b", cpus: 4, memory: 1, tenant: "acme").vms[0].vm.state == .placed)
    #expect(desk.tables.capacities[0].left == Resources(cpu: 2_000))
    #expect(desk.ask(.fleet(.deleteNode(nodeName("n1")))).code == .nodeInUse)
    desk.time += 61_000_000
    desk.schedule()
    #expect(desk.tables.capacities.isEmpty && desk.vm("a").state == .placed)
  }

  @Test func keptCapacityThatIsUsedUpGoesWithItsNode() {
    let desk = house(nodes: 1)
    let row = CapacityReservation(
      name: CapacityName(trusted: "launch"), tenant: TenantName(trusted: "acme"), node: nodeName("n1"),
      asked: Resources(cpu: 1_000), priority: 700)
    desk.ask(.fleet(.reserveCapacity(row)))
    #expect(desk.create("b", cpus: 1, memory: 1, tenant: "acme").vms[0].vm.state == .placed)
    #expect(desk.tables.capacities[0].left == .none)
    desk.ask(.fleet(.fenceNode(nodeName("n1"))))
    guard case .fleet(.nodeDeleted) = desk.ask(.fleet(.deleteNode(nodeName("n1")))) else { return #expect(Bool(false)) }
    #expect(desk.tables.capacities.isEmpty)
  }

  /// Leases, fencing and losing of many VMs is done in several entries, none of which is too large.
  @Test func aLargeNodeIsLostInSeveralEntries() {
    let desk = Desk()
    desk.node("n1", cpus: 2_000, memory: 2_000)
    desk.node("n2", cpus: 2_000, memory: 2_000)
    for name in ["v", "w"] { desk.create(name, cpus: 1, memory: 1, count: 1_000) { $0.interfaces = [] } }
    let before = desk.entries.count
    desk.ask(.fleet(.nodesLost([nodeName("n1")])))
    desk.schedule()
    #expect(desk.tables.vms(of: nil, after: nil, limit: 2_000).allSatisfy { $0.state == .lost })
    desk.ask(.fleet(.fenceNode(nodeName("n1"))))
    desk.schedule()
    #expect(desk.tables.vms(of: nil, after: nil, limit: 2_000).allSatisfy { $0.node == nodeName("n2") })
    #expect(desk.entries.count >= before + 4 && desk.ledger.nextWork == nil)
  }

  @Test func nodesAreChangedButNeverBelowWhatTheyCarry() {
    let desk = house(nodes: 1)
    desk.create("a", cpus: 8)
    let small = Node(name: nodeName("n1"), physical: Resources(cpu: 1_000, memory: 1_024))
    #expect(desk.ask(.fleet(.registerNode(small))).code == .nodeInUse)
    var patch = NodePatch()
    patch.topology = Topology(datacenter: "elsewhere")
    #expect(desk.ask(.fleet(.updateNode(nodeName("n1"), patch, ifMatch: nil))).code == .nodeInUse)
    #expect(desk.ask(.fleet(.updateNode(nodeName("n1"), NodePatch(), ifMatch: 1))).code == .revisionMismatch)
    var labels = NodePatch()
    labels.labels = Labels([("a", "b")])
    let revision = desk.tables.node(nodeName("n1"))?.revision
    desk.ask(.fleet(.updateNode(nodeName("n1"), labels, ifMatch: revision)))
    #expect(desk.tables.node(nodeName("n1"))?.labels["a"] == "b")
    desk.ask(.fleet(.setNode(nodeName("n1"), .cordoned)))
    #expect(desk.create("b", cpus: 1).vms[0].vm.state == .pending && desk.node("n1").state == .cordoned)
    desk.ask(.fleet(.fenceNode(nodeName("n1"))))
    #expect(desk.ask(.fleet(.setNode(nodeName("n1"), .ready))).code == .nodeState)
  }

  /// A node that comes back with less than its VMs have is refused, whatever it is that is missing.
  @Test func aNodeKeepsTheDevicesProcessorsAndCustomAmountsThatItsVMsHave() {
    let desk = Desk()
    let (gpu, licence) = (DeviceModel(trusted: "gpu"), ResourceName(trusted: "licence"))
    let halves = [NUMANode(cpus: CPUSet(0..<4), memory: 16_384), NUMANode(cpus: CPUSet(4..<8), memory: 16_384)]
    func whole(_ node: inout Node) {
      node.numa = halves
      node.devices = [Device(id: DeviceID(trusted: "g0"), model: gpu)]
      node.custom = [CustomAmount(licence, 2)]
    }
    desk.node("n1", whole)
    func again(_ change: (inout Node) -> Void) -> Outcome {
      guard var node = desk.tables.node(nodeName("n1")) else { preconditionFailure("no node") }
      change(&node)
      return desk.ask(.fleet(.registerNode(node)))
    }
    for (name, change) in [
      ("seated", { ($0.isSingleNUMA, $0.interfaces) = (true, []) }),
      ("device", { ($0.devices, $0.interfaces) = ([DeviceRequest(gpu)], []) }),
      ("custom", { ($0.custom, $0.interfaces) = ([CustomAmount(licence, 2)], []) })
    ] as [(String, (inout VMSpec) -> Void)] {
      #expect(desk.create(name, cpus: 1, memory: 1, change).vms[0].vm.state == .placed)
    }
    #expect(desk.vm("seated").seat.numa == 0 && desk.vm("seated").seat.cpus.isEmpty)
    let epoch = desk.tables.node(nodeName("n1"))?.epoch
    for (what, change) in [
      ("processors of their own", { $0.numa = [NUMANode(cpus: CPUSet(0..<8), memory: 32_768)] }),
      ("device", { $0.devices = [] }), ("less licence", { $0.custom = [CustomAmount(licence, 1)] })
    ] as [(String, (inout Node) -> Void)] {
      let refusal = again(change).refusal
      let detail = refusal?.detail ?? "taken"
      #expect(refusal?.code == .nodeInUse && detail.contains(what), "\(what): \(detail)")
    }
    #expect(desk.tables.node(nodeName("n1"))?.epoch == epoch)
    #expect(again { $0.custom = [CustomAmount(licence, 3)] }.refusal == nil)
  }

  /// Pinned to more processors than one part has, it has its own without being bound to a part.
  @Test func aNodeKeepsTheProcessorsOfAPinnedVMThatSpansItsParts() {
    let desk = Desk()
    func parts(_ from: Int) -> [NUMANode] {
      [from, from + 4].map { NUMANode(cpus: CPUSet($0..<$0 + 4), memory: 16_384) }
    }
    desk.node("n1") { $0.numa = parts(0) }
    desk.create("wide", cpus: 6, memory: 1) { ($0.isPinned, $0.interfaces) = (true, []) }
    #expect(desk.vm("wide").seat.numa == nil && !desk.vm("wide").seat.cpus.isEmpty)
    guard var node = desk.tables.node(nodeName("n1")) else { return #expect(Bool(false)) }
    node.numa = parts(8)
    let refusal = desk.ask(.fleet(.registerNode(node))).refusal
    #expect(refusal?.detail.contains("processors of their own") == true, "\(String(describing: refusal))")
  }

  /// Or it would be tried for ever, and nobody behind it.
  @Test func victimsTooLargeForOneEntryAreNoRoomAndHoldUpNobody() {
    let desk = Desk()
    desk.node("n1", cpus: 64, memory: 64)
    let long = String(repeating: "x", count: 50)
    let labels = Labels((0..<32).map { ("label-\($0)-\(long)", long + long) })!
    for number in 0..<64 {
      desk.create("soft-\(number)", cpus: 1, memory: 0) {
        ($0.priority, $0.isPreemptible, $0.interfaces, $0.labels) = (100, true, [], labels)
        ($0.image, $0.kernel) = (String(repeating: "i", count: 1_000), String(repeating: "k", count: 1_000))
        $0.resources.memory = 64
      }
    }
    desk.ask(.fleet(.setNode(nodeName("n1"), .cordoned)))
    let boss = desk.create("boss", cpus: 64, memory: 1) { ($0.priority, $0.interfaces) = (900, []) }
    #expect(boss.vms.first?.vm.state == .pending)
    desk.create("small", cpus: 1, memory: 1) { ($0.priority, $0.interfaces) = (50, []) }
    desk.node("n2", cpus: 1)
    desk.ask(.fleet(.setNode(nodeName("n1"), .ready)))
    desk.schedule()
    #expect(desk.vm("boss").state == .pending && desk.vm("small").state == .placed)
    #expect(desk.vm("soft-0").state == .placed)
  }

  @Test func aDryRunTellsWhereAndChangesNothing() {
    let desk = house()
    let told = desk.create("a", dryRun: true)
    #expect(told.vms[0].vm.node == nodeName("n1") && told.vms[0].grants.count == 1)
    #expect(!desk.has("a") && desk.entries.count == 3)
    #expect(desk.create("a").vms[0].grants == told.vms[0].grants)
  }
}
