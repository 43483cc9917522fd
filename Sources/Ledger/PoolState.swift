package import Addressing
package import Domain

/// A pool with everything that is computed from its rows.
package final class PoolState {
  /// Its name, for ever.
  package let name: PoolName
  /// The pool as it is.
  package internal(set) var pool: Pool
  /// Its reservations by first address, disjoint.
  package internal(set) var reservations: [Reservation] = []
  /// What may be given out: its ranges without gateway, network, broadcast and reservations.
  package internal(set) var usable: [AddressRange] = []
  /// How many addresses are usable.
  package internal(set) var usableCount = AddressCount.zero
  /// How many addresses are allocated; a child prefix counts all of its own.
  package internal(set) var allocatedCount = AddressCount.zero
  /// How many addresses rest in quarantine.
  package internal(set) var quarantinedCount = AddressCount.zero
  /// How many allocations there are.
  package internal(set) var allocations = 0
  /// The last address that strategy `next` gave.
  package internal(set) var cursor: IPAddress?
  var allocated = AddressSet()
  /// How many child prefixes of each length there are.
  var childLengths: [Int: Int] = [:]

  init(_ pool: Pool) {
    self.pool = pool
    name = pool.name
    refresh()
  }

  /// The network it covers: by field, since a getter of `pool` would copy all of it.
  package var cidr: Prefix { pool.extent.cidr }
  /// Its router, in the same way.
  package var gateway: IPAddress? { pool.extent.gateway }
  /// IPv4 or IPv6.
  package var family: AddressFamily { pool.extent.cidr.family }
  /// All addresses of the pool.
  package var total: AddressCount { AddressCount(of: cidr.range) }
  /// Those excluded for any reason.
  package var reservedCount: AddressCount { total - usableCount }
  /// Those that could be given now.
  package var available: AddressCount { usableCount - allocatedCount - quarantinedCount }

  /// Computes anew what follows from the pool and its reservations.
  func refresh() {
    usable = PoolState.usable(pool.extent, reservations)
    usableCount = AddressCount(of: usable)
  }

  /// What an extent may give out beside `reservations`.
  static func usable(_ extent: Extent, _ reservations: [Reservation]) -> [AddressRange] {
    let cidr = extent.cidr
    var excluded = reservations.map(\.range) + [.ipv4Mapped]
    for address in [extent.gateway, cidr.reservedFirst, cidr.reservedLast] {
      if let address { excluded.append(AddressRange(address, address)) }
    }
    return (extent.ranges.isEmpty ? [cidr.hosts] : extent.ranges).normalized.subtracting(excluded.normalized)
  }

  /// The allocated addresses of a part of the pool.
  package func allocatedCount(in range: AddressRange) -> UInt128 { allocated.count(in: range.bits) }

  /// How many addresses of `range` may be given out at all.
  package func usableCount(in range: AddressRange) -> AddressCount {
    AddressCount(of: usable.compactMap { $0.intersection(range) })
  }
}

extension AddressRange {
  /// As numbers.
  var bits: ClosedRange<UInt128> { first.bits...last.bits }
}

extension [AddressRange] {
  /// What is left of normalized ranges without the normalized `others`, in one pass over both.
  func subtracting(_ others: [AddressRange]) -> [AddressRange] {
    var left: [AddressRange] = []
    var next = 0
    for range in self {
      while next < others.count, others[next].last < range.first { next += 1 }
      var rest: AddressRange? = range
      var index = next
      while let current = rest, index < others.count, others[index].first <= current.last {
        let pieces = current.subtracting(others[index])
        rest = pieces.last.flatMap { $0.last == current.last && $0.first > others[index].last ? $0 : nil }
        if let first = pieces.first, first != rest { left.append(first) }
        index += 1
      }
      if let rest { left.append(rest) }
    }
    return left
  }
}
