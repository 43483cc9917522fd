/// 4,096 addresses as bits, with two summary words so that a search looks at three words at most.
///
/// A class, so that a set changes a leaf in place; a set never shares its leaves.
final class Leaf {
  static let bits = 4_096
  private var words = InlineArray<64, UInt64>(repeating: 0)
  private var nonempty: UInt64 = 0
  private var full: UInt64 = 0
  private(set) var count = 0
  private var cachedRuns: Runs?

  /// Free runs of a leaf: before its first member, after its last, the longest of all, and the log2 of the largest
  /// aligned free block.
  struct Runs {
    var leading: Int
    var trailing: Int
    var longest: Int
    var alignedLog: Int

    /// Addresses of the largest aligned free block.
    var longestAligned: Int { alignedLog < 0 ? 0 : 1 << alignedLog }
  }

  init(full isFull: Bool = false) {
    guard isFull else { return }
    words = InlineArray(repeating: .max)
    (nonempty, full, count) = (.max, .max, Leaf.bits)
  }

  func copy() -> Leaf {
    let copy = Leaf()
    (copy.words, copy.nonempty, copy.full, copy.count) = (words, nonempty, full, count)
    return copy
  }

  var isFull: Bool { full == .max }
  var isEmpty: Bool { nonempty == 0 }

  func contains(_ bit: Int) -> Bool { words[bit >> 6] >> UInt64(bit & 63) & 1 == 1 }

  /// Adds (or removes) the bits `range`.
  func set(_ range: ClosedRange<Int>, to isMember: Bool) {
    for index in range.lowerBound >> 6...range.upperBound >> 6 {
      let low = max(range.lowerBound - index << 6, 0)
      let high = min(range.upperBound - index << 6, 63)
      let mask = UInt64.max << UInt64(low) & UInt64.max >> UInt64(63 - high)
      let old = words[index]
      let new = isMember ? old | mask : old & ~mask
      count += new.nonzeroBitCount - old.nonzeroBitCount
      words[index] = new
      let summary = UInt64(1) << UInt64(index)
      nonempty = new == 0 ? nonempty & ~summary : nonempty | summary
      full = new == .max ? full | summary : full & ~summary
    }
    cachedRuns = nil
  }

  /// The first bit at or after `bit` that is not a member.
  func firstClear(from bit: Int) -> Int? {
    guard bit < Leaf.bits else { return nil }
    let here = ~words[bit >> 6] >> UInt64(bit & 63)
    if here != 0 { return bit + here.trailingZeroBitCount }
    let later = ~full & above(bit >> 6)
    guard later != 0 else { return nil }
    let index = later.trailingZeroBitCount
    return index << 6 + (~words[index]).trailingZeroBitCount
  }

  /// The first member at or after `bit`.
  func firstSet(from bit: Int) -> Int? {
    guard bit < Leaf.bits else { return nil }
    let here = words[bit >> 6] >> UInt64(bit & 63)
    if here != 0 { return bit + here.trailingZeroBitCount }
    let later = nonempty & above(bit >> 6)
    guard later != 0 else { return nil }
    let index = later.trailingZeroBitCount
    return index << 6 + words[index].trailingZeroBitCount
  }

  /// How many members `range` has.
  func count(in range: ClosedRange<Int>) -> Int {
    if range == 0...Leaf.bits - 1 { return count }
    var total = 0
    for index in range.lowerBound >> 6...range.upperBound >> 6 {
      let low = max(range.lowerBound - index << 6, 0)
      let high = min(range.upperBound - index << 6, 63)
      total += (words[index] & UInt64.max << UInt64(low) & UInt64.max >> UInt64(63 - high)).nonzeroBitCount
    }
    return total
  }

  /// The summary bits above word `index`.
  private func above(_ index: Int) -> UInt64 { index == 63 ? 0 : UInt64.max << UInt64(index + 1) }

  /// Its free runs; remembered until the next change.
  var runs: Runs {
    if let cachedRuns { return cachedRuns }
    var runs = Runs(leading: firstSet(from: 0) ?? Leaf.bits, trailing: 0, longest: 0, alignedLog: -1)
    var start = firstClear(from: 0)
    while let first = start {
      let end = firstSet(from: first) ?? Leaf.bits
      runs.longest = max(runs.longest, end - first)
      runs.alignedLog = max(runs.alignedLog, Leaf.largestAlignedLog(in: first..<end))
      if end == Leaf.bits { runs.trailing = end - first }
      start = firstClear(from: end)
    }
    cachedRuns = runs
    return runs
  }

  /// The log2 of the largest aligned block inside `range`, which is not empty.
  static func largestAlignedLog(in range: Range<Int>) -> Int {
    var log = 0
    while true {
      let size = 2 << log
      let start = (range.lowerBound + size - 1) & ~(size - 1)
      guard start + size <= range.upperBound else { return log }
      log += 1
    }
  }
}
