package import Domain
internal import Platform

/// Two readings of the machine's clocks, in microseconds.
package struct ClockReading: Hashable, Sendable {
  /// Time of day; may jump.
  package var wall: Int64
  /// Time since boot; never jumps.
  package var boot: Int64

  /// Makes a reading from its two parts.
  package init(wall: Int64, boot: Int64) { (self.wall, self.boot) = (wall, boot) }

  /// The machine's clocks now.
  package static var now: ClockReading {
    ClockReading(wall: WallClock.microseconds, boot: WallClock.bootMicroseconds)
  }
}

/// The log's own time: follows the wall clock, never goes back, and does not believe a step of over a minute until
/// somebody confirms it.
package struct LogClock: Sendable {
  /// The largest step of the wall clock that is believed.
  package static let believedStep: Int64 = 60_000_000
  private var believed: ClockReading
  /// Whether the wall clock has stepped and waits for confirmation.
  package private(set) var isHeld = false

  /// Begins by believing `reading`.
  package init(_ reading: ClockReading) { believed = reading }

  /// The time of a batch after one at `previous`.
  package mutating func time(_ reading: ClockReading, after previous: LogTime) -> LogTime {
    let reckoned = reckon(reading, after: previous)
    isHeld = reckoned.isHeld
    if !isHeld { believed = reading }
    return reckoned.time
  }

  /// What the time would be, and whether the wall clock is not believed.
  func reckon(_ reading: ClockReading, after previous: LogTime) -> (time: LogTime, isHeld: Bool) {
    let expected = believed.wall + (reading.boot - believed.boot)
    let isHeld = abs(reading.wall - expected) > LogClock.believedStep
    return (max(previous, isHeld ? expected : reading.wall), isHeld)
  }

  /// Goes along with a clock that is only looked at: who follows must know a step when it leads.
  mutating func follow(_ reading: ClockReading) {
    isHeld = reckon(reading, after: 0).isHeld
    if !isHeld { believed = reading }
  }

  /// Believes the wall clock as it is now.
  package mutating func confirm(_ reading: ClockReading) {
    believed = reading
    isHeld = false
  }
}
