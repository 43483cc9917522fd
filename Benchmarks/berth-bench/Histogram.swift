/// Counts of durations in logarithmic buckets, each 1/64 of a power of two wide (below 1.6 % error), up to 2^40 ns.
struct Histogram {
  private static let subBits = 6
  private static let limit: Int64 = (1 << 40) - 1
  private var counts = [UInt32](repeating: 0, count: (40 - subBits + 1) << subBits)
  private(set) var count = 0
  private(set) var largest: Int64 = 0

  mutating func add(_ nanoseconds: Int64) {
    let value = min(max(0, nanoseconds), Self.limit)
    counts[Self.bucket(value)] &+= 1
    count += 1
    largest = max(largest, value)
  }

  mutating func reset() { self = Histogram() }

  /// The upper edge in nanoseconds of the bucket below which `share` of all values lie.
  func quantile(_ share: Double) -> Int64 {
    let wanted = Int((Double(count) * share).rounded(.up))
    var seen = 0
    for (bucket, n) in counts.enumerated() where n > 0 {
      seen += Int(n)
      if seen >= wanted { return min(Self.upperEdge(bucket), largest) }
    }
    return 0
  }

  /// Every bucket in use as (upper edge, count).
  var buckets: [(Int64, UInt32)] {
    counts.enumerated().compactMap { $1 > 0 ? (Self.upperEdge($0), $1) : nil }
  }

  private static func bucket(_ value: Int64) -> Int {
    let magnitude = 63 - value.leadingZeroBitCount
    if magnitude < subBits { return Int(value) }
    let shift = magnitude - subBits
    return ((shift + 1) << subBits) + Int((value >> Int64(shift)) & ((1 << Int64(subBits)) - 1))
  }

  private static func upperEdge(_ bucket: Int) -> Int64 {
    let block = bucket >> subBits
    let sub = Int64(bucket & ((1 << subBits) - 1))
    return block == 0 ? sub : ((1 << Int64(subBits)) + sub + 1) << Int64(block - 1)
  }
}
