internal import Synchronization

/// The upper ends of a histogram's buckets.
package struct Buckets: Hashable, Sendable {
  /// No histogram has more buckets with an upper end.
  package static let countMax = 23

  /// In seconds, ascending.
  package let seconds: [Double]

  /// Takes 1 to 23 ascending positive numbers of seconds.
  package init(seconds: [Double]) {
    precondition((1...Buckets.countMax).contains(seconds.count), "\(seconds.count) buckets")
    precondition(zip(seconds, seconds.dropFirst()).allSatisfy(<) && seconds[0] > 0, "buckets \(seconds) do not ascend")
    self.seconds = seconds
  }

  /// From 25 microseconds to 10 seconds: what a request or a flush takes.
  package static let latency = Buckets(seconds: [
    25e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3, 1, 2, 5, 10
  ])
}

/// Counts durations by size; observing is a short search and two relaxed atomic additions.
package final class Histogram: Sendable {
  /// The upper ends of its buckets.
  package let buckets: Buckets
  // A fixed array in the object itself: atomics cannot live in an Array, and need no pointer here.
  private let counts = InlineArray<24, Atomic<UInt64>> { _ in Atomic(0) }
  private let limits: InlineArray<24, Int64>
  private let sum = Atomic<UInt64>(0)

  /// Starts empty.
  package init(_ buckets: Buckets = .latency) {
    self.buckets = buckets
    limits = InlineArray { $0 < buckets.seconds.count ? Int64((buckets.seconds[$0] * 1e9).rounded()) : Int64.max }
  }

  /// Counts one duration; a negative one counts as zero.
  package func observe(nanoseconds: Int64) {
    var index = 0
    // Ends at the latest behind the last bucket, because the limits from there on are the largest number.
    while nanoseconds > limits[index] { index += 1 }
    counts[index].wrappingAdd(1, ordering: .relaxed)
    sum.wrappingAdd(UInt64(max(0, nanoseconds)), ordering: .relaxed)
  }

  /// What has been counted: per bucket how many were at most its upper end, and last all of them.
  package var cumulative: [UInt64] {
    var total: UInt64 = 0
    return (0...buckets.seconds.count).map { index in
      total += counts[index].load(ordering: .relaxed)
      return total
    }
  }

  /// The sum of all durations in seconds.
  package var sumSeconds: Double { Double(sum.load(ordering: .relaxed)) / 1e9 }
}
