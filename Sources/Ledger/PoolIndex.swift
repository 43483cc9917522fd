import Addressing
import Domain

/// What the deciding thread alone needs of a pool: where it is free, pending decisions included, and what falls due.
///
/// Nothing here is state: all of it is computed from rows at start and from effects afterwards.
final class PoolIndex {
  /// Excluded, allocated and quarantined addresses.
  private(set) var taken = AddressSet()
  /// Taken addresses and those remembered as released: what is missing was never used.
  private(set) var touched = AddressSet()
  /// Addresses that could be given now.
  var available: AddressCount
  /// The last address given by strategy `next`.
  var cursor: IPAddress?
  /// Released and free again, longest first; checked against the rows when taken.
  var oldest = Heap<Waiting>()
  /// Leases by their end, quarantines by theirs; checked against the rows when due.
  private(set) var leases = Heap<Waiting>()
  private(set) var quarantines = Heap<Waiting>()
  private var excluded: [AddressRange] = []

  /// An address that waits for its turn or its time.
  struct Waiting: Comparable {
    let when: UInt64
    let ip: IPAddress

    static func < (a: Self, b: Self) -> Bool { a.when != b.when ? a.when < b.when : a.ip < b.ip }
  }

  init(_ state: PoolState) {
    available = state.available
    refresh(from: state)
  }

  /// Takes over what a change of the pool or its reservations excludes now.
  func refresh(from state: PoolState) {
    for range in excluded { set(range, taken: false, touched: false) }
    excluded = [state.pool.cidr.range].subtracting(state.usable)
    for range in excluded { set(range, taken: true, touched: true) }
    available = state.available
    cursor = state.cursor
  }

  /// Notes a block as taken or free.
  func set(_ range: AddressRange, taken isTaken: Bool, touched isTouched: Bool) {
    if isTaken { taken.insert(range.bits) } else { taken.remove(range.bits) }
    if isTouched { touched.insert(range.bits) } else { touched.remove(range.bits) }
  }

  /// Follows a durable row.
  func follow(_ row: Row) {
    switch row {
    case .allocation(let allocation):
      if let end = allocation.expiresAt { leases.push(Waiting(when: UInt64(end), ip: allocation.ip)) }
    case .released(let released):
      if let end = released.quarantineUntil {
        quarantines.push(Waiting(when: UInt64(end), ip: released.block.first))
      } else {
        oldest.push(Waiting(when: released.order, ip: released.block.first))
      }
    default: break
    }
  }

  /// Forgets remembered releases: they fall due at once, and go with the next entries of actor `system`.
  func endRemembering() {
    for item in oldest.items { quarantines.push(Waiting(when: 0, ip: item.ip)) }
    oldest = Heap()
  }

  /// When the next lease or quarantine may end.
  var nextDue: UInt64? { [leases.top?.when, quarantines.top?.when].compactMap(\.self).min() }

  /// Takes what is due at `time` out of the queues, at most `limit`; who takes decides or puts back.
  func popDue(at time: UInt64, limit: Int) -> [Waiting] {
    var due: [Waiting] = []
    while due.count < limit, let top = leases.top, top.when <= time {
      due.append(top)
      leases.pop()
    }
    while due.count < limit, let top = quarantines.top, top.when <= time {
      due.append(top)
      quarantines.pop()
    }
    return due
  }

  /// Drops queue entries that no longer say the truth, when they have become many: a renewed lease leaves its old end behind.
  func compact(live: (IPAddress) -> Row?) {
    guard leases.count > 2 * compactedLeases + 1_024 else { return }
    leases = Heap(
      leases.items.filter { item in
        if case .allocation(let row) = live(item.ip) { return row.expiresAt == LogTime(item.when) }
        return false
      })
    compactedLeases = leases.count
  }
  private var compactedLeases = 0
}
