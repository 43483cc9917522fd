/// What every node has and every VM takes; whole numbers, so that sums are exact.
package struct Resources: Hashable, Sendable, BitwiseCopyable {
  /// Thousandths of a vCPU.
  package var cpu: Int32
  /// MiB.
  package var memory: Int32
  /// MiB.
  package var disk: Int32
  /// Mbit/s.
  package var bandwidth: Int32

  /// Names the amounts.
  package init(cpu: Int32 = 0, memory: Int32 = 0, disk: Int32 = 0, bandwidth: Int32 = 0) {
    (self.cpu, self.memory, self.disk, self.bandwidth) = (cpu, memory, disk, bandwidth)
  }

  /// Nothing.
  package static let none = Resources()

  /// Whether each amount is from 0 to `Limits.resource`.
  package var isLegal: Bool {
    [cpu, memory, disk, bandwidth].allSatisfy { (0...Limits.resource).contains($0) }
  }

  /// The sum.
  package static func + (a: Self, b: Self) -> Self {
    Resources(
      cpu: a.cpu + b.cpu, memory: a.memory + b.memory, disk: a.disk + b.disk, bandwidth: a.bandwidth + b.bandwidth)
  }

  /// The difference.
  package static func - (a: Self, b: Self) -> Self {
    Resources(
      cpu: a.cpu - b.cpu, memory: a.memory - b.memory, disk: a.disk - b.disk, bandwidth: a.bandwidth - b.bandwidth)
  }

  /// Whether each amount is at most the other's.
  package func fits(in other: Self) -> Bool {
    cpu <= other.cpu && memory <= other.memory && disk <= other.disk && bandwidth <= other.bandwidth
  }
}

/// So much of a resource that an operator made up.
package struct CustomAmount: Hashable, Sendable {
  /// Of what.
  package let name: ResourceName
  /// How much.
  package let amount: UInt32

  /// Joins the two.
  package init(_ name: ResourceName, _ amount: UInt32) { (self.name, self.amount) = (name, amount) }
}

/// A device of a node; one VM has it or nobody.
package struct Device: Hashable, Sendable {
  /// Where it is on the node.
  package let id: DeviceID
  /// What it is.
  package let model: DeviceModel
  /// The NUMA node it hangs on.
  package let numa: UInt8

  /// Makes a device as it is.
  package init(id: DeviceID, model: DeviceModel, numa: UInt8 = 0) {
    (self.id, self.model, self.numa) = (id, model, numa)
  }
}

/// So many devices of a model.
package struct DeviceRequest: Hashable, Sendable {
  /// Of which model.
  package let model: DeviceModel
  /// How many.
  package let count: UInt8

  /// Joins the two.
  package init(_ model: DeviceModel, _ count: UInt8 = 1) { (self.model, self.count) = (model, count) }
}

/// A part of a node whose processors reach its memory fastest.
package struct NUMANode: Hashable, Sendable {
  /// Its processors.
  package let cpus: CPUSet
  /// Its memory in MiB.
  package let memory: Int32

  /// Makes a NUMA node as it is.
  package init(cpus: CPUSet, memory: Int32) { (self.cpus, self.memory) = (cpus, memory) }
}

/// How much more than it has a node may promise; the numbers are part of the contract.
package enum OvercommitProfile: UInt8, Hashable, Sendable, CaseIterable {
  /// 1 / 1 / 1, 10 % held back.
  case conservative = 0
  /// 2 / 1.2 / 1.1, 15 % held back.
  case moderate = 1
  /// 4 / 1.5 / 1.3, 5 % held back.
  case aggressive = 2

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }

  /// Tenths of what is there: processors, memory, disk.
  package var tenths: (cpu: Int32, memory: Int32, disk: Int32) {
    switch self {
    case .conservative: (10, 10, 10)
    case .moderate: (20, 12, 11)
    case .aggressive: (40, 15, 13)
    }
  }

  /// Percent of what may be promised that is held back.
  package var reservePercent: Int32 {
    switch self {
    case .conservative: 10
    case .moderate: 15
    case .aggressive: 5
    }
  }

  /// What may be promised of `physical`: times the ratio, less the reserve, rounded down. Bandwidth is never stretched.
  package func effective(_ physical: Resources) -> Resources {
    Resources(
      cpu: stretch(physical.cpu, tenths.cpu, up: false), memory: stretch(physical.memory, tenths.memory, up: false),
      disk: stretch(physical.disk, tenths.disk, up: false), bandwidth: physical.bandwidth)
  }

  /// What `amounts` that must be backed by real processors and memory take of what may be promised, rounded up: all of
  /// a node's real ones together take all that it may promise.
  package func backed(_ amounts: Resources) -> Resources {
    Resources(
      cpu: stretch(amounts.cpu, tenths.cpu, up: true), memory: stretch(amounts.memory, tenths.memory, up: true),
      disk: amounts.disk, bandwidth: amounts.bandwidth)
  }

  private func stretch(_ amount: Int32, _ tenths: Int32, up: Bool) -> Int32 {
    let exact = Int64(amount) * Int64(tenths) * Int64(100 - reservePercent)
    return Int32((exact + (up ? 999 : 0)) / 1_000)
  }
}
