/// Answers about the fleet from what an entry holds: decided once, told again in the same way.
extension FleetOutcome {
  /// The answer of an entry; nil if it is not the fleet's.
  package init?(of kind: EntryKind, _ effects: [Effect], _ told: Entry.Told) {
    let found: FleetOutcome? =
      switch kind {
      case .nodeRegistered: FleetOutcome.node(effects).map { .node($0, isNew: $0.epoch == 1) }
      case .nodeUpdated, .nodeFenced, .nodeReclaimed: FleetOutcome.node(effects).map { .node($0, isNew: false) }
      case .nodeDeleted: FleetOutcome.node(effects).map { .nodeDeleted($0) }
      case .nodeLost, .vmPlaced, .vmReported: .changed(effects)
      case .vmCreated: .vms(FleetOutcome.made(effects, told), isNew: true)
      case .vmUpdated, .vmMoved: .vms(FleetOutcome.first(effects, told), isNew: false)
      case .vmDeleted: FleetOutcome.first(effects, told).first.map { .vmDeleted($0) }
      case .quotaSet: FleetOutcome.quota(effects).map { .quota($0) }
      case .quotaDeleted: FleetOutcome.quota(effects).map { .quotaDeleted($0) }
      case .capacityReserved: FleetOutcome.capacity(effects).map { .capacity($0) }
      case .capacityReleased: FleetOutcome.capacity(effects).map { .capacityDeleted($0) }
      case .poolCreated, .poolUpdated, .poolExpanded, .poolRolledBack, .poolDeleted, .reservationCreated,
        .reservationDeleted, .allocated, .allocationUpdated, .renewed, .released, .expired, .imported, .tokenCreated,
        .tokenRevoked, .agentEnrolled:
        nil
      }
    guard let found else { return nil }
    self = found
  }

  /// How many nodes and VMs changed.
  private static func changed(_ effects: [Effect]) -> FleetOutcome {
    var (nodes, vms) = (0, 0)
    for effect in effects {
      if case .fleet(.node) = effect.row { nodes += 1 }
      if case .fleet(.vm) = effect.row { vms += 1 }
    }
    return .changed(nodes: nodes, vms: vms)
  }

  private static func node(_ effects: [Effect]) -> Node? {
    for effect in effects { if case .fleet(.node(let node)) = effect.row { return node } }
    return nil
  }

  private static func quota(_ effects: [Effect]) -> Quota? {
    for effect in effects { if case .fleet(.quota(let quota)) = effect.row { return quota } }
    return nil
  }

  private static func capacity(_ effects: [Effect]) -> CapacityReservation? {
    for effect in effects { if case .fleet(.capacity(let row)) = effect.row { return row } }
    return nil
  }

  private static func vms(_ effects: [Effect]) -> [VM] {
    effects.compactMap { if case .fleet(.vm(let vm)) = $0.row { vm } else { nil } }
  }

  /// The VM that was asked about comes first.
  private static func first(_ effects: [Effect], _ told: Entry.Told) -> [PlacedVM] {
    PlacedVM.joined(Array(vms(effects).prefix(1)), told)
  }

  /// The VMs that the entry made, in the order asked for.
  private static func made(_ effects: [Effect], _ told: Entry.Told) -> [PlacedVM] {
    let made = vms(effects).filter { $0.id == VMID(revision: $0.revision, index: $0.id.index) }
    return PlacedVM.joined(made.sorted { $0.id < $1.id }, told)
  }
}

extension VMID {
  /// Which of its entry's VMs.
  package var index: Int { Int(raw & 2_047) }
}

extension PlacedVM {
  /// VMs with those of the grants that are theirs.
  static func joined(_ vms: [VM], _ told: Entry.Told) -> [PlacedVM] {
    guard case .grants(let grants, _) = told, !grants.isEmpty else { return vms.map { PlacedVM($0) } }
    if let key = vms.first?.key, vms.count == 1 {
      return [
        PlacedVM(vms[0], grants.filter { $0.allocation.tenant == key.tenant && $0.allocation.owner == key.name.owner })
      ]
    }
    var byKey: [VMKey: [Grant]] = [:]
    for grant in grants {
      let row = grant.allocation
      byKey[VMKey(tenant: row.tenant, name: VMName(trusted: row.owner.text)), default: []].append(grant)
    }
    return vms.map { PlacedVM($0, byKey[$0.key] ?? []) }
  }
}
