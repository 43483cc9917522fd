/// What the ledger stores of nodes and VMs.
package enum FleetRow: Hashable, Sendable {
  /// A node.
  case node(Node)
  /// A VM.
  case vm(VM)
  /// A tenant's quota.
  case quota(Quota)
  /// Room that is kept for a tenant.
  case capacity(CapacityReservation)

  /// What identifies it.
  package var key: FleetKey {
    switch self {
    case .node(let node): .node(node.name)
    case .vm(let vm): .vm(vm.key)
    case .quota(let quota): .quota(quota.tenant)
    case .capacity(let capacity): .capacity(capacity.name)
    }
  }
}

/// The identity of a row of the fleet.
package enum FleetKey: Hashable, Sendable {
  /// A node by name.
  case node(NodeName)
  /// A VM by tenant and name.
  case vm(VMKey)
  /// A quota by tenant.
  case quota(TenantName)
  /// A capacity reservation by name.
  case capacity(CapacityName)

  /// The kind of its row; with `encoded`, what stands at the row's beginning.
  package var kind: UInt8 {
    switch self {
    case .node: FleetKind.node.rawValue
    case .vm: FleetKind.vm.rawValue
    case .quota: FleetKind.quota.rawValue
    case .capacity: FleetKind.capacity.rawValue
    }
  }

  /// The key as it stands in the row behind the tag byte: one text, or two.
  package var encoded: [UInt8] {
    var out = ByteWriter(capacity: 32)
    switch self {
    case .node(let name): out.text(name.text)
    case .vm(let key):
      out.text(key.tenant.text)
      out.text(key.name.text)
    case .quota(let tenant): out.text(tenant.text)
    case .capacity(let name): out.text(name.text)
    }
    return out.bytes
  }

  /// How many texts the key of a row of this kind is; nil if it is not a row of the fleet.
  package static func texts(ofKind kind: UInt8) -> Int? { FleetKind(rawValue: kind).map { $0 == .vm ? 2 : 1 } }
}

/// The numbers of the rows; 9 to 14 are the fleet's.
enum FleetKind: UInt8 {
  case node = 9
  case vm = 10
  case quota = 11
  case capacity = 12
}
