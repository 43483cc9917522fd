/// A 48-bit hardware address.
package struct MACAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The 48 bits, high ones zero.
  package let bits: UInt64

  /// Makes an address from its 48 bits.
  package init(bits: UInt64) {
    precondition(bits >> 48 == 0, "MAC address \(bits) has more than 48 bits")
    self.bits = bits
  }

  /// Parses six pairs of hexadecimal digits, all joined by `:` or all by `-`.
  package init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8.prefix(18))
    guard bytes.count == 17, bytes[2] == UInt8(ascii: ":") || bytes[2] == UInt8(ascii: "-") else { return nil }
    var bits: UInt64 = 0
    for index in 0..<6 {
      guard let high = hexDigit(bytes[3 * index]), let low = hexDigit(bytes[3 * index + 1]) else { return nil }
      if index < 5, bytes[3 * index + 2] != bytes[2] { return nil }
      bits = bits << 8 | UInt64(high << 4 | low)
    }
    self.bits = bits
  }

  /// Whether it names one interface, not a group: what a VM may carry.
  package var isUnicast: Bool { bits >> 40 & 1 == 0 && bits != 0 }

  /// By number.
  package static func < (a: Self, b: Self) -> Bool { a.bits < b.bits }
}

extension MACAddress: CustomStringConvertible {
  /// `02:00:5e:10:00:01`.
  package var description: String {
    var out: [UInt8] = []
    out.reserveCapacity(17)
    for shift: UInt64 in [40, 32, 24, 16, 8, 0] {
      let byte = UInt8(truncatingIfNeeded: bits >> shift)
      for digit in [byte >> 4, byte & 15] { out.append(digit < 10 ? 48 + digit : 87 + digit) }
      if shift > 0 { out.append(UInt8(ascii: ":")) }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
