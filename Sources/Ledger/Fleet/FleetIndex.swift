import Domain
import Placement

/// What the deciding thread alone needs of the fleet: where there is room, who waits, what is to be done, pending
/// decisions included. All of it is computed from rows at a start and from changes afterwards, and both ways come to the
/// same.
final class FleetIndex {
  /// Where there is room.
  var fleet = Fleet()
  /// Who waits for room.
  var queue = PendingQueue()
  /// What tenants use; addresses are not in it.
  private(set) var book = UsageBook()
  /// VMs that are leaving a node, by the node; those that migrate are here too.
  private(set) var leaving: [NodeName: [VMID: VMKey]] = [:]
  /// Nodes whose VMs are to leave.
  var draining: [NodeName: Draining] = [:]
  /// Nodes that are taken back by their owners, and when one of their VMs has to go or their time is over.
  var reclaiming: [NodeName: LogTime] = [:]
  /// Lost and fenced nodes that still carry VMs of which that was not noted.
  var unsettled: Set<NodeName> = []
  /// Lost nodes whose leases have ended.
  private(set) var ended: Set<NodeName> = []
  /// Those of them that may carry VMs which are to start elsewhere.
  var unmoved: Set<NodeName> = []
  /// VMs that are to have a standby and have none.
  var standbys = PendingQueue()
  /// Quotas there are.
  private(set) var quotas: [TenantName: Quota] = [:]
  /// When kept capacity ends.
  private var expiries: [CapacityName: LogTime] = [:]
  /// When the next kept capacity ends.
  private(set) var nextExpiry: LogTime?
  /// Whether something has become free since the queues were looked at.
  var hasNews = false
  /// From when on it is news that datacenters are further or nearer, nil = they are not; and when it was last.
  var distanceNewsAt: LogTime?
  var lastDistanceNews: LogTime?
  /// Whether somebody who waits may have been refused for want of addresses since then: others are not woken by one.
  var wantsAddresses = false
  /// When a node last began to take VMs: schedulers outside that were asked before know nothing of it.
  private(set) var newestReady: Revision = 0
  /// Nodes.
  private(set) var nodeCount = 0

  /// Asked about addresses.
  let addresses: PoolAddresses
  /// How many effects of the batch were looked at for addresses, and what they come to.
  private var counted: (effects: Int, byTenant: [TenantName: Int]) = (0, [:])
  /// What tenants hold before a fleet's rows are durable; nil = not asked for in this batch.
  private var uncounted: [TenantName: Quota.Usage]?

  /// From what is durable; nothing of the fleet is pending.
  init(_ tables: Tables, _ ledger: Ledger, stepped: () -> Void = {}) {
    addresses = PoolAddresses(ledger)
    fleet.addresses = addresses
    guard let state = tables.fleet else { return }
    for name in state.nodeNames { if let node = tables.node(name) { put(node) } }
    for row in tables.capacities { put(row) }
    for quota in state.quotas.values { quotas[quota.tenant] = quota }
    tables.rows.forEach(stepped) { page, row in
      guard KeyProbe.isOfFleet(page[row.lowerBound]), case .fleet(.vm(let vm)) = tables.rows.decode(page, row) else {
        return
      }
      fleet.put(vm)
      follow(from: nil, to: vm)
    }
    fleet.commit()
  }

  // MARK: VMs

  /// A VM's row changes, or comes or goes.
  func follow(from old: VM?, to new: VM?) {
    let weighsTheSame = if let old, let new { new.weighsTheSame(as: old) } else { false }
    if !weighsTheSame, let old {
      book.count(old, prices(old), isGone: true)
      if let from = old.leaving {
        leaving[from]?[old.id] = nil
        if leaving[from]?.isEmpty == true { leaving[from] = nil }
      }
    }
    if !weighsTheSame, let new {
      book.count(new, prices(new), isGone: false)
      if let from = new.leaving { leaving[from, default: [:]][new.id] = new.key }
    }
    FleetIndex.follow(&queue, from: old, to: new) { $0.waits }
    if new == nil, let old { queue.forgive(old.key) }
    FleetIndex.follow(&standbys, from: old, to: new) { $0.lacksStandby }
    if let old {
      let freesRoom = old.node != nil && old.node != new?.node
      if freesRoom || old.leaving != nil && old.leaving != new?.leaving { hasNews = true }
      if old.standby != nil, old.standby != new?.standby { hasNews = true }
    }
    if let new { mayBeUnsettled(new) }
    if let name = new?.node, reclaiming[name] != nil { reclaiming[name] = 0 }
    for name in [old?.node, new?.node].compactMap(\.self) where draining[name] != nil {
      // Whoever comes up on a draining node, or has arrived there, is to leave it; who could not rests.
      let isThere = new?.state == .running && new?.node == name
      if isThere, old?.state != .migrating || old?.node == name { draining[name]?.next = 0 }
    }
  }

  /// A VM stands in a queue as long as it is one that waits.
  private static func follow(_ queue: inout PendingQueue, from old: VM?, to new: VM?, _ waits: (VM) -> Bool) {
    let (waited, next) = (old.flatMap { waits($0) ? $0 : nil }, new.flatMap { waits($0) ? $0 : nil })
    if let waited, let next, waited.spec.priority == next.spec.priority { return }
    if let waited { queue.remove(waited.key) }
    if let next { queue.add(next.key, priority: next.spec.priority, order: next.id.raw) }
  }

  /// What the places cost that a VM pays for.
  private func prices(_ vm: VM) -> [Prices] { vm.paidNodes.compactMap { fleet.prices(of: $0) } }

  // MARK: Nodes

  /// A node's row changes, or comes or goes; undone by the same with both changed over.
  func put(_ node: Node) {
    let old = fleet.node(node.name)
    if let old { reprice(old, node) } else { nodeCount += 1 }
    fleet.put(node)
    if node.state == .ready, old?.state != .ready { newestReady = max(newestReady, node.revision) }
    stand(node.name, node)
  }

  func remove(node name: NodeName) {
    nodeCount -= 1
    fleet.remove(node: name)
    stand(name, nil)
  }

  /// After an undo: what is kept beside the view agrees with it again.
  func undone(_ before: Node?, _ after: Node?) {
    nodeCount += (before == nil ? 0 : 1) - (after == nil ? 0 : 1)
    if let before, let after { reprice(after, before) }
    if let name = (before ?? after)?.name { stand(name, before) }
  }

  private func reprice(_ old: Node, _ new: Node) {
    guard old.prices != new.prices else { return }
    for item in fleet.residents(of: new.name) where item.role != .leaving {
      book.reprice(item.key.tenant, item.resources, from: old.prices, to: new.prices)
    }
  }

  private func stand(_ name: NodeName, _ node: Node?) {
    let state = node?.state
    reclaiming[name] = state == .draining && node?.reclaimAt != nil ? 0 : nil
    draining[name] = state == .draining ? draining[name] ?? Draining() : nil
    draining[name]?.next = 0
    if state != .lost {
      ended.remove(name)
      unmoved.remove(name)
    }
    if state == .lost || state == .fenced {
      if !fleet.isEmpty(name) || leaving[name] != nil { unsettled.insert(name) }
    } else {
      unsettled.remove(name)
    }
    if state == .ready { hasNews = true }
  }

  /// Whether a VM's row does not say yet what became of its nodes.
  private func mayBeUnsettled(_ vm: VM) {
    for name in [vm.node, vm.leaving, vm.standby].compactMap(\.self) {
      switch fleet.state(of: name) {
      case .lost:
        if name == vm.standby || name == vm.node && vm.state != .lost { unsettled.insert(name) }
        if vm.isLeased, name != vm.standby, ended.contains(name) { unmoved.insert(name) }
      case .fenced: unsettled.insert(name)
      case nil, .ready, .cordoned, .draining: break
      }
    }
  }

  /// The leases of a lost node have ended.
  func end(_ name: NodeName) {
    guard fleet.node(name)?.state == .lost else { return }
    // It is told every few seconds. Who comes there later, or was not moved, is noted by itself.
    if ended.insert(name).inserted { unmoved.insert(name) }
  }

  // MARK: Tenants and capacity

  func put(_ quota: Quota) {
    quotas[quota.tenant] = quota
    hasNews = true
  }

  func remove(quota tenant: TenantName) {
    quotas[tenant] = nil
    hasNews = true
  }

  func put(_ row: CapacityReservation) {
    fleet.put(row)
    expire(row.name, at: row.expiresAt)
  }

  func remove(capacity name: CapacityName) {
    fleet.remove(capacity: name)
    expire(name, at: nil)
    hasNews = true
  }

  func expire(_ name: CapacityName, at time: LogTime?) {
    if expiries[name] == time { return }
    expiries[name] = time
    nextExpiry = expiries.values.min()
  }

  /// The kept capacity that has ended at `time`, in order of the names.
  func ended(at time: LogTime) -> [CapacityName] { expiries.filter { $0.value <= time }.keys.sorted() }

  /// Some address can be given again.
  func addressFreed() { if wantsAddresses { hasNews = true } }

  // MARK: The batch

  /// The batch is durable.
  func settled() {
    fleet.commit()
    batchEnded()
  }

  /// Nothing is pending any more.
  func batchEnded() {
    counted = (0, [:])
    uncounted = nil
  }

  /// What a tenant uses of what is durable. Before the first row of a fleet is, nobody has counted: it is done once for
  /// the batch.
  func durableUsage(of tenant: TenantName, _ tables: Tables) -> Quota.Usage {
    if tables.fleet != nil { return tables.usage(of: tenant) }
    if uncounted == nil { uncounted = Tables.addresses(tables.rows) }
    return uncounted?[tenant] ?? Quota.Usage()
  }

  /// Pools were made, changed or deleted.
  func poolsChanged() {
    addresses.poolsChanged()
    fleet.poolsChanged()
    hasNews = true
  }

  /// How many addresses the pending entries give to a tenant, less those they take back.
  func pendingAddresses(of tenant: TenantName, _ overlay: borrowing Overlay) -> Int {
    while counted.effects < overlay.count {
      let effect = overlay.effect(counted.effects)
      counted.effects += 1
      if let (tenant, change) = effect.addresses { counted.byTenant[tenant, default: 0] += change }
    }
    return counted.byTenant[tenant] ?? 0
  }

  // MARK: Work

  /// When there is something for `schedule` to do; nil = nothing waits.
  var nextWork: LogTime? {
    if !unsettled.isEmpty || !unmoved.isEmpty || queue.hasReady || standbys.hasReady { return 0 }
    if hasNews, queue.count > 0 || standbys.count > 0 { return 0 }
    var next = nextExpiry
    let leaving = draining.values.lazy.map(\.next).min()
    for time in [queue.nextTime, standbys.nextTime, leaving, reclaiming.values.min(), distanceNewsAt] {
      if let time, time < next ?? .max { next = time }
    }
    return next == .max ? nil : next
  }
}

extension VM {
  /// Whether it waits for room.
  var waits: Bool { isWanted && !isEnding && node == nil && state != .stopped }
}
