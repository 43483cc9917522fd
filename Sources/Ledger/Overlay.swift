import Domain

/// Decided but not durable yet: the rows of the batch being made, on top of the tables.
struct Overlay {
  private var rows: [RowKey: Row?] = [:]
  private var added: [OwnerProbe: [RowKey]] = [:]

  var isEmpty: Bool { rows.isEmpty }

  mutating func add(_ effects: [Effect]) {
    for effect in effects {
      rows[effect.row.key] = .some(effect.isPut ? effect.row : nil)
      if effect.isPut, case .allocation(let row) = effect.row {
        added[OwnerProbe(row.tenant, row.owner), default: []].append(effect.row.key)
      }
    }
  }

  mutating func clear() {
    rows.removeAll(keepingCapacity: true)
    added.removeAll(keepingCapacity: true)
  }

  /// nil = nothing pending for this key; `.some(nil)` = deleted.
  func row(_ key: RowKey) -> Row?? { rows.isEmpty ? nil : rows[key] }

  /// What an owner holds once the pending rows are durable.
  func allocations(_ owner: OwnerProbe, over durable: [Allocation]) -> [Allocation] {
    if rows.isEmpty { return durable }
    var held = durable.filter { rows[Row.allocation($0).key] == nil }
    for key in Set(added[owner] ?? []) {
      if case .some(.some(.allocation(let row))) = rows[key], owner.matches(row) { held.append(row) }
    }
    return held
  }
}
