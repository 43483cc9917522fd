import Addressing
import Domain
import TestSupport

@testable import Ledger

/// What may happen to a fleet: small enough to be dropped one by one from a sequence that fails.
struct FleetStep {
  enum Kind: CaseIterable {
    case createVM, deleteVM, stop, start, restart, migrate, update, agent, lie, register, setNode, reclaim, fence, lose,
      leases
    case deleteNode, schedule, quota, capacity, allocate, release, pool, plan, commit, refuse, pass
  }

  let kind: Kind
  let numbers: UInt64

  static func sequence(_ random: inout SeededRandom, length: Int) -> [FleetStep] {
    let usual: [Kind] = [.createVM, .createVM, .createVM, .agent, .agent, .agent, .agent, .schedule, .commit]
    let first = [Kind.pool, .pool, .register, .register, .register].map { FleetStep(kind: $0, numbers: random.next()) }
    return first
      + (0..<length).map { _ in
        let kind = random.oneIn(2) ? random.pick(usual) : random.pick(Kind.allCases)
        return FleetStep(kind: kind, numbers: random.next())
      }
  }
}

/// Makes a step's command out of what there is.
struct FleetAsking {
  var random: SeededRandom
  let tables: Tables
  let time: LogTime

  static let tenants = ["t1", "t2"].map { TenantName(trusted: $0) }
  static let pools = ["any", "east", "six", "tiny"].map { PoolName(trusted: $0) }

  mutating func oneIn(_ count: Int) -> Bool { random.oneIn(count) }
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  mutating func name() -> NodeName { nodeName("n\(number(1...5))") }

  mutating func key() -> VMKey {
    VMKey(tenant: random.pick(FleetAsking.tenants), name: VMName(trusted: "v\(number(1...6))"))
  }

  mutating func knownKey() -> VMKey {
    let vms = tables.vms(of: nil, after: nil, limit: 100)
    return vms.isEmpty || oneIn(20) ? key() : random.pick(vms).key
  }

  /// Mostly a VM that runs: no other moves.
  mutating func runningKey() -> VMKey {
    let vms = tables.vms(of: nil, after: nil, limit: 100).filter { $0.state == .running }
    return vms.isEmpty || oneIn(4) ? knownKey() : random.pick(vms).key
  }

  /// The command of a step; nil for steps that are none, or have nothing to ask about.
  mutating func command(_ kind: FleetStep.Kind) -> Command? {
    switch kind {
    case .createVM: return .fleet(.createVM(request()))
    case .deleteVM: return .fleet(.deleteVM(knownKey(), force: oneIn(4)))
    case .stop: return .fleet(.stopVM(knownKey()))
    case .start: return .fleet(.startVM(knownKey()))
    case .restart: return .fleet(.restartVM(knownKey()))
    case .migrate: return .fleet(.migrateVM(runningKey(), to: oneIn(2) ? nil : name()))
    case .update:
      var patch = VMPatch()
      patch.priority = UInt16(number(0...1_000))
      patch.isPreemptible = oneIn(2)
      if oneIn(3) { (patch.failover, patch.hasStandby) = (.restart, oneIn(2)) }
      return .fleet(.updateVM(knownKey(), patch, ifMatch: oneIn(5) ? 1 : nil))
    case .lie: return lie()
    case .register: return .fleet(.registerNode(node()))
    case .setNode: return .fleet(.setNode(name(), random.pick([.ready, .ready, .cordoned, .draining])))
    case .reclaim: return .fleet(.reclaimNode(name(), seconds: UInt32(random.pick([1, 31, 60]))))
    case .fence: return .fleet(.fenceNode(name()))
    case .lose: return .fleet(.nodesLost(oneIn(3) ? [name(), name()] : [name()]))
    case .leases: return .fleet(.leasesEnded([name(), name()]))
    case .deleteNode: return .fleet(.deleteNode(name()))
    case .schedule: return .fleet(.schedule)
    case .quota: return .fleet(quota())
    case .capacity: return .fleet(capacity())
    case .allocate:
      let key = key()
      let holder = Holder(tenant: key.tenant, owner: key.name.owner)
      var request = AllocateRequest(.pool(random.pick(FleetAsking.pools)), holder: holder)
      if oneIn(3) { request.leaseSeconds = 60 }
      return .allocate(request)
    case .release:
      let key = key()
      return .release(.owner(key.tenant, key.name.owner, pool: nil, interface: nil))
    case .pool: return pool()
    case .plan: return .fleet(.plan(question()))
    case .agent, .commit, .refuse, .pass: return nil
    }
  }

  private mutating func request() -> VMRequest {
    var request = VMRequest(key(), spec())
    if oneIn(8) { request.count = number(1...3) }
    (request.isWanted, request.mustPlace) = (!oneIn(10), oneIn(6))
    return request
  }

  private mutating func spec() -> VMSpec {
    var spec = VMSpec(Resources(cpu: Int32(number(1...4)) * 1_000, memory: Int32(number(1...4)) * 1_024))
    (spec.priority, spec.isPreemptible) = (random.pick([100, 500, 900]), oneIn(2))
    (spec.isForced, spec.failover) = (oneIn(5), oneIn(2) ? .restart : .never)
    spec.interfaces = interfaces()
    if oneIn(3) { spec.groups = [GroupName(trusted: random.pick(["g", "h"]))] }
    if oneIn(4) {
      spec.affinity = [
        AffinityRule(
          isAnti: true, group: GroupName(trusted: random.pick(["g", "h"])), scope: random.pick([.node, .datacenter]),
          weight: oneIn(3) ? 10 : nil, most: UInt16(number(1...2)))
      ]
    }
    if oneIn(8) { spec.devices = [DeviceRequest(DeviceModel(trusted: "gpu"))] }
    if oneIn(8) { spec.custom = [CustomAmount(ResourceName(trusted: "licence:a"), UInt32(number(1...2)))] }
    if oneIn(8) { spec.isPinned = true }
    if oneIn(10) { spec.locality.excluded = ["east"] }
    if oneIn(6) { (spec.maxDisrupted, spec.groups) = (1, [GroupName(trusted: "g")]) }
    if oneIn(3) {
      (spec.hasStandby, spec.failover) = (true, .restart)
      if !oneIn(10) { (spec.devices, spec.isPinned) = ([], false) }
    }
    return spec
  }

  private mutating func interfaces() -> [VMInterface] {
    switch number(0...5) {
    case 0: return []
    case 1:
      let pool = random.pick(FleetAsking.pools)
      let address = pool.text == "any" && oneIn(2) ? ip("10.0.0.\(number(1...18))") : nil
      return [VMInterface(source: .pool(pool), address: address)]
    case 2: return [VMInterface(source: .choose([.ipv4, .ipv6], .none))]
    case 3:
      return [
        VMInterface(source: .choose([.ipv4], .none)),
        VMInterface(name: InterfaceName(trusted: "eth1"), source: .pool(random.pick(FleetAsking.pools)))
      ]
    default: return anyAddress
    }
  }

  private mutating func node() -> Node {
    let name = name()
    let number = Int32(number(4...9))
    let place = random.pick(["east", "east", "west", "west", "north"])
    var node = Node(
      name: name, physical: Resources(cpu: number * 1_000, memory: number * 1_024, disk: 1_000, bandwidth: 1_000),
      topology: Topology(datacenter: place, rack: random.pick(["r1", "r2"])),
      prices: Prices(Rates(cpu: Money(self.number(1...3)) * 1_000)), profile: random.pick([.conservative, .aggressive]))
    // Mostly as it is known, so that it may register while it carries something.
    if let known = tables.node(name), !oneIn(4) {
      (node.topology, node.physical) = (known.topology, known.physical)
      (node.devices, node.custom, node.profile) = (known.devices, known.custom, known.profile)
      return node
    }
    if oneIn(2) {
      node.devices = (0...1).map { Device(id: DeviceID(trusted: "d\($0)"), model: DeviceModel(trusted: "gpu")) }
    }
    if oneIn(2) { node.custom = [CustomAmount(ResourceName(trusted: "licence:a"), 3)] }
    return node
  }

  private mutating func lie() -> Command? {
    let vms = tables.vms(of: nil, after: nil, limit: 100)
    guard let vm = vms.isEmpty ? nil : random.pick(vms), let node = tables.node(oneIn(2) ? name() : vm.node ?? name())
    else { return nil }
    let report = VMReport(
      id: vm.id, epoch: oneIn(2) ? vm.epoch : UInt64(number(0...5)), fact: random.pick([.starting, .running]))
    // Of what is not there only the node that it left could tell.
    return .fleet(.reportVMs(node.name, epoch: oneIn(3) ? UInt64(number(0...5)) : node.epoch, [report]))
  }

  private mutating func quota() -> FleetCommand {
    let tenant = random.pick(FleetAsking.tenants)
    if oneIn(4) { return .deleteQuota(tenant) }
    var quota = Quota(tenant: tenant)
    if oneIn(2) { (quota.burstPercent, quota.burstSeconds) = (50, 60) }
    for item in [Quota.Item.vms, .cpu, .addresses, .vmsPerNode] where oneIn(2) {
      quota[item] = UInt64(item == .cpu ? number(2...12) * 1_000 : number(2...8))
    }
    if oneIn(2) { quota[.money] = UInt64(number(1...40)) * 1_000 * 730 }
    if oneIn(3) { quota.alertPercents = [25, 50, 150] }
    return .setQuota(quota)
  }

  private mutating func capacity() -> FleetCommand {
    let name = CapacityName(trusted: "c\(number(1...2))")
    if oneIn(3) { return .releaseCapacity(name) }
    return .reserveCapacity(
      CapacityReservation(
        name: name, tenant: random.pick(FleetAsking.tenants), node: self.name(),
        asked: Resources(cpu: Int32(number(1...4)) * 1_000, memory: 1_024), priority: 600,
        expiresAt: oneIn(2) ? time + 60_000_000 : nil))
  }

  private mutating func pool() -> Command {
    let name = random.pick(FleetAsking.pools)
    if tables.pools[name] != nil {
      if oneIn(4) { return .deletePool(name, ifMatch: nil) }
      var patch = PoolPatch()
      if oneIn(2) { patch.enabled = !oneIn(3) } else { patch.strategy = random.pick([.next, .lowest, .oldest]) }
      if oneIn(6) { patch.quarantineSeconds = UInt32(number(0...1) * 30) }
      return .updatePool(name, patch, ifMatch: nil)
    }
    let network = ["any": "10.0.0.0/28", "east": "10.1.0.0/28", "six": "fd00::/120", "tiny": "10.2.0.0/30"]
    let cidr = cidr(network[name.text] ?? "10.3.0.0/28")
    var pool = Pool(name: name, extent: Extent(cidr: cidr, gateway: Extent.defaultGateway(of: cidr)))
    if name.text == "east" { pool.topology = Topology(datacenter: "east") }
    pool.vlan = ["east": 10, "six": 20][name.text]
    return .createPool(pool)
  }

  private mutating func question() -> WhatIf {
    switch number(0...4) {
    case 0: .drain(name())
    case 1: .lose(datacenter: random.pick(["east", "west"]))
    case 2: .add(Node(name: nodeName("x"), physical: Resources(cpu: 8_000, memory: 8_192)), count: 2)
    case 3: .cheaper(CostPolicy(tenant: oneIn(2) ? nil : FleetAsking.tenants[0]))
    default: .fit(VMRequest(vmKey("fit", tenant: "t1"), spec()))
    }
  }
}
