package import Addressing
package import Domain
internal import Engine
internal import Log

/// Whose history.
package enum HistorySubject: Hashable, Sendable {
  /// Of an address, be it inside child prefixes.
  case ip(IPAddress)
  /// Of what an owner of a tenant held.
  case owner(TenantName, OwnerName)
  /// Of what carried a hardware address.
  case mac(MACAddress)
}

/// Which intervals of ownership.
package struct HistoryQuery: Sendable {
  /// Whose.
  package var subject: HistorySubject
  /// Only those that reach beyond this time.
  package var from: LogTime?
  /// Only those that begin before this time.
  package var to: LogTime?
  /// Only this tenant's.
  package var tenant: TenantName?
  /// Only this pool's.
  package var pool: PoolName?
  /// At most so many in one answer.
  package var limit = 100
  /// Where the answer before ended.
  package var place: HistoryPlace?

  /// Asks for everything of `subject`.
  package init(_ subject: HistorySubject) { self.subject = subject }
}

/// Somebody's time with an address.
package struct OwnershipInterval: Hashable, Sendable {
  /// The allocation, as it was when the history last met it.
  package let allocation: Allocation
  /// When it ended; nil = it has not.
  package let to: LogTime?
}

/// Where a list of intervals goes on: every page is answered as of the revisions of the first.
package struct HistoryPlace: Hashable, Sendable {
  let oldest: Revision
  let head: Revision
  /// 0 = among what was there before the oldest entry and still is.
  var revision: Revision
  /// How many of it were told.
  var told: Int

  /// Its text in a cursor.
  package var text: String { "\(oldest) \(head) \(revision) \(told)" }

  init(oldest: Revision, head: Revision, revision: Revision, told: Int) {
    (self.oldest, self.head, self.revision, self.told) = (oldest, head, revision, told)
  }

  /// Reads a place back; nil if it is none.
  package init?(_ text: String) {
    let parts = text.split(separator: " ").map { UInt64($0) }
    guard parts.count == 4, let oldest = parts[0], let head = parts[1], let revision = parts[2], let told = parts[3],
      oldest > 0, told <= UInt64(Int32.max), revision <= head
    else { return nil }
    self.init(oldest: oldest, head: head, revision: revision, told: Int(told))
  }
}

/// Finds intervals of ownership.
///
/// Each interval is told once, at the revision where the log first shows it: where it begins; of one that began
/// before the oldest entry, where it ends (a deleted row says when it was made); of one that has not ended either,
/// the tables know.
struct HistoryIntervals {
  let view: HistoryView
  let query: HistoryQuery
  /// What the subject holds now, asked only when the beginning of the log is gone.
  let current: (HistorySubject) -> [Allocation]
  private var place: HistoryPlace
  private(set) var items: [OwnershipInterval] = []

  init(_ view: HistoryView, _ query: HistoryQuery, current: @escaping (HistorySubject) -> [Allocation])
    throws(HistoryFault)
  {
    (self.view, self.query, self.current) = (view, query, current)
    place = query.place ?? HistoryPlace(oldest: view.oldest, head: view.head, revision: 0, told: 0)
    if let from = query.from, view.oldest > 1, try view.revision(at: from) == nil {
      throw .trimmed(oldest: view.oldest)
    }
  }

  /// Fills one page; the place where the next begins, nil after the last.
  mutating func page() throws(HistoryFault) -> HistoryPlace? {
    let start = place
    if place.revision == 0 {
      if place.oldest > 1, try !tellSurvivors() { return place }
      place.revision = place.oldest
      place.told = 0
    }
    var keys: [UInt64] = []
    if place.revision <= place.head {
      for key in self.keys where try view.first(of: key, place.revision...place.head) != nil { keys.append(key) }
    }
    while place.revision <= place.head {
      var next: Revision?
      for key in keys {
        let first = try view.first(of: key, place.revision...place.head)
        if let first { next = min(next ?? first, first) }
      }
      guard let next else { return nil }
      if next > place.revision { (place.revision, place.told) = (next, 0) }
      guard view.hasBudget else { return place }
      let logged = try view.entry(next)
      if let to = query.to, logged.time >= to, isToldAtItsBeginning { return nil }
      // Verifying may have taken the rest of what one question may read: the next page goes on here.
      do throws(HistoryFault) { guard try tell(logged) else { return place } } catch {
        guard error == .tooMuch, place != start else { throw error }
        return place
      }
      (place.revision, place.told) = (next + 1, 0)
    }
    return nil
  }

  private var keys: [UInt64] {
    switch query.subject {
    case .ip(let ip):
      (0...ip.family.bitCount).map { view.keys.block(Prefix(containing: ip, length: $0)) }
    case .owner(let tenant, let owner): [view.keys.owner(tenant, owner)]
    case .mac(let mac): [view.keys.mac(mac)]
    }
  }

  /// Tells what one entry first shows; false when the page is full.
  private mutating func tell(_ logged: LoggedEntry) throws(HistoryFault) -> Bool {
    let entry = logged.entry
    var number = 0
    // Renewals say nothing new of a hardware address; the index leads to one only by chance.
    if case .mac = query.subject, entry.kind == .renewed { return true }
    for effect in entry.effects {
      guard case .allocation(let row) = effect.row, concerns(row) else { continue }
      guard try isTold(row, isPut: effect.isPut, at: entry.revision) else { continue }
      number += 1
      if number <= place.told { continue }
      guard items.count < query.limit, view.hasBudget else { return false }
      place.told = number
      add(row, to: effect.isPut ? try end(of: row, after: entry.revision) : logged.time)
    }
    return true
  }

  /// Tells what began before the oldest entry and has not ended; false when the page is full.
  private mutating func tellSurvivors() throws(HistoryFault) -> Bool {
    let rows = current(query.subject).filter { $0.generation < place.oldest && concerns($0) }.sorted {
      ($0.generation, $0.pool, $0.ip) < ($1.generation, $1.pool, $1.ip)
    }
    for row in rows.dropFirst(place.told) {
      guard items.count < query.limit, view.hasBudget else { return false }
      place.told += 1
      if case .mac(let mac) = query.subject, try isShown(mac, row, upTo: place.head) { continue }
      add(row, to: try end(of: row, after: place.oldest - 1))
    }
    return true
  }

  private func concerns(_ row: Allocation) -> Bool {
    switch query.subject {
    case .ip(let ip): if !row.block.contains(ip) { return false }
    case .owner(let tenant, let owner): if row.owner != owner || row.tenant != tenant { return false }
    case .mac(let mac): if row.mac != mac { return false }
    }
    return (query.tenant == nil || row.tenant == query.tenant) && (query.pool == nil || row.pool == query.pool)
  }

  /// Whether this entry is the one where the interval is told.
  private func isTold(_ row: Allocation, isPut: Bool, at revision: Revision) throws(HistoryFault) -> Bool {
    guard case .mac(let mac) = query.subject else {
      return isPut ? row.generation == revision : row.generation < place.oldest
    }
    if isPut, row.generation == revision { return true }
    // What goes with this address was put with it: in the log at hand, unless that was before the oldest entry.
    if !isPut, row.generation >= place.oldest { return false }
    return try !isShown(mac, row, upTo: revision - 1)
  }

  /// Whether what begins later is also told later: not where a beginning is trimmed, or a hardware address was noted
  /// afterwards.
  private var isToldAtItsBeginning: Bool {
    if case .mac = query.subject { false } else { place.oldest == 1 }
  }

  /// Whether the log at hand shows the allocation with this hardware address, up to `last`.
  private func isShown(_ mac: MACAddress, _ row: Allocation, upTo last: Revision) throws(HistoryFault) -> Bool {
    let key = view.keys.carried(mac, by: row)
    var from = place.oldest
    while from <= last, let next = try view.first(of: key, from...last) {
      let entry = try view.entry(next).entry
      // As in `tell`: a renewal tells nothing, so it shows nothing either.
      for effect in entry.effects where effect.isPut && entry.kind != .renewed {
        if case .allocation(let put) = effect.row, put.mac == mac, put.isSame(as: row) { return true }
      }
      from = next + 1
    }
    return false
  }

  /// When the allocation ended; nil = not up to the list's revision.
  private func end(of row: Allocation, after revision: Revision) throws(HistoryFault) -> LogTime? {
    var from = revision + 1
    while from <= place.head, let next = try view.first(of: view.keys.block(row.block), from...place.head) {
      let logged = try view.entry(next)
      for effect in logged.entry.effects where !effect.isPut {
        if case .allocation(let gone) = effect.row, gone.isSame(as: row) { return logged.time }
      }
      from = next + 1
    }
    return nil
  }

  private mutating func add(_ row: Allocation, to end: LogTime?) {
    if let to = query.to, row.createdAt >= to { return }
    // What began and ended in one batch was there at the moment of that batch.
    if let from = query.from, let end, end <= from, !(end == row.createdAt && end == from) { return }
    items.append(OwnershipInterval(allocation: row, to: end))
  }
}

extension Allocation {
  /// Whether both are one allocation, perhaps at different times.
  fileprivate func isSame(as other: Allocation) -> Bool {
    generation == other.generation && block == other.block && pool == other.pool
  }
}
