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
    var owners: [OwnerProbe: [Allocation]] = [:]
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
    let held = taken.owners[owner] ?? holdings(owner)
    guard held.count < Limits.perOwner else {
      throw Rejection(.tooManyForOwner, "\(item.holder.owner) would hold over \(Limits.perOwner) allocations")
    }
    let numbers = Set(held.filter { $0.isHeld(by: item.holder) && $0.pool == pool.name }.map(\.index))
    let allocation = Allocation(
      pool: pool.name, block: block, tenant: item.holder.tenant, owner: item.holder.owner,
      interface: item.holder.interface, index: (0...).first { !numbers.contains($0) } ?? .max, hostname: item.hostname,
      mac: item.mac, isStatic: true, labels: taken.labels, createdAt: context.time, generation: context.revision,
      revision: context.revision)
    taken.owners[owner] = held + [allocation]
    taken.byAddress[key] = allocation
    take(block, index, &taken.effects)
    taken.effects.append(.put(.allocation(allocation)))
    return true
  }

  private func poolOfRow(_ item: ImportRow) throws(Rejection) -> PoolState {
    if let name = item.pool { return try pool(name) }
    let pools = tables.pools(containing: item.ip)
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
