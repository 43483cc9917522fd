package import APITypes
package import Domain

/// Which entries a subscriber wants: of these kinds, and with one changed row that has all the rest.
package struct EventFilter: Sendable {
  /// Only this kind.
  package var kind: EntryKind?
  /// Only rows of this pool.
  package var pool: PoolName?
  /// Only rows of this owner.
  package var owner: OwnerName?
  /// Only rows of this tenant.
  package var tenant: TenantName?
  /// Only rows of this node.
  package var node: NodeName?
  /// Only rows of a VM of this name: its own, and its addresses.
  package var vm: VMName?
  /// Only what whoever listens may see.
  package var visibility = Visibility.all

  /// Wants everything.
  package init() {}

  /// Takes a query parameter; false if it is none of ours.
  package mutating func take(_ name: String, _ value: String) throws(Problem) -> Bool {
    switch name {
    case "kind":
      guard let kind = EntryKind.allCases.first(where: { $0.name == value }) else {
        throw .invalid("kind", "must be one of \(EntryKind.allCases.map(\.name).joined(separator: ", "))")
      }
      self.kind = kind
    case "pool": pool = try .parameter("pool", value)
    case "owner": owner = try .parameter("owner", value)
    case "tenant": tenant = try .parameter("tenant", value)
    case "node": node = try .parameter("node", value)
    case "vm": vm = try .parameter("vm", value)
    default: return false
    }
    return true
  }

  /// Whether the subscriber wants this entry.
  package func wants(_ entry: Entry) -> Bool {
    if let kind, entry.kind != kind { return false }
    let isUnfiltered = pool == nil && owner == nil && tenant == nil && node == nil && vm == nil
    if isUnfiltered, visibility.isWhole { return true }
    return entry.effects.contains { visibility.sees($0.row) && (isUnfiltered || wants($0.row)) }
  }

  private func wants(_ row: Row) -> Bool {
    switch row {
    case .allocation(let row):
      (pool == nil || row.pool == pool) && (owner == nil || row.owner == owner)
        && (tenant == nil || row.tenant == tenant) && (node == nil || row.node == node)
        && (vm == nil || row.manager == .vm && row.owner == vm?.owner)
    case .pool(let row): isOfPoolAlone && row.name == pool
    case .reservation(let row): isOfPoolAlone && row.pool == pool
    case .released(let row):
      tenant == nil && node == nil && vm == nil && (pool == nil || row.pool == pool)
        && (owner == nil || row.owner == owner)
    case .cursor, .answered, .token: false
    case .fleet(let row): pool == nil && owner == nil && wants(row)
    }
  }

  private func wants(_ row: FleetRow) -> Bool {
    switch row {
    case .node(let row): tenant == nil && vm == nil && (node == nil || row.name == node)
    case .vm(let row):
      (tenant == nil || row.key.tenant == tenant) && (vm == nil || row.key.name == vm)
        && (node == nil || row.node == node || row.leaving == node)
    case .quota(let row): vm == nil && node == nil && (tenant == nil || row.tenant == tenant)
    case .capacity(let row):
      vm == nil && (tenant == nil || row.tenant == tenant) && (node == nil || row.node == node)
    }
  }

  private var isOfPoolAlone: Bool { owner == nil && tenant == nil && node == nil && vm == nil }
}

extension Name {
  /// Reads a query parameter that must be such a name.
  static func parameter(_ name: String, _ value: String) throws(Problem) -> Self {
    guard let parsed = Self(value) else { throw .invalid(name, "must be \(rule)") }
    return parsed
  }
}
