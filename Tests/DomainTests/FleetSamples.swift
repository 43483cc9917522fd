import Addressing
import Domain

extension Samples {
  static let plainNode = Node(
    name: NodeName(trusted: "n1"), physical: Resources(cpu: 8_000, memory: 16_384), createdAt: 7, revision: 3)

  static let fullNode = Node(
    name: NodeName(trusted: "n2"), physical: Resources(cpu: 64_000, memory: 196_608, disk: 1 << 20, bandwidth: 25_000),
    custom: [CustomAmount(ResourceName(trusted: "licence:foo"), 300)],
    devices: [Device(id: DeviceID(trusted: "0000:3b:00.0"), model: DeviceModel(trusted: "gpu"), numa: 1)],
    numa: [NUMANode(cpus: CPUSet(0..<32), memory: 98_304), NUMANode(cpus: CPUSet(32..<64), memory: 98_304)],
    topology: Topology(datacenter: "d", zone: "z", rack: "r"),
    backends: [BackendName(trusted: "firecracker"), BackendName(trusted: "qemu")],
    prices: Prices(
      peak: Rates(cpu: 30_000, memory: 4_000, disk: 100, bandwidth: 1_000), offPeak: Rates(cpu: 10_000), peakFrom: 8,
      peakUntil: 20), isSpot: true, profile: .aggressive, labels: labels, state: .draining, epoch: 300,
    createdAt: 1_700_000_000_000_000, revision: 9)

  static let plainVM = VM(
    key: VMKey(name: VMName(trusted: "web-1")), id: VMID(revision: 5),
    spec: VMSpec(Resources(cpu: 2_000, memory: 4_096)), createdAt: 8, revision: 5)

  static var fullSpec: VMSpec {
    var spec = VMSpec(Resources(cpu: 4_000, memory: 8_192, disk: 20_480, bandwidth: 100))
    spec.custom = [CustomAmount(ResourceName(trusted: "licence:foo"), 1)]
    spec.devices = [DeviceRequest(DeviceModel(trusted: "gpu"), 2)]
    (spec.image, spec.kernel) = ("debian-12", "vmlinux-6.1")
    spec.backend = BackendName(trusted: "qemu")
    (spec.priority, spec.isPreemptible, spec.graceSeconds) = (1_000, true, 300)
    spec.interfaces = [
      VMInterface(
        source: .pool(PoolName(trusted: "web")), address: ip("10.1.0.9"), mac: MACAddress(bits: 0x0200_5E10_0001)),
      VMInterface(name: InterfaceName(trusted: "eth1"), source: .choose([.ipv4, .ipv6], labels))
    ]
    spec.groups = [GroupName(trusted: "web")]
    spec.affinity = [
      AffinityRule(isAnti: true, group: GroupName(trusted: "web"), scope: .rack, most: 2),
      AffinityRule(isAnti: false, group: GroupName(trusted: "cache"), scope: .zone, weight: 50)
    ]
    spec.maxDisrupted = 0
    spec.locality.datacenter = "d"
    spec.locality.zone = "z"
    spec.locality.isEnforced = true
    spec.locality.excluded = ["e"]
    spec.locality.maxLatency = 0
    spec.locality.latencyFrom = "f"
    spec.locality.spreading = Spreading(group: GroupName(trusted: "web"), scope: .datacenter, least: 2)
    (spec.isPinned, spec.isSingleNUMA, spec.budget) = (true, true, 0)
    spec.nodeLabels = labels
    spec.node = NodeName(trusted: "n2")
    (spec.spot, spec.strategy, spec.preemption, spec.isForced) = (.only, .manual, .cost, true)
    (spec.failover, spec.hasStandby, spec.labels) = (.restart, true, labels)
    return spec
  }

  static var fullVM: VM {
    var seat = Seat()
    seat.cpus = CPUSet(60..<70)
    seat.numa = 0
    seat.devices = [DeviceID(trusted: "0000:3b:00.0")]
    return VM(
      key: VMKey(tenant: TenantName(trusted: "acme"), name: VMName(trusted: "db:1@x")),
      id: VMID(revision: 6, index: 1_023),
      spec: fullSpec, state: .migrating, isWanted: false, node: NodeName(trusted: "n2"),
      leaving: NodeName(trusted: "n1"), standby: NodeName(trusted: "n3"), standbyWhy: "no standby", seat: seat,
      epoch: 3, preemptions: 2, preemptedAt: 1_000, why: "n2: the node that was named", createdAt: 8,
      revision: 10)
  }

  static var quota: Quota {
    var quota = Quota(tenant: TenantName(trusted: "acme"), burstPercent: 20, burstSeconds: 3_600, revision: 4)
    quota[.vms] = 0
    quota[.money] = 1 << 40
    return quota
  }

  static let capacity = CapacityReservation(
    name: CapacityName(trusted: "launch"), tenant: TenantName(trusted: "acme"), node: NodeName(trusted: "n1"),
    asked: Resources(cpu: 4_000, memory: 8_192), left: Resources(cpu: 1_000), priority: 700, expiresAt: 1_000,
    reason: "Start", createdAt: 3, revision: 4)

  static let allRows = rows + fleet

  static let fleet: [Row] = [
    .fleet(.node(plainNode)), .fleet(.node(fullNode)), .fleet(.vm(plainVM)), .fleet(.vm(fullVM)),
    .fleet(.quota(quota)), .fleet(.capacity(capacity))
  ]
}
