/// Money, in millionths of the operator's currency: exact, and never a fraction of a millionth.
package typealias Money = Int64

/// What an hour of each resource costs.
package struct Rates: Hashable, Sendable, BitwiseCopyable {
  /// A vCPU.
  package var cpu: Money
  /// A GiB of memory.
  package var memory: Money
  /// A GiB of disk.
  package var disk: Money
  /// A Gbit/s.
  package var bandwidth: Money

  /// Names the rates.
  package init(cpu: Money = 0, memory: Money = 0, disk: Money = 0, bandwidth: Money = 0) {
    (self.cpu, self.memory, self.disk, self.bandwidth) = (cpu, memory, disk, bandwidth)
  }

  /// Whether each rate is from 0 to `Limits.rate`.
  package var isLegal: Bool { [cpu, memory, disk, bandwidth].allSatisfy { (0...Limits.rate).contains($0) } }

  /// What an hour of `amounts` costs; each part rounded down.
  package func hourly(_ amounts: Resources) -> Money {
    Money(amounts.cpu) * cpu / 1_000 + Money(amounts.memory) * memory / 1_024 + Money(amounts.disk) * disk / 1_024
      + Money(amounts.bandwidth) * bandwidth / 1_000
  }
}

/// What a node costs, by the hour of the day.
package struct Prices: Hashable, Sendable, BitwiseCopyable {
  /// In the peak hours.
  package var peak: Rates
  /// In all others.
  package var offPeak: Rates
  /// The first peak hour, 0...23 UTC.
  package var peakFrom: UInt8
  /// The hour after the last peak hour; the same as the first: no peak at all.
  package var peakUntil: UInt8

  /// One price round the clock.
  package init(_ rates: Rates = Rates()) { (peak, offPeak, peakFrom, peakUntil) = (rates, rates, 0, 0) }

  /// Two prices; the peak may pass midnight.
  package init(peak: Rates, offPeak: Rates, peakFrom: UInt8, peakUntil: UInt8) {
    (self.peak, self.offPeak, self.peakFrom, self.peakUntil) = (peak, offPeak, peakFrom, peakUntil)
  }

  /// What counts in an hour of the day, 0...23 UTC.
  package func rates(hour: UInt8) -> Rates {
    let isPeak =
      peakFrom <= peakUntil ? hour >= peakFrom && hour < peakUntil : hour >= peakFrom || hour < peakUntil
    return isPeak ? peak : offPeak
  }
}

extension Prices {
  /// What a month of `amounts` costs: 730 hours, the peak's share of them as in a day; rounded down.
  package func monthly(_ amounts: Resources) -> Money {
    let peakHours = Int128((Int(peakUntil) - Int(peakFrom) + 24) % 24)
    let day = peakHours * Int128(peak.hourly(amounts)) + (24 - peakHours) * Int128(offPeak.hourly(amounts))
    return Money(clamping: day * 730 / 24)
  }

  /// The hour of the day of a log time.
  package static func hour(of time: LogTime) -> UInt8 { UInt8((time / 3_600_000_000) % 24) }
}
