import Addressing
import TestSupport
import Testing

@Suite struct AddressTextTests {
  /// RFC 5952 section 4, one row per sentence; section 2 holds the ways that must not be printed.
  @Test(arguments: [
    ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),  // 4.1; 4.2.3 the first of equal runs
    ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),  // 4.2.1 shortened as much as possible
    ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
    ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),  // 4.2.2 never for one group alone
    ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),  // 4.2.3 the longest run
    ("2001:DB8::ABCD:EF01", "2001:db8::abcd:ef01"),  // 4.3 lower case
    ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"), ("1:0:0:0:0:0:0:0", "1::"),
    ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("::192.0.2.33", "::c000:221"),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304")
  ])
  func textBecomesRFC5952(text: String, canonical: String) {
    #expect(IPAddress(text)?.description == canonical)
    #expect(IPAddress(canonical)?.description == canonical)
  }

  @Test(arguments: [
    "", ".", ":", ":::", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", ".1.2.3.4", "1..2.3", "01.2.3.4", "1.2.3.04",
    "1.2.3.256", "1.2.3.1000", "1.2.3.-4", "+1.2.3.4", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "1.2.3.4\0",
    "١.٢.٣.٤", "1.2.3.4/32", "16909060", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2::3", "1:::2", "12345::", "g::", "::1%eth0",
    "[::1]",
    "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4:5", "::01.2.3.4", "::1.2.3.4.5", "1.2.3.4::", "::ffff:1.2.3.4",
    "::ffff:102:304", "0:0:0:0:0:ffff::", "::FFFF:0.0.0.0"
  ])
  func otherTextIsRefused(text: String) { #expect(IPAddress(text) == nil) }

  @Test func everyOctetInEveryPlaceComesBack() {
    for place in 0..<4 {
      for octet in 0..<256 {
        var parts = ["9", "99", "0", "255"]
        parts[place] = "\(octet)"
        let text = parts.joined(separator: ".")
        #expect(IPAddress(text)?.description == text)
      }
    }
  }

  @Test func everyPatternOfZeroGroupsComesBackAndIsAbbreviated() {
    for pattern in 0..<256 {
      let groups = (0..<8).map { UInt128(pattern >> $0 & 1 == 1 ? 0xA0B : 0) }
      let address = IPAddress(v6: groups.reduce(0) { $0 << 16 | $1 })
      let text = address.description
      #expect(IPAddress(text) == address)
      #expect(text == abbreviated(groups), "pattern \(pattern)")
    }
  }

  /// 4.2.2 and 4.2.3 by trying every gap: the longest run of two or more, the first of equal ones.
  private func abbreviated(_ groups: [UInt128]) -> String {
    func joined(_ some: ArraySlice<UInt128>) -> String {
      some.map { String($0, radix: 16) }.joined(separator: ":")
    }
    for length in stride(from: 8, through: 2, by: -1) {
      for start in 0...(8 - length) where groups[start..<(start + length)].allSatisfy({ $0 == 0 }) {
        return joined(groups[..<start]) + "::" + joined(groups[(start + length)...])
      }
    }
    return joined(groups[...])
  }

  @Test func randomAddressesComeBackFromText() {
    var random = SeededRandom(announcedAs: "randomAddressesComeBackFromText")
    for _ in 0..<20_000 {
      let address = IPAddress(v6: sparse(&random))
      if AddressRange.ipv4Mapped.contains(address) { continue }
      if IPAddress(address.description) != address { Issue.record("seed \(random.seed): \(address)") }
      let four = IPAddress(v4: UInt32(truncatingIfNeeded: random.next()))
      if IPAddress(four.description) != four { Issue.record("seed \(random.seed): \(four)") }
    }
  }

  @Test func mappedAddressesAreTheOnlyOnesWhoseTextIsRefused() {
    let mapped = AddressRange.ipv4Mapped
    #expect(mapped.description == "::ffff:0:0-::ffff:ffff:ffff")
    #expect(IPAddress(mapped.first.description) == nil && IPAddress(mapped.last.description) == nil)
    #expect(IPAddress(mapped.first.previous!.description) == mapped.first.previous)
    #expect(IPAddress(mapped.last.next!.description) == mapped.last.next)
  }

  @Test func topAndBottomHaveNoNeighbours() {
    for family in AddressFamily.allCases {
      let (bottom, top) = (IPAddress(family: family, bits: 0), IPAddress(family: family, bits: family.maxBits))
      #expect(bottom.previous == nil && top.next == nil)
      #expect(bottom.advanced(by: family.maxBits) == top)
      #expect(bottom.next!.advanced(by: family.maxBits) == nil)
      #expect(top.advanced(by: .max) == nil)
      #expect(top.previous!.next == top)
    }
  }

  @Test func orderIsByFamilyThenByNumber() {
    let ascending = ["0.0.0.0", "9.0.0.0", "10.0.0.0", "255.255.255.255", "::", "::1", "::1:0:0:0:0", "1::", "ffff::"]
    let addresses = ascending.compactMap { IPAddress($0) }
    #expect(addresses.count == ascending.count)
    #expect(addresses.shuffled().sorted() == addresses)
  }

  @Test func anAddressTakes24Bytes() { #expect(MemoryLayout<IPAddress>.stride == 24) }
}

/// 128 random bits in which groups are often zero or all ones.
func sparse(_ random: inout SeededRandom) -> UInt128 {
  (0..<8).reduce(UInt128(0)) { bits, _ in
    let group: UInt16 = random.pick([0, 0, 0, 1, 0xFFFF, UInt16(truncatingIfNeeded: random.next())])
    return bits << 16 | UInt128(group)
  }
}
