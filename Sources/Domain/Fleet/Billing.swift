// Money over time: what a VM's room costs, exactly.
//
// A price is so many millionths an hour, and time is in microseconds, so an amount is rarely whole. Rounding each
// interval by itself would make the bill depend on where it is cut. Instead the price is thought of as a staircase over
// absolute time: at instant t it stands at `floor(rate * t / hour)`, and an interval costs the difference of its ends.
// Two intervals that meet cost together what the one across both costs, to the last millionth, wherever they meet.

/// What somebody owes for room on a node.
package enum Billing {
  /// Microseconds of an hour.
  package static let hour: LogTime = 3_600_000_000

  /// What one price costs from one instant to another.
  package static func cost(hourly rate: Money, from: LogTime, to: LogTime) -> Money {
    from < to ? Money(clamping: step(rate, to) - step(rate, from)) : 0
  }

  private static func step(_ rate: Money, _ time: LogTime) -> Int128 { Int128(rate) * Int128(time) / Int128(hour) }

  /// What resources cost on a node with these prices from one instant to another, by the hour of the day.
  package static func cost(_ resources: Resources, _ prices: Prices, from: LogTime, to: LogTime) -> Money {
    let (peak, offPeak) = (prices.peak.hourly(resources), prices.offPeak.hourly(resources))
    if peak == offPeak || prices.peakFrom == prices.peakUntil { return cost(hourly: offPeak, from: from, to: to) }
    var total: Money = 0
    var at = from
    while at < to {
      let end = min(to, prices.nextChange(after: at))
      total = total.adding(cost(hourly: prices.rates(hour: Prices.hour(of: at)).hourly(resources), from: at, to: end))
      at = end
    }
    return total
  }
}

extension Money {
  /// The sum, or the largest amount that there is.
  package func adding(_ other: Money) -> Money { Money(clamping: Int128(self) + Int128(other)) }
}

extension Prices {
  /// When the price changes next, by the hour of the day.
  fileprivate func nextChange(after time: LogTime) -> LogTime {
    let day = 24 * Billing.hour
    let midnight = time / day * day
    let ends = [peakFrom, peakUntil].map { midnight + LogTime($0) * Billing.hour }
    return (ends + ends.map { $0 + day }).filter { $0 > time }.min() ?? time + day
  }
}

/// A stretch of time in which a VM had the same room on the same node at the same prices.
package struct BilledInterval: Hashable, Sendable {
  /// Which VM.
  package let id: VMID
  /// Whose it was, and its name.
  package let key: VMKey
  /// On which node.
  package let node: NodeName
  /// Where that stood.
  package let datacenter: String?
  /// From when.
  package let from: LogTime
  /// Until when.
  package let to: LogTime
  /// What it took.
  package let resources: Resources
  /// What it cost.
  package let amount: Money

  /// An interval and what it costs at these prices.
  package init(
    id: VMID, key: VMKey, node: NodeName, datacenter: String?, from: LogTime, to: LogTime, resources: Resources,
    prices: Prices
  ) {
    self.init(
      id: id, key: key, node: node, datacenter: datacenter, from: from, to: to, resources: resources,
      amount: Billing.cost(resources, prices, from: from, to: to))
  }

  /// An interval as it was told.
  package init(
    id: VMID, key: VMKey, node: NodeName, datacenter: String?, from: LogTime, to: LogTime, resources: Resources,
    amount: Money
  ) {
    (self.id, self.key, self.node, self.datacenter) = (id, key, node, datacenter)
    (self.from, self.to, self.resources, self.amount) = (from, to, resources, amount)
  }
}
