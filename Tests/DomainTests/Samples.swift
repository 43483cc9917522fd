import Addressing
import Domain

/// One row of every kind, plain and with every field in use.
enum Samples {
  static func ip(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(v4: 0) }

  static func cidr(_ text: String) -> Prefix {
    (try? Prefix(parsing: text)) ?? Prefix(containing: IPAddress(v4: 0), length: 0)
  }

  static let labels = Labels([("env", "prod"), ("a/b", "")]) ?? .none

  static let plainPool = Pool(
    name: PoolName(trusted: "web"), extent: Extent(cidr: cidr("10.1.0.0/24"), gateway: ip("10.1.0.1")), createdAt: 7,
    revision: 1)

  static let fullPool = Pool(
    name: PoolName(trusted: "v6"),
    extent: Extent(
      cidr: cidr("fd00::/64"), gateway: nil, ranges: [AddressRange(ip("fd00::10"), ip("fd00::ff"))]),
    past: [Extent(cidr: cidr("fd00::/72"), gateway: ip("fd00::1"))], dns: [ip("9.9.9.9"), ip("fd00::53")], vlan: 4_094,
    mtu: 9_000, network: NetworkName(trusted: "lab"), topology: Topology(datacenter: "d", zone: "z", rack: "r"),
    strategy: .oldest, quarantineSeconds: 300, leaseSeconds: 3_600, enabled: false, nat: true, labels: labels,
    createdAt: 1_700_000_000_000_000, revision: 300)

  static let plainAllocation = Allocation(
    pool: PoolName(trusted: "web"), block: cidr("10.1.0.2/32"), owner: OwnerName(trusted: "vm-1"), createdAt: 8,
    generation: 2, revision: 2)

  static let fullAllocation = Allocation(
    pool: PoolName(trusted: "v6"), block: cidr("fd00::100/120"), tenant: TenantName(trusted: "acme"),
    owner: OwnerName(trusted: "vm:2@x"), interface: InterfaceName(trusted: "eth1"), index: 700,
    hostname: Hostname(trusted: "h.example"), mac: MACAddress(bits: 0x0200_5E10_0001), node: NodeName(trusted: "n-1"),
    isStatic: true, manager: .kube, labels: labels, createdAt: 1_700_000_000_000_000, expiresAt: 1_700_000_060_000_000,
    generation: 5, revision: 9)

  static let rows: [Row] = [
    .pool(plainPool), .pool(fullPool),
    .reservation(
      Reservation(
        pool: PoolName(trusted: "web"), range: AddressRange(ip("10.1.0.5"), ip("10.1.0.9")), reason: "Drucker \u{fc}",
        createdAt: 3, revision: 4)),
    .allocation(plainAllocation), .allocation(fullAllocation),
    .released(
      Released(
        pool: PoolName(trusted: "web"), block: cidr("10.1.0.2/32"), owner: OwnerName(trusted: "vm-1"), order: 6,
        releasedAt: 9, quarantineUntil: nil)),
    .released(
      Released(
        pool: PoolName(trusted: "web"), block: cidr("10.1.0.16/28"), owner: OwnerName(trusted: "vm-1"), order: 6,
        releasedAt: 9, quarantineUntil: 1_000)),
    .cursor(PoolName(trusted: "web"), ip("10.1.0.2")), .cursor(PoolName(trusted: "v6"), ip("fd00::2")),
    .answered(IdempotencyKey(key: 1 << 127 | 2, request: 3), 4, 5),
    .token(
      Token(
        id: TokenID(bits: 1 << 79 | 2), hash: TokenHash(high: 1 << 127 | 3, low: 4), role: .clusterAdmin,
        scope: .global,
        createdAt: 5, createdBy: "anonymous", revision: 6)),
    .token(
      Token(
        id: TokenID(bits: 7), hash: TokenHash(high: 8, low: 9), role: .operator,
        scope: .tenant(TenantName(trusted: "acme")), note: "ci", createdAt: 10, expiresAt: 1_000, createdBy: "system",
        isOneTime: true, revision: 300)),
    .token(
      Token(
        id: TokenID(bits: 7), hash: TokenHash(high: 8, low: 9), role: .poolAdmin,
        scope: .pool(PoolName(trusted: "web")),
        createdAt: 10, expiresAt: 1_000, createdBy: "", revision: 1)),
    .token(
      Token(
        id: TokenID(bits: 9), hash: TokenHash(high: 8, low: 9), role: .agent, scope: .global, createdAt: 10,
        expiresAt: 1_000, createdBy: "a", enrolment: Enrolment(agent: NodeName(trusted: "h-1")), revision: 1)),
    .token(
      Token(
        id: TokenID(bits: 9), hash: TokenHash(high: 8, low: 9), role: .agent, scope: .global, createdAt: 10,
        expiresAt: 1_000, createdBy: "a",
        enrolment: Enrolment(
          agent: NodeName(trusted: "h-1"), made: .init(key: TokenHash(high: 1 << 127, low: 2), certificate: "PEM\n")),
        revision: 2))
  ]

  static let grants = [
    Grant(plainAllocation, gateway: ip("10.1.0.1"), network: cidr("10.1.0.0/24")),
    Grant(fullAllocation, gateway: nil, network: cidr("fd00::/64"))
  ]

  /// An entry of each kind; grants both among the effects and beyond them.
  static let entries: [Entry] = EntryKind.allCases.enumerated().map { place, kind in
    let told: [Entry.Told] = [
      .nothing, .grants(grants, unchanged: ["hostname", "mac"]), .report(imported: 300, already: 1, conflicts: 0)
    ]
    return Entry(
      revision: Revision(place + 1) << 10, kind: kind, actor: "anonymous", requestID: "r-\(place)", asked: "POST /x",
      effects: [.put(.allocation(plainAllocation)), .delete(rows[place % rows.count])], told: told[place % 3])
  }
}

extension [UInt8] {
  var hex: String {
    map { byte in
      let digits = Array<Character>("0123456789abcdef")
      return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
    }.joined()
  }
}
