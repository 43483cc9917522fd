import Log
import Platform
import Testing

/// The batch that follows `head`, with entries of the given sizes and content that depends on the sequence.
func nextBatch(_ head: LogHead, sizes: [Int] = [40], time: Int64? = nil) -> Batch {
  let sequence = head.sequence + 1
  return Batch(
    sequence: sequence, epoch: 1, nonce: sequence &* 0x9e37_79b9_7f4a_7c15, time: time ?? head.time + 1000,
    seed: sequence &* 31, firstRevision: head.nextRevision, previous: head.hash, stateHash: UInt128(sequence) << 70,
    entries: sizes.enumerated().map { index, size in
      (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index &+ Int(sequence)) }
    })
}

/// Appends one batch and gives its end; `then` must have been called by the time `append` returns.
func append(_ log: any BatchLog, _ batch: Batch) -> AppendEnd {
  let box = EndBox()
  log.append(batch) { box.set($0) }
  return box.value
}

/// Appends `count` durable batches.
func fill(_ log: any BatchLog, _ count: Int, sizes: [Int] = [40]) {
  for _ in 0..<count { #expect(append(log, nextBatch(log.head, sizes: sizes)) == .durable) }
}

/// All batches from `sequence` on, page by page.
func readAll(_ reader: any BatchReader, from sequence: UInt64 = 1, limit: Int = 7) throws -> [StoredBatch] {
  var out: [StoredBatch] = []
  while true {
    let page = try reader.batches(from: sequence + UInt64(out.count), limit: limit)
    if page.isEmpty { return out }
    out += page
  }
}

private final class EndBox: @unchecked Sendable {
  private let lock = Lock()
  private var ends: [AppendEnd] = []
  func set(_ end: AppendEnd) { lock.withLock { ends.append(end) } }
  var value: AppendEnd {
    lock.withLock {
      precondition(ends.count == 1, "an append ended \(ends.count) times before it returned")
      return ends[0]
    }
  }
}

/// A small generator whose seed is printed by the tests that use it.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
