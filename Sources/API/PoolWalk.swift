internal import Addressing
internal import Domain
internal import Engine
internal import Ledger

/// Walks a pool's allocations in short holds of the reader lock: a list is no snapshot, but it never holds up a write.
struct PoolWalk {
  /// At most this many rows are looked at in one hold of the lock.
  static let slice = 256

  /// What one hold of the lock brought.
  struct Slice {
    let pool: Pool?
    let items: [Allocation]
  }

  private let name: PoolName
  private var after: IPAddress?
  private var left: Int
  private var budget: Int
  private var isFinished = false
  /// Where the list goes on; nil at its end. Right once `next` has returned nil.
  private(set) var goesOnAfter: IPAddress?
  /// The revision of the last look.
  private(set) var revision: Revision = 0

  /// Walks `pool` after an address, until `limit` items are found or `budget` rows were looked at.
  init(pool: PoolName, after: IPAddress?, limit: Int, budget: Int) {
    (name, self.after, left, self.budget) = (pool, after, limit, budget)
  }

  /// Whether it has found as much as it was to find.
  var isFull: Bool { left == 0 }

  /// Rows that may still be looked at.
  var rowsLeft: Int { budget }

  /// The next items that match; nil at the end.
  mutating func next(_ engine: Engine, where matches: (Allocation) -> Bool) -> Slice? {
    if isFinished { return nil }
    let allowed = min(PoolWalk.slice, budget)
    var visits = allowed
    let limit = min(left, PoolWalk.slice)
    let (slice, more, revision) = engine.read { tables -> (Slice, IPAddress?, Revision) in
      let found = tables.allocations(in: name, after: after, limit: limit, visiting: &visits, where: matches)
      return (Slice(pool: tables.pools[name]?.pool, items: found.items), found.more, tables.revision)
    }
    self.revision = revision
    budget -= allowed - visits
    left -= slice.items.count
    after = more
    isFinished = more == nil || left == 0 || budget == 0
    goesOnAfter = more
    return slice
  }
}
