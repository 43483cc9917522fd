import Addressing
import Domain

/// Taking addresses back, changing what is noted beside them, renewing and ending leases.
extension Ledger {
  func release(_ target: ReleaseTarget, _ context: Context) throws(Rejection) -> Decided {
    let leaving: [Allocation]
    switch target {
    case .address(let target): leaving = [try find(target)]
    case .owner(let tenant, let owner, let pool, let interface):
      leaving = holdings(tenant, owner).filter {
        (pool == nil || $0.pool == pool) && (interface == nil || $0.interface == interface)
      }
      if leaving.isEmpty {
        if let pool { _ = try self.pool(pool) }
        throw Rejection(
          .allocationNotFound, "\(owner) holds nothing\(pool.map { " in pool \($0)" } ?? "")", field: "owner")
      }
    }
    if let managed = leaving.first(where: { $0.manager == .vm }) {
      throw Rejection(
        .managedByVM, "\(managed.ip) belongs to the VM \(managed.owner) and goes with it: delete the VM instead")
    }
    let effects = leaving.flatMap { end($0, context) }
    let grants = leaving.map(grant)
    return Decided(
      outcome: .released(grants), kind: .released, effects: effects, told: .grants(grants, unchanged: []))
  }

  /// The effects that end an allocation: its row goes, and a release is noted where it matters.
  func end(_ allocation: Allocation, _ context: Context) -> [Effect] {
    var effects: [Effect] = [.delete(.allocation(allocation))]
    guard let pool = tables.pools[allocation.pool]?.pool else { return effects }
    let rests = pool.quarantineSeconds > 0
    let released = Released(
      pool: pool.name, block: allocation.block, owner: allocation.owner, order: context.revision,
      releasedAt: context.time,
      quarantineUntil: rests ? context.time + LogTime(pool.quarantineSeconds) * 1_000_000 : nil)
    if rests { effects.append(.put(.released(released))) } else { effects += freed(released) }
    return effects
  }

  /// Frees what was released. Strategy `oldest` remembers single addresses; a child prefix is as if never used.
  private func freed(_ released: Released) -> [Effect] {
    let isSingle = released.block.length == released.block.family.bitCount
    let remembered = isSingle && tables.pools[released.pool]?.pool.strategy == .oldest
    free(released.block.range, in: released.pool, remembered: remembered)
    guard remembered else { return [] }
    indexes[released.pool]?.follow(.released(released))
    return [.put(.released(released))]
  }

  /// Beyond so many remembered releases of a pool the longest released is as if never used: its turn has come anyway.
  /// `effects` are a command's own, which nobody else can see yet.
  func forgetExcess(_ effects: inout [Effect]) {
    var fresh: [PoolName: [IPAddress: Released]] = [:]
    for effect in effects where effect.isPut {
      guard case .released(let row) = effect.row, row.quarantineUntil == nil else { continue }
      fresh[row.pool, default: [:]][row.block.first] = row
    }
    for (name, rows) in fresh.sorted(by: { $0.key < $1.key }) {
      guard let index = indexes[name] else { continue }
      // What is too much from before goes by and by, so that no entry grows without bound.
      let fewest = max(memories, index.rememberedCount - 2 * rows.count)
      while index.rememberedCount > fewest, let item = index.changeDue({ $0.popLongest() }) {
        note(.oldest(index, item))
        // Items are hints: of those that say the same, the first has its way.
        guard index.remembered.contains(item.ip.bits) else { continue }
        var row = rows[item.ip]
        if row == nil, case .released(let known) = self.row(.address(name, item.ip)) { row = known }
        guard let row, row.order == item.when, row.quarantineUntil == nil else { continue }
        forgetOnly(item.ip, index)
        effects.append(.delete(.released(row)))
      }
    }
  }

  private func find(_ target: AllocationTarget) throws(Rejection) -> Allocation {
    let state = try pool(target.pool)
    guard state.cidr.contains(target.ip) else {
      throw Rejection(
        .addressOutsidePool, "\(target.ip) is not in pool \(target.pool) (\(state.cidr))", field: "ip")
    }
    guard case .allocation(let found) = row(.address(target.pool, target.ip)),
      target.tenant == nil || target.tenant == found.tenant
    else {
      throw Rejection(.allocationNotFound, "\(target.ip) of pool \(target.pool) is not allocated", field: "ip")
    }
    if let generation = target.generation, generation != found.generation {
      throw Rejection(
        .staleGeneration,
        "\(target.ip) was given anew at generation \(found.generation), you named \(generation): what you held is gone already"
      ).with("generation", found.generation)
    }
    try checkRevision(target.ifMatch, found.revision, "the allocation of \(target.ip)")
    return found
  }

  // MARK: Changing

  func update(_ target: AllocationTarget, _ patch: AllocationPatch, _ context: Context) throws(Rejection) -> Decided {
    let before = try find(target)
    if before.manager == .vm, patch.mac != nil || patch.node != nil {
      throw Rejection(.managedByVM, "\(before.ip) belongs to the VM \(before.owner): its mac and node are the VM's")
    }
    let after = before.changed(
      hostname: patch.hostname ?? before.hostname, mac: patch.mac ?? before.mac, node: patch.node ?? before.node,
      labels: patch.labels ?? before.labels, expiresAt: before.expiresAt, revision: context.revision)
    return changed(before, after, .allocationUpdated)
  }

  private func changed(_ before: Allocation, _ after: Allocation, _ kind: EntryKind) -> Decided {
    if after.hasSameNotes(as: before) { return Decided(outcome: .allocation(grant(before))) }
    return Decided(
      outcome: .allocation(grant(after)), kind: kind, effects: [.put(.allocation(after))],
      told: .grants([grant(after)], unchanged: []))
  }

  func renew(_ target: AllocationTarget, _ seconds: UInt32?, _ context: Context) throws(Rejection) -> Decided {
    let before = try find(target)
    if before.manager == .vm {
      throw Rejection(.managedByVM, "\(before.ip) belongs to the VM \(before.owner): it lives as long as the VM")
    }
    let length = seconds ?? tables.pools[target.pool]?.pool.leaseSeconds ?? 0
    guard length <= Limits.maxSeconds else {
      throw .invalid("lease_seconds", "at most \(Limits.maxSeconds) (ten years)")
    }
    if before.expiresAt == nil, seconds == nil {
      throw Rejection(.notLeased, "\(target.ip) has no lease: it lives until it is released")
    }
    let after = before.changed(
      hostname: before.hostname, mac: before.mac, node: before.node, labels: before.labels,
      expiresAt: length == 0 ? nil : context.time + LogTime(length) * 1_000_000, revision: context.revision)
    return changed(before, after, .renewed)
  }

  // MARK: Ending what is due

  /// Ends leases and quarantines that are still due; rows that have moved on are passed over, and what is too much
  /// for one entry waits.
  func expire(_ due: [DueRow], _ context: Context) -> Decided {
    var effects: [Effect] = []
    var (leases, quarantines, bytes) = (0, 0, 0)
    var seen: Set<DueRow> = []
    for item in due {
      // An item may have been queued twice.
      guard seen.insert(item).inserted, let row = row(.address(item.pool, item.ip)) else { continue }
      guard bytes <= Limits.effectBytes / 2 else {
        indexes[item.pool]?.follow(row)
        continue
      }
      let before = effects.count
      switch row {
      case .allocation(let allocation) where allocation.expiresAt.map { $0 <= context.time && $0 == item.due } ?? false:
        effects += end(allocation, context)
        leases += 1
      case .released(let released) where released.quarantineUntil.map { $0 <= context.time && $0 == item.due } ?? false:
        effects += endQuarantine(released)
        quarantines += 1
      case .released(let released) where released.quarantineUntil == nil && item.due == 0:
        effects += stopRemembering(released)
      default: break
      }
      for effect in effects[before...] { bytes += effect.bytes.count }
    }
    return Decided(outcome: .expired(leases: leases, quarantines: quarantines), kind: .expired, effects: effects)
  }

  private func endQuarantine(_ released: Released) -> [Effect] {
    let effects = freed(
      Released(
        pool: released.pool, block: released.block, owner: released.owner, order: released.order,
        releasedAt: released.releasedAt, quarantineUntil: nil))
    return effects.isEmpty ? [.delete(.released(released))] : effects
  }

  /// For a pool that no longer has strategy `oldest`; one that has it again keeps the memory.
  private func stopRemembering(_ released: Released) -> [Effect] {
    guard let index = indexes[released.pool], let pool = tables.pools[released.pool]?.pool else { return [] }
    if pool.strategy != .oldest { return forget(released.block.first, index) }
    index.follow(.released(released))
    return []
  }
}
