internal import Domain
internal import Ledger

/// Holds expiry when suspiciously much is due at once after a start: a wrong clock must not release a fleet.
struct ExpiryBrake {
  /// More leases than this due at once hold expiry.
  static let leasesAtOnce = 1_000
  private(set) var isHeld = false
  private var isChecked = false

  /// Looks once, at the first thing that falls due after the start.
  mutating func check(_ ledger: Ledger, at time: LogTime) {
    guard !isChecked else { return }
    isChecked = true
    let due = ledger.dueLeases(at: time)
    let total = due.reduce(0) { $0 + $1.due }
    isHeld = total > ExpiryBrake.leasesAtOnce || due.contains { $0.due > 1 && $0.due * 100 > $0.allocations }
  }

  /// Lets expiry go on.
  mutating func release() {
    isChecked = true
    isHeld = false
  }
}
