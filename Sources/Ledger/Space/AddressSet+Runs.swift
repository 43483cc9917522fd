/// Searches for free runs: contiguous addresses and child prefixes.
///
/// A leaf remembers its own free runs until it changes, so a search passes a fragmented chunk in one look.
extension AddressSet {
  /// The first free run of `count` addresses in `range`, by its lowest address.
  func firstFreeRun(of count: UInt128, in range: ClosedRange<UInt128>) -> UInt128? {
    var found: UInt128?
    forEachFreeRun(in: range, longest: { $0.longest }, atLeast: count) { run in
      guard run.upperBound - run.lowerBound >= count - 1 else { return true }
      found = run.lowerBound
      return false
    }
    return found
  }

  /// The first free aligned block of 2^`log` addresses in `range`, by its lowest address.
  func firstFreeBlock(log: Int, in range: ClosedRange<UInt128>) -> UInt128? {
    var found: UInt128?
    let size = UInt128(1) << UInt128(log)
    forEachFreeRun(in: range, longest: { $0.alignedLog < 0 ? 0 : 1 << $0.alignedLog }, atLeast: size) { run in
      guard let start = AddressSet.firstAligned(log: log, in: run) else { return true }
      found = start
      return false
    }
    return found
  }

  /// The `limit` largest free aligned blocks of at least 2^`log` addresses in `range`: log2 of the size, and the
  /// lowest address; largest first.
  func largestFreeBlocks(log: Int, limit: Int, in range: ClosedRange<UInt128>) -> [(log: Int, first: UInt128)] {
    var found: [(log: Int, first: UInt128)] = []
    let size = UInt128(1) << UInt128(log)
    forEachFreeRun(in: range, longest: { $0.alignedLog < 0 ? 0 : 1 << $0.alignedLog }, atLeast: size) { run in
      AddressSet.forEachAlignedBlock(in: run, atLeast: log) { found.append($0) }
      if found.count > 4 * limit + 256 {
        found = Array(found.sorted { ($1.log, $0.first) < ($0.log, $1.first) }.prefix(limit))
      }
      return true
    }
    return Array(found.sorted { ($1.log, $0.first) < ($0.log, $1.first) }.prefix(limit))
  }

  /// The lowest aligned block of 2^`log` inside `run`.
  private static func firstAligned(log: Int, in run: ClosedRange<UInt128>) -> UInt128? {
    let mask = (UInt128(1) << UInt128(log)) - 1
    let (up, overflow) = run.lowerBound.addingReportingOverflow(mask)
    guard !overflow else { return nil }
    let start = up & ~mask
    return start <= run.upperBound && run.upperBound - start >= mask ? start : nil
  }

  /// Cuts `run` into the largest aligned blocks, and reports those of at least 2^`log`.
  private static func forEachAlignedBlock(
    in run: ClosedRange<UInt128>, atLeast log: Int, _ body: ((log: Int, first: UInt128)) -> Void
  ) {
    var first = run.lowerBound
    while true {
      var size = first == 0 ? 127 : first.trailingZeroBitCount
      while size > 0, run.upperBound - first < (UInt128(1) << UInt128(size)) - 1 { size -= 1 }
      if size >= log { body((size, first)) }
      let last = first + ((UInt128(1) << UInt128(size)) - 1)
      if last >= run.upperBound { return }
      first = last + 1
    }
  }

  /// Visits maximal free runs in order until `body` says false. Runs inside a leaf whose longest, by `longest`, is
  /// below `atLeast` may be left out, but never those that touch its edges.
  private func forEachFreeRun(
    in range: ClosedRange<UInt128>, longest: (Leaf.Runs) -> Int, atLeast: UInt128,
    _ body: (ClosedRange<UInt128>) -> Bool
  ) {
    var from = range.lowerBound
    while let first = firstFree(in: from...range.upperBound) {
      let next = firstMember(in: first...range.upperBound)
      guard body(first...(next.map { $0 - 1 } ?? range.upperBound)), let next, next < range.upperBound else { return }
      from = next
      // The run that leaves this leaf through its top edge is all that may still matter here.
      if let runs = runs(at: next), UInt128(longest(runs)) < atLeast {
        let top = next | 4_095
        from = max(next, top - UInt128(runs.trailing))
        if from > range.upperBound { return }
      }
    }
  }
}
