// Addressing: addresses as fixed-size values.
//
// Everything above this room treats an address as a number with a family. Text is parsed once at the border,
// strictly: no leading zeros, no short forms, no zones, no IPv4-mapped IPv6, because each of these lets the same
// address be written two ways and be given away twice. Text leaves through `description` alone (RFC 5952).
//
// Ranges are closed (`first...last`) and counts are 128-bit (one less is stored where /0 of IPv6 could not fit),
// so nothing here ever computes "one past the last address". A `Prefix` is in normal form by construction: host
// bits are an error, not masked, so that `contains` has one meaning.

/// Which of the two address families.
package enum AddressFamily: UInt8, Hashable, Sendable, CaseIterable, BitwiseCopyable {
  /// 32-bit addresses.
  case ipv4 = 4
  /// 128-bit addresses.
  case ipv6 = 6

  /// Bits in an address: 32 or 128.
  package var bitCount: Int { self == .ipv4 ? 32 : 128 }

  /// The highest address as a number.
  package var maxBits: UInt128 { self == .ipv4 ? UInt128(UInt32.max) : UInt128.max }

  /// `ipv4` or `ipv6`, as in the API.
  package var name: String { self == .ipv4 ? "ipv4" : "ipv6" }
}

/// An IPv4 or IPv6 address; ordered by family, then by number.
package struct IPAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
  private let high: UInt64
  private let low: UInt64
  /// IPv4 or IPv6.
  package let family: AddressFamily

  /// Makes an address from its number, which must fit the family.
  package init(family: AddressFamily, bits: UInt128) {
    precondition(bits <= family.maxBits, "address \(bits) does not fit \(family)")
    self.family = family
    high = UInt64(truncatingIfNeeded: bits >> 64)
    low = UInt64(truncatingIfNeeded: bits)
  }

  /// An IPv4 address from its 32 bits.
  package init(v4 bits: UInt32) { self.init(family: .ipv4, bits: UInt128(bits)) }

  /// An IPv6 address from its 128 bits.
  package init(v6 bits: UInt128) { self.init(family: .ipv6, bits: bits) }

  /// Parses strict text of either family; nil for anything else.
  package init?(_ text: some StringProtocol) {
    var parser = AddressParser(text)
    guard let address = parser.address(), parser.isAtEnd else { return nil }
    self = address
  }

  /// The address as a number.
  package var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }

  /// IPv4 before IPv6, then by number.
  package static func < (a: Self, b: Self) -> Bool {
    if a.family != b.family { return a.family.rawValue < b.family.rawValue }
    return a.high != b.high ? a.high < b.high : a.low < b.low
  }

  /// The address `distance` above, or nil past the top of the family.
  package func advanced(by distance: UInt128) -> IPAddress? {
    let (sum, overflow) = bits.addingReportingOverflow(distance)
    return overflow || sum > family.maxBits ? nil : IPAddress(family: family, bits: sum)
  }

  /// The next address, or nil at the top.
  package var next: IPAddress? { advanced(by: 1) }

  /// The address before, or nil at zero.
  package var previous: IPAddress? { bits == 0 ? nil : IPAddress(family: family, bits: bits - 1) }
}
