internal import Addressing
internal import Domain
internal import Ledger
internal import TestSupport

/// What people ask of the fleet: made from an operation's number and what there is.
struct FleetAsking {
  static let pool = PoolName(trusted: "vms")
  static let tenants = ["t1", "t2"].map { TenantName(trusted: $0) }

  private var random: SeededRandom
  private let tables: Tables

  init(_ operation: UInt64, _ tables: Tables) {
    (random, self.tables) = (SeededRandom(seed: operation &* 0xD129_0C8B_2F3A_9E45), tables)
  }

  /// The command; nil = it is about addresses alone.
  mutating func command() -> Command? {
    if tables.pools[Self.pool] == nil { return .createPool(pool) }
    if random.oneIn(3) { return nil }
    guard let command = fleetCommand() else { return nil }
    return .fleet(command)
  }

  private mutating func fleetCommand() -> FleetCommand? {
    switch number(0...23) {
    case 0...5: return .createVM(VMRequest(key(), spec()))
    case 6: return known().map { .deleteVM($0, force: false) }
    case 7: return known().map { .stopVM($0) }
    case 8...10: return known().map { .startVM($0) }
    case 11: return known().map { .restartVM($0) }
    case 12...15: return known().map { .migrateVM($0, to: random.oneIn(3) ? node() : nil) }
    case 16: return known().map { .updateVM($0, patch(), ifMatch: nil) }
    case 17: return node().map { .setNode($0, .cordoned) }
    case 18: return node().map { .setNode($0, .draining) }
    case 19, 20: return node().map { .setNode($0, .ready) }
    case 21: return random.oneIn(3) ? .deleteQuota(random.pick(Self.tenants)) : .setQuota(quota())
    case 22: return capacity()
    default: return node().map { .deleteNode($0) }
    }
  }

  private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  private mutating func key() -> VMKey {
    VMKey(tenant: random.pick(Self.tenants), name: VMName(trusted: "v\(number(1...6))"))
  }

  private mutating func known() -> VMKey? {
    let vms = tables.vms(of: nil, after: nil, limit: 100)
    return vms.isEmpty ? nil : random.pick(vms).key
  }

  private mutating func node() -> NodeName? { tables.nodeNames.isEmpty ? nil : random.pick(tables.nodeNames) }

  private var pool: Pool {
    let cidr = Prefix(containing: IPAddress(v4: 0x0A02_0000), length: 28)
    return Pool(name: Self.pool, extent: Extent(cidr: cidr, gateway: Extent.defaultGateway(of: cidr)))
  }

  private mutating func spec() -> VMSpec {
    var spec = VMSpec(Resources(cpu: Int32(number(1...3)) * 1_000, memory: Int32(number(1...3)) * 1_024))
    (spec.priority, spec.isPreemptible) = (random.pick([100, 500, 900]), random.oneIn(2))
    (spec.isForced, spec.failover) = (random.oneIn(4), random.oneIn(3) ? .never : .restart)
    spec.hasStandby = spec.failover == .restart && random.oneIn(4)
    spec.graceSeconds = UInt32(number(0...2))
    if !random.oneIn(5) {
      let address = random.oneIn(4) ? IPAddress(v4: 0x0A02_0002 + UInt32(number(0...12))) : nil
      spec.interfaces = [VMInterface(source: .pool(Self.pool), address: address)]
    }
    return spec
  }

  private mutating func patch() -> VMPatch {
    var patch = VMPatch()
    if random.oneIn(2) { patch.failover = random.pick([.never, .restart]) } else { patch.priority = 700 }
    return patch
  }

  private mutating func quota() -> Quota {
    var quota = Quota(tenant: random.pick(Self.tenants))
    if random.oneIn(2) { (quota.burstPercent, quota.burstSeconds) = (50, 5) }
    for item in [Quota.Item.vms, .cpu, .addresses, .vmsPerNode] where random.oneIn(2) {
      quota[item] = UInt64(item == .cpu ? number(4...12) * 1_000 : number(2...6))
    }
    return quota
  }

  private mutating func capacity() -> FleetCommand? {
    let name = CapacityName(trusted: "c\(number(1...2))")
    guard !random.oneIn(2), let node = node() else { return .releaseCapacity(name) }
    return .reserveCapacity(
      CapacityReservation(
        name: name, tenant: random.pick(Self.tenants), node: node, asked: Resources(cpu: 1_000, memory: 1_024),
        priority: 600, expiresAt: tables.time + 5_000_000))
  }
}
