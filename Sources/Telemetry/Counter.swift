internal import Synchronization

/// A number that only grows; adding is one relaxed atomic addition.
package final class Counter: Sendable {
  private let value = Atomic<UInt64>(0)

  /// Starts at zero.
  package init() {}

  /// Adds `amount`; wraps after 2^64, which a scraper sees as a restart.
  package func add(_ amount: UInt64 = 1) { value.wrappingAdd(amount, ordering: .relaxed) }

  /// The number now.
  package var current: UInt64 { value.load(ordering: .relaxed) }
}
