import Addressing
import TestSupport
import Testing

@Suite struct AddressCountTests {
  private let whole = AddressCount(of: AddressRange(IPAddress(v6: 0), IPAddress(v6: .max)))

  @Test func theWholeOfIPv6Is2ToThe128() {
    #expect(whole.description == "340282366920938463463374607431768211456")
    #expect(whole.exact == nil)
    #expect(whole.approximate == 340282366920938463463374607431768211456.0)
    #expect(whole > AddressCount(.max) && !(whole < whole) && whole == whole)
    #expect(AddressCount(.max).description == "340282366920938463463374607431768211455")
  }

  @Test func wholeIsReachedAndLeftBySumAndDifference() {
    let half = AddressCount(1 << 127)
    #expect(half + half == whole)
    #expect(AddressCount(.max) + AddressCount(1) == whole)
    #expect(whole + .zero == whole && .zero + whole == whole)
    #expect(whole - AddressCount(1) == AddressCount(.max))
    #expect(whole - half == half)
    #expect(whole - .zero == whole && whole - whole == .zero)
  }

  @Test func partsOfASplitAddUpToTheWhole() {
    var random = SeededRandom(announcedAs: "partsOfASplitAddUpToTheWhole")
    for _ in 0..<1_000 {
      let all = AddressRange(IPAddress(v6: 0), IPAddress(v6: .max))
      let (a, b) = (sparse(&random), sparse(&random))
      let hole = AddressRange(IPAddress(v6: min(a, b)), IPAddress(v6: max(a, b)))
      let left = AddressCount(of: all.subtracting(hole))
      #expect(left + AddressCount(of: hole) == whole, "seed \(random.seed)")
      #expect(whole - left == AddressCount(of: hole), "seed \(random.seed)")
    }
  }

  @Test func smallCountsAreOrdinaryNumbers() {
    for a in 0..<40 {
      for b in 0..<40 {
        let (x, y) = (AddressCount(UInt128(a)), AddressCount(UInt128(b)))
        #expect((x + y).exact == UInt128(a + b))
        #expect((x < y) == (a < b))
        if b <= a { #expect((x - y).description == "\(a - b)") }
      }
    }
    #expect(AddressCount(of: [AddressRange]()) == .zero)
    #expect(AddressCount(253).approximate == 253)
  }

  @Test func moreThanThereAreTraps() async {
    await #expect(processExitsWith: .failure) { _ = AddressCount(.max) + AddressCount(2) }
    await #expect(processExitsWith: .failure) { _ = AddressCount(1) - AddressCount(2) }
    await #expect(processExitsWith: .failure) { _ = AddressRange(IPAddress(v4: 2), IPAddress(v4: 1)) }
    await #expect(processExitsWith: .failure) { _ = IPAddress(family: .ipv4, bits: 1 << 32) }
  }
}
