import Domain

/// What one command about the fleet changes, row by row: the last state of each counts, and each has one effect.
struct FleetDraft {
  let context: Ledger.Context
  private var changes = RowChanges()
  /// The row that was asked about: it comes first.
  private var leading: RowKey?
  /// What happens to addresses that are given back, and to the memory of those that were.
  private var released: [Effect] = []
  /// How many VMs changed.
  private(set) var vmCount = 0
  /// Tenants of which something changed that their quotas count, beside the rows that changed.
  private var touched: Set<TenantName> = []
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
  var isEmpty: Bool { changes.isEmpty && released.isEmpty }

  /// The row as it will be; nil = not changed here, `.some(nil)` = deleted.
  func row(_ key: RowKey) -> Row?? { changes[key].map { $0.isPut ? $0.row : nil } }

  /// The VMs that changed, as they will be.
  var changedVMs: [VM] {
    changes.effects.compactMap { if $0.isPut, case .fleet(.vm(let vm)) = $0.row { vm } else { nil } }
  }

  /// Tenants of which something changed that their quotas count.
  var tenants: Set<TenantName> {
    var tenants = touched
    for effect in changes.effects {
      switch effect.row {
      case .fleet(.vm(let vm)): tenants.insert(vm.key.tenant)
      case .fleet(.quota(let quota)): tenants.insert(quota.tenant)
      default: break
      }
    }
    return tenants
  }

  mutating func put(_ row: Row) { set(.put(row)) }

  /// Deletes a row; this is how it was at last.
  mutating func delete(_ row: Row) { set(.delete(row)) }

  private mutating func set(_ effect: Effect) {
    bytes += effect.bytes.count
    if let old = changes.set(effect) {
      bytes -= old.bytes.count
    } else if case .fleet(.vm) = effect.row {
      vmCount += 1
    }
  }

  /// Addresses are given to a tenant, or taken back, by what is not in this draft.
  mutating func count(_ tenant: TenantName, addresses change: Int) {
    touched.insert(tenant)
    addresses[tenant, default: 0] += change
  }

  /// What a tenant has costs something else now.
  mutating func touch(_ tenant: TenantName) { touched.insert(tenant) }

  /// Takes over what giving addresses to a VM changes.
  mutating func give(_ effects: [Effect], to key: VMKey) {
    for effect in effects {
      guard effect.isPut, case .allocation(let row) = effect.row else {
        released.append(effect)
        bytes += effect.bytes.count
        continue
      }
      set(effect)
      given[key, default: []].append(.address(row.pool, row.ip))
      addresses[key.tenant, default: 0] += 1
    }
  }

  /// Takes over what giving an address back changes.
  mutating func release(_ effects: [Effect], of row: Allocation) {
    if let old = changes.remove(.address(row.pool, row.ip)) { bytes -= old.bytes.count }
    released += effects
    addresses[row.tenant, default: 0] -= 1
    bytes += effects.reduce(0) { $0 + $1.bytes.count }
  }

  /// The allocations that it gave to a VM.
  func given(to key: VMKey) -> [Allocation] {
    (given[key] ?? []).compactMap { if case .allocation(let row)? = changes[$0]?.row { row } else { nil } }
  }

  /// What it comes down to: addresses given back first, so that they may be given anew.
  var effects: [Effect] { released + changes.effects(leading: leading) }
}

/// The last effect on each row, in the order in which the rows were first changed.
private struct RowChanges {
  /// Among so few a row is found by looking at each; most commands change two or three.
  private static let few = 8

  private var keys: [RowKey] = []
  private(set) var effects: [Effect] = []
  /// Where each row is, when there are more.
  private var places: [RowKey: Int] = [:]

  var isEmpty: Bool { keys.isEmpty }

  subscript(key: RowKey) -> Effect? { place(of: key).map { effects[$0] } }

  private func place(of key: RowKey) -> Int? {
    keys.count > RowChanges.few ? places[key] : keys.firstIndex(of: key)
  }

  /// Returns the effect before it on the same row.
  mutating func set(_ effect: Effect) -> Effect? {
    let key = effect.row.key
    if let place = place(of: key) {
      defer { effects[place] = effect }
      return effects[place]
    }
    keys.append(key)
    effects.append(effect)
    if keys.count == RowChanges.few + 1 { index() } else if keys.count > RowChanges.few { places[key] = keys.count - 1 }
    return nil
  }

  mutating func remove(_ key: RowKey) -> Effect? {
    guard let place = place(of: key) else { return nil }
    keys.remove(at: place)
    index()
    return effects.remove(at: place)
  }

  private mutating func index() {
    places.removeAll(keepingCapacity: true)
    guard keys.count > RowChanges.few else { return }
    for (place, key) in keys.enumerated() { places[key] = place }
  }

  /// All of them, with the row of `key` first.
  func effects(leading key: RowKey?) -> [Effect] {
    guard let key, let place = place(of: key), place > 0 else { return effects }
    var effects = effects
    effects.insert(effects.remove(at: place), at: 0)
    return effects
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
