import APITypes
import Addressing
import Domain
import Testing
import Wire

@Suite("Shapes of nodes and VMs read back what was written")
struct FleetShapeTests {
  /// A VM with no field as usual.
  static let strange: VM = {
    var spec = VMSpec(Resources(cpu: 2_500, memory: 4_096, disk: 10_240, bandwidth: 100))
    spec.custom = [CustomAmount(ResourceName(trusted: "licence:foo"), 2)]
    spec.devices = [DeviceRequest(DeviceModel(trusted: "a100"), 2)]
    (spec.image, spec.kernel, spec.backend) = ("debian-12", "vmlinux", BackendName(trusted: "qemu"))
    (spec.priority, spec.isPreemptible, spec.graceSeconds) = (700, true, 5)
    spec.interfaces = [
      VMInterface(source: .pool(PoolName(trusted: "edge")), address: IPAddress("10.1.0.9"), mac: nil),
      VMInterface(
        name: InterfaceName(trusted: "eth7"), source: .choose([.ipv4, .ipv6], Labels([("net", "x")])!),
        mac: MACAddress("02:00:00:00:00:01"))
    ]
    spec.groups = [GroupName(trusted: "db")]
    spec.affinity = [
      AffinityRule(isAnti: false, group: GroupName(trusted: "web"), scope: .zone, weight: 50),
      AffinityRule(isAnti: true, group: GroupName(trusted: "db"), scope: .rack, most: 2)
    ]
    spec.maxDisrupted = 1
    spec.locality.datacenter = "fra"
    spec.locality.excluded = ["ams"]
    (spec.locality.isEnforced, spec.locality.maxLatency, spec.locality.latencyFrom) = (true, 900, "fra")
    spec.locality.spreading = Spreading(group: GroupName(trusted: "db"), scope: .zone, least: 3)
    (spec.isPinned, spec.isSingleNUMA, spec.budget) = (true, true, 77)
    (spec.nodeLabels, spec.node) = (Labels([("ssd", "yes")])!, NodeName(trusted: "n1"))
    (spec.spot, spec.strategy, spec.preemption, spec.isForced) = (.allowed, .manual, .cost, true)
    (spec.failover, spec.labels) = (.restart, Labels([("a", "b")])!)
    var seat = Seat()
    (seat.cpus, seat.numa, seat.devices) = (CPUSet(2..<5), 1, [DeviceID(trusted: "0000:3b:00.0")])
    return VM(
      key: VMKey(tenant: TenantName(trusted: "acme"), name: VMName(trusted: "web-1")), id: VMID(revision: 9),
      spec: spec,
      state: .migrating, isWanted: true, isEnding: true, node: NodeName(trusted: "n1"),
      leaving: NodeName(trusted: "n2"),
      seat: seat, epoch: 4, preemptions: 2, why: "because", createdAt: 1_234_567, revision: 12)
  }()

  static let plain = VM(
    key: VMKey(name: VMName(trusted: "a")), id: VMID(revision: 1), spec: VMSpec(Resources(cpu: 500, memory: 1)))

  static let node: Node = {
    let prices = Prices(
      peak: Rates(cpu: 4, memory: 3, disk: 2, bandwidth: 1), offPeak: Rates(cpu: 1), peakFrom: 8, peakUntil: 20)
    return Node(
      name: NodeName(trusted: "n1"), physical: Resources(cpu: 16_000, memory: 65_536, disk: 1, bandwidth: 2),
      custom: [CustomAmount(ResourceName(trusted: "licence:foo"), 5)],
      devices: [Device(id: DeviceID(trusted: "0000:3b:00.0"), model: DeviceModel(trusted: "a100"), numa: 1)],
      numa: [NUMANode(cpus: CPUSet(0..<8), memory: 7), NUMANode(cpus: CPUSet(8..<16), memory: 8)],
      topology: Topology(datacenter: "fra", zone: "a", rack: "r1"), backends: [BackendName(trusted: "qemu")],
      prices: prices, isSpot: true, profile: .aggressive, labels: Labels([("ssd", "yes")])!, state: .draining, epoch: 3,
      createdAt: 5, revision: 6)
  }()

  @Test func vmsComeBackWithAllTheirFields() throws {
    let address = VMAddress(
      interface: .standard, ip: IPAddress("10.1.0.9")!, pool: PoolName(trusted: "edge"), gateway: nil,
      network: try Prefix(parsing: "10.1.0.0/24"), mac: Self.strange.mac(of: .standard))
    var (measured, unmeasured) = (VMView(Self.plain), VMView(Self.plain))
    (measured.usage, unmeasured.usage) = (.some(Resources(cpu: 250, memory: 7)), .some(nil))
    for view in [
      VMView(Self.strange, addresses: [address], hourlyPrice: .some(99)), VMView(Self.plain, hourlyPrice: .some(nil)),
      VMView(Self.strange), measured, unmeasured
    ] {
      var out = JSONWriter()
      out.vm(view)
      var reader = JSONReader(out.finish())
      #expect(try reader.vmView() == view)
    }
  }

  @Test func nodesComeBackWithAllTheirFields() throws {
    let load = NodeLoad(
      allocated: Resources(cpu: 1), vms: 2, lastHeartbeatSeconds: 3, usage: Resources(cpu: 4, memory: 5))
    for view in [
      NodeView(Self.node), NodeView(Self.node, load), NodeView(Self.node, NodeLoad(allocated: .none, vms: 0))
    ] {
      var out = JSONWriter()
      out.node(view)
      var reader = JSONReader(out.finish())
      #expect(try reader.nodeView() == view)
    }
  }

  @Test func bodiesComeBack() throws {
    var request = VMRequest(Self.strange.key, Self.strange.spec)
    (request.count, request.isWanted, request.mustPlace) = (3, false, true)
    let read = try decodeVM(request.encoded)
    #expect(read.key == request.key && read.spec == request.spec && read.count == 3)
    #expect(!read.isWanted && read.mustPlace)
    var body = NodeBody(Self.node.physical)
    (body.custom, body.devices, body.numa) = (Self.node.custom, Self.node.devices, Self.node.numa)
    (body.topology, body.backends, body.prices) = (Self.node.topology, Self.node.backends, Self.node.prices)
    (body.isSpot, body.profile, body.labels) = (true, .aggressive, Self.node.labels)
    let node = try NodeBody(decoding: body.encoded).node(Self.node.name)
    #expect(node.physical == Self.node.physical && node.custom == Self.node.custom && node.devices == Self.node.devices)
    #expect(node.numa == Self.node.numa && node.prices == Self.node.prices && node.profile == .aggressive)
    // What a later registration leaves out stays.
    let known = try NodeBody(decoding: NodeBody(Resources(cpu: 1, memory: 1)).encoded).node(node.name, known: node)
    #expect(known.labels == node.labels && known.prices == node.prices && known.physical.cpu == 1)
    var usage = UsageBody(Resources(cpu: 1, memory: 2))
    usage.add(VMID(raw: 7), Resources(cpu: 3, memory: 4))
    let report = ReportBody(
      epoch: 3, seenRevision: 4, vms: [VMReport(id: VMID(raw: 7), epoch: 2, fact: .failed, detail: "no image")],
      usage: usage, latencies: [.init("ams", 900)])
    #expect(try ReportBody(decoding: report.encoded) == report)
  }

  @Test func theListOfAnAgentComesBack() throws {
    var address = GuestAddress(IPAddress("10.1.0.9")!, prefixLength: 24, pool: PoolName(trusted: "edge"))
    (address.gateway, address.dns) = (IPAddress("10.1.0.1"), [IPAddress("9.9.9.9")!])
    (address.vlan, address.mtu) = (7, 1_500)
    let interface = GuestInterface(
      name: .standard, mac: Self.strange.mac(of: .standard), addresses: [address])
    // A VM of an older Berth must not cost its node the whole list.
    let older = GuestInterface(name: InterfaceName(trusted: "eth0:1"), mac: interface.mac, addresses: [address])
    for desired in [
      nil, [], [DesiredVM(Self.strange, action: .stop, isIncoming: true, interfaces: [interface, older])]
    ] {
      let answer = ReportAnswer(
        epoch: 3, leaseMilliseconds: 15_000, heartbeatMilliseconds: 2_000, revision: 8, desired: desired)
      var out = JSONWriter()
      out.answer(answer)
      #expect(try ReportAnswer(decoding: out.finish()) == answer)
    }
  }

  @Test(arguments: [("10.1.0.9", "33"), ("10.1.0.9", "-1"), ("2001:db8::9", "129")])
  func noPrefixOfAnAgentsListIsLongerThanItsAddress(ip: String, length: String) {
    let address = #"{"ip":"\#(ip)","prefix_length":\#(length),"pool":"edge"}"#
    let interface = #"{"name":"eth0","mac":"02:00:00:00:80:00","addresses":[\#(address)]}"#
    let list = #"{"desired":[{"id":1,"epoch":1,"name":"a","interfaces":[\#(interface)]}]}"#
    #expect(throws: JSONFault.self) { try ReportAnswer(decoding: Array(list.utf8)) }
    let right = list.replacing(":\(length)", with: ":32")
    #expect(throws: Never.self) { try ReportAnswer(decoding: Array(right.utf8)) }
  }

  @Test func quotasPlansAndCostsComeBack() throws {
    var quota = Quota(tenant: TenantName(trusted: "acme"), burstPercent: 20, burstSeconds: 60, revision: 7)
    (quota[.vms], quota[.cpu], quota[.money]) = (3, 2_500, 1_000_000)
    var usage = Quota.Usage()
    usage[.cpu] = 1_250
    for view in [QuotaView(quota, nil), QuotaView(quota, usage, budgetUsedPercent: 80)] {
      var out = JSONWriter()
      out.quota(view)
      var reader = JSONReader(out.finish())
      #expect(try reader.quotaView() == view)
    }
    var plan = PlanReport()
    plan.moves = [
      .init(vm: Self.plain.key, from: Self.node.name, to: nil, victims: [Self.strange.key], saves: -5, why: "w")
    ]
    (plan.moveCount, plan.unplaced, plan.fitting, plan.saves, plan.notes) = (1, 2, 3, -4, ["n"])
    var out = JSONWriter()
    out.plan(plan)
    var reader = JSONReader(out.finish())
    #expect(try reader.planReport() == plan)
    var item = CostItem(tenant: TenantName(trusted: "acme"), vm: VMName(trusted: "a"))
    (item.milliCPUSeconds, item.memorySeconds, item.amount) = (1_500, 6, 7)
    let costs = CostReport(from: 1, to: 2, grouping: .vm, total: 9, items: [item], next: Cursor("x"))
    var second = JSONWriter()
    second.costs(costs)
    var costReader = JSONReader(second.finish())
    #expect(try costReader.costReport() == costs)
    let kept = CapacityReservation(
      name: CapacityName(trusted: "c"), tenant: .standard, node: Self.node.name, asked: Resources(cpu: 5),
      left: Resources(cpu: 4), priority: 9, expiresAt: 8, reason: "r", createdAt: 7, revision: 6)
    var third = JSONWriter()
    third.capacity(kept)
    var keptReader = JSONReader(third.finish())
    #expect(try keptReader.capacityReservation() == kept)
  }

  @Test func thousandthsAreExactAndStrict() {
    for (text, value) in [("0", 0), ("2", 2_000), ("0.5", 500), ("1.25", 1_250), ("0.001", 1)] as [(String, UInt64)] {
      #expect(Thousandths.text(value) == text)
      #expect(Thousandths.parse(text) == value)
    }
    for bad in ["", ".5", "1.", "1.2345", "-1", "+1", "1e3", "1.-5", " 1", "0x1", "1.5.0"] {
      #expect(Thousandths.parse(bad) == nil, "\(bad)")
    }
  }

  @Test func hardwareAddressesAreLocalUnicastAndDiffer() {
    var seen: Set<MACAddress> = []
    for revision in [1, 2, 1 << 20, 1 << 30, 1 << 31 - 1] as [Revision] {
      for index in [0, 1, 1_023] {
        var spec = VMSpec(Resources(cpu: 1, memory: 1))
        spec.interfaces = (0..<16).map {
          VMInterface(name: InterfaceName(trusted: "eth\($0)"), source: .pool(PoolName(trusted: "p")))
        }
        let vm = VM(
          key: VMKey(name: VMName(trusted: "v")), id: VMID(revision: revision, index: index), spec: spec)
        for item in spec.interfaces {
          let mac = vm.mac(of: item.name)
          #expect(mac.bits >> 40 & 3 == 2)
          #expect(seen.insert(mac).inserted, "\(revision) \(index) \(item.name)")
        }
      }
    }
  }
}
