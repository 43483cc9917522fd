import Addressing
import Domain
import Placement
import TestSupport

/// Small random fleets and requests in which every field is used now and then.
struct World {
  var random: SeededRandom
  static let datacenters = ["d0", "d1", "d2"]
  static let groups = ["a", "b", "c"].map { GroupName(trusted: $0) }
  static let models = ["gpu", "nic"].map { DeviceModel(trusted: $0) }
  static let licence = ResourceName(trusted: "licence:foo")

  init(_ random: SeededRandom) { self.random = random }

  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

  mutating func node(_ number: Int) -> Node {
    var node = PlacementTests.node("n\(number)", cpu: Int32(2 + below(7)), memory: Int32(2 + below(7)))
    node.topology = place(random.pick(World.datacenters), random.pick(["z0", "z1"]), random.pick(["r0", "r1"]))
    node.profile = random.pick(OvercommitProfile.allCases)
    node.backends = random.oneIn(3) ? [BackendName(trusted: "qemu")] : []
    node.isSpot = random.oneIn(6)
    node.prices = Prices(
      peak: Rates(cpu: Money(10 + below(20)), memory: 1), offPeak: Rates(cpu: Money(5 + below(10))), peakFrom: 8,
      peakUntil: 20)
    if random.oneIn(3) { node.labels = Labels([("disk", "fast")]) ?? .none }
    if random.oneIn(3) { node.custom = [CustomAmount(World.licence, UInt32(1 + below(3)))] }
    if random.oneIn(3) {
      node.devices = (0..<1 + below(3)).map { place in
        Device(id: DeviceID(trusted: "dev\(place)"), model: random.pick(World.models), numa: UInt8(place % 2))
      }
    }
    let cores = Int(node.physical.cpu / 1_000)
    if random.oneIn(3), cores >= 2 {
      node.numa = [
        NUMANode(cpus: CPUSet(0..<cores / 2), memory: node.physical.memory / 2),
        NUMANode(cpus: CPUSet(cores / 2..<cores - below(2)), memory: node.physical.memory / 2)
      ]
    }
    if random.oneIn(8) { node.state = random.pick(NodeState.allCases) }
    return node
  }

  mutating func spec() -> VMSpec {
    var spec = VMSpec(Resources(cpu: Int32(1 + below(4)) * 1_000, memory: Int32(1 + below(4)) * 1_024))
    if random.oneIn(4) { spec.resources.cpu += 500 }
    if random.oneIn(8) { spec.resources.disk = 1 << 19 }
    if random.oneIn(5) { spec.resources.bandwidth = 6_000 }
    spec.priority = UInt16(below(8)) * 100
    spec.isPreemptible = random.oneIn(2)
    spec.strategy = random.pick([.pack, .pack, .pack, .spread, .local, .cost, .balanced, .bandwidth])
    spec.preemption = random.pick(PreemptionPolicy.allCases)
    if random.oneIn(6) { spec.spot = random.pick(SpotChoice.allCases) }
    if random.oneIn(10) { spec.backend = BackendName(trusted: "qemu") }
    if random.oneIn(10) { spec.nodeLabels = Labels([("disk", "fast")]) ?? .none }
    if random.oneIn(10) { spec.budget = Money(20 + below(60)) }
    if random.oneIn(8) { spec.custom = [CustomAmount(World.licence, 1)] }
    if random.oneIn(8) { spec.devices = [DeviceRequest(random.pick(World.models), UInt8(1 + below(2)))] }
    if random.oneIn(5) {
      spec.isPinned = !random.oneIn(3)
      spec.isSingleNUMA = random.oneIn(3)
      spec.resources.cpu = spec.resources.cpu / 1_000 * 1_000
    }
    if random.oneIn(4) { spec.interfaces = [VMInterface(source: .choose([.ipv4], .none))] }
    company(&spec)
    locality(&spec)
    return spec
  }

  private mutating func company(_ spec: inout VMSpec) {
    guard random.oneIn(2) else { return }
    spec.groups = [random.pick(World.groups)]
    if random.oneIn(3) { spec.maxDisrupted = UInt16(below(3)) }
    for _ in 0..<below(3) {
      spec.affinity.append(
        AffinityRule(
          isAnti: !random.oneIn(3), group: random.pick(World.groups), scope: random.pick(PlaceScope.allCases),
          weight: random.oneIn(2) ? nil : UInt16(1 + below(50)), most: UInt16(1 + below(2))))
    }
    if random.oneIn(5) { spec.strategy = .domains }
    if random.oneIn(5) {
      spec.locality.spreading = Spreading(
        group: spec.groups[0], scope: random.pick(PlaceScope.allCases), least: UInt16(1 + below(4)))
    }
  }

  private mutating func locality(_ spec: inout VMSpec) {
    guard random.oneIn(4) else { return }
    if random.oneIn(2) { spec.locality.datacenter = random.pick(World.datacenters) }
    if random.oneIn(3) { spec.locality.zone = random.pick(["z0", "z1"]) }
    spec.locality.isEnforced = random.oneIn(4)
    if random.oneIn(3) { spec.locality.excluded = [random.pick(World.datacenters)] }
    if random.oneIn(3), spec.locality.datacenter != nil { spec.locality.maxLatency = UInt32(below(200)) }
    if random.oneIn(8) {
      spec.locality.maxLatency = 100
      spec.locality.latencyFrom = random.pick(World.datacenters)
    }
  }

  mutating func latencies() -> [Latency] {
    var out: [Latency] = []
    for (place, from) in World.datacenters.enumerated() {
      for to in World.datacenters.dropFirst(place + 1) where !random.oneIn(4) {
        out.append(Latency(from: from, to: to, microseconds: UInt32(below(200))))
      }
    }
    return out
  }

  mutating func request(_ number: Int, _ model: Model, time: LogTime) -> PlacementRequest {
    var request = PlacementRequest(key("vm-\(number)", tenant: random.pick(["t0", "t0", "t1"])), spec(), time: time)
    if random.oneIn(10) { request.vmsPerNode = UInt64(1 + below(2)) }
    let names = model.nodes.keys.sorted()
    if random.oneIn(12) { request.avoid = [random.pick(names)] }
    if random.oneIn(12) { request.apart = random.pick(World.datacenters) }
    var advice = Advice()
    if random.oneIn(12) { advice.vetoes = [random.pick(names)] }
    if random.oneIn(12) { advice.hints = [.init(random.pick(names), UInt16(1 + below(100)))] }
    if random.oneIn(24) { advice.among = [random.pick(names), random.pick(names)] }
    if advice != Advice() { request.advice = advice }
    if random.oneIn(15) { request.spec.node = random.pick(names) }
    if random.oneIn(6) { request.mayPreempt = false }
    return request
  }
}
