import Testing
import Addressing

/// Sixteen neighbouring addresses: small enough to try everything, placed where arithmetic goes wrong.
struct Window: Sendable, CustomTestStringConvertible {
  let family: AddressFamily
  let base: UInt128

  var testDescription: String { "\(address(0))..." }

  func address(_ index: Int) -> IPAddress { IPAddress(family: family, bits: base + UInt128(index)) }

  /// All 136 ranges in it.
  var ranges: [AddressRange] {
    (0..<16).flatMap { low in (low..<16).map { AddressRange(address(low), address($0)) } }
  }

  /// The model: one bit for each of the sixteen.
  func bitmap(_ range: AddressRange) -> UInt16 {
    (0..<16).reduce(0) {
      address($1).bits >= range.first.bits && address($1).bits <= range.last.bits ? $0 | 1 << $1 : $0
    }
  }

  func bitmap(_ ranges: [AddressRange]) -> UInt16 { ranges.reduce(0) { $0 | bitmap($1) } }

  /// The bottom, the top, a carry into the upper half and a plain place, in both families.
  static let all: [Window] =
    [0, 0x0A00_00F8, 0x7FFF_FFF8, 0xFFFF_FFF0].map { Window(family: .ipv4, base: $0) }
    + [0, 0x2001_0DB8 << 96 | 0xFFFF_FFFF_FFFF_FFF8, UInt128.max - 15].map { Window(family: .ipv6, base: $0) }
}
