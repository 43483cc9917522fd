import Domain
import Placement
import Testing

/// Who has to give way, and who never.
@Suite struct PreemptionTests {
  private func full(_ priorities: [UInt16], _ change: (inout VMSpec) -> Void = { _ in }) -> Fleet {
    var fleet = Fleet([node("a", cpu: Int32(priorities.count) * 2, memory: 100)])
    for (place, priority) in priorities.enumerated() {
      let other = spec(cpu: 2) {
        $0.priority = priority
        $0.isPreemptible = true
        change(&$0)
      }
      fleet.run(UInt64(place + 1), other)
    }
    return fleet
  }

  private func urgent(_ cpu: Int32 = 2, _ change: (inout VMSpec) -> Void = { _ in }) -> VMSpec {
    spec(cpu: cpu) {
      $0.priority = 600
      change(&$0)
    }
  }

  @Test func theLeastPriorityInSumGivesWay() {
    var fleet = full([300, 100, 200])
    #expect(fleet.ask(urgent()).victims == ["vm-2"])
    #expect(fleet.ask(urgent(4)).victims == ["vm-2", "vm-3"])
  }

  @Test func freeRoomCounts() {
    var fleet = full([100, 200])
    fleet.put(node("a", cpu: 6, memory: 100))
    #expect(fleet.ask(urgent(4)).victims == ["vm-1"])
  }

  @Test func thePolicyDecides() {
    var fleet = full([100, 200])
    #expect(fleet.ask(urgent { $0.preemption = .never }).isPending)
    #expect(fleet.ask(urgent { $0.preemption = .lower }).victims == ["vm-1"])
    // The one of the lower priority is the dearer one.
    var priced = Fleet([node("a", cpu: 4, memory: 100) { $0.prices = Prices(Rates(memory: 100)) }])
    priced.run(1, spec(cpu: 2, memory: 9) { ($0.priority, $0.isPreemptible) = (100, true) })
    priced.run(2, spec(cpu: 2, memory: 1) { ($0.priority, $0.isPreemptible) = (200, true) })
    #expect(priced.ask(urgent { $0.preemption = .lower }).victims == ["vm-1"])
    #expect(priced.ask(urgent { $0.preemption = .cost }).victims == ["vm-2"])
    #expect(priced.ask(urgent { ($0.preemption, $0.budget) = (.cost, 100) }).victims == ["vm-2"])
    // What it drives out must not cost more than it may.
    priced.remove(vm: VMID(revision: 2))
    priced.run(3, spec(cpu: 2, memory: 1) { $0.priority = 200 })
    #expect(priced.ask(urgent { $0.preemption = .cost }).victims == ["vm-1"])
    #expect(priced.ask(urgent { ($0.preemption, $0.budget) = (.cost, 100) }).isPending)
  }

  @Test func equalAndHigherPrioritiesAndTheUnpreemptibleStay() {
    var equal = full([600, 700])
    #expect(equal.ask(urgent()).isPending)
    var safe = full([100, 100]) { $0.isPreemptible = false }
    #expect(safe.ask(urgent()).isPending)
  }

  @Test func whoGaveWayIsLeftInPeaceAndCannotDriveOthersOut() {
    var fleet = full([100])
    let victim = VM(
      key: key("vm-1"), id: VMID(revision: 1), spec: spec(cpu: 2) { ($0.priority, $0.isPreemptible) = (100, true) },
      state: .running, node: name("a"), preemptions: 1, preemptedAt: 1_000)
    fleet.put(victim)
    #expect(fleet.ask(urgent(), time: 2_000).isPending)
    // Also after something that was not to be.
    let mark = fleet.mark
    fleet.remove(vm: victim.id)
    fleet.rollback(to: mark)
    #expect(fleet.ask(urgent(), time: 2_000).isPending)
    #expect(fleet.ask(urgent(), time: 1_000 + Limits.preemptionRest).victims == ["vm-1"])
    var again = PlacementRequest(key("vm-9"), urgent(), time: 1_000 + Limits.preemptionRest)
    again.mayPreempt = false
    #expect(fleet.place(again).isPending)
  }

  /// What a question costs does not depend on how many VMs of others could give way.
  @Test func whoMayDriveOutItsOwnAloneLooksAtNobodyElses() {
    var fleet = Fleet((0..<20).map { node("n\($0)", cpu: 20, memory: 100) })
    for id in 1...200 as ClosedRange<UInt64> {
      fleet.run(id, spec(cpu: 2) { ($0.priority, $0.isPreemptible) = (100, true) }, tenant: "others")
    }
    let own = urgent { $0.preemption = .own }
    let none = cost(&fleet, own, "mine")
    #expect(none.decision.isPending && none.work <= 64 + 2 * 20)
    let mine = spec(cpu: 2) { ($0.priority, $0.isPreemptible) = (100, true) }
    fleet.remove(vm: VMID(revision: 77))
    fleet.run(300, mine, tenant: "mine")
    let one = cost(&fleet, own, "mine")
    #expect(one.decision.victims == ["vm-300"] && one.work <= 64 + 3 * 20 + 40)
    fleet.remove(vm: VMID(revision: 300))
    fleet.run(301, spec(cpu: 2) { $0.isPreemptible = false }, tenant: "mine")
    #expect(fleet.ask(own, tenant: "mine").isPending && fleet.ask(own, tenant: "others").victims.count == 1)
  }

  private func cost(_ fleet: inout Fleet, _ spec: VMSpec, _ tenant: String) -> (decision: Decision, work: UInt64) {
    let before = fleet.work
    let decision = fleet.ask(spec, tenant: tenant)
    return (decision, fleet.work - before)
  }

  @Test func aGroupsBudgetOfDisruptionHolds() {
    var fleet = full([100, 100, 100]) {
      $0.groups = [group("g")]
      $0.maxDisrupted = 1
    }
    #expect(fleet.ask(urgent(4)).isPending)
    #expect(fleet.ask(urgent(2)).victims.count == 1)
    // One is away already.
    let away = spec(cpu: 2) { ($0.groups, $0.maxDisrupted) = ([group("g")], 1) }
    fleet.put(VM(key: key("vm-8"), id: VMID(revision: 8), spec: away, state: .preempted))
    #expect(fleet.ask(urgent(2)).isPending)
    // Nor is it back when it has another node and does not run there yet.
    fleet.put(node("b", cpu: 2) { $0.state = .cordoned })
    func back(_ state: VMState, preemptedAt: LogTime = 5) -> VM {
      VM(
        key: key("vm-8"), id: VMID(revision: 8), spec: away, state: state, node: state == .pending ? nil : name("b"),
        preemptedAt: preemptedAt)
    }
    for state in [VMState.placed, .starting, .pending] {
      fleet.put(back(state))
      #expect(fleet.ask(urgent(2)).isPending, "\(state)")
      fleet.put(back(state, preemptedAt: 0))
      #expect(fleet.ask(urgent(2)).victims.count == 1, "it never gave way")
    }
    fleet.put(back(.placed))
    fleet.put(back(.running))
    #expect(fleet.ask(urgent(2)).victims.count == 1)
    fleet.put(VM(key: key("vm-8"), id: VMID(revision: 8), spec: away, state: .preempted))
    fleet.remove(vm: VMID(revision: 8))
    #expect(fleet.ask(urgent(2)).victims.count == 1)
  }

  @Test func theStrictestBudgetAmongThoseWhoGoHolds() {
    for (first, second) in [(1, 2), (2, 1)] as [(UInt16, UInt16)] {
      var fleet = full([100, 200]) {
        ($0.groups, $0.maxDisrupted) = ([group("g")], $0.priority == 100 ? first : second)
      }
      #expect(fleet.ask(urgent(4)).isPending && fleet.ask(urgent(2)).victims == ["vm-1"])
    }
  }

  /// A budget says how many of the group may be away, and not how many of those that have one.
  @Test func whoHasNoBudgetCountsForThatOfItsGroupAllTheSame() {
    var fleet = full([100, 200]) { ($0.groups, $0.maxDisrupted) = ([group("g")], $0.priority == 200 ? 1 : nil) }
    #expect(fleet.ask(urgent(4)).isPending && fleet.ask(urgent(2)).victims == ["vm-1"])
  }

  @Test func whomTheRequestMustBeWithStays() {
    var fleet = full([100, 200]) { if $0.priority == 100 { $0.groups = [group("friend")] } }
    let friend = urgent { $0.affinity = [AffinityRule(isAnti: false, group: group("friend"))] }
    #expect(fleet.ask(friend).victims == ["vm-2"])
  }

  @Test func devicesAndProcessorsAreTakenFromWhoHasThem() {
    let gpu = DeviceModel(trusted: "gpu")
    var fleet = Fleet([node("a") { $0.devices = [Device(id: DeviceID(trusted: "g0"), model: gpu)] }])
    fleet.run(1, spec { ($0.priority, $0.isPreemptible) = (100, true) })
    fleet.run(
      2,
      spec {
        ($0.priority, $0.isPreemptible) = (300, true)
        $0.devices = [DeviceRequest(gpu)]
      })
    let decision = fleet.ask(urgent(1) { $0.devices = [DeviceRequest(gpu)] })
    #expect(decision.victims == ["vm-2"])
    #expect(decision.placement?.seat.devices.map(\.text) == ["g0"])
  }

  @Test func victimsAreLookedForOnlyWhenNothingIsFree() {
    var fleet = full([100])
    fleet.put(node("b"))
    #expect(fleet.ask(urgent()).node == "b")
  }

  @Test func victimsFindAnotherPlaceFirstWithoutDrivingOutOthers() {
    var fleet = full([100])
    fleet.put(node("b", cpu: 2) { $0.isSpot = true })
    let victim = spec(cpu: 2) { ($0.priority, $0.isPreemptible, $0.spot) = (100, true, .allowed) }
    fleet.put(VM(key: key("vm-1"), id: VMID(revision: 1), spec: victim, state: .running, node: name("a")))
    let mark = fleet.mark
    let before = fleet.fingerprint()
    let decision = fleet.run(9, urgent())
    #expect(decision.victims == ["vm-1"] && decision.placement?.node.text == "a")
    var again = PlacementRequest(key("vm-1"), victim)
    again.mayPreempt = false
    #expect(fleet.place(again).node == "b")
    // A refused batch leaves nothing of it.
    fleet.rollback(to: mark)
    #expect(fleet.fingerprint() == before)
  }
}
