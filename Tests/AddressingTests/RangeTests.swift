import Addressing
import TestSupport
import Testing

@Suite struct RangeTests {
  @Test(arguments: Window.all)
  func everyPairOfRangesAgreesWithABitmap(window: Window) {
    let ranges = window.ranges
    for a in ranges {
      let bitsOfA = window.bitmap(a)
      #expect(AddressCount(of: a) == AddressCount(UInt128(bitsOfA.nonzeroBitCount)))
      for b in ranges {
        let bitsOfB = window.bitmap(b)
        let shared = bitsOfA & bitsOfB
        let left = a.subtracting(b)
        // One check per pair: 18,496 pairs times five is much for the test reporter.
        let agrees =
          a.overlaps(b) == (shared != 0)
          && a.contains(b) == (shared == bitsOfB)
          && (a.intersection(b).map(window.bitmap) ?? 0) == shared
          && window.bitmap(left) == bitsOfA & ~bitsOfB
          && left.allSatisfy { window.bitmap($0) != 0 } && left == left.normalized
        if !agrees { Issue.record("\(a) and \(b): left \(left)") }
      }
    }
  }

  @Test(arguments: Window.all)
  func rangesContainExactlyTheirAddresses(window: Window) {
    for range in window.ranges {
      let bits = window.bitmap(range)
      for index in 0..<16 {
        if range.contains(window.address(index)) != (bits >> index & 1 == 1) { Issue.record("\(range), \(index)") }
      }
    }
  }

  @Test(arguments: Window.all)
  func normalizingKeepsTheAddressesAndLeavesNothingToMerge(window: Window) {
    var random = SeededRandom(announcedAs: "normalized at \(window.testDescription)")
    for _ in 0..<2_000 {
      let some = (0..<Int.random(in: 0...6, using: &random)).map { _ in random.pick(window.ranges) }
      let normal = some.normalized
      let bits = window.bitmap(some)
      // As many ranges as the bitmap has runs of ones means: nothing overlaps and nothing adjoins.
      let runs = (bits & ~(bits << 1)).nonzeroBitCount
      if window.bitmap(normal) != bits || normal.count != runs || normal != normal.sorted() {
        Issue.record("seed \(random.seed): \(some) became \(normal)")
      }
    }
  }

  @Test func normalizingNeverJoinsFamilies() {
    let topOfIPv4 = AddressRange(IPAddress(v4: .max), IPAddress(v4: .max))
    let bottomOfIPv6 = AddressRange(IPAddress(v6: 0), IPAddress(v6: 9))
    #expect([bottomOfIPv6, topOfIPv4].normalized == [topOfIPv4, bottomOfIPv6])
    #expect(!topOfIPv4.overlaps(bottomOfIPv6))
    #expect(topOfIPv4.subtracting(bottomOfIPv6) == [topOfIPv4])
    #expect(!AddressRange(IPAddress(v4: 0), IPAddress(v4: .max)).contains(IPAddress(v6: 5)))
  }

  @Test func textIsARangeAPrefixOrAnAddress() throws {
    #expect(try AddressRange(parsing: "10.0.0.5-10.0.1.2").description == "10.0.0.5-10.0.1.2")
    #expect(try AddressRange(parsing: "10.0.0.5").description == "10.0.0.5")
    #expect(try AddressRange(parsing: "10.0.0.4/30").description == "10.0.0.4-10.0.0.7")
    #expect(try AddressRange(parsing: "2001:db8::-2001:db8::f").description == "2001:db8::-2001:db8::f")
    #expect(try AddressRange(parsing: "0.0.0.0-255.255.255.255") == Prefix(parsing: "0.0.0.0/0").range)
    #expect(try AddressRange(parsing: "::/0").countLessOne == UInt128.max)
  }

  @Test(arguments: [
    ("10.0.0.2-10.0.0.1", AddressRange.Fault.reversed), ("::2-::1", .reversed),
    ("10.0.0.1-::1", .mixedFamilies), ("::1-10.0.0.1", .mixedFamilies),
    ("", .malformed), ("-", .malformed), ("10.0.0.1-", .malformed), ("-10.0.0.1", .malformed),
    ("10.0.0.1 - 10.0.0.2", .malformed), ("10.0.0.1-10.0.0.2-10.0.0.3", .malformed), ("10.0.0.1-5", .malformed),
    ("1.2.3.4-1.2.3.0/24", .prefix(.malformed)), ("10.0.0.0/33", .prefix(.lengthOutOfRange)),
    ("10.0.0.1/24", .prefix(.hostBits(Prefix(containing: IPAddress(v4: 0x0A00_0000), length: 24))))
  ])
  func faultsSayWhichRuleIsBroken(text: String, fault: AddressRange.Fault) {
    #expect(throws: fault) { try AddressRange(parsing: text) }
  }

  @Test func orderIsByFirstThenLast() {
    let window = Window.all[1]
    let sorted = window.ranges.shuffled().sorted()
    #expect(sorted == window.ranges)
  }
}
