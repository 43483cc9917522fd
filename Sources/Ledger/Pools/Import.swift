import Addressing
import Domain

/// Taking over an inventory: every line is checked before any is taken, and every conflict is listed.
extension Ledger {
  func importRows(_ rows: [ImportRow], skipConflicts: Bool, label: String, _ context: Context) throws(Rejection)
    -> Decided
  {
    guard rows.count <= Limits.importRows else {
      throw Rejection(
        .tooLarge, "at most \(Limits.importRows) rows at a time: `berth import` sends longer files in parts")
    }
    guard let labels = label.isEmpty ? Labels.none : Labels([("berth.import", label)]) else {
      throw .invalid("import_id", Labels.rule)
    }
    var report = ImportReport()
    var taken = TakenOver(labels: labels)
    for item in rows {
      do throws(Rejection) {
        if try takeOver(item, &taken, context) { report.imported += 1 } else { report.already += 1 }
      } catch {
        report.conflictCount += 1
        if report.conflicts.count < Limits.conflictsListed {
          report.conflicts.append(.init(line: item.line, ip: item.ip, code: error.code.rawValue, detail: error.detail))
        }
      }
    }
    if report.conflictCount > 0, !skipConflicts {
      var refusal = Rejection(
        .importConflicts,
        "\(report.conflictCount) of \(rows.count) rows conflict and nothing was imported: mend them, or import with skip_conflicts"
      )
      refusal.report = report
      throw refusal
    }
    return Decided(
      outcome: .imported(report), kind: .imported, effects: taken.effects,
      told: .report(imported: report.imported, already: report.already, conflicts: report.conflictCount))
  }

  /// What earlier lines of the same import took.
  private struct TakenOver {
    let labels: Labels
    var effects: [Effect] = []
    var byAddress: [RowKey: Allocation] = [:]
    var owners: [OwnerProbe: Owner] = [:]
    var byTenant: [TenantName: Int] = [:]
  }

  /// What an owner holds, earlier lines included: how much, and the numbers used on each interface in each pool.
  private struct Owner {
    struct Place: Hashable {
      let pool: PoolName
      let interface: InterfaceName
    }

    private(set) var count = 0
    private var used: [Place: Set<UInt16>] = [:]
    private var lowest: [Place: UInt16] = [:]

    init(_ held: [Allocation]) {
      count = held.count
      for row in held { used[Place(pool: row.pool, interface: row.interface), default: []].insert(row.index) }
    }

    /// Takes the lowest number that is free; what is below it stays used as long as lines are taken over.
    mutating func take(_ place: Place) -> UInt16 {
      var number = lowest[place] ?? 0
      while used[place]?.contains(number) ?? false { number += 1 }
      lowest[place] = number + 1
      count += 1
      return number
    }
  }

  /// Takes a line over; false if it is here already.
  private func takeOver(_ item: ImportRow, _ taken: inout TakenOver, _ context: Context) throws(Rejection) -> Bool {
    let state = try poolOfRow(item)
    let pool = state.pool
    let key = RowKey.address(pool.name, item.ip)
    let present: Allocation? = if case .allocation(let row) = row(key) { row } else { taken.byAddress[key] }
    if let present, present.isHeld(by: item.holder), !present.isChildPrefix { return false }
    if let other = taken.byAddress[key] { throw addressInUse(item.ip, other) }
    guard let index = indexes[pool.name] else { preconditionFailure("pool \(pool.name) has no index") }
    var request = AllocateRequest(.pool(pool.name), holder: item.holder)
    request.address = item.ip
    let block = try pickBlock(request, state, index)
    let owner = OwnerProbe(item.holder.tenant, item.holder.owner)
    let holder = item.holder
    if taken.owners[owner] == nil { taken.owners[owner] = Owner(holdings(owner)) }
    guard taken.owners[owner]?.count ?? 0 < Limits.perOwner else {
      throw Rejection(.tooManyForOwner, "\(holder.owner) would hold over \(Limits.perOwner) allocations")
    }
    if let fleetIndex, !fleetIndex.quotas.isEmpty {
      try checkAddresses(of: holder.tenant, taken.byTenant[holder.tenant, default: 0] + 1, context)
    }
    taken.byTenant[holder.tenant, default: 0] += 1
    let number = taken.owners[owner]?.take(.init(pool: pool.name, interface: holder.interface)) ?? 0
    let allocation = Allocation(
      pool: pool.name, block: block, tenant: holder.tenant, owner: holder.owner, interface: holder.interface,
      index: number, hostname: item.hostname, mac: item.mac, isStatic: true, labels: taken.labels,
      createdAt: context.time, generation: context.revision, revision: context.revision)
    taken.byAddress[key] = allocation
    take(block, index, &taken.effects)
    taken.effects.append(.put(.allocation(allocation)))
    return true
  }

  private func poolOfRow(_ item: ImportRow) throws(Rejection) -> PoolState {
    if let name = item.pool { return try pool(name) }
    let pools = tables.pools(containing: item.ip, limit: 10)
    guard let only = pools.first else {
      throw Rejection(.addressOutsidePool, "\(item.ip) lies in no pool: make one first, or name it", field: "pool")
    }
    if pools.count > 1 {
      let names = pools.map(\.pool.name.text).joined(separator: ", ")
      throw .invalid("pool", "\(item.ip) lies in several networks' pools (\(names)): name one")
    }
    return only
  }
}
