import Addressing
import Domain
import TestSupport

/// One step of a sequence: a kind and the numbers that choose the rest, so that steps stay meaningful when others are dropped.
struct Step: CustomStringConvertible {
  enum Kind: CaseIterable {
    case create, patchPool, moveExtent, expand, rollback, delete, reserve, unreserve
    case give, giveMany, giveExplicit, giveChild, choose
    case release, releaseOwner, patch, renew, importRows, suggest, freeBlocks
    case makeToken, endToken, enrol
    case pass, expire, commit, refuse, snapshot
  }

  let kind: Kind
  let numbers: UInt64

  var description: String { "\(kind)(\(numbers))" }

  private static let weighted: [Kind] =
    Kind.allCases + [
      .give, .give, .give, .give, .giveMany, .giveExplicit, .giveChild, .choose, .release, .release, .makeToken, .enrol,
      .enrol
    ]
    + [
      .makeToken, .enrol, .release, .releaseOwner, .commit, .commit, .commit, .refuse, .expire, .pass, .importRows,
      .create
    ]

  static func sequence(_ random: inout SeededRandom, length: Int) -> [Step] {
    let first = [Kind.create, .create, .create]
    return (0..<length).map { place in
      Step(kind: place < first.count ? first[place] : random.pick(weighted), numbers: random.next())
    }
  }
}

/// What a step asks of a model's world; a small one, so that everything meets everything.
struct Asking {
  var random: SeededRandom
  let model: Model
  let time: LogTime

  static let names = ["a", "b", "c", "d"].map { PoolName(trusted: $0) }
  static let prefixes: [[String]] = [
    ["10.0.0.0/28", "10.0.0.0/29", "10.0.0.0/30", "10.0.0.8/31", "10.0.0.0/27"],
    ["10.0.0.16/28", "10.0.0.32/32", "10.0.0.40/31", "10.1.0.0/24", "10.0.0.0/28", "0.0.0.0/0"],
    ["fd00::/124", "fd00::/126", "fd00::8/127", "fd00::9/128", "fd00::/64", "::/0", "::ffff:0:0/120"],
    ["10.0.0.0/28", "fd00::/125", "10.0.0.0/24", "fd00::/48"]
  ]
  static let larger = [
    "10.0.0.0/27", "10.0.0.0/26", "10.0.0.0/24", "10.0.0.0/8", "fd00::/120", "fd00::/64", "fd00::/32"
  ]

  static func prefix(_ text: String) -> Prefix {
    if text == "::ffff:0:0/120" { return Prefix(containing: AddressRange.ipv4Mapped.first, length: 120) }
    return (try? Prefix(parsing: text)) ?? Prefix(containing: IPAddress(v4: 0), length: 0)
  }

  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  mutating func oneIn(_ n: Int) -> Bool { random.oneIn(n) }

  mutating func submission(_ kind: Step.Kind) -> Submission? {
    guard let command = command(kind) else { return nil }
    let key = oneIn(4) ? IdempotencyKey(key: UInt128(number(0...3)), request: UInt128(number(0...1))) : nil
    return Submission(
      command, actor: "tester", requestID: "r", asked: "\(kind)", idempotency: key, dryRun: oneIn(8))
  }

  private mutating func command(_ kind: Step.Kind) -> Command? {
    switch kind {
    case .create: .createPool(newPool())
    case .patchPool: .updatePool(poolName(), patch(), ifMatch: ifMatch())
    case .moveExtent: .updatePool(poolName(), moving(), ifMatch: nil)
    case .expand: .expandPool(poolName(), expansion())
    case .rollback: .rollbackPool(poolName())
    case .delete: .deletePool(poolName(), ifMatch: nil)
    case .reserve: reserving()
    case .unreserve: unreserving()
    case .give, .giveMany, .giveExplicit, .giveChild, .choose: .allocate(request(kind))
    case .release: .release(.address(target()))
    case .releaseOwner:
      .release(.owner(tenant(), owner(), pool: oneIn(2) ? poolName() : nil, interface: oneIn(3) ? interface() : nil))
    case .patch: .updateAllocation(target(), allocationPatch())
    case .renew: .renew(target(), leaseSeconds: [nil, 0, 30, 3_600][number(0...3)])
    case .importRows: importing()
    case .suggest: .suggest(poolName())
    case .makeToken: creatingToken()
    case .endToken: revokingToken()
    case .enrol: enrolling()
    case .freeBlocks: freeBlocks()
    case .pass, .expire, .commit, .refuse, .snapshot: nil
    }
  }

  // MARK: Pools

  mutating func poolName() -> PoolName { Asking.names[number(0...3)] }

  private mutating func newPool() -> Pool {
    let slot = number(0...3)
    let cidr = Asking.prefix(random.pick(Asking.prefixes[slot]))
    let gateway = oneIn(4) ? nil : oneIn(8) ? cidr.last : Extent.defaultGateway(of: cidr)
    return Pool(
      name: Asking.names[slot], extent: Extent(cidr: cidr, gateway: gateway, ranges: oneIn(3) ? ranges(in: cidr) : []),
      vlan: oneIn(20) ? 5_000 : nil, network: NetworkName(trusted: slot == 3 ? "other" : "default"),
      topology: topology(), strategy: random.pick(Strategy.allCases),
      quarantineSeconds: [0, 0, 20][number(0...2)], leaseSeconds: [0, 0, 60][number(0...2)], enabled: !oneIn(12),
      labels: labels())
  }

  private mutating func address(in cidr: Prefix) -> IPAddress {
    let span = min(cidr.range.countLessOne, 40)
    let offset = UInt128(number(0...Int(span)))
    return oneIn(12) ? cidr.last : cidr.first.advanced(by: offset) ?? cidr.last
  }

  private mutating func ranges(in cidr: Prefix) -> [AddressRange] {
    (0..<number(1...2)).map { _ in
      let (a, b) = (address(in: cidr), address(in: cidr))
      return AddressRange(min(a, b), max(a, b))
    }
  }

  private mutating func topology() -> Topology {
    Topology(datacenter: [nil, "x", "y"][number(0...2)], zone: [nil, nil, "z"][number(0...2)])
  }

  private mutating func labels() -> Labels { oneIn(2) ? .none : Labels([("tier", oneIn(2) ? "gold" : "tin")]) ?? .none }

  private mutating func patch() -> PoolPatch {
    var patch = PoolPatch()
    if oneIn(2) { patch.strategy = random.pick(Strategy.allCases) }
    if oneIn(3) { patch.quarantineSeconds = [0, 20][number(0...1)] }
    if oneIn(3) { patch.leaseSeconds = [0, 60][number(0...1)] }
    if oneIn(4) { patch.enabled = !oneIn(3) }
    if oneIn(4) { patch.labels = labels() }
    if oneIn(10) { patch.vlan = .some(UInt16(number(0...5_000))) }
    return patch
  }

  private mutating func moving() -> PoolPatch {
    var patch = self.patch()
    let cidr = model.pools[poolName()]?.cidr ?? Asking.prefix("10.0.0.0/28")
    if oneIn(2) { patch.cidr = Prefix(containing: cidr.first, length: min(cidr.length + 1, cidr.family.bitCount)) }
    if oneIn(2) { patch.gateway = .some(oneIn(2) ? nil : address(in: cidr)) }
    if oneIn(2) { patch.ranges = oneIn(2) ? [] : ranges(in: cidr) }
    return patch
  }

  private mutating func expansion() -> PoolPatch {
    var patch = PoolPatch()
    patch.cidr = Asking.prefix(random.pick(Asking.larger))
    if oneIn(3) { patch.ranges = [] }
    return patch
  }

  private mutating func ifMatch() -> Revision? { oneIn(4) ? Revision(number(1...20)) : nil }

  private mutating func reserving() -> Command {
    let name = poolName()
    let cidr = model.pools[name]?.cidr ?? Asking.prefix("10.0.0.0/28")
    let (a, b) = (address(in: cidr), address(in: cidr))
    let range = oneIn(2) ? AddressRange(a, a) : AddressRange(min(a, b), max(a, b))
    return .reserve(name, range, reason: "test")
  }

  private mutating func unreserving() -> Command {
    let name = poolName()
    if let rows = model.reservations[name], !rows.isEmpty {
      return .unreserve(name, first: random.pick(rows).range.first)
    }
    return .unreserve(name, first: IPAddress(v4: 10 << 24))
  }

  private mutating func freeBlocks() -> Command {
    let name = poolName()
    guard let pool = model.pools[name], pool.family.bitCount - pool.cidr.length <= 8 else {
      return .freeBlocks(name, length: 129, limit: 1)
    }
    return .freeBlocks(name, length: number(pool.cidr.length...pool.family.bitCount), limit: number(1...4))
  }

  // MARK: Allocations

  private mutating func tenant() -> TenantName { TenantName(trusted: oneIn(5) ? "t2" : "default") }
  private mutating func owner() -> OwnerName { OwnerName(trusted: "vm-\(number(1...6))") }
  private mutating func interface() -> InterfaceName { InterfaceName(trusted: oneIn(4) ? "eth1" : "eth0") }
  private mutating func holder() -> Holder { Holder(tenant: tenant(), owner: owner(), interface: interface()) }

  private mutating func request(_ kind: Step.Kind) -> AllocateRequest {
    let name = poolName()
    var request = AllocateRequest(.pool(name), holder: holder())
    let cidr = model.pools[name]?.cidr ?? Asking.prefix("10.0.0.0/28")
    switch kind {
    case .giveMany:
      request.count = number(0...5)
      request.contiguous = oneIn(2)
    case .giveExplicit: request.address = oneIn(10) ? IPAddress(v4: 10 << 24 | 5) : address(in: cidr)
    case .giveChild:
      request.prefixLength = min(cidr.family.bitCount, cidr.length + number((oneIn(6) ? -1 : 1)...5))
      if oneIn(3) {
        request.address = Prefix(containing: address(in: cidr), length: max(0, request.prefixLength ?? 0)).first
      }
      if oneIn(6), let length = request.prefixLength { request.prefixLength = length - 1 }
    case .choose:
      let families: [[AddressFamily]] = [[.ipv4], [.ipv6], [.ipv4, .ipv6], [.ipv6, .ipv4], []]
      request.source = .choose(families[number(0...(oneIn(8) ? 4 : 3))], topology(), oneIn(3) ? labels() : .none)
      if oneIn(4) { request.count = number(1...4) }
      if oneIn(8) { request.prefixLength = number(28...32) }
    default: break
    }
    if oneIn(3) { request.hostname = Hostname(trusted: oneIn(2) ? "h1" : "h2.example") }
    if oneIn(4) { request.mac = MACAddress(bits: UInt64(number(1...2))) }
    if oneIn(4) { request.node = NodeName(trusted: "n\(number(1...2))") }
    if oneIn(4) { request.leaseSeconds = UInt32(number(0...1) * 45) }
    if oneIn(4) { request.labels = labels() }
    return request
  }

  private mutating func target() -> AllocationTarget {
    let rows = model.allocations.keys.sorted()
    guard !rows.isEmpty, !oneIn(12) else {
      let name = poolName()
      return AllocationTarget(pool: name, ip: address(in: model.pools[name]?.cidr ?? Asking.prefix("10.0.0.0/28")))
    }
    let place = random.pick(rows)
    let row = model.allocations[place]
    var target = AllocationTarget(pool: place.pool, ip: place.ip)
    if oneIn(3) { target.generation = row?.generation }
    if oneIn(8) { target.generation = Revision(number(1...10)) }
    if oneIn(8) { target.tenant = oneIn(2) ? row?.tenant : TenantName(trusted: "t2") }
    if oneIn(8) { target.ifMatch = oneIn(2) ? row?.revision : Revision(number(1...10)) }
    return target
  }

  private mutating func allocationPatch() -> AllocationPatch {
    var patch = AllocationPatch()
    if oneIn(2) { patch.hostname = .some(oneIn(2) ? nil : Hostname(trusted: "h3")) }
    if oneIn(3) { patch.mac = .some(MACAddress(bits: 3)) }
    if oneIn(3) { patch.node = .some(nil) }
    if oneIn(3) { patch.labels = labels() }
    return patch
  }

  private mutating func importing() -> Command {
    let rows = (1...number(1...4)).map { line in
      let name = poolName()
      let cidr = model.pools[name]?.cidr ?? Asking.prefix("10.0.0.0/28")
      return ImportRow(
        line: line, pool: oneIn(3) ? nil : name, ip: address(in: cidr), holder: holder(), mac: nil, hostname: nil)
    }
    return .importRows(rows, skipConflicts: oneIn(2), label: oneIn(2) ? "" : "i1")
  }
}
