import Domain
import Placement

/// How a change of the fleet that never was is taken back.
enum FleetUndo {
  /// A VM's row before and after, and where the view's journal stood.
  case vm(VM?, VM?, mark: Int)
  /// A node's row before and after; whether its leases had ended.
  indirect case node(Node?, Node?, mark: Int, wasEnded: Bool)
  /// A quota before.
  indirect case quota(TenantName, Quota?)
  /// When kept capacity was to end before.
  case capacity(CapacityName, LogTime?, mark: Int)
}

extension FleetIndex {
  func undo(_ change: FleetUndo) {
    switch change {
    case .vm(let before, let after, let mark):
      fleet.rollback(to: mark)
      follow(from: after, to: before)
    case .node(let before, let after, let mark, let wasEnded):
      fleet.rollback(to: mark)
      undone(before, after)
      if wasEnded, let name = before?.name { end(name) }
    case .quota(let tenant, let quota): if let quota { put(quota) } else { remove(quota: tenant) }
    case .capacity(let name, let expiresAt, let mark):
      fleet.rollback(to: mark)
      expire(name, at: expiresAt)
    }
  }
}

/// Rows of the fleet as they are with everything pending, this command's changes included; and changing them.
extension Ledger {
  /// What follows from nodes and VMs.
  var fleet: FleetIndex {
    if let fleetIndex { return fleetIndex }
    let index = FleetIndex(tables, self)
    fleetIndex = index
    return index
  }

  func vm(_ key: VMKey, _ draft: FleetDraft) -> VM? {
    let row = draft.row(.fleet(.vm(key))) ?? row(.fleet(.vm(key)))
    if case .fleet(.vm(let vm))? = row { return vm }
    return nil
  }

  func node(_ name: NodeName) throws(Rejection) -> Node {
    if let node = fleet.fleet.node(name) { return node }
    throw Rejection(.nodeNotFound, "there is no node \(name): `berth node list` shows those there are", field: "node")
  }

  func capacity(_ name: CapacityName, _ draft: FleetDraft) -> CapacityReservation? {
    let row = draft.row(.fleet(.capacity(name))) ?? row(.fleet(.capacity(name)))
    if case .fleet(.capacity(let capacity))? = row { return capacity }
    return nil
  }

  func put(_ vm: VM, _ draft: inout FleetDraft) { put(vm, over: self.vm(vm.key, draft), &draft) }

  /// The same for whoever knows the row before; nil = there is none.
  func put(_ vm: VM, over before: VM?, _ draft: inout FleetDraft) {
    note(.fleet(.vm(before, vm, mark: fleet.fleet.mark)))
    fleet.fleet.put(vm)
    fleet.follow(from: before, to: vm)
    draft.put(.fleet(.vm(vm)))
  }

  func remove(_ vm: VM, _ draft: inout FleetDraft) {
    note(.fleet(.vm(vm, nil, mark: fleet.fleet.mark)))
    fleet.fleet.remove(vm: vm.id)
    fleet.follow(from: vm, to: nil)
    draft.delete(.fleet(.vm(vm)))
  }

  func put(_ node: Node, _ draft: inout FleetDraft) {
    let before = fleet.fleet.node(node.name)
    note(.fleet(.node(before, node, mark: fleet.fleet.mark, wasEnded: fleet.ended.contains(node.name))))
    fleet.put(node)
    draft.put(.fleet(.node(node)))
    if let before, before.prices != node.prices, !fleet.quotas.isEmpty {
      for resident in fleet.fleet.residents(of: node.name) { draft.touch(resident.key.tenant) }
    }
  }

  func remove(_ node: Node, _ draft: inout FleetDraft) {
    note(.fleet(.node(node, nil, mark: fleet.fleet.mark, wasEnded: fleet.ended.contains(node.name))))
    fleet.remove(node: node.name)
    draft.delete(.fleet(.node(node)))
  }

  func put(_ quota: Quota, _ draft: inout FleetDraft) {
    note(.fleet(.quota(quota.tenant, fleet.quotas[quota.tenant])))
    fleet.put(quota)
    draft.put(.fleet(.quota(quota)))
  }

  func remove(_ quota: Quota, _ draft: inout FleetDraft) {
    note(.fleet(.quota(quota.tenant, quota)))
    fleet.remove(quota: quota.tenant)
    draft.delete(.fleet(.quota(quota)))
  }

  func put(_ row: CapacityReservation, _ draft: inout FleetDraft) {
    note(.fleet(.capacity(row.name, capacity(row.name, draft)?.expiresAt, mark: fleet.fleet.mark)))
    fleet.put(row)
    draft.put(.fleet(.capacity(row)))
  }

  func remove(_ row: CapacityReservation, _ draft: inout FleetDraft) {
    note(.fleet(.capacity(row.name, row.expiresAt, mark: fleet.fleet.mark)))
    fleet.remove(capacity: row.name)
    draft.delete(.fleet(.capacity(row)))
  }
}
