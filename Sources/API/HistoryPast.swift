internal import Addressing
package import Domain
internal import Engine
internal import Log

/// What an address was in one pool at a time in the past.
package struct PastMatch: Sendable {
  /// The pool as it was.
  package let pool: Pool
  /// The allocation that held the address, as it was.
  package var allocation: Allocation?
  /// The release it rested after, if it was in quarantine.
  package var resting: Released?
  /// Whether the pool might have given it out at all.
  package var isUsable = true
}

/// Rows of the tables as they are now, for what the log at hand does not reach back to.
struct PresentRows {
  /// Pools whose network contains the address.
  let pools: (IPAddress) -> [Pool]
  /// The pool of a name.
  let pool: (PoolName) -> Pool?
  /// The row of an address.
  let row: (PoolName, IPAddress) -> Row?
  /// The reservations of a pool.
  let reservations: (PoolName) -> [Reservation]
}

/// Looks at one address as of a revision: the last change of each row up to it.
struct HistoryPast {
  let view: HistoryView
  /// As of this revision, made at or before `time`.
  let revision: Revision
  let time: LogTime
  let present: PresentRows

  init(_ view: HistoryView, at time: LogTime, _ present: PresentRows) throws(HistoryFault) {
    guard let revision = try view.revision(at: time) else { throw .trimmed(oldest: view.oldest) }
    (self.view, self.revision, self.time, self.present) = (view, min(revision, view.head), time, present)
  }

  /// The pools that contained the address, and what it was in each.
  func matches(_ ip: IPAddress) throws(HistoryFault) -> [PastMatch] {
    var matches: [PastMatch] = []
    for name in try poolNames(ip).sorted() {
      let row = try row(view.keys.pool(name), .pool(name)) { present.pool(name).map(Row.pool) }
      guard case .pool(let pool) = row, pool.cidr.contains(ip) else { continue }
      matches.append(try match(ip, pool))
    }
    return matches
  }

  private func match(_ ip: IPAddress, _ pool: Pool) throws(HistoryFault) -> PastMatch {
    var match = PastMatch(pool: pool)
    let starts = Set((pool.cidr.length...ip.family.bitCount).map { Prefix(containing: ip, length: $0).first })
    for first in starts.sorted(by: >) {
      let key = view.keys.row(pool.name, first)
      switch try row(key, .address(pool.name, first), { present.row(pool.name, first) }) {
      case .allocation(let row) where row.block.contains(ip):
        match.allocation = row
        return match
      case .released(let row) where row.block.contains(ip) && row.quarantineUntil != nil: match.resting = row
      default: break
      }
    }
    match.isUsable = try !isReserved(ip, pool)
    return match
  }

  /// Names of pools that may have contained the address: all that ever had a network that does.
  private func poolNames(_ ip: IPAddress) throws(HistoryFault) -> Set<PoolName> {
    var names = Set(view.oldest > 1 ? present.pools(ip).map(\.name) : [])
    // Up to the head, because a row that was deleted later may have been made before the oldest entry.
    let last = view.oldest > 1 ? view.head : revision
    for length in 0...ip.family.bitCount {
      let cidr = Prefix(containing: ip, length: length)
      try forEach(view.keys.network(cidr), upTo: last) { logged in
        for effect in logged.entry.effects {
          if case .pool(let pool) = effect.row, pool.cidr == cidr { names.insert(pool.name) }
        }
      }
    }
    return names
  }

  private func isReserved(_ ip: IPAddress, _ pool: Pool) throws(HistoryFault) -> Bool {
    if ip == pool.extent.gateway || ip == pool.cidr.reservedFirst || ip == pool.cidr.reservedLast { return true }
    let ranges = pool.extent.ranges.isEmpty ? [pool.cidr.hosts] : pool.extent.ranges
    guard ranges.contains(where: { $0.contains(ip) }) else { return true }
    var rows: [IPAddress: Reservation] = [:]
    if view.oldest > 1 {
      for row in present.reservations(pool.name) where row.createdAt <= time { rows[row.range.first] = row }
      try forEach(view.keys.reservations(of: pool.name), from: revision + 1, upTo: view.head) { logged in
        for effect in logged.entry.effects where !effect.isPut {
          if case .reservation(let row) = effect.row, row.pool == pool.name, row.createdAt <= time {
            rows[row.range.first] = row
          }
        }
      }
    }
    try forEach(view.keys.reservations(of: pool.name), upTo: revision) { logged in
      for effect in logged.entry.effects {
        guard case .reservation(let row) = effect.row, row.pool == pool.name else { continue }
        rows[row.range.first] = effect.isPut ? row : nil
      }
    }
    return rows.values.contains { $0.range.contains(ip) }
  }

  private func forEach(
    _ key: UInt64, from: Revision = 1, upTo last: Revision, _ body: (LoggedEntry) -> Void
  ) throws(HistoryFault) {
    var next = max(from, view.oldest)
    while next <= last {
      let page = try view.revisions(of: key, next...last)
      guard let end = page.last else { return }
      for revision in page { body(try view.entry(revision)) }
      next = end + 1
    }
  }

  /// A row as of the revision: what its last change up to then left; when the log does not reach back to that, what
  /// its next change found, or what is there now.
  private func row(_ key: UInt64, _ rowKey: RowKey, _ now: () -> Row?) throws(HistoryFault) -> Row? {
    var last = revision
    while last >= view.oldest, let found = try view.last(of: key, view.oldest...last) {
      if let effect = try view.entry(found).entry.effects.last(where: { $0.row.key == rowKey }) {
        return effect.isPut ? effect.row : nil
      }
      last = found - 1
    }
    guard view.oldest > 1 else { return nil }
    var from = max(revision + 1, view.oldest)
    while from <= view.head, let next = try view.first(of: key, from...view.head) {
      // A put does not say what it replaced, but an allocation keeps its holder for life.
      if let effect = try view.entry(next).entry.effects.first(where: { $0.row.key == rowKey }) {
        return effect.row.wasThere(at: time) ? effect.row : nil
      }
      from = next + 1
    }
    return now().flatMap { $0.wasThere(at: time) ? $0 : nil }
  }
}

extension Row {
  fileprivate func wasThere(at time: LogTime) -> Bool {
    switch self {
    case .pool(let row): row.createdAt <= time
    case .reservation(let row): row.createdAt <= time
    case .allocation(let row): row.createdAt <= time
    case .released(let row): row.releasedAt <= time
    case .cursor, .answered, .token: false
    case .fleet: false
    }
  }
}
