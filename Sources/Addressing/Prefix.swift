/// A network in normal form: an address whose host bits are zero, and a length.
package struct Prefix: Hashable, Comparable, Sendable {
  /// The lowest address.
  package let first: IPAddress
  /// 0...32 or 0...128.
  package let length: Int

  /// Why an address and a length do not make a prefix.
  package enum Fault: Error, Hashable, Sendable {
    /// Not `address/length` at all.
    case malformed
    /// The length is over 32 or 128.
    case lengthOutOfRange
    /// Bits below the length are set; carries the prefix that was probably meant.
    case hostBits(Prefix)
  }

  /// Takes an address without host bits; throws which rule is broken.
  package init(_ address: IPAddress, length: Int) throws(Fault) {
    guard (0...address.family.bitCount).contains(length) else { throw .lengthOutOfRange }
    let masked = Prefix(containing: address, length: length)
    guard masked.first == address else { throw .hostBits(masked) }
    self = masked
  }

  /// The prefix of `length` that `address` lies in.
  package init(containing address: IPAddress, length: Int) {
    precondition((0...address.family.bitCount).contains(length), "prefix length \(length) out of range")
    self.length = length
    if length == address.family.bitCount {
      first = address
    } else {
      first = IPAddress(family: address.family, bits: address.bits & ~Prefix.hostMask(address.family, length))
    }
  }

  /// Parses `address/length`; throws which rule is broken.
  package init(parsing text: some StringProtocol) throws(Fault) {
    var parser = AddressParser(text)
    guard let address = parser.address(), parser.skip(UInt8(ascii: "/")), let length = parser.decimal(max: 999),
      parser.isAtEnd
    else { throw .malformed }
    try self.init(address, length: length)
  }

  /// IPv4 or IPv6.
  package var family: AddressFamily { first.family }

  /// The highest address.
  package var last: IPAddress { IPAddress(family: family, bits: first.bits | Prefix.hostMask(family, length)) }

  /// All its addresses.
  package var range: AddressRange {
    length == family.bitCount ? AddressRange(single: first) : AddressRange(first, last)
  }

  /// The mask as an address: 255.255.0.0 for a /16.
  package var mask: IPAddress { IPAddress(family: family, bits: family.maxBits & ~Prefix.hostMask(family, length)) }

  /// Whether `address` lies in it.
  package func contains(_ address: IPAddress) -> Bool { range.contains(address) }

  /// Whether all of `other` lies in it.
  package func contains(_ other: Prefix) -> Bool { range.contains(other.range) }

  /// By first address, then the shorter prefix first.
  package static func < (a: Self, b: Self) -> Bool { a.first != b.first ? a.first < b.first : a.length < b.length }

  private static func hostMask(_ family: AddressFamily, _ length: Int) -> UInt128 {
    length == 0 ? family.maxBits : (UInt128(1) << UInt128(family.bitCount - length)) - 1
  }
}

extension Prefix: CustomStringConvertible {
  /// `10.0.0.0/8`.
  package var description: String { "\(first)/\(length)" }
}

extension Prefix {
  /// The network address of an IPv4 prefix up to /30 and the Subnet-Router anycast of an IPv6 one up to /126 (RFC 4291
  /// 2.6.1): the first, never a host. A /31 and a /127 (RFC 3021, 6164), a /32 and a /128 have none.
  package var reservedFirst: IPAddress? { length <= family.bitCount - 2 ? first : nil }

  /// The broadcast address of an IPv4 prefix up to /30; IPv6 has no broadcast.
  package var reservedLast: IPAddress? { family == .ipv4 && length <= 30 ? last : nil }

  /// Addresses that a host may carry.
  package var hosts: AddressRange {
    AddressRange(reservedFirst?.next ?? first, reservedLast?.previous ?? last)
  }
}
