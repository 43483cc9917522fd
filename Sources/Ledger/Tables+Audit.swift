package import Addressing
package import Domain

/// What is wrong with a published row, seen beside what is kept about it.
package enum RowFlaw: Hashable, Sendable {
  /// So many addresses are in two hands.
  case duplicate(AddressCount, String)
  /// A row, and what is computed from rows, contradict each other.
  case contradiction(String)

  /// What, in words.
  package var what: String {
    switch self {
    case .duplicate(_, let what), .contradiction(let what): what
    }
  }
}

/// For a look beside the writer: a few rows in one hold of the lock, each as it is now, so that nothing is wrong only
/// because time has passed between two looks.
extension Tables {
  /// The allocations on a page as it was at one moment.
  package static func allocations(on page: TablePage) -> [(pool: PoolName, ip: IPAddress)] {
    page.rows.compactMap { bytes in
      // Rows in memory were decoded before they got there.
      guard case .allocation(let row) = try? Row(decoding: bytes) else { return nil }
      return (row.pool, row.ip)
    }
  }

  /// What is wrong with the allocation at `ip`; nil if nothing is, or it is gone.
  package func flaw(at ip: IPAddress, in pool: PoolName) -> RowFlaw? {
    guard let row = allocation(at: ip, in: pool) else { return nil }
    let name = "\(row.block) of pool \(pool), held by \(row.owner)"
    guard let state = pools[pool] else { return .contradiction("\(name): there is no such pool") }
    guard state.pool.cidr.contains(row.block) else { return .contradiction("\(name): it is not in \(state.pool.cidr)") }
    let size = AddressCount(of: row.block.range)
    // Of two blocks that overlap one contains the other: whoever looks from inside sees it.
    for length in state.childLengths.keys where length < row.block.length {
      let around = Prefix(containing: ip, length: length)
      guard let other = allocation(at: around.first, in: pool), other.block == around else { continue }
      return .duplicate(size, "\(name): it lies in \(around), held by \(other.owner)")
    }
    guard AddressCount(state.allocated.count(in: row.block.range.bits)) == size else {
      return .contradiction("\(name): it counts as free")
    }
    return nil
  }

  /// What is wrong with the numbers of a pool; nil if nothing is, or it is gone.
  package func flaw(of pool: PoolName) -> RowFlaw? {
    guard let state = pools[pool] else { return nil }
    let marked = AddressCount(state.allocated.count(in: state.pool.cidr.range.bits))
    guard marked == state.allocatedCount else {
      return .contradiction(
        "pool \(pool): \(state.allocatedCount) addresses are allocated, \(marked) are marked as taken")
    }
    return nil
  }
}
