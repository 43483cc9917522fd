import Addressing
import Testing

@Suite struct PrefixTests {
  /// RFC 4632 3.1: the length is the number of contiguous one-bits at the left of the mask.
  @Test(arguments: [AddressFamily.ipv4, .ipv6])
  func everyLengthHasAMaskOfThatManyLeadingOnes(family: AddressFamily) {
    for length in 0...family.bitCount {
      let prefix = Prefix(containing: IPAddress(family: family, bits: family.maxBits), length: length)
      let mask = prefix.mask.bits
      #expect(mask.nonzeroBitCount == length)
      #expect(prefix.first == prefix.mask, "all ones, masked, are the mask")
      #expect(prefix.last.bits == family.maxBits)
      let ones = length == 0 ? 0 : (family.maxBits << UInt128(family.bitCount - length)) & family.maxBits
      #expect(mask == ones)
    }
  }

  @Test func everyAddressOfAByteIsInExactlyThePrefixesThatShareItsLeadingBits() {
    for length in 24...32 {
      for low in 0..<256 {
        let prefix = Prefix(containing: IPAddress(v4: 0x0A00_0000 | UInt32(low)), length: length)
        for other in 0..<256
        where prefix.contains(IPAddress(v4: 0x0A00_0000 | UInt32(other)))
          != (low >> (32 - length) == other >> (32 - length))
        { Issue.record("\(prefix) and 10.0.0.\(other)") }
      }
    }
  }

  @Test func prefixesNestOrAreApart() {
    let prefixes = (28...32).flatMap { length in
      (0..<16).map { Prefix(containing: IPAddress(v4: 0xFFFF_FFF0 | UInt32($0)), length: length) }
    }
    for a in prefixes {
      for b in prefixes where a.range.overlaps(b.range) != (a.contains(b) || b.contains(a)) {
        Issue.record("\(a) and \(b)")
      }
    }
  }

  /// RFC 4632 3.1: what stands behind the prefix length is not part of the prefix. Berth says so instead of masking it.
  @Test func hostBitsAreRefusedNotMasked() throws {
    let meant = try Prefix(parsing: "10.1.2.0/24")
    #expect(throws: Prefix.Fault.hostBits(meant)) { try Prefix(parsing: "10.1.2.3/24") }
    #expect(throws: Prefix.Fault.hostBits(try Prefix(parsing: "::/0"))) { try Prefix(parsing: "::1/0") }
    #expect(throws: Prefix.Fault.hostBits(try Prefix(parsing: "2001:db8::/127"))) {
      try Prefix(parsing: "2001:db8::1/127")
    }
  }

  @Test func everyHostBitIsNoticed() {
    for family in AddressFamily.allCases {
      for length in 0...family.bitCount {
        for bit in 0..<family.bitCount {
          let address = IPAddress(family: family, bits: 1 << UInt128(bit))
          let accepted = (try? Prefix(address, length: length)) != nil
          if accepted != (bit >= family.bitCount - length) { Issue.record("\(address)/\(length)") }
        }
      }
    }
  }

  @Test(arguments: [
    ("10.0.0.0", Prefix.Fault.malformed), ("10.0.0.0/", .malformed), ("/8", .malformed), ("10.0.0.0/8 ", .malformed),
    ("10.0.0.0/+8", .malformed), ("10.0.0.0/08", .malformed), ("10.0.0.0/-1", .malformed), ("10/8", .malformed),
    ("10.0.0.0/255.0.0.0", .malformed), ("10.0.0.0/8/8", .malformed), ("10.0.0.0/4294967304", .malformed),
    ("fe80::%eth0/64", .malformed), ("::ffff:10.0.0.0/104", .malformed),
    ("10.0.0.0/33", .lengthOutOfRange), ("::/129", .lengthOutOfRange)
  ])
  func otherTextIsRefused(text: String, fault: Prefix.Fault) {
    #expect(throws: fault) { try Prefix(parsing: text) }
  }

  @Test(arguments: ["0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32", "::/0", "2001:db8::/32", "::1/128"])
  func textComesBackUnchanged(text: String) throws { #expect(try Prefix(parsing: text).description == text) }

  @Test(arguments: [
    // RFC 1812 4.2.2.11 and 4.2.3.1: the all-zeros and all-ones host numbers name the network and the broadcast.
    ("172.16.0.0/24", "172.16.0.1-172.16.0.254"), ("10.0.0.0/30", "10.0.0.1-10.0.0.2"),
    ("0.0.0.0/0", "0.0.0.1-255.255.255.254"), ("255.255.255.252/30", "255.255.255.253-255.255.255.254"),
    // RFC 3021 2.1: on a /31 both addresses "MUST be interpreted as host addresses".
    ("10.0.0.0/31", "10.0.0.0-10.0.0.1"), ("255.255.255.254/31", "255.255.255.254-255.255.255.255"),
    ("10.0.0.7/32", "10.0.0.7"),
    // RFC 4291 2.6.1: the all-zeros interface identifier is the Subnet-Router anycast; 2: no broadcast in IPv6.
    ("2001:db8::/64", "2001:db8::1-2001:db8::ffff:ffff:ffff:ffff"), ("2001:db8::/126", "2001:db8::1-2001:db8::3"),
    // RFC 6164 6: routers MUST disable Subnet-Router anycast for a /127.
    ("2001:db8::/127", "2001:db8::-2001:db8::1"), ("2001:db8::9/128", "2001:db8::9"),
    ("::/0", "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
  ])
  func hostsAreWhatTheRFCsSay(text: String, hosts: String) throws {
    let prefix = try Prefix(parsing: text)
    #expect(prefix.hosts.description == hosts)
    let reserved = [prefix.reservedFirst, prefix.reservedLast].compactMap(\.self)
    #expect(reserved.allSatisfy { prefix.contains($0) && !prefix.hosts.contains($0) })
    let all = AddressCount(of: prefix.hosts) + AddressCount(UInt128(reserved.count))
    #expect(all == AddressCount(of: prefix.range))
  }

  @Test func orderPutsTheWiderPrefixFirst() throws {
    let texts = ["10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "::/0", "::/128"]
    let prefixes = try texts.map { try Prefix(parsing: $0) }
    #expect(prefixes.reversed().sorted() == prefixes)
  }
}
