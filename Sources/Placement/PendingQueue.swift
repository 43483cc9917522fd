package import Domain

/// VMs that wait for room: by priority, then the tenant that has least, then who came first.
///
/// Who was refused rests for a while, longer each time and never longer than `longestRest`; then it stands where it
/// stood before, not behind those who came later. So a large VM holds up nobody, and nobody waits for ever untried.
package struct PendingQueue {
  /// One that waits.
  package struct Item: Hashable, Sendable {
    /// Which VM.
    package let key: VMKey
    /// Its priority.
    package let priority: UInt16
    /// When it came: smaller is earlier.
    package let order: UInt64
    /// How often it was refused.
    package fileprivate(set) var attempts: UInt32 = 0
    /// Whether it rests because it failed, and not for want of room: room wakes it not.
    fileprivate var hasFailed = false
  }

  /// The first rest, in microseconds of log time; doubled with each refusal.
  package static let firstRest: LogTime = 100_000
  /// The longest rest: a minute.
  package static let longestRest: LogTime = 60_000_000

  /// Waiting, by priority and tenant, in order.
  private var ready: [UInt16: [TenantName: Line]] = [:]
  private var priorities: [UInt16] = []
  private var resting: [VMKey: (item: Item, until: LogTime)] = [:]
  private var known: [VMKey: UInt16] = [:]
  private var nextWake = LogTime.max
  /// How often those failed that have not run since.
  private var failures: [VMKey: UInt32] = [:]

  /// Nobody waits.
  package init() {}

  /// How many wait.
  package var count: Int { known.count }

  /// Of all who wait, ready or resting, the most important: by priority, then who came first.
  package func mostImportant(_ most: Int) -> [VMKey] {
    var found: [Item] = []
    func keepBest() {
      found.sort { ($1.priority, $0.order, $0.key) < ($0.priority, $1.order, $1.key) }
      found.removeLast(max(0, found.count - most))
    }
    func look(at item: Item) {
      found.append(item)
      if found.count >= 2 * most + 64 { keepBest() }
    }
    for lines in ready.values { for line in lines.values { line.all.forEach(look) } }
    for rest in resting.values { look(at: rest.item) }
    keepBest()
    return found.map(\.key)
  }

  /// Whether somebody is to be tried now.
  package var hasReady: Bool { !priorities.isEmpty }

  /// Puts a VM in the queue, once.
  package mutating func add(_ key: VMKey, priority: UInt16, order: UInt64) {
    guard known[key] == nil else { return }
    known[key] = priority
    insert(Item(key: key, priority: priority, order: order))
  }

  /// Takes a VM out: it was placed, or is gone.
  package mutating func remove(_ key: VMKey) {
    guard let priority = known.removeValue(forKey: key) else { return }
    if resting.removeValue(forKey: key) != nil { return }
    drop(priority, key.tenant) { $0.key == key }
  }

  /// The next to try, taken out until `refused` or `remove` says what became of it. `share` is how much of the fleet a
  /// tenant has, in any unit.
  package mutating func next(at time: LogTime, share: (TenantName) -> UInt64) -> Item? {
    wake(at: time)
    for priority in priorities {
      var best: (item: Item, share: UInt64)?
      for tenant in Array((ready[priority] ?? [:]).keys) {
        guard let item = ready[priority]?[tenant]?.first() else { continue }
        let share = share(tenant)
        if best.map({ (share, item.order, item.key) < ($0.share, $0.item.order, $0.item.key) }) ?? true {
          best = (item, share)
        }
      }
      guard let best else { continue }
      drop(priority, best.item.key.tenant) { $0.key == best.item.key }
      // Until it is refused or removed it is nowhere else.
      resting[best.item.key] = (best.item, .max)
      return best.item
    }
    return nil
  }

  /// The item found no room: it rests.
  package mutating func refused(_ item: Item, at time: LogTime) {
    guard let priority = known[item.key] else { return }
    // Room may have been found and taken back in between: then it stands in the line again.
    if resting[item.key] == nil { drop(priority, item.key.tenant) { $0.key == item.key } }
    var item = item
    let rest = min(PendingQueue.longestRest, PendingQueue.firstRest << LogTime(min(item.attempts, 20)))
    item.attempts += 1
    resting[item.key] = (item, time + rest)
    nextWake = min(nextWake, time + rest)
  }

  /// The item found no room at `time`, or was not looked for: then it rests until something is known, and that counts as
  /// no try.
  package mutating func rest(_ item: Item, at time: LogTime, until: LogTime?) {
    guard let until else { return refused(item, at: time) }
    guard known[item.key] != nil else { return }
    resting[item.key] = (item, until)
    nextWake = min(nextWake, until)
  }

  /// Takes one out that is to be tried, as `next` does; nil = it rests, or does not wait.
  package mutating func take(_ key: VMKey) -> Item? {
    guard let priority = known[key], let item = ready[priority]?[key.tenant]?.all.last(where: { $0.key == key }) else {
      return nil
    }
    drop(priority, key.tenant) { $0.key == key }
    resting[key] = (item, .max)
    return item
  }

  /// What one waited for is known: it may try at once, unless it rests because it failed.
  package mutating func wake(_ key: VMKey) {
    guard let rest = resting[key], rest.until < .max, !rest.item.hasFailed else { return }
    resting[key] = nil
    insert(rest.item)
  }

  /// One that waits had been started and failed: it rests, longer each time, whatever room there is.
  package mutating func failed(_ key: VMKey, at time: LogTime) {
    guard var item = take(key) else { return }
    let count = failures[key, default: 0]
    failures[key] = min(count + 1, 20)
    item.hasFailed = true
    let until = time + min(PendingQueue.longestRest, PendingQueue.firstRest << LogTime(count))
    resting[key] = (item, until)
    nextWake = min(nextWake, until)
  }

  /// It runs, or is gone: what failed before counts no more.
  package mutating func forgive(_ key: VMKey) { failures[key] = nil }

  /// Something has become free: all who wait for room may try again at once.
  package mutating func wakeAll() { wake(at: .max - 1, isForRoom: true) }

  /// When the next one has rested; nil = none rests.
  package var nextTime: LogTime? { nextWake == .max ? nil : nextWake }

  private mutating func wake(at time: LogTime, isForRoom: Bool = false) {
    guard nextWake <= time else { return }
    nextWake = .max
    // The order in which they are put back does not matter: each has its own.
    for (key, rest) in resting where rest.until < .max {
      if rest.until <= time, !(isForRoom && rest.item.hasFailed) {
        resting[key] = nil
        var item = rest.item
        item.hasFailed = false
        insert(item)
      } else {
        nextWake = min(nextWake, rest.until)
      }
    }
  }

  private mutating func insert(_ item: Item) {
    if ready[item.priority] == nil {
      priorities.insert(item.priority, at: priorities.firstIndex { $0 < item.priority } ?? priorities.count)
    }
    ready[item.priority, default: [:]][item.key.tenant, default: Line()].add(item)
  }

  private mutating func drop(_ priority: UInt16, _ tenant: TenantName, _ isIt: (Item) -> Bool) {
    guard ready[priority]?[tenant]?.remove(isIt) == true, ready[priority]?[tenant]?.isEmpty == true else { return }
    ready[priority]?[tenant] = nil
    guard ready[priority]?.isEmpty == true else { return }
    ready[priority] = nil
    priorities.removeAll { $0 == priority }
  }

  /// Those of one tenant and priority who wait, put in order when somebody asks who is first: a lost datacenter brings
  /// thousands at once.
  private struct Line {
    /// Those before `start` have gone.
    private var items: [Item] = []
    private var start = 0
    private var isSorted = true

    var all: ArraySlice<Item> { items[start...] }
    var isEmpty: Bool { start == items.count }

    mutating func add(_ item: Item) {
      if let last = all.last, Line.isBefore(item, last) { isSorted = false }
      items.append(item)
    }

    mutating func first() -> Item? {
      if !isSorted { items[start...].sort(by: Line.isBefore) }
      isSorted = true
      return all.first
    }

    /// Takes out the first that is meant; false when there is none.
    mutating func remove(_ isIt: (Item) -> Bool) -> Bool {
      guard let place = all.firstIndex(where: isIt) else { return false }
      if place > start {
        items.remove(at: place)
        return true
      }
      start += 1
      if 2 * start > items.count {
        items.removeFirst(start)
        start = 0
      }
      return true
    }

    private static func isBefore(_ a: Item, _ b: Item) -> Bool { (a.order, a.key) < (b.order, b.key) }
  }
}
