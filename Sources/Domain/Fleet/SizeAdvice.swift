/// What a VM really used, as a histogram in twentieths of its size; it forgets when, and keeps how often.
package struct UsageHistogram: Hashable, Sendable {
  /// Columns: 0 = at most a twentieth, 19 = all of it, or more.
  private static let columns = 20
  /// So many measurements make advice worth giving.
  package static let enough: UInt32 = 100
  /// Advice leaves a fifth more than what was used in 95 of 100 measurements.
  private static let roomPercent: Int64 = 120

  private var cpu = [UInt32](repeating: 0, count: UsageHistogram.columns)
  private var memory = [UInt32](repeating: 0, count: UsageHistogram.columns)
  /// How often it was measured.
  package private(set) var samples: UInt32 = 0

  /// Nothing was measured yet.
  package init() {}

  /// Takes one measurement of a VM of this size.
  package mutating func add(_ used: Resources, of size: Resources) {
    guard samples < .max else { return }
    samples += 1
    cpu[UsageHistogram.column(used.cpu, size.cpu)] += 1
    memory[UsageHistogram.column(used.memory, size.memory)] += 1
  }

  /// Takes over what another has.
  package mutating func add(_ other: UsageHistogram) {
    samples = samples.addingReportingOverflow(other.samples).overflow ? .max : samples + other.samples
    for index in 0..<UsageHistogram.columns {
      cpu[index] &+= other.cpu[index]
      memory[index] &+= other.memory[index]
    }
  }

  private static func column(_ used: Int32, _ size: Int32) -> Int {
    guard size > 0, used > 0 else { return 0 }
    return min(columns - 1, Int((Int64(used) * Int64(columns) + Int64(size) - 1) / Int64(size)) - 1)
  }

  /// What 95 of 100 measurements did not exceed, of a VM of this size, rounded up to a twentieth of it.
  package func usual(of size: Resources) -> Resources {
    Resources(cpu: UsageHistogram.usual(cpu, size.cpu), memory: UsageHistogram.usual(memory, size.memory))
  }

  private static func usual(_ counts: [UInt32], _ size: Int32) -> Int32 {
    let all = counts.reduce(0) { $0 + UInt64($1) }
    var seen: UInt64 = 0
    for (index, count) in counts.enumerated() {
      seen += UInt64(count)
      if seen * 100 >= all * 95 { return Int32(Int64(size) * Int64(index + 1) / Int64(columns)) }
    }
    return size
  }

  /// A smaller size that would do, in steps of a quarter vCPU and 64 MiB; nil = it is not too large, or was not measured
  /// often enough. Disk and bandwidth stay.
  package func advice(for size: Resources) -> Resources? {
    guard samples >= UsageHistogram.enough else { return nil }
    let usual = usual(of: size)
    var advised = size
    advised.cpu = min(size.cpu, UsageHistogram.roomy(usual.cpu, step: 250))
    advised.memory = min(size.memory, UsageHistogram.roomy(usual.memory, step: 64))
    return advised == size ? nil : advised
  }

  private static func roomy(_ amount: Int32, step: Int64) -> Int32 {
    let wanted = (Int64(amount) * roomPercent + 99) / 100
    return Int32(clamping: max(1, (wanted + step - 1) / step) * step)
  }
}
