import Addressing
import Domain

/// What of a pool waits for its time or its turn. Items are hints: each is checked against its row when it comes up,
/// so that renewing a lease or taking an address back need not search a queue; those that are stale go when they have
/// become many.
struct DueQueues {
  /// Leases by their end.
  private var leases = Heap<Item>()
  /// Quarantines by theirs.
  private var quarantines = Heap<Item>()
  /// Remembered releases, the longest ago first.
  private var oldest = Heap<Item>()
  /// Remembered releases that cannot be given now: excluded, or outside the pool for a while.
  private var aside = Heap<Item>()
  /// Whether the pool's strategy wants releases remembered; if not, they fall due at once and go with entries of
  /// actor `system`.
  private var remembersReleases = false
  private var leasesKept = 0
  private var oldestKept = 0

  /// An address that waits; `when` is a time, or for a remembered release its order.
  struct Item: Comparable {
    let when: UInt64
    let ip: IPAddress

    static func < (a: Self, b: Self) -> Bool { a.when != b.when ? a.when < b.when : a.ip < b.ip }
  }

  mutating func refresh(remembersReleases: Bool) {
    self.remembersReleases = remembersReleases
    for item in aside.items { oldest.push(item) }
    aside = Heap()
  }

  mutating func follow(_ row: Row) {
    switch row {
    case .allocation(let allocation):
      if let end = allocation.expiresAt { leases.push(Item(when: UInt64(end), ip: allocation.ip)) }
    case .released(let released):
      if let end = released.quarantineUntil {
        quarantines.push(Item(when: UInt64(end), ip: released.block.first))
      } else {
        oldest.push(Item(when: released.order, ip: released.block.first))
      }
    default: break
    }
  }

  // MARK: Turns

  /// How many wait for their turn, stale ones included.
  var turns: Int { oldest.count + aside.count }

  mutating func popOldest() -> Item? { oldest.pop() }
  mutating func pushOldest(_ item: Item) { oldest.push(item) }
  mutating func setAside(_ item: Item) { aside.push(item) }

  /// The longest released of all, those that cannot be given included.
  mutating func popLongest() -> Item? {
    if let set = aside.top, oldest.top.map({ set < $0 }) ?? true { return aside.pop() }
    return oldest.pop()
  }

  // MARK: Times

  /// When the next lease or quarantine may end; 0 = something is to be forgotten now.
  var next: UInt64? {
    if !remembersReleases, oldest.top != nil { return 0 }
    return nextEnd
  }

  /// When the next lease or quarantine may end.
  var nextEnd: UInt64? {
    guard let lease = leases.top?.when else { return quarantines.top?.when }
    return min(lease, quarantines.top?.when ?? lease)
  }

  /// Leases that end by `time`, stale ones included.
  func leases(endingBy time: UInt64) -> [Item] { leases.items.filter { $0.when <= time } }

  /// Takes what is due at `time`, at most `limit`; a release to be forgotten is due at 0.
  mutating func pop(at time: UInt64, limit: Int) -> [Item] {
    var due: [Item] = []
    while due.count < limit, let top = leases.top, top.when <= time {
      due.append(top)
      leases.pop()
    }
    while due.count < limit, let top = quarantines.top, top.when <= time {
      due.append(top)
      quarantines.pop()
    }
    while !remembersReleases, due.count < limit, let item = oldest.pop() { due.append(Item(when: 0, ip: item.ip)) }
    return due
  }

  /// Drops items that no longer say the truth, when they have become many; only when nothing is pending.
  mutating func compact(_ live: (IPAddress) -> Row?) {
    if leases.count > 2 * leasesKept + 1_024 {
      leases = DueQueues.kept(leases.items) { item in
        if case .allocation(let row) = live(item.ip) { row.expiresAt == LogTime(item.when) } else { false }
      }
      leasesKept = leases.count
    }
    if turns > 2 * oldestKept + 1_024 {
      oldest = DueQueues.kept(oldest.items + aside.items) { item in
        if case .released(let row) = live(item.ip) {
          row.quarantineUntil == nil && row.order == item.when
        } else {
          false
        }
      }
      aside = Heap()
      oldestKept = oldest.count
    }
  }

  private static func kept(_ items: [Item], where isTrue: (Item) -> Bool) -> Heap<Item> {
    var kept: [Item] = []
    for item in items.sorted() where item != kept.last && isTrue(item) { kept.append(item) }
    return Heap(sorted: kept)
  }
}
