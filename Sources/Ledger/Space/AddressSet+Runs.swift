/// Searches for free runs: contiguous addresses and child prefixes.
///
/// A leaf remembers its own free runs until it changes, so a search passes a fragmented chunk in one look.
extension AddressSet {
  /// The first free run of `count` addresses in `range`, by its lowest address.
  func firstFreeRun(of count: UInt128, in range: ClosedRange<UInt128>) -> UInt128? {
    var found: UInt128?
    forEachFreeRun(in: range, longest: { $0.longest }, atLeast: count) { run in
      found = run.lowerBound
      return nil
    }
    return found
  }

  /// The first free aligned block of 2^`log` addresses in `range`, by its lowest address.
  func firstFreeBlock(log: Int, in range: ClosedRange<UInt128>) -> UInt128? {
    var found: UInt128?
    let size = UInt128(1) << UInt128(log)
    forEachFreeRun(in: range, longest: { $0.longestAligned }, atLeast: size) { run in
      found = AddressSet.firstAligned(log: log, in: run)
      return found == nil ? size : nil
    }
    return found
  }

  /// The `limit` largest free aligned blocks of at least 2^`log` addresses in `range`: log2 of the size, and the
  /// lowest address; largest first.
  func largestFreeBlocks(log: Int, limit: Int, in range: ClosedRange<UInt128>) -> LargestBlocks {
    var blocks = LargestBlocks(log: log, limit: limit)
    forEachFreeRun(in: range, longest: { $0.longestAligned }, atLeast: UInt128(1) << UInt128(log)) { run in
      blocks.add(run)
      return blocks.log < 128 ? 1 << UInt128(blocks.log) : nil
    }
    blocks.cut()
    return blocks
  }

  /// The lowest aligned block of 2^`log` inside `run`.
  fileprivate static func firstAligned(log: Int, in run: ClosedRange<UInt128>) -> UInt128? {
    let mask = (UInt128(1) << UInt128(log)) - 1
    let (up, overflow) = run.lowerBound.addingReportingOverflow(mask)
    guard !overflow else { return nil }
    let start = up & ~mask
    return start <= run.upperBound && run.upperBound - start >= mask ? start : nil
  }

  /// Visits the maximal free runs of at least `atLeast` addresses in order; `body` says from how many on they matter
  /// further on, nil = none. Runs inside a leaf whose longest, by `longest`, is below that may be left out, but never those
  /// that touch its edges.
  private func forEachFreeRun(
    in range: ClosedRange<UInt128>, longest: (Leaf.Runs) -> Int, atLeast: UInt128,
    _ body: (ClosedRange<UInt128>) -> UInt128?
  ) {
    var least = atLeast
    // Where the run begins that no member has ended yet; nil = above everything.
    var open: UInt128? = range.lowerBound
    // Ends the run before `member`; false when the search is over.
    func end(before member: UInt128) -> Bool {
      guard let start = open, start < member, member - start >= least else { return true }
      guard let next = body(start...member - 1) else { return false }
      least = next
      return true
    }
    var position = spans.position(atOrAfter: range.lowerBound >> AddressSet.shift)
    while position != spans.end, let start = open, start <= range.upperBound {
      let span = spans[position]
      let first = span.first << AddressSet.shift
      if first > range.upperBound { break }
      let above = span.last == UInt128.max >> AddressSet.shift ? nil : (span.last + 1) << AddressSet.shift
      if let leaf = span.leaf {
        var bit: Int? = Int(max(start, first) & AddressSet.mask)
        while let from = bit, let member = leaf.firstSet(from: from) {
          if first + UInt128(member) > range.upperBound { break }
          guard end(before: first + UInt128(member)) else { return }
          // The run that leaves this leaf through its top edge is all that may still matter here.
          let runs = leaf.runs
          bit = UInt128(longest(runs)) < least ? Leaf.bits - runs.trailing : leaf.firstClear(from: member)
          if bit == Leaf.bits { bit = nil }
          open = bit.map { first + UInt128($0) } ?? above
        }
      } else {
        guard end(before: first) else { return }
        open = above
      }
      position = spans.after(position)
    }
    guard let start = open, start <= range.upperBound, range.upperBound - start >= least - 1 else { return }
    _ = body(start...range.upperBound)
  }
}

/// The largest free blocks among ascending runs: only so many are wanted, so what is smaller than all of them is passed
/// over as soon as that many are known.
struct LargestBlocks {
  /// log2 of the size, and the lowest address; largest first once they are `cut`.
  private(set) var found: [(log: Int, first: UInt128)] = []
  /// Smaller blocks do not matter.
  private(set) var log: Int
  /// How many blocks were looked at.
  private(set) var looks = 0
  private let limit: Int

  init(log: Int, limit: Int) { (self.log, self.limit) = (log, limit) }

  /// Cuts `run` into the largest aligned blocks, and takes those that matter.
  mutating func add(_ run: ClosedRange<UInt128>) {
    var next = AddressSet.firstAligned(log: log, in: run)
    while let first = next {
      let less = run.upperBound - first
      let room = less == .max ? 127 : 127 - (less + 1).leadingZeroBitCount
      let size = min(first == 0 ? 127 : first.trailingZeroBitCount, room)
      if size < log { break }
      found.append((size, first))
      looks += 1
      let last = first + ((UInt128(1) << UInt128(size)) - 1)
      next = last < run.upperBound ? last + 1 : nil
    }
    guard found.count > 4 * limit + 256 else { return }
    cut()
    // Runs ascend, and of two blocks of one size the lower is preferred: another of the least comes too late.
    log = found[limit - 1].log + 1
  }

  /// Sorts what was found and drops what is too much.
  mutating func cut() { found = Array(found.sorted { ($1.log, $0.first) < ($0.log, $1.first) }.prefix(limit)) }
}
