import Addressing
import Domain

/// Allocations. `given` are the addresses that the real ledger gave: only for strategy `random` are they believed, if they are free.
extension Model {
  typealias Granted = (grants: [Grant], isNew: Bool, unchanged: [String])

  mutating func allocate(_ request: AllocateRequest, _ revision: Revision, _ time: LogTime, given: [IPAddress])
    throws(Refused) -> Granted
  {
    let count = request.count ?? 1
    if !(1...1_024).contains(count) || count > 1 && (request.address != nil || request.prefixLength != nil) {
      throw Refused(code: .invalidField)
    }
    let mine = holdings(request.holder.tenant, request.holder.owner).filter { $0.isHeld(by: request.holder) }
    switch request.source {
    case .pool(let name):
      let pool = try pool(name)
      let here = mine.filter { $0.pool == name }
      if !here.isEmpty { return try again(here, request) }
      return (try give(pool, request, revision, time, given: given), true, [])
    case .choose(let families, let topology, let labels):
      if families.isEmpty || Set(families).count < families.count || request.address != nil {
        throw Refused(code: .invalidField)
      }
      let before = self
      var all: Granted = ([], false, [])
      do throws(Refused) {
        for family in families {
          let rest = Array(given.dropFirst(all.grants.count))
          let one = try choose(family, topology, labels, mine, request, revision, time, given: rest)
          all.grants += one.grants
          all.isNew = all.isNew || one.isNew
          all.unchanged += one.unchanged.filter { !all.unchanged.contains($0) }
        }
        return all
      } catch {
        self = before
        throw error
      }
    }
  }

  private func again(_ held: [Allocation], _ request: AllocateRequest) throws(Refused) -> Granted {
    guard held.count == request.count ?? 1,
      held.allSatisfy({ $0.block.length == request.prefixLength ?? $0.block.family.bitCount }),
      request.address == nil || held[0].ip == request.address
    else { throw Refused(code: .alreadyAllocated) }
    var unchanged: [String] = []
    if let hostname = request.hostname, hostname != held[0].hostname { unchanged.append("hostname") }
    if let mac = request.mac, mac != held[0].mac { unchanged.append("mac") }
    if let node = request.node, node != held[0].node { unchanged.append("node") }
    if request.labels != .none, request.labels != held[0].labels { unchanged.append("labels") }
    return (held.map(grant), false, unchanged)
  }

  private mutating func choose(
    _ family: AddressFamily, _ topology: Topology, _ labels: Labels, _ mine: [Allocation], _ request: AllocateRequest,
    _ revision: Revision, _ time: LogTime, given: [IPAddress]
  ) throws(Refused) -> Granted {
    let matching = pools.values.filter {
      $0.family == family && $0.labels.includes(labels) && $0.topology.match(topology) != nil
    }.sorted { $0.name < $1.name }
    for pool in matching {
      let here = mine.filter { $0.pool == pool.name }
      if !here.isEmpty { return try again(here, request) }
    }
    if matching.isEmpty { throw Refused(code: .noMatchingPool) }
    let ranked = matching.sorted { a, b in
      let (x, y) = (a.topology.match(topology) ?? 0, b.topology.match(topology) ?? 0)
      if x != y { return x > y }
      return available(a) != available(b) ? available(a) > available(b) : a.name < b.name
    }.filter(\.enabled)
    if ranked.isEmpty { throw Refused(code: .poolDisabled) }
    var refusals: [Refused] = []
    for pool in ranked {
      do throws(Refused) { return (try give(pool, request, revision, time, given: given), true, []) } catch {
        guard error.code == .poolExhausted || error.field == "prefix_length" else { throw error }
        refusals.append(error)
      }
    }
    throw refusals.first { $0.code == .poolExhausted } ?? refusals[0]
  }

  private mutating func give(
    _ pool: Pool, _ request: AllocateRequest, _ revision: Revision, _ time: LogTime, given: [IPAddress]
  ) throws(Refused) -> [Grant] {
    guard pool.enabled else { throw Refused(code: .poolDisabled) }
    let count = request.count ?? 1
    let full = pool.family.bitCount
    let length = request.prefixLength ?? full
    guard length >= pool.cidr.length, length <= full else {
      throw Refused(code: .invalidField, field: "prefix_length")
    }
    if let address = request.address {
      let block = try explicit(address, length, pool)
      return [put(block, pool, request, 0, revision, time)]
    }
    if length < full {
      guard let block = firstBlock(pool, length) else { throw Refused(code: .poolExhausted) }
      return [put(block, pool, request, 0, revision, time)]
    }
    if request.contiguous, count > 1 {
      guard let first = firstRun(pool, count) else { throw Refused(code: .poolExhausted) }
      return (0..<count).map { number in
        let ip = first.advanced(by: UInt128(number)) ?? first
        return put(Prefix(containing: ip, length: full), pool, request, number, revision, time)
      }
    }
    guard available(pool) >= AddressCount(UInt128(count)) else { throw Refused(code: .poolExhausted) }
    var grants: [Grant] = []
    for number in 0..<count {
      guard let ip = pick(pool, given.count > number ? given[number] : nil) else { throw Refused(code: .poolExhausted) }
      if pool.strategy == .next { cursors[pool.name] = ip }
      grants.append(put(Prefix(containing: ip, length: full), pool, request, number, revision, time))
    }
    return grants
  }

  func explicit(_ address: IPAddress, _ length: Int, _ pool: Pool) throws(Refused) -> Prefix {
    guard pool.cidr.contains(address) else { throw Refused(code: .addressOutsidePool) }
    let block = Prefix(containing: address, length: length)
    guard block.first == address else { throw Refused(code: .invalidField) }
    // The lowest address that is in the way says why.
    let reserved = (excluded[pool.name] ?? []).compactMap { $0.intersection(block.range)?.first }.min()
    let held = allocations.values.filter { $0.pool == pool.name }.compactMap {
      $0.block.range.intersection(block.range)?.first
    }
    .min()
    let resting = released.values.filter { $0.pool == pool.name && $0.quarantineUntil != nil }
      .compactMap { $0.block.range.intersection(block.range)?.first }.min()
    guard let first = [reserved, held, resting].compactMap(\.self).min() else { return block }
    if first == reserved { throw Refused(code: .addressReserved) }
    throw Refused(code: first == held ? .addressInUse : .addressQuarantined)
  }

  func pick(_ pool: Pool, _ given: IPAddress?) -> IPAddress? {
    switch pool.strategy {
    case .lowest: return firstFree(pool, from: pool.cidr.first)
    case .next:
      let after = cursors[pool.name]?.next.flatMap { firstFree(pool, from: $0) }
      return after ?? firstFree(pool, from: pool.cidr.first)
    case .random:
      guard let given else { return firstFree(pool, from: pool.cidr.first) }
      return pool.cidr.contains(given) && blocker(given, pool) == nil ? given : nil
    case .oldest:
      if let ip = firstFree(pool, from: pool.cidr.first, neverUsed: true) { return ip }
      let remembered = released.values.filter {
        $0.pool == pool.name && pool.cidr.contains($0.block) && blocker($0.block.first, pool) == nil
      }
      return remembered.min { ($0.order, $0.block) < ($1.order, $1.block) }?.block.first
    }
  }

  private mutating func put(
    _ block: Prefix, _ pool: Pool, _ request: AllocateRequest, _ index: Int, _ revision: Revision, _ time: LogTime
  ) -> Grant {
    let seconds = request.leaseSeconds ?? pool.leaseSeconds
    let row = Allocation(
      pool: pool.name, block: block, tenant: request.holder.tenant, owner: request.holder.owner,
      interface: request.holder.interface, index: UInt16(index), hostname: request.hostname, mac: request.mac,
      node: request.node, isStatic: request.address != nil, labels: request.labels, createdAt: time,
      expiresAt: seconds == 0 ? nil : time + LogTime(seconds) * 1_000_000, generation: revision, revision: revision)
    add(row)
    return grant(row)
  }

  mutating func add(_ row: Allocation) {
    for place in released.keys where place.pool == row.pool && row.block.contains(place.ip) { released[place] = nil }
    allocations[Place(pool: row.pool, ip: row.ip)] = row
  }

  // MARK: Taking back

  func find(_ target: AllocationTarget) throws(Refused) -> Allocation {
    let pool = try pool(target.pool)
    guard pool.cidr.contains(target.ip) else { throw Refused(code: .addressOutsidePool) }
    guard let row = allocations[Place(pool: pool.name, ip: target.ip)],
      target.tenant == nil || target.tenant == row.tenant
    else {
      throw Refused(code: .allocationNotFound)
    }
    if let generation = target.generation, generation != row.generation { throw Refused(code: .staleGeneration) }
    if let revision = target.ifMatch, revision != row.revision { throw Refused(code: .revisionMismatch) }
    return row
  }

  mutating func release(_ target: ReleaseTarget, _ revision: Revision, _ time: LogTime) throws(Refused) -> [Grant] {
    var leaving: [Allocation] = []
    switch target {
    case .address(let target): leaving = [try find(target)]
    case .owner(let tenant, let owner, let pool, let interface):
      leaving = holdings(tenant, owner).filter {
        (pool == nil || $0.pool == pool) && (interface == nil || $0.interface == interface)
      }
      if leaving.isEmpty {
        if let pool { _ = try self.pool(pool) }
        throw Refused(code: .allocationNotFound)
      }
    }
    for row in leaving { end(row, revision, time) }
    return leaving.map(grant)
  }

  mutating func end(_ row: Allocation, _ revision: Revision, _ time: LogTime) {
    let place = Place(pool: row.pool, ip: row.ip)
    allocations[place] = nil
    guard let pool = pools[row.pool] else { return }
    let rest = LogTime(pool.quarantineSeconds) * 1_000_000
    if rest > 0 || pool.strategy == .oldest && !row.isChildPrefix {
      released[place] = Released(
        pool: row.pool, block: row.block, owner: row.owner, order: revision, releasedAt: time,
        quarantineUntil: rest > 0 ? time + rest : nil)
    }
  }

  /// The longest released are as if never used when a pool remembers too many.
  mutating func forgetExcess() {
    for name in pools.keys {
      var remembered = released.filter { $0.key.pool == name && $0.value.quarantineUntil == nil }.map(\.value)
      remembered.sort { ($0.order, $0.block) < ($1.order, $1.block) }
      for row in remembered.dropLast(memories) { released[Place(pool: name, ip: row.block.first)] = nil }
    }
  }

  mutating func expire(_ due: [DueRow], _ revision: Revision, _ time: LogTime) -> (leases: Int, quarantines: Int) {
    var (leases, quarantines) = (0, 0)
    for item in Set(due) {
      let place = Place(pool: item.pool, ip: item.ip)
      if let row = allocations[place], row.expiresAt == item.due, item.due <= time {
        end(row, revision, time)
        leases += 1
      } else if let row = released[place] {
        let remembers = pools[item.pool]?.strategy == .oldest
        if let until = row.quarantineUntil {
          guard until == item.due, until <= time else { continue }
          quarantines += 1
          released[place] = nil
          if remembers, row.block.length == row.block.family.bitCount {
            released[place] = Released(
              pool: row.pool, block: row.block, owner: row.owner, order: row.order, releasedAt: row.releasedAt,
              quarantineUntil: nil)
          }
        } else if item.due == 0, !remembers {
          released[place] = nil
        }
      }
    }
    return (leases, quarantines)
  }

  /// Everything that is due at `time`: what must come out of the real queues.
  func due(at time: LogTime) -> Set<DueRow> {
    var due: Set<DueRow> = []
    for (place, row) in allocations {
      if let end = row.expiresAt, end <= time { due.insert(DueRow(pool: place.pool, ip: place.ip, due: end)) }
    }
    for (place, row) in released {
      if let end = row.quarantineUntil {
        if end <= time { due.insert(DueRow(pool: place.pool, ip: place.ip, due: end)) }
      } else if pools[place.pool]?.strategy != .oldest {
        due.insert(DueRow(pool: place.pool, ip: place.ip, due: 0))
      }
    }
    return due
  }

  // MARK: Changing

  mutating func update(_ target: AllocationTarget, _ patch: AllocationPatch, _ revision: Revision) throws(Refused)
    -> Grant
  {
    let before = try find(target)
    let after = before.changed(
      hostname: patch.hostname ?? before.hostname, mac: patch.mac ?? before.mac, node: patch.node ?? before.node,
      labels: patch.labels ?? before.labels, expiresAt: before.expiresAt, revision: revision)
    return changed(before, after)
  }

  mutating func renew(_ target: AllocationTarget, _ seconds: UInt32?, _ revision: Revision, _ time: LogTime)
    throws(Refused)
    -> Grant
  {
    let before = try find(target)
    if before.expiresAt == nil, seconds == nil { throw Refused(code: .notLeased) }
    let length = seconds ?? pools[target.pool]?.leaseSeconds ?? 0
    let after = before.changed(
      hostname: before.hostname, mac: before.mac, node: before.node, labels: before.labels,
      expiresAt: length == 0 ? nil : time + LogTime(length) * 1_000_000, revision: revision)
    return changed(before, after)
  }

  private mutating func changed(_ before: Allocation, _ after: Allocation) -> Grant {
    if after.hasSameNotes(as: before) { return grant(before) }
    allocations[Place(pool: after.pool, ip: after.ip)] = after
    return grant(after)
  }

  mutating func take(over rows: [ImportRow], skip: Bool, label: String, _ revision: Revision, _ time: LogTime)
    throws(Refused) -> ImportReport
  {
    let before = self
    var report = ImportReport()
    for row in rows {
      do throws(Refused) {
        if try take(over: row, label, revision, time) { report.imported += 1 } else { report.already += 1 }
      } catch {
        report.conflictCount += 1
      }
    }
    if report.conflictCount > 0, !skip {
      self = before
      throw Refused(code: .importConflicts)
    }
    return report
  }

  private mutating func take(over item: ImportRow, _ label: String, _ revision: Revision, _ time: LogTime)
    throws(Refused) -> Bool
  {
    let containing = pools.values.filter { $0.cidr.contains(item.ip) }
    let pool: Pool
    if let name = item.pool {
      pool = try self.pool(name)
    } else {
      guard let only = containing.first else { throw Refused(code: .addressOutsidePool) }
      if containing.count > 1 { throw Refused(code: .invalidField) }
      pool = only
    }
    if let present = allocations[Place(pool: pool.name, ip: item.ip)], present.isHeld(by: item.holder),
      !present.isChildPrefix
    {
      return false
    }
    let block = try explicit(item.ip, pool.family.bitCount, pool)
    let used = Set(
      holdings(item.holder.tenant, item.holder.owner).filter { $0.isHeld(by: item.holder) && $0.pool == pool.name }
        .map(\.index))
    var index: UInt16 = 0
    while used.contains(index) { index += 1 }
    add(
      Allocation(
        pool: pool.name, block: block, tenant: item.holder.tenant, owner: item.holder.owner,
        interface: item.holder.interface, index: index, hostname: item.hostname, mac: item.mac, isStatic: true,
        labels: label.isEmpty ? .none : Labels([("berth.import", label)]) ?? .none, createdAt: time,
        generation: revision, revision: revision))
    return true
  }
}
