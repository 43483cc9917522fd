internal import CLinux

/// An instant of a clock that never jumps, for measuring and for deadlines; means nothing outside this process.
package struct MonotonicTime: Hashable, Comparable, Sendable {
  /// Nanoseconds since an arbitrary start.
  package let nanoseconds: Int64

  /// Makes an instant from a raw reading.
  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The clock read now.
  package static var now: MonotonicTime { MonotonicTime(nanoseconds: readClock(CLOCK_MONOTONIC)) }

  /// The clock that goes on while the machine sleeps read now: for what others count on. Never compared with `now`.
  package static var sinceBoot: MonotonicTime { MonotonicTime(nanoseconds: readClock(CLOCK_BOOTTIME)) }

  /// Earlier comes first.
  package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

  /// The instant `duration` later.
  package static func + (a: Self, duration: Duration) -> Self {
    let (seconds, attoseconds) = duration.components
    return MonotonicTime(nanoseconds: a.nanoseconds + seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }

  /// The nanoseconds between two instants.
  package static func - (a: Self, b: Self) -> Int64 { a.nanoseconds - b.nanoseconds }
}

/// Readings of the machine's clocks in microseconds.
package enum WallClock {
  /// Microseconds since 1970, UTC; may jump.
  package static var microseconds: Int64 { readClock(CLOCK_REALTIME) / 1000 }

  /// Microseconds since boot, suspended time included; never jumps.
  package static var bootMicroseconds: Int64 { readClock(CLOCK_BOOTTIME) / 1000 }
}

private func readClock(_ id: clockid_t) -> Int64 {
  var time = timespec()
  let result = unsafe clock_gettime(id, &time)
  precondition(result == 0, "clock_gettime failed")
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
