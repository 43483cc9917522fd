import TestSupport
import Testing

@testable import Ledger

@Suite struct AddressSetTests {
  /// Four chunks and the edges around them: every path of spans, leaves and gaps is reached.
  @Test(arguments: 0..<40) func agreesWithAnArrayOfBooleans(seed: Int) {
    var random = SplitMix(seed: UInt64(seed) &+ 77)
    let base: UInt128 = [0, 10 << 24, UInt128.max - 20_479][seed % 3]
    let size = 20_480
    var model = [Bool](repeating: false, count: size)
    var set = AddressSet()
    for step in 0..<400 {
      let low = Int(random.next() % UInt64(size))
      let length = [1, 1, 3, 64, 4_096, 9_000][Int(random.next() % 6)]
      let start = random.next() % 4 == 0 ? low & ~4_095 : low
      let end = min(start + length, size) - 1
      let insert = random.next() % 5 < 3
      let range = base + UInt128(start)...base + UInt128(end)
      if insert { set.insert(range) } else { set.remove(range) }
      for index in start...end { model[index] = insert }
      let from = Int(random.next() % UInt64(size))
      let to = from + Int(random.next() % UInt64(size - from))
      let query = base + UInt128(from)...base + UInt128(to)
      let note = "seed \(seed) step \(step)"
      #expect(set.firstFree(in: query) == model[from...to].firstIndex(of: false).map { base + UInt128($0) }, "\(note)")
      #expect(set.firstMember(in: query) == model[from...to].firstIndex(of: true).map { base + UInt128($0) }, "\(note)")
      #expect(set.count(in: query) == UInt128(model[from...to].count { $0 }), "\(note)")
      #expect(set.contains(base + UInt128(from)) == model[from], "\(note)")
      let count = [2, 5, 100, 1_024, 5_000][Int(random.next() % 5)]
      #expect(
        set.firstFreeRun(of: UInt128(count), in: query) == firstRun(model, from...to, count).map { base + UInt128($0) },
        "\(note) count \(count)")
      let log = Int(random.next() % 13)
      #expect(
        set.firstFreeBlock(log: log, in: query) == firstBlock(model, base, from...to, log).map { base + UInt128($0) },
        "\(note) log \(log)")
    }
  }

  private func firstRun(_ model: [Bool], _ range: ClosedRange<Int>, _ count: Int) -> Int? {
    var run = 0
    for index in range {
      run = model[index] ? 0 : run + 1
      if run == count { return index - count + 1 }
    }
    return nil
  }

  private func firstBlock(_ model: [Bool], _ base: UInt128, _ range: ClosedRange<Int>, _ log: Int) -> Int? {
    let size = 1 << log
    var start = range.lowerBound
    while (base &+ UInt128(start)) & UInt128(size - 1) != 0 { start += 1 }
    while start + size - 1 <= range.upperBound {
      if !model[start..<start + size].contains(true) { return start }
      start += size
    }
    return nil
  }

  @Test func aSlash64AndAFullSlash8CostAFewSpans() {
    var set = AddressSet()
    set.insert(UInt128(1) << 64...(UInt128(2) << 64) - 1)
    set.insert(UInt128(2) << 64...(UInt128(3) << 64) - 1)
    #expect(set.firstFree(in: UInt128(1) << 64...UInt128.max) == UInt128(3) << 64)
    set.remove((UInt128(2) << 64) + 5...(UInt128(2) << 64) + 5)
    #expect(set.firstFree(in: UInt128(1) << 64...UInt128.max) == (UInt128(2) << 64) + 5)
    set.insert(0...UInt128.max)
    #expect(set.firstFree(in: 0...UInt128.max) == nil)
  }

  /// A million addresses scattered over a /64 have some 25 blocks between any two, and only the largest are wanted.
  @Test(arguments: [0, 20, 47]) func fewBlocksAreLookedAtHoweverManyThereAre(log: Int) {
    var random = SplitMix(seed: 5)
    var set = AddressSet()
    let range = UInt128(0xFD) << 120...(UInt128(0xFD) << 120 | UInt128(UInt64.max))
    for _ in 0..<20_000 {
      let address = range.lowerBound + UInt128(random.next())
      set.insert(address...address)
    }
    let all = set.largestFreeBlocks(log: log, limit: 1 << 40, in: range)
    let blocks = set.largestFreeBlocks(log: log, limit: 10, in: range)
    #expect(blocks.found.map(\.first) == all.found.prefix(10).map(\.first))
    #expect(blocks.found.map(\.log) == all.found.prefix(10).map(\.log))
    #expect(blocks.looks < 2_000, "of \(all.looks)")
    #expect(log > 0 || all.looks > 400_000)
  }

  /// Against cutting the space in halves, with sets of all kinds and limits from one to all.
  @Test(arguments: 0..<30) func largestBlocksAreThoseThatHalvingFinds(seed: Int) {
    var random = SplitMix(seed: UInt64(seed) &+ 9)
    let base: UInt128 = [0, 10 << 24, UInt128.max - 32_767][seed % 3]
    var model = [Bool](repeating: false, count: 32_768)
    var set = AddressSet()
    for _ in 0..<Int(random.next() % 4_000) {
      let start = Int(random.next() % 32_768)
      let end = min(start + [1, 1, 2, 40, 5_000][Int(random.next() % 400 == 0 ? 4 : random.next() % 4)], 32_768) - 1
      set.insert(base + UInt128(start)...base + UInt128(end))
      for index in start...end { model[index] = true }
    }
    func halved(_ range: Range<Int>, _ log: Int) -> [(log: Int, first: UInt128)] {
      if !model[range].contains(true) { return [(range.count.trailingZeroBitCount, base + UInt128(range.lowerBound))] }
      guard range.count > 1 << log, range.count > 1 else { return [] }
      let middle = range.lowerBound + range.count / 2
      return halved(range.lowerBound..<middle, log) + halved(middle..<range.upperBound, log)
    }
    for log in [0, 1, 5, 13] {
      let expected = halved(0..<32_768, log).sorted { ($1.log, $0.first) < ($0.log, $1.first) }
      for limit in [1, 3, 256] {
        let found = set.largestFreeBlocks(log: log, limit: limit, in: base...base + 32_767).found
        #expect(found.map(\.first) == expected.prefix(limit).map(\.first), "seed \(seed) log \(log) limit \(limit)")
        #expect(found.map(\.log) == expected.prefix(limit).map(\.log), "seed \(seed) log \(log) limit \(limit)")
      }
    }
  }

  @Test func largestBlocksComeFirst() {
    var set = AddressSet()
    set.insert(0...255)
    set.insert(300...300)
    let blocks = set.largestFreeBlocks(log: 4, limit: 3, in: 0...1_023).found
    #expect(blocks.map(\.log) == [9, 7, 6])
    #expect(blocks.map(\.first) == [512, 384, 320])
  }
}

struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
