import Addressing
import Domain
import Placement
import Testing

/// Each field alone changes where a VM goes.
@Suite struct FieldTests {
  /// Two nodes, of which the first is fuller and so the usual answer.
  private func two(_ first: (inout Node) -> Void = { _ in }, _ second: (inout Node) -> Void = { _ in }) -> Fleet {
    var fleet = Fleet([
      node("a") {
        $0.topology = place("d1", "z1", "r1")
        first(&$0)
      },
      node("b") {
        $0.topology = place("d2", "z2", "r2")
        second(&$0)
      }
    ])
    fleet.put(
      VM(key: key("old"), id: VMID(revision: 1), spec: spec(cpu: 2, memory: 2), state: .running, node: name("a")))
    return fleet
  }

  @Test func theFullerNodeIsTheUsualAnswer() {
    var fleet = two()
    #expect(fleet.ask(spec()).node == "a")
  }

  @Test(arguments: [
    (PlacementStrategy.pack, "a"), (.spread, "b"), (.local, "a"), (.cost, "b"), (.balanced, "a"), (.bandwidth, "b")
  ]) func theStrategyAlone(strategy: PlacementStrategy, wanted: String) {
    var fleet = two({ $0.prices = Prices(Rates(cpu: 20)) }, { $0.prices = Prices(Rates(cpu: 10)) })
    fleet.put(
      VM(
        key: key("net"), id: VMID(revision: 2),
        spec: spec { $0.resources.bandwidth = 1_000 }, state: .running, node: name("a")))
    // On b another amount of memory than of processors is left.
    fleet.put(
      VM(key: key("fat"), id: VMID(revision: 3), spec: spec(cpu: 1, memory: 3), state: .running, node: name("b")))
    if strategy == .spread || strategy == .pack { fleet.remove(vm: VMID(revision: 3)) }
    #expect(fleet.ask(spec { $0.strategy = strategy }).node == wanted)
  }

  @Test func aManualChoiceIsTakenOrRefused() {
    var fleet = two()
    let manual = spec {
      $0.strategy = .manual
      $0.node = name("b")
    }
    #expect(fleet.ask(manual).node == "b" && fleet.ask(manual).explanation.isExact)
    fleet.put(node("b") { $0.state = .cordoned })
    let refused = fleet.ask(manual)
    #expect(refused.isPending)
    #expect(refused.explanation.removed(by: .state) == 1 && refused.explanation.removed(by: .notNamed) == 1)
  }

  @Test func preferredDatacenterAndZoneAlone() {
    var fleet = two()
    #expect(fleet.ask(spec { $0.locality.datacenter = "d2" }).node == "b")
    #expect(fleet.ask(spec { $0.locality.zone = "z2" }).node == "b")
    // A wish only: nobody waits for it.
    #expect(fleet.ask(spec { $0.locality.datacenter = "elsewhere" }).node == "a")
  }

  @Test func enforcingAlone() {
    var fleet = two()
    let wish = spec {
      $0.locality.datacenter = "elsewhere"
      $0.locality.isEnforced = true
    }
    #expect(fleet.ask(wish).explanation.removed(by: .outside) == 2)
  }

  @Test func excludingAlone() {
    var fleet = two()
    #expect(fleet.ask(spec { $0.locality.excluded = ["d1"] }).node == "b")
    #expect(fleet.ask(spec { $0.locality.excluded = ["d1", "d2"] }).explanation.removed(by: .excluded) == 2)
  }

  @Test func theLatencyAlone() {
    var fleet = two()
    var near = spec {
      $0.locality.latencyFrom = "d2"
      $0.locality.maxLatency = 500
    }
    // Nobody measured it: only the same datacenter is certain.
    #expect(fleet.ask(near).node == "b")
    fleet.setLatencies([Latency(from: "d1", to: "d2", microseconds: 400)])
    #expect(fleet.ask(near).node == "a")
    near.locality.maxLatency = 399
    #expect(fleet.ask(near).node == "b")
    // What nobody says any more is not known any more.
    near.locality.maxLatency = 500
    fleet.setLatencies([])
    #expect(fleet.ask(near).node == "b")
  }

  @Test func whoIsTooFarIsNamedAndWhoIsNearIsNot() {
    var fleet = two()
    fleet.put(node("c") { $0.topology = place("d3") })
    fleet.setLatencies([
      Latency(from: "d1", to: "d2", microseconds: 400), Latency(from: "d1", to: "d3", microseconds: 900)
    ])
    var near = spec(cpu: 10) { $0.locality.latencyFrom = "d1" }
    near.locality.maxLatency = 500
    fleet.run(9, spec { $0.node = name("b") })
    let refused = fleet.ask(near)
    #expect(refused.explanation.removed(by: .latency) == 1)
    #expect(refused.explanation.text.contains("d3 900 us") && !refused.explanation.text.contains("d2 "))
  }

  @Test func spreadingAloneAndWhyNotWhenThereAreTooFewPlaces() {
    var fleet = two()
    var member = spec {
      $0.groups = [group("g")]
      $0.locality.spreading = Spreading(group: group("g"), scope: .zone, least: 2)
    }
    #expect(fleet.run(10, member).node == "a")
    #expect(fleet.run(11, member).node == "b")
    member.locality.spreading?.least = 3
    let refused = fleet.ask(member)
    #expect(refused.explanation.removed(by: .spreading) == 2)
    #expect(refused.explanation.text.contains("wants 3 places of kind zone"))
  }

  @Test func spreadingCountsItsOwnGroupAlone() {
    var fleet = two()
    let stranger = spec {
      $0.groups = [group("other")]
      $0.locality.spreading = Spreading(group: group("other"), scope: .zone, least: 2)
    }
    fleet.run(10, stranger)
    let member = spec {
      $0.groups = [group("g")]
      $0.locality.spreading = Spreading(group: group("g"), scope: .zone, least: 2)
    }
    #expect(fleet.run(11, member).node == "a")
    // Another tenant's group of the same name is another group.
    #expect(fleet.run(12, member, tenant: "other").node == "a")
  }

  /// Room that is kept for a member is none of it, but in the way of those who must stay away.
  @Test func spreadingAndAffinityAreAboutWhatIsThereAndStayingAwayAboutStandbysToo() {
    var fleet = Fleet([node("a") { $0.topology = place("d1") }, node("b") { $0.topology = place("d2") }])
    let wide = spec {
      $0.groups = [group("web")]
      $0.locality.spreading = Spreading(group: group("web"), scope: .datacenter, least: 2)
    }
    func first(on node: String, standby: String?) -> VM {
      VM(
        key: key("vm-1"), id: VMID(revision: 1), spec: wide, state: .running, node: name(node),
        standby: standby.map { name($0) })
    }
    fleet.put(first(on: "a", standby: "b"))
    #expect(fleet.ask(wide).node == "b", "nothing of the group runs there yet")
    let near = spec {
      $0.affinity = [AffinityRule(isAnti: false, group: group("web"), scope: .datacenter)]
      $0.strategy = .spread
    }
    #expect(fleet.ask(near).node == "a")
    var wish = near
    wish.affinity = [AffinityRule(isAnti: false, group: group("web"), scope: .datacenter, weight: 10)]
    #expect(fleet.ask(wish).node == "a")
    let away = spec { $0.affinity = [AffinityRule(isAnti: true, group: group("web"), scope: .datacenter)] }
    #expect(fleet.ask(away).isPending, "where it may come up at any time it is away from nobody")
    // The standby has taken over.
    fleet.put(first(on: "b", standby: nil))
    #expect(fleet.ask(wide).node == "a" && fleet.ask(near).node == "b" && fleet.ask(away).node == "a")
    // Of a group that only has a standby left nobody is there.
    var other = Fleet([node("a") { $0.topology = place("d1") }])
    other.put(first(on: "gone", standby: "a"))
    #expect(other.ask(near).isPending)
  }

  @Test(arguments: PlaceScope.allCases) func hardAntiAffinityKeepsApartInItsScope(scope: PlaceScope) {
    // Two nodes that share everything above `scope`, and one that shares nothing.
    let levels = [place("d", "z", "r"), place("d", "z", "r2"), place("d", "z2", "r"), place("d2", "z", "r")]
    var fleet = Fleet([
      node("a") { $0.topology = levels[0] },
      node("b") { $0.topology = levels[max(0, Int(scope.rawValue) - 1)] },
      node("c") { $0.topology = levels[Int(scope.rawValue)] }
    ])
    let member = spec {
      $0.groups = [group("g")]
      $0.affinity = [AffinityRule(isAnti: true, group: group("g"), scope: scope)]
    }
    #expect(fleet.run(1, member).node != nil)
    let places = scope == .node ? 3 : 2
    for id in 2...UInt64(places) { #expect(fleet.run(id, member).node != nil) }
    let refused = fleet.run(9, member)
    #expect(refused.explanation.removed(by: .antiAffinity) == 3)
  }

  @Test func antiAffinityAllowsItsNumberAndHoldsBothWays() {
    var fleet = Fleet([node("a")])
    let pair = spec {
      $0.groups = [group("g")]
      $0.affinity = [AffinityRule(isAnti: true, group: group("g"), most: 2)]
    }
    #expect(fleet.run(1, pair).node == "a")
    #expect(fleet.run(2, pair).node == "a")
    #expect(fleet.run(3, pair).isPending)
    // A member without a rule may not come to those who have one.
    #expect(fleet.run(4, spec { $0.groups = [group("g")] }).isPending)
    #expect(fleet.run(5, spec()).node == "a")
  }

  @Test func softAntiAffinityIsAWish() {
    var fleet = two()
    let member = spec {
      $0.groups = [group("g")]
      $0.affinity = [AffinityRule(isAnti: true, group: group("g"), weight: 10)]
    }
    #expect(fleet.run(10, member).node == "a")
    #expect(fleet.run(11, member).node == "b")
    let third = fleet.run(12, member)
    #expect(third.node == "a")
    #expect(third.explanation.candidates.first?.penalty == 10)
  }

  @Test func affinityHardAndSoft() {
    var fleet = two()
    fleet.put(
      VM(
        key: key("cache"), id: VMID(revision: 5), spec: spec { $0.groups = [group("cache")] }, state: .running,
        node: name("b")))
    #expect(fleet.ask(spec { $0.affinity = [AffinityRule(isAnti: false, group: group("cache"))] }).node == "b")
    let wish = AffinityRule(isAnti: false, group: group("cache"), scope: .datacenter, weight: 5)
    #expect(fleet.ask(spec { $0.affinity = [wish] }).node == "b")
    let lonely = fleet.ask(spec { $0.affinity = [AffinityRule(isAnti: false, group: group("nobody"))] })
    #expect(lonely.explanation.removed(by: .affinity) == 2)
    // The first of a group that wishes to be together goes anywhere.
    let first = spec {
      $0.groups = [group("new")]
      $0.affinity = [AffinityRule(isAnti: false, group: group("new"))]
    }
    #expect(fleet.ask(first).node == "a")
  }

  @Test func strategyDomainsGoesWhereTheGroupIsLeast() {
    var fleet = two()
    let member = spec {
      $0.groups = [group("g")]
      $0.strategy = .domains
    }
    #expect(fleet.run(10, member).node == "a")
    #expect(fleet.run(11, member).node == "b")
  }

  @Test func pinnedProcessorsNeverOverlapAndOneNUMANodeIsEnough() {
    let halves = [NUMANode(cpus: CPUSet(0..<4), memory: 4_096), NUMANode(cpus: CPUSet(4..<8), memory: 4_096)]
    var fleet = Fleet([
      node("a", cpu: 8, memory: 8) {
        $0.physical.cpu = 8_000
        $0.numa = halves
      }
    ])
    let pinned = spec(cpu: 3) { $0.isPinned = true }
    let first = fleet.run(1, pinned).placement?.seat
    let second = fleet.run(2, pinned).placement?.seat
    #expect(first?.cpus.description == "0-2" && second?.cpus.description == "4-6")
    #expect(first?.numa == 0 && second?.numa == 1)
    // Two are left, one on each side: no NUMA node has both.
    let two = spec(cpu: 2) { $0.isPinned = true }
    var single = two
    single.isSingleNUMA = true
    #expect(fleet.ask(single).explanation.removed(by: .numa) == 1)
    #expect(fleet.ask(two).placement?.seat.cpus.description == "3,7")
    fleet.run(3, two)
    #expect(fleet.ask(spec { $0.isPinned = true }).isPending)
  }

  /// In one NUMA node, and without processors of their own: what they take there is counted, and given back.
  @Test func aNUMANodeIsFullWhenItsMemoryOrItsProcessorsAre() {
    let halves = [NUMANode(cpus: CPUSet(0..<4), memory: 6_144), NUMANode(cpus: CPUSet(4..<8), memory: 6_144)]
    func bound(_ cpu: Int32, _ memory: Int32) -> VMSpec { spec(cpu: cpu, memory: memory) { $0.isSingleNUMA = true } }
    for (large, small) in [(bound(1, 4), bound(1, 3)), (bound(3, 1), bound(2, 1))] {
      var fleet = Fleet([node("a", cpu: 8, memory: 12) { $0.numa = halves }])
      #expect(fleet.run(1, large).placement?.seat.numa == 0 && fleet.run(2, large).placement?.seat.numa == 1)
      let refused = fleet.ask(small)
      #expect(refused.explanation.removed(by: .numa) == 1, "in all there is room: \(refused.explanation.text)")
      var anywhere = small
      anywhere.isSingleNUMA = false
      #expect(fleet.ask(anywhere).node == "a")
      fleet.remove(vm: VMID(revision: 2))
      #expect(fleet.run(3, small).placement?.seat.numa == 1)
    }
  }

  @Test func whoIsPinnedAcrossNUMANodesUsesFewOfThem() {
    let parts = [
      NUMANode(cpus: CPUSet(0..<2), memory: 1_024), NUMANode(cpus: CPUSet(2..<6), memory: 1_024),
      NUMANode(cpus: CPUSet(6..<8), memory: 1_024)
    ]
    var fleet = Fleet([node("a", cpu: 20, memory: 20) { $0.numa = parts }])
    let wide = spec(cpu: 4, memory: 4) { $0.isPinned = true }
    #expect(fleet.ask(wide).placement?.seat.cpus.description == "2-5")
    let refused = fleet.ask(spec(cpu: 9, memory: 4) { $0.isPinned = true })
    #expect(refused.explanation.removed(by: .pinning) == 1, "there are eight")
  }

  @Test func backedVMsNeverTakeMoreThanIsThereHoweverMuchIsPromised() {
    var fleet = Fleet([
      node("a") {
        $0.profile = .aggressive
        $0.physical = Resources(cpu: 8_000, memory: 64_000)
      }
    ])
    var count = 0
    while fleet.run(UInt64(count + 1), spec { $0.isPinned = true }).node != nil { count += 1 }
    #expect(count == 8)
    // What four of them have is not promised to others too: of 30.4 vCPUs they take 15.2.
    for id in 5...8 as ClosedRange<UInt64> { fleet.remove(vm: VMID(revision: id)) }
    count = 0
    while fleet.run(UInt64(count + 10), spec()).node != nil { count += 1 }
    #expect(count == 15)
  }

  @Test func devicesAreExclusive() {
    let gpu = DeviceModel(trusted: "gpu")
    var fleet = two({ _ in }, { $0.devices = [Device(id: DeviceID(trusted: "g0"), model: gpu)] })
    let wanting = spec { $0.devices = [DeviceRequest(gpu)] }
    // Who needs none stays away while there is room elsewhere.
    #expect(fleet.ask(spec { $0.strategy = .spread }).node == "a")
    let placement = fleet.run(10, wanting).placement
    #expect(placement?.node.text == "b" && placement?.seat.devices.map(\.text) == ["g0"])
    #expect(fleet.run(11, wanting).explanation.removed(by: .devices) == 2)
    fleet.remove(vm: VMID(revision: 10))
    #expect(fleet.run(12, wanting).node == "b")
  }

  @Test func customResourcesRunOut() {
    let licence = ResourceName(trusted: "licence:foo")
    var fleet = two({ _ in }, { $0.custom = [CustomAmount(licence, 2)] })
    let wanting = spec { $0.custom = [CustomAmount(licence, 1)] }
    #expect(fleet.run(10, wanting).node == "b" && fleet.run(11, wanting).node == "b")
    #expect(fleet.run(12, wanting).explanation.removed(by: .custom) == 2)
  }

  @Test func backendLabelsSpotAndSizeAlone() {
    var fleet = two(
      { _ in },
      {
        $0.backends = [BackendName(trusted: "qemu")]
        $0.labels = Labels([("disk", "fast")]) ?? .none
      })
    #expect(fleet.ask(spec { $0.backend = BackendName(trusted: "qemu") }).node == "b")
    #expect(fleet.ask(spec { $0.nodeLabels = Labels([("disk", "fast")]) ?? .none }).node == "b")
    #expect(fleet.ask(spec(cpu: 12)).explanation.removed(by: .size) == 2)
    var spot = two({ $0.isSpot = true })
    #expect(spot.ask(spec()).node == "b")
    #expect(spot.ask(spec { $0.spot = .allowed }).node == "a")
    #expect(spot.ask(spec { $0.spot = .only }).explanation.removed(by: .spot) == 1)
  }

  @Test func theBudgetCountsByTheHour() {
    let prices = Prices(peak: Rates(cpu: 100), offPeak: Rates(cpu: 10), peakFrom: 8, peakUntil: 20)
    var fleet = two({ $0.prices = prices }, { $0.prices = Prices(Rates(cpu: 50)) })
    let frugal = spec { $0.budget = 60 }
    #expect(fleet.ask(frugal, time: 3 * 3_600_000_000).node == "a")
    #expect(fleet.ask(frugal, time: 9 * 3_600_000_000).node == "b")
    #expect(fleet.ask(spec { $0.budget = 40 }, time: 9 * 3_600_000_000).explanation.removed(by: .budget) == 2)
    #expect(fleet.ask(frugal, time: 3 * 3_600_000_000).placement?.price == 10)
  }

  @Test func aHostWhoseNetworkHasNoAddressLeftWillNotDo() throws {
    var fleet = two()
    let pools = try ["d1", "d2"].map { name in
      let cidr = try Prefix(parsing: name == "d1" ? "10.1.0.0/24" : "10.2.0.0/24")
      let pool = Pool(
        name: PoolName(trusted: name), extent: Extent(cidr: cidr, gateway: nil), topology: Topology(datacenter: name))
      return (pool: pool, available: name == "d1" ? 1 : 5)
    }
    var room = PoolRoom(pools, places: [place("d1", "z1", "r1"), place("d2", "z2", "r2")])
    fleet.addresses = room
    let one = spec { $0.interfaces = [VMInterface(source: .choose([.ipv4], .none))] }
    #expect(fleet.ask(one).node == "a")
    // Two interfaces need two at once.
    let two = spec {
      $0.interfaces = [
        VMInterface(source: .choose([.ipv4], .none)),
        VMInterface(name: InterfaceName(trusted: "eth1"), source: .choose([.ipv4], .none))
      ]
    }
    #expect(fleet.ask(two).node == "b")
    #expect(fleet.ask(spec { $0.interfaces = [VMInterface(source: .pool(PoolName(trusted: "d2")))] }).node == "b")
    room[PoolName(trusted: "d1")] = 0
    fleet.addresses = room
    #expect(fleet.ask(one).node == "b")
    room[PoolName(trusted: "d2")] = 0
    fleet.addresses = room
    let refused = fleet.ask(one)
    #expect(refused.explanation.removed(by: .addresses) == 2)
    #expect(refused.explanation.text.contains("no pool that serves there has an ipv4 address left"))
  }

  @Test func bothFamiliesOfAnInterfaceComeFromPoolsThatGoTogether() throws {
    func pool(_ cidr: String, _ datacenter: String, vlan: UInt16?) throws -> (pool: Pool, available: Int) {
      let name = PoolName(trusted: "\(datacenter)-\(cidr.contains(":") ? "v6" : "v4")")
      return (
        Pool(
          name: name, extent: Extent(cidr: try Prefix(parsing: cidr), gateway: nil), vlan: vlan,
          topology: Topology(datacenter: datacenter)), 5
      )
    }
    var fleet = two()
    let both = spec { $0.interfaces = [VMInterface(source: .choose([.ipv4, .ipv6], .none))] }
    for (vlan, node) in [(20, "b"), (10, "a"), (nil, "a")] as [(UInt16?, String)] {
      let pools = try [
        pool("10.1.0.0/24", "d1", vlan: 10), pool("fd00:1::/64", "d1", vlan: vlan),
        pool("10.2.0.0/24", "d2", vlan: 10), pool("fd00:2::/64", "d2", vlan: nil)
      ]
      fleet.addresses = PoolRoom(pools, places: [place("d1", "z1", "r1"), place("d2", "z2", "r2")])
      #expect(fleet.ask(both).node == node, "with VLAN \(String(describing: vlan))")
    }
  }

  @Test func theTenantsNumberOnANodeHolds() {
    var fleet = two()
    var request = PlacementRequest(key("new"), spec())
    request.vmsPerNode = 1
    #expect(fleet.place(request).node == "b")
  }

  @Test func rulesFromOutsideCountAndHardOnesAreCheckedAgain() {
    struct NoA: PlacementRule {
      let name = "no-a"
      func accepts(_ node: Node, for request: PlacementRequest) -> Bool { node.name.text != "a" }
      func penalty(_ node: Node, for request: PlacementRequest) -> Int32 { 0 }
    }
    struct RatherB: PlacementRule {
      let name = "rather-b"
      func accepts(_ node: Node, for request: PlacementRequest) -> Bool { true }
      func penalty(_ node: Node, for request: PlacementRequest) -> Int32 { node.name.text == "b" ? 0 : 1 }
    }
    var fleet = two()
    fleet.extensions = [RatherB()]
    #expect(fleet.ask(spec()).node == "b")
    fleet.extensions = [NoA()]
    #expect(fleet.ask(spec { $0.node = name("a") }).explanation.removed(by: .rule) == 1)
    fleet.extensions = []
    var request = PlacementRequest(key("new"), spec())
    var advice = Advice()
    advice.hints = [.init(name("b"), 700), .init(name("gone"), 900)]
    request.advice = advice
    #expect(fleet.place(request).node == "b")
    fleet.put(node("b") { $0.state = .draining })
    #expect(fleet.place(request).node == "a")
    request.advice?.vetoes = [name("a")]
    #expect(fleet.place(request).explanation.removed(by: .rule) == 1)
    fleet.put(node("b"))
    request.advice?.among = [name("a")]
    #expect(fleet.place(request).explanation.removed(by: .rule) == 2)
    request.advice?.notes = ["scheduler x refuses 1 of 1 nodes"]
    #expect(fleet.place(request).explanation.text.contains("scheduler x refuses"))
  }
}
