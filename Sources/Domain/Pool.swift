package import Addressing

/// The number of an entry in the log: grows by one with every command that changed something.
package typealias Revision = UInt64

/// Microseconds since 1970, UTC, as the log counts them: never smaller than before.
package typealias LogTime = Int64

/// Which free address is given next.
package enum Strategy: UInt8, Hashable, Sendable, CaseIterable {
  /// The next one after the last given, wrapping.
  case next = 0
  /// The lowest.
  case lowest = 1
  /// A random one, drawn from the batch's seed.
  case random = 2
  /// Never used before first, then the longest released.
  case oldest = 3

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }
}

/// A place in the fleet; a missing level stands for all of it.
package struct Topology: Hashable, Sendable {
  /// The datacenter.
  package var datacenter: String?
  /// The zone inside it.
  package var zone: String?
  /// The rack inside that.
  package var rack: String?

  /// Names any of the levels.
  package init(datacenter: String? = nil, zone: String? = nil, rack: String? = nil) {
    (self.datacenter, self.zone, self.rack) = (datacenter, zone, rack)
  }

  /// The rule for each level.
  package static let rule = "1 to 63 of A-Z a-z 0-9 . _ -"

  /// Whether a level's text follows the rule.
  package static func accepts(_ text: String) -> Bool { text.utf8.count <= 63 && NodeName.accepts(text) }

  /// How specifically this place serves `wanted`: the number of levels named by both, or nil where two differ.
  package func match(_ wanted: Topology) -> Int? {
    guard let first = Topology.match(datacenter, wanted.datacenter), let second = Topology.match(zone, wanted.zone),
      let third = Topology.match(rack, wanted.rack)
    else { return nil }
    return first + second + third
  }

  private static func match(_ mine: String?, _ theirs: String?) -> Int? {
    guard let mine, let theirs else { return 0 }
    return mine == theirs ? 1 : nil
  }
}

extension Pool {
  /// Whether addresses of both can be on one interface: they name no two VLANs.
  package func isInVLAN(of other: Pool) -> Bool { vlan == nil || other.vlan == nil || vlan == other.vlan }

  /// Whether it goes together, on one interface, with a pool of each list that is not empty.
  package func goes(with lists: [[Pool]]) -> Bool {
    lists.allSatisfy { list in list.isEmpty || list.contains { isInVLAN(of: $0) } }
  }
}

/// What of the address space a pool covers; remembered so that a change can be rolled back.
package struct Extent: Hashable, Sendable {
  /// The network.
  package var cidr: Prefix
  /// The router's address, reserved; nil = none.
  package var gateway: IPAddress?
  /// What may be given out; empty = every host address of `cidr`.
  package var ranges: [AddressRange]

  /// Makes an extent as it is; `Ledger` checks the rules.
  package init(cidr: Prefix, gateway: IPAddress?, ranges: [AddressRange] = []) {
    (self.cidr, self.gateway, self.ranges) = (cidr, gateway, ranges)
  }

  /// The first host address, or none where every address counts (/31, /32, /127, /128).
  package static func defaultGateway(of cidr: Prefix) -> IPAddress? {
    cidr.length <= cidr.family.bitCount - 2 ? cidr.hosts.first : nil
  }
}

/// A set of addresses with one set of rules.
package struct Pool: Hashable, Sendable {
  /// Its name, for ever.
  package let name: PoolName
  /// What it covers now.
  package var extent: Extent
  /// What it covered before each change, the latest last; at most `Limits.extents`.
  package var past: [Extent]
  /// Name servers for its guests.
  package var dns: [IPAddress]
  /// 1...4094, or none.
  package var vlan: UInt16?
  /// 68...65535, or none.
  package var mtu: UInt16?
  /// Its routing domain.
  package var network: NetworkName
  /// The place it serves.
  package var topology: Topology
  /// Which address is next.
  package var strategy: Strategy
  /// How long a released address rests.
  package var quarantineSeconds: UInt32
  /// How long an allocation lives unless renewed; 0 = for ever.
  package var leaseSeconds: UInt32
  /// Whether it gives out addresses.
  package var enabled: Bool
  /// Whether hosts translate its addresses on the way out.
  package var nat: Bool
  /// The operator's labels.
  package var labels: Labels
  /// When it was made.
  package let createdAt: LogTime
  /// The entry that last changed it.
  package var revision: Revision

  /// Makes a pool as it is; `Ledger` checks the rules.
  package init(
    name: PoolName, extent: Extent, past: [Extent] = [], dns: [IPAddress] = [], vlan: UInt16? = nil, mtu: UInt16? = nil,
    network: NetworkName = .standard, topology: Topology = Topology(), strategy: Strategy = .next,
    quarantineSeconds: UInt32 = 0, leaseSeconds: UInt32 = 0, enabled: Bool = true, nat: Bool = false,
    labels: Labels = .none, createdAt: LogTime = 0, revision: Revision = 0
  ) {
    (self.name, self.extent, self.past, self.dns, self.vlan, self.mtu) = (name, extent, past, dns, vlan, mtu)
    (self.network, self.topology, self.strategy) = (network, topology, strategy)
    (self.quarantineSeconds, self.leaseSeconds, self.enabled) = (quarantineSeconds, leaseSeconds, enabled)
    (self.nat, self.labels, self.createdAt, self.revision) = (nat, labels, createdAt, revision)
  }

  /// The network it covers.
  package var cidr: Prefix { extent.cidr }
  /// IPv4 or IPv6.
  package var family: AddressFamily { cidr.family }
}

/// Addresses of a pool that are never given out, and why.
package struct Reservation: Hashable, Sendable {
  /// The pool.
  package let pool: PoolName
  /// The addresses.
  package let range: AddressRange
  /// Why, in the operator's words; at most 256 bytes.
  package let reason: String
  /// When it was made.
  package let createdAt: LogTime
  /// The entry that made it.
  package let revision: Revision

  /// Makes a reservation as it is.
  package init(pool: PoolName, range: AddressRange, reason: String, createdAt: LogTime, revision: Revision) {
    (self.pool, self.range, self.reason) = (pool, range, reason)
    (self.createdAt, self.revision) = (createdAt, revision)
  }
}
