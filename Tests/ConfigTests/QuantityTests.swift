import Config
import TestSupport
import Testing

@Suite struct QuantityTests {
  @Test(arguments: [
    ("0s", 0), ("1us", 1), ("500ms", 500_000), ("5s", 5_000_000), ("90s", 90_000_000), ("1h30m", 5_400_000_000),
    ("7d", 604_800_000_000), ("1d2h3m4s5ms6us", 93_784_005_006)
  ])
  func durationsAreNumbersWithUnits(text: String, microseconds: Int64) {
    #expect(parseDuration(text) == .microseconds(microseconds))
  }

  @Test(arguments: [
    "", "5", "s", "-5s", "+5s", "05s", "5 s", "5S", "1.5s", "5sec", "30m1h", "1s1s", "1h30", "99999999999999999999s",
    "106751992d", "106751991d200h", "5s ", "٥s"
  ])
  func otherDurationsAreRefused(text: String) { #expect(parseDuration(text) == nil) }

  @Test(arguments: [
    ("0", 0), ("1048576", 1 << 20), ("1B", 1), ("64KiB", 64 << 10), ("20GiB", 20 << 30), ("7TiB", 7 << 40),
    ("9223372036854775807", Int64.max)
  ])
  func sizesAreBytes(text: String, bytes: Int64) { #expect(parseSize(text) == bytes) }

  @Test(arguments: [
    "", "KiB", "1KB", "1MB", "1kib", "1K", "-1", "1.5GiB", "1 GiB", "01", "9223372036854775808", "8388608TiB", "1GiB1"
  ])
  func otherSizesAreRefused(text: String) { #expect(parseSize(text) == nil) }

  @Test func whatIsPrintedIsReadBack() {
    var random = SeededRandom(announcedAs: "whatIsPrintedIsReadBack")
    for _ in 0..<5_000 {
      let number = Int64(random.next() >> UInt64.random(in: 1...63, using: &random))
      let duration = Duration.microseconds(number)
      #expect(parseDuration(describe(duration)) == duration, "seed \(random.seed)")
      #expect(parseSize(describe(bytes: number)) == number, "seed \(random.seed)")
    }
    #expect(describe(.seconds(5400)) == "1h30m" && describe(bytes: 64 << 10) == "64KiB" && describe(.zero) == "0s")
  }
}
