import Domain

/// What one command about the fleet changes, row by row: the last state of each counts, and each has one effect.
struct FleetDraft {
  let context: Ledger.Context
  private var rows: [RowKey: Effect] = [:]
  private var order: [RowKey] = []
  /// The row that was asked about: it comes first.
  private var leading: RowKey?
  /// What happens to addresses that are given back, and to the memory of those that were.
  private var released: [Effect] = []
  /// VMs that changed.
  private(set) var vms: Set<VMKey> = []
  /// Tenants of which something changed that their quotas count.
  private(set) var tenants: Set<TenantName> = []
  /// Addresses given, less those given back, by tenant.
  private(set) var addresses: [TenantName: Int] = [:]
  /// Allocations that are new, by owner.
  private var given: [VMKey: [RowKey]] = [:]
  /// Bytes of the effects.
  private(set) var bytes = 0

  init(_ context: Ledger.Context, about key: FleetKey? = nil) {
    self.context = context
    leading = key.map { .fleet($0) }
  }

  /// Whether nothing has changed.
  var isEmpty: Bool { order.isEmpty && released.isEmpty }

  /// The row as it will be; nil = not changed here, `.some(nil)` = deleted.
  func row(_ key: RowKey) -> Row?? { rows[key].map { $0.isPut ? $0.row : nil } }

  mutating func put(_ row: Row) { set(.put(row)) }

  /// Deletes a row; this is how it was at last.
  mutating func delete(_ row: Row) { set(.delete(row)) }

  private mutating func set(_ effect: Effect) {
    let key = effect.row.key
    if let old = rows.updateValue(effect, forKey: key) { bytes -= old.bytes.count } else { order.append(key) }
    bytes += effect.bytes.count
    switch effect.row {
    case .fleet(.vm(let vm)):
      vms.insert(vm.key)
      tenants.insert(vm.key.tenant)
    case .fleet(.quota(let quota)): tenants.insert(quota.tenant)
    default: break
    }
  }

  /// Addresses are given to a tenant, or taken back, by what is not in this draft.
  mutating func count(_ tenant: TenantName, addresses change: Int) {
    tenants.insert(tenant)
    addresses[tenant, default: 0] += change
  }

  /// What a tenant has costs something else now.
  mutating func touch(_ tenant: TenantName) { tenants.insert(tenant) }

  /// Takes over what giving addresses to a VM changes.
  mutating func give(_ effects: [Effect], to key: VMKey, _ change: (Allocation) -> Allocation) {
    for effect in effects {
      guard effect.isPut, case .allocation(let row) = effect.row else {
        released.append(effect)
        bytes += effect.bytes.count
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
    if let old = rows.removeValue(forKey: key) {
      order.removeAll { $0 == key }
      bytes -= old.bytes.count
    }
    released += effects
    addresses[row.tenant, default: 0] -= 1
    bytes += effects.reduce(0) { $0 + $1.bytes.count }
  }

  /// The allocations that it gave to a VM.
  func given(to key: VMKey) -> [Allocation] {
    (given[key] ?? []).compactMap { if case .allocation(let row)? = rows[$0]?.row { row } else { nil } }
  }

  /// What it comes down to: addresses given back first, so that they may be given anew.
  var effects: [Effect] {
    var keys = order
    if let leading, let place = keys.firstIndex(of: leading), place > 0 {
      keys.remove(at: place)
      keys.insert(leading, at: 0)
    }
    return released + keys.compactMap { rows[$0] }
  }
}

extension Effect {
  /// The tenant whose addresses it makes more or fewer, and by how many.
  var addresses: (tenant: TenantName, change: Int)? {
    guard case .allocation(let row) = row else { return nil }
    if !isPut { return (row.tenant, -1) }
    return row.generation == row.revision ? (row.tenant, 1) : nil
  }
}
