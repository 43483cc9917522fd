import Domain
import TestSupport
import Testing

@Suite("What room costs") struct BillingTests {
  private static let hour = Billing.hour
  private static let prices = Prices(
    peak: Rates(cpu: 7, memory: 3), offPeak: Rates(cpu: 2, memory: 1), peakFrom: 22, peakUntil: 6)

  @Test func wholeHoursCostWhatThePriceSays() {
    let room = Resources(cpu: 2_000, memory: 1_024)
    let midnight = 20_000 * 24 * Self.hour
    // 22 to 6 is peak: 17 an hour; else 5.
    #expect(Billing.cost(room, Self.prices, from: midnight, to: midnight + Self.hour) == 17)
    #expect(Billing.cost(room, Self.prices, from: midnight + 12 * Self.hour, to: midnight + 13 * Self.hour) == 5)
    #expect(Billing.cost(room, Self.prices, from: midnight, to: midnight + 24 * Self.hour) == 8 * 17 + 16 * 5)
    #expect(Billing.cost(room, Self.prices, from: midnight + 5 * Self.hour, to: midnight + 7 * Self.hour) == 22)
    #expect(Billing.cost(room, Prices(Rates(cpu: 9)), from: midnight, to: midnight + 24 * Self.hour) == 432)
    #expect(Billing.cost(room, Self.prices, from: midnight, to: midnight) == 0)
  }

  @Test func splittingAPeriodAnywhereGivesTheSameSum() {
    var random = SeededRandom(seed: 77)
    for _ in 0..<2_000 {
      let rates = { (random: inout SeededRandom) in
        Rates(cpu: .random(in: 0...1 << 33, using: &random), memory: .random(in: 0...99, using: &random))
      }
      let prices = Prices(
        peak: rates(&random), offPeak: rates(&random), peakFrom: .random(in: 0...23, using: &random),
        peakUntil: .random(in: 0...23, using: &random))
      let room = Resources(cpu: .random(in: 1...99_999, using: &random), memory: .random(in: 0...9_999, using: &random))
      let from = LogTime.random(in: 0...2_000_000_000_000_000, using: &random)
      let to = from + LogTime.random(in: 0...90 * Self.hour, using: &random)
      var cuts = (0..<5).map { _ in LogTime.random(in: from...to, using: &random) }.sorted()
      cuts = [from] + cuts + [to]
      let parts = zip(cuts, cuts.dropFirst()).map { Billing.cost(room, prices, from: $0, to: $1) }
      #expect(parts.reduce(0, +) == Billing.cost(room, prices, from: from, to: to))
      #expect(parts.allSatisfy { $0 >= 0 })
    }
  }

  /// Random lives of VMs on nodes whose prices change; the bill is compared with one that looks at each second.
  @Test func intervalsAddUpToWhatASlowClockCounts() {
    for seed in 1...20 as ClosedRange<UInt64> {
      var random = SeededRandom(seed: seed)
      let log = Self.life(&random)
      let bill = { (from: LogTime, to: LogTime) -> [BilledInterval] in
        var (meter, found) = (BillingMeter(from: from, to: to), [BilledInterval]())
        for (row, isPut, time) in log where time < to { meter.apply(row, isPut: isPut, at: time) { found.append($0) } }
        meter.finish { found.append($0) }
        return found
      }
      let second: LogTime = 1_000_000
      let (from, to) = (100 * second, 900 * second)
      let whole = bill(from, to)
      // No two intervals of a VM on a node overlap.
      for (place, item) in whole.enumerated() {
        #expect(item.from < item.to && item.from >= from && item.to <= to)
        for other in whole[..<place] where other.key == item.key && other.node == item.node {
          #expect(other.to <= item.from || item.to <= other.from, "seed \(seed)")
        }
      }
      let sum = { (items: [BilledInterval]) in items.reduce(0) { $0 + $1.amount } }
      let cut = from + LogTime.random(in: 1...799, using: &random) * second + 123
      #expect(sum(bill(from, cut)) + sum(bill(cut, to)) == sum(whole), "seed \(seed)")
      #expect(sum(whole) == Self.slow(log, from, to, step: second), "seed \(seed)")
    }
  }

  /// What each second costs by the rows as they are then.
  private static func slow(
    _ log: [(row: FleetRow, isPut: Bool, time: LogTime)], _ from: LogTime, _ to: LogTime, step: LogTime
  ) -> Money {
    var (vms, nodes): ([VMKey: VM], [NodeName: Node]) = ([:], [:])
    var (next, total) = (0, Money(0))
    for time in stride(from: 0, to: to, by: Int64.Stride(step)) {
      while next < log.count, log[next].time <= time {
        switch log[next].row {
        case .vm(let vm): vms[vm.key] = log[next].isPut ? vm : nil
        case .node(let node): nodes[node.name] = log[next].isPut ? node : nil
        default: break
        }
        next += 1
      }
      guard time >= from else { continue }
      for vm in vms.values where vm.state != .lost {
        for place in [vm.node, vm.state == .migrating ? vm.leaving : nil].compactMap({ $0 }) {
          total += Billing.cost(vm.spec.resources, nodes[place]?.prices ?? Prices(), from: time, to: time + step)
        }
      }
    }
    return total
  }

  private static func life(_ random: inout SeededRandom) -> [(row: FleetRow, isPut: Bool, time: LogTime)] {
    var log: [(row: FleetRow, isPut: Bool, time: LogTime)] = []
    let names = ["n1", "n2"].map { NodeName(trusted: $0) }
    var time: LogTime = 0
    for step in 0..<60 {
      time += LogTime.random(in: 0...20, using: &random) * 1_000_000
      if step < 2 || step % 10 == 0 {
        let prices = Prices(Rates(cpu: .random(in: 0...1_000_000, using: &random)))
        let node = Node(name: names[step % 2], physical: Resources(cpu: 64_000, memory: 64), prices: prices)
        log.append((.node(node), true, time))
        continue
      }
      let key = VMKey(name: VMName(trusted: "v\(Int.random(in: 0..<3, using: &random))"))
      let state = VMState.allCases.randomElement(using: &random)!
      let place = Int.random(in: 0...1, using: &random)
      let hasNode = state.hasNode ?? true
      let spec = VMSpec(Resources(cpu: .random(in: 1...4, using: &random) * 1_000, memory: 1))
      let vm = VM(
        key: key, id: VMID(revision: UInt64(step)), spec: spec, state: state, node: hasNode ? names[place] : nil,
        leaving: state == .migrating ? names[1 - place] : nil)
      log.append((.vm(vm), Int.random(in: 0..<8, using: &random) > 0, time))
    }
    return log
  }
}

@Suite("What size would do") struct SizeAdviceTests {
  private let size = Resources(cpu: 4_000, memory: 8_192, disk: 9, bandwidth: 7)

  @Test func adviceLeavesRoomOverWhatWasUsedMostOfTheTime() {
    var histogram = UsageHistogram()
    for step in 0..<100 {
      #expect(histogram.advice(for: size) == nil)
      // Five peaks of a hundred do not count.
      histogram.add(Resources(cpu: step < 5 ? 4_000 : 390, memory: 4_096), of: size)
    }
    #expect(histogram.usual(of: size) == Resources(cpu: 400, memory: 4_096))
    #expect(histogram.advice(for: size) == Resources(cpu: 500, memory: 4_928, disk: 9, bandwidth: 7))
    histogram.add(Resources(cpu: 4_000, memory: 0), of: size)
    #expect(histogram.usual(of: size).cpu == 4_000)
  }

  @Test func aBusyVMIsLeftAlone() {
    var histogram = UsageHistogram()
    for _ in 0..<200 { histogram.add(Resources(cpu: 3_900, memory: 9_000), of: size) }
    #expect(histogram.advice(for: size) == nil)
  }
}
