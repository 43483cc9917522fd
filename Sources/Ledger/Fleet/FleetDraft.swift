import Domain

/// What one command about the fleet changes, row by row: the last state of each counts, and each has one effect.
struct FleetDraft {
  let context: Ledger.Context
  private var rows: [RowKey: Row?] = [:]
  private var last: [RowKey: Row] = [:]
  private var order: [RowKey] = []
  /// The row that was asked about: it comes first.
  private var leading: RowKey?
  /// What happens to addresses that are given back, and to the memory of those that were.
  private(set) var released: [Effect] = []
  /// VMs that changed.
  private(set) var vms: Set<VMKey> = []
  /// Addresses given, less those given back, by tenant.
  private(set) var addresses: [TenantName: Int] = [:]
  /// Allocations that are new, by owner.
  private var given: [VMKey: [RowKey]] = [:]
  /// About how many bytes of rows it changes.
  private(set) var bytes = 0

  init(_ context: Ledger.Context, about key: FleetKey? = nil) {
    self.context = context
    leading = key.map { .fleet($0) }
  }

  /// Whether nothing has changed.
  var isEmpty: Bool { order.isEmpty && released.isEmpty }

  /// The row as it will be; nil = not changed here, `.some(nil)` = deleted.
  func row(_ key: RowKey) -> Row?? { rows[key] }

  mutating func put(_ row: Row) {
    let key = row.key
    if rows.updateValue(row, forKey: key) == nil { order.append(key) }
    note(row)
  }

  /// Deletes a row that was there before this command, or that it made itself.
  mutating func delete(_ row: Row) {
    let key = row.key
    if rows.updateValue(nil, forKey: key) == nil { order.append(key) }
    last[key] = row
    note(row)
  }

  private mutating func note(_ row: Row) {
    if case .fleet(.vm(let vm)) = row { vms.insert(vm.key) }
    bytes += 160
  }

  /// Takes over what giving addresses to a VM changes.
  mutating func give(_ effects: [Effect], to key: VMKey, _ change: (Allocation) -> Allocation) {
    for effect in effects {
      guard effect.isPut, case .allocation(let row) = effect.row else {
        released.append(effect)
        continue
      }
      put(.allocation(change(row)))
      given[key, default: []].append(.address(row.pool, row.ip))
      addresses[key.tenant, default: 0] += 1
    }
  }

  /// Takes over what giving an address back changes.
  mutating func release(_ effects: [Effect], of row: Allocation) {
    let key = RowKey.address(row.pool, row.ip)
    if rows.removeValue(forKey: key) != nil { order.removeAll { $0 == key } }
    released += effects
    addresses[row.tenant, default: 0] -= 1
    bytes += 80 * effects.count
  }

  /// The allocations that it gave to a VM.
  func given(to key: VMKey) -> [Allocation] {
    (given[key] ?? []).compactMap { if case .allocation(let row)?? = rows[$0] { row } else { nil } }
  }

  /// What it comes down to: addresses given back first, so that they may be given anew.
  var effects: [Effect] {
    var keys = order
    if let leading, let place = keys.firstIndex(of: leading), place > 0 {
      keys.remove(at: place)
      keys.insert(leading, at: 0)
    }
    return released
      + keys.compactMap { key in
        guard let row = rows[key] else { return nil }
        return row.map { .put($0) } ?? last[key].map { .delete($0) }
      }
  }
}
