package import Domain

/// What the engine asks about leases before it lets them end.
extension Ledger {
  /// How many leases a pool has due.
  package struct DueLeases: Sendable {
    /// The pool.
    package let pool: PoolName
    /// Leases due.
    package let due: Int
    /// Allocations in all.
    package let allocations: Int
  }

  /// The pools with leases due at `time`.
  package func dueLeases(at time: LogTime) -> [DueLeases] {
    tables.poolNames.compactMap { name in
      guard let index = indexes[name], let state = tables.pools[name] else { return nil }
      let due = index.due.leases(endingBy: UInt64(time)).count { item in
        guard case .allocation(let row) = row(.address(name, item.ip)) else { return false }
        return row.expiresAt == LogTime(item.when)
      }
      return due == 0 ? nil : DueLeases(pool: name, due: due, allocations: state.allocations)
    }
  }
}
