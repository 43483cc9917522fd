import Domain
import Placement

/// Nodes: registered, changed, sent away, forgotten.
extension Ledger {
  func registerNode(_ wanted: Node, _ context: Context) throws(Rejection) -> Decided {
    if let flaw = wanted.flaw { throw .invalid(flaw.field, flaw.rule) }
    let old = fleet.fleet.node(wanted.name)
    guard old != nil || fleet.nodeCount < Limits.nodes else {
      throw Rejection(.tooManyNodes, "there are \(Limits.nodes) nodes, the most Berth keeps: delete one first")
    }
    var draft = FleetDraft(context, about: .node(wanted.name))
    let state: NodeState =
      switch old?.state {
      case .cordoned: .cordoned
      case .draining: .draining
      // Its owner wanted it back: it takes VMs again when an operator says so.
      case .lost where old?.reclaimAt != nil: .draining
      case nil, .ready, .lost, .fenced: .ready
      }
    let node = Node(
      name: wanted.name, physical: wanted.physical, custom: wanted.custom, devices: wanted.devices, numa: wanted.numa,
      topology: wanted.topology, backends: wanted.backends, prices: wanted.prices, isSpot: wanted.isSpot,
      profile: wanted.profile, labels: wanted.labels, state: state, epoch: (old?.epoch ?? 0) + 1,
      reclaimAt: state == .draining ? old?.reclaimAt.flatMap { $0 > context.time ? $0 : nil } : nil,
      createdAt: old?.createdAt ?? context.time, revision: context.revision)
    if let old { try checkRoom(node, instead: old, draft) }
    put(node, &draft)
    return decided(.nodeRegistered, draft)
  }

  func updateNode(
    _ name: NodeName, _ patch: NodePatch, _ ifMatch: Revision?, _ context: Context
  ) throws(Rejection) -> Decided {
    let old = try node(name)
    try checkRevision(ifMatch, old.revision, "node \(name)")
    var node = old
    if let labels = patch.labels { node.labels = labels }
    if let prices = patch.prices { node.prices = prices }
    if let profile = patch.profile { node.profile = profile }
    if let isSpot = patch.isSpot { node.isSpot = isSpot }
    if let topology = patch.topology { node.topology = topology }
    if let flaw = node.flaw { throw .invalid(flaw.field, flaw.rule) }
    if node == old { return Decided(outcome: .fleet(.node(old, isNew: false))) }
    var draft = FleetDraft(context)
    try checkRoom(node, instead: old, draft)
    node.revision = context.revision
    put(node, &draft)
    return decided(.nodeUpdated, draft)
  }

  func setNode(_ name: NodeName, _ wish: NodeWish, _ context: Context) throws(Rejection) -> Decided {
    var node = try node(name)
    guard node.state != .lost, node.state != .fenced else { throw isAway(node) }
    let state: NodeState =
      switch wish {
      case .ready: .ready
      case .cordoned: .cordoned
      case .draining: .draining
      }
    if node.state == state { return Decided(outcome: .fleet(.node(node, isNew: false))) }
    (node.state, node.reclaimAt, node.revision) = (state, nil, context.revision)
    var draft = FleetDraft(context)
    put(node, &draft)
    return decided(.nodeUpdated, draft)
  }

  func deleteNode(_ name: NodeName, _ context: Context) throws(Rejection) -> Decided {
    let node = try node(name)
    let vms = fleet.fleet.residents(of: name).count + (fleet.leaving[name]?.count ?? 0)
    guard vms == 0 else {
      throw Rejection(
        .nodeInUse,
        "node \(name) carries \(vms) VMs: `berth node drain \(name)` sends them away, `berth node fence \(name)` says that it is off"
      ).with("vms", vms)
    }
    guard fleet.fleet.free(on: name) == node.effective else {
      throw Rejection(.nodeInUse, "capacity is kept on node \(name): release it first (`berth capacity list`)")
    }
    var draft = FleetDraft(context)
    // Of what is kept there nothing is left, or it would not have come this far.
    for used in fleet.fleet.kept(on: name) { if let row = capacity(used, draft) { remove(row, &draft) } }
    remove(node, &draft)
    return decided(.nodeDeleted, draft)
  }

  /// Refuses a node that is less than what it carries, or elsewhere.
  private func checkRoom(_ node: Node, instead old: Node, _ draft: FleetDraft) throws(Rejection) {
    let residents = fleet.fleet.residents(of: node.name)
    if residents.isEmpty { return }
    func refuse(_ what: String) -> Rejection {
      Rejection(
        .nodeInUse,
        "node \(node.name) carries \(residents.count) VMs and \(what): drain it first, or fence it if it carries nothing any more"
      ).with("vms", residents.count)
    }
    if node.topology != old.topology { throw refuse("would stand elsewhere") }
    var used: [Int] = [0, 0, 0, 0]
    var custom: [ResourceName: UInt64] = [:]
    let devices = Set(node.devices.map(\.id))
    for resident in residents {
      guard let vm = vm(resident.key, draft) else { continue }
      let isBacked = vm.spec.isPinned || vm.spec.isSingleNUMA
      let need = isBacked ? node.profile.backed(vm.spec.resources) : vm.spec.resources
      for (place, amount) in [need.cpu, need.memory, need.disk, need.bandwidth].enumerated() {
        used[place] += Int(amount)
      }
      for item in vm.spec.custom { custom[item.name, default: 0] += UInt64(item.amount) }
      if vm.seat.numa != nil || vm.seat.cpus != .none, node.numa != old.numa || node.physical.cpu < old.physical.cpu {
        throw refuse("some have processors of their own there")
      }
      if !devices.isSuperset(of: vm.seat.devices) { throw refuse("would lack a device that one of them has") }
    }
    let most = [node.effective.cpu, node.effective.memory, node.effective.disk, node.effective.bandwidth]
    if zip(used, most).contains(where: { $0 > Int($1) }) { throw refuse("would be smaller than what they take") }
    for (name, amount) in custom where amount > node.custom.first(where: { $0.name == name })?.amount ?? 0 {
      throw refuse("would have less \(name) than they take")
    }
  }
}

extension Ledger {
  // MARK: Tenants and capacity

  func setQuota(_ wanted: Quota, _ context: Context) throws(Rejection) -> Decided {
    guard wanted.limits.count == Quota.Item.allCases.count else { throw .invalid("limits", "one of each item") }
    guard wanted.burstSeconds <= Limits.maxSeconds else {
      throw .invalid("burst_seconds", "at most \(Limits.maxSeconds) (ten years)")
    }
    if wanted.limits.contains(where: { $0 ?? 0 > UInt64(Int64.max) / 1_024 }) {
      throw .invalid("limits", "at most \(Int64.max / 1_024)")
    }
    guard wanted.burstPercent <= 1_000 else { throw .invalid("burst_percent", "at most 1000") }
    let alerts = wanted.alertPercents
    guard alerts.count <= Limits.alerts, alerts.allSatisfy({ (1...Limits.alertPercent).contains($0) }),
      zip(alerts, alerts.dropFirst()).allSatisfy({ $0 < $1 })
    else {
      throw .invalid(
        "alert_percents", "at most \(Limits.alerts), from 1 to \(Limits.alertPercent), each larger than the last")
    }
    let old = fleet.quotas[wanted.tenant]
    var quota = wanted
    (quota.burstSince, quota.alerted, quota.revision) = (old?.burstSince, old?.alerted ?? 0, old?.revision ?? 0)
    if quota == old { return Decided(outcome: .fleet(.quota(quota))) }
    quota.revision = context.revision
    var draft = FleetDraft(context)
    put(quota, &draft)
    return decided(.quotaSet, draft)
  }

  func deleteQuota(_ tenant: TenantName, _ context: Context) throws(Rejection) -> Decided {
    guard let quota = fleet.quotas[tenant] else {
      throw Rejection(.quotaNotFound, "tenant \(tenant) has no quota")
    }
    var draft = FleetDraft(context)
    remove(quota, &draft)
    return decided(.quotaDeleted, draft)
  }

  func reserveCapacity(_ wanted: CapacityReservation, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context)
    if capacity(wanted.name, draft) != nil {
      throw Rejection(
        .capacityExists, "capacity \(wanted.name) is kept already: choose another name, or release it", field: "name")
    }
    let node = try node(wanted.node)
    guard wanted.asked.isLegal, wanted.asked != .none else {
      throw .invalid("capacity", "something, and nothing over \(Limits.resource)")
    }
    guard wanted.priority <= Limits.priority else { throw .invalid("priority", "0 to \(Limits.priority)") }
    guard wanted.reason.utf8.count <= Limits.reasonBytes else {
      throw .invalid("reason", "at most \(Limits.reasonBytes) bytes")
    }
    if let end = wanted.expiresAt, end <= context.time { throw .invalid("expires_at", "must be in the future") }
    guard let free = fleet.fleet.free(on: node.name), wanted.asked.fits(in: free) else {
      throw Rejection(.noPlacement, "node \(node.name) has not so much free: see `berth node show \(node.name)`")
    }
    let row = CapacityReservation(
      name: wanted.name, tenant: wanted.tenant, node: wanted.node, asked: wanted.asked, priority: wanted.priority,
      expiresAt: wanted.expiresAt, reason: wanted.reason, createdAt: context.time, revision: context.revision)
    put(row, &draft)
    return decided(.capacityReserved, draft)
  }

  func releaseCapacity(_ name: CapacityName, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context)
    guard let row = capacity(name, draft) else {
      throw Rejection(.capacityNotFound, "no capacity is kept under the name \(name)")
    }
    remove(row, &draft)
    return decided(.capacityReleased, draft)
  }
}
