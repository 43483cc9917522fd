import Addressing
import Domain

/// The ledger as one would write it without thinking of speed: dictionaries, linear scans, no indexes, no undo (it is a value, so a
/// refused batch is forgotten by keeping the old one). What it says is the specification; `Harness` holds the real one against it.
struct Model {
  struct Place: Hashable, Comparable {
    let pool: PoolName
    let ip: IPAddress

    static func < (a: Self, b: Self) -> Bool { a.pool != b.pool ? a.pool < b.pool : a.ip < b.ip }
  }

  struct Refused: Error {
    let code: Rejection.Code
    var field: String?
  }

  var pools: [PoolName: Pool] = [:]
  var reservations: [PoolName: [Reservation]] = [:]
  var cursors: [PoolName: IPAddress] = [:]
  var allocations: [Place: Allocation] = [:]
  var released: [Place: Released] = [:]
  var tokens: [TokenID: Token] = [:]
  var answered: [UInt128: (request: UInt128, revision: Revision, time: LogTime)] = [:]
  /// So many releases of a pool are remembered.
  var memories = 4
  /// What guests know as their network, gateway or broadcast address, though it is none any more.
  var known: [PoolName: Set<IPAddress>] = [:]
  /// What is excluded in each pool; computed anew whenever the pool changes.
  var excluded: [PoolName: [AddressRange]] = [:]

  // MARK: Space

  static func excluded(_ extent: Extent, _ reservations: [Reservation]) -> [AddressRange] {
    let cidr = extent.cidr
    var list = reservations.map(\.range)
    if cidr.family == .ipv6 { list.append(.ipv4Mapped) }
    for ip in [extent.gateway, cidr.reservedFirst, cidr.reservedLast] {
      if let ip { list.append(AddressRange(ip, ip)) }
    }
    guard !extent.ranges.isEmpty else { return list }
    // The gaps before, between and behind the ranges.
    var next: IPAddress? = cidr.first
    for range in extent.ranges.sorted() {
      guard let from = next else { return list }
      if range.first > from, let end = range.first.previous { list.append(AddressRange(from, end)) }
      if range.last >= from { next = range.last.next }
    }
    if let from = next, from <= cidr.last { list.append(AddressRange(from, cidr.last)) }
    return list
  }

  mutating func changed(_ name: PoolName) {
    excluded[name] = pools[name].map { Model.excluded($0.extent, reservations[name] ?? []) }
  }

  /// Why `ip` of a pool cannot be given: the whole excluded range, allocation or resting block around it.
  func blocker(_ ip: IPAddress, _ pool: Pool) -> AddressRange? {
    if let range = excluded[pool.name]?.first(where: { $0.contains(ip) }) { return range }
    if let row = allocations[Place(pool: pool.name, ip: ip)] { return row.block.range }
    if let row = released[Place(pool: pool.name, ip: ip)], row.quarantineUntil != nil { return row.block.range }
    for row in allocations.values where row.isChildPrefix && row.pool == pool.name && row.block.contains(ip) {
      return row.block.range
    }
    for row in released.values where row.quarantineUntil != nil && row.pool == pool.name && row.block.contains(ip) {
      return row.block.range
    }
    return nil
  }

  func isRemembered(_ ip: IPAddress, _ pool: Pool) -> Bool { released[Place(pool: pool.name, ip: ip)] != nil }

  func firstFree(_ pool: Pool, from: IPAddress, neverUsed: Bool = false) -> IPAddress? {
    var candidate: IPAddress? = from
    while let ip = candidate, ip <= pool.cidr.last {
      if let blocker = blocker(ip, pool) {
        candidate = blocker.last.next
      } else if neverUsed, isRemembered(ip, pool) {
        candidate = ip.next
      } else {
        return ip
      }
    }
    return nil
  }

  func firstRun(_ pool: Pool, _ count: Int) -> IPAddress? {
    var candidate = firstFree(pool, from: pool.cidr.first)
    while let start = candidate {
      guard let end = start.advanced(by: UInt128(count - 1)), end <= pool.cidr.last else { return nil }
      var ip = start
      while ip < end, let next = ip.next, blocker(next, pool) == nil { ip = next }
      if ip == end { return start }
      candidate = ip.next.flatMap { firstFree(pool, from: $0) }
    }
    return nil
  }

  /// Whether no address of `block` is excluded or held.
  func isFree(_ block: Prefix, _ pool: Pool) -> Bool {
    !(excluded[pool.name] ?? []).contains { $0.overlaps(block.range) }
      && blocks(in: pool.name).allSatisfy { !$0.range.overlaps(block.range) }
  }

  /// Blocks that are allocated or rest.
  func blocks(in pool: PoolName) -> [Prefix] {
    allocations.values.filter { $0.pool == pool }.map(\.block)
      + released.values.filter { $0.pool == pool && $0.quarantineUntil != nil }.map(\.block)
  }

  func firstBlock(_ pool: Pool, _ length: Int) -> Prefix? {
    var candidate: IPAddress? = pool.cidr.first
    while let ip = candidate, ip <= pool.cidr.last {
      let block = Prefix(containing: ip, length: length)
      if block.first < ip {
        candidate = block.last.next
        continue
      }
      if isFree(block, pool) { return block }
      // Past the last thing that stands in the way.
      let ways = (excluded[pool.name] ?? []) + blocks(in: pool.name).map(\.range)
      let last = ways.filter { $0.overlaps(block.range) }.map(\.last).max() ?? block.last
      candidate = last.next
    }
    return nil
  }

  /// Free aligned blocks, by halving.
  func freeBlocks(_ pool: Pool, in block: Prefix, atLeast length: Int) -> [Prefix] {
    if isFree(block, pool) { return [block] }
    guard block.length < length else { return [] }
    let low = Prefix(containing: block.first, length: block.length + 1)
    let high = Prefix(containing: block.last, length: block.length + 1)
    return freeBlocks(pool, in: low, atLeast: length) + freeBlocks(pool, in: high, atLeast: length)
  }

  // MARK: Counts

  func usable(_ pool: Pool) -> AddressCount {
    var count = AddressCount(of: pool.cidr.range)
    var next: IPAddress? = pool.cidr.first
    for range in (excluded[pool.name] ?? []).compactMap({ $0.intersection(pool.cidr.range) }).sorted() {
      guard let from = next else { break }
      if range.last < from { continue }
      count = count - AddressCount(of: AddressRange(max(range.first, from), range.last))
      next = range.last.next
    }
    return count
  }

  func allocated(_ pool: Pool) -> AddressCount {
    AddressCount(of: allocations.values.filter { $0.pool == pool.name }.map(\.block.range))
  }

  func quarantined(_ pool: Pool) -> AddressCount {
    AddressCount(
      of: released.values.filter { $0.pool == pool.name && $0.quarantineUntil != nil }.map(\.block.range))
  }

  func available(_ pool: Pool) -> AddressCount { usable(pool) - allocated(pool) - quarantined(pool) }

  // MARK: Holders

  func holdings(_ tenant: TenantName, _ owner: OwnerName) -> [Allocation] {
    allocations.values.filter { $0.tenant == tenant && $0.owner == owner }.sorted {
      ($0.pool, $0.interface, $0.index) < ($1.pool, $1.interface, $1.index)
    }
  }

  func pool(_ name: PoolName) throws(Refused) -> Pool {
    guard let pool = pools[name] else { throw Refused(code: .poolNotFound) }
    return pool
  }

  func grant(_ row: Allocation) -> Grant {
    Grant(row, gateway: pools[row.pool]?.extent.gateway, network: pools[row.pool]?.cidr ?? row.block)
  }
}
