internal import Addressing
internal import Domain
internal import Ledger
internal import Log
internal import Offline

/// The fleet as the log has it, and what must hold of it after every batch.
struct FleetTruth {
  /// What every node's state must be, batch by batch: the log holds the leader's to it, and the followers theirs.
  let tables = Tables(seed: 11)
  private var epochs: [VMID: UInt64] = [:]
  private var nodeEpochs: [NodeName: UInt64] = [:]
  private var held: [VMID: Set<IPAddress>] = [:]
  /// Placements made after all has been well for a while: what comes of them comes up.
  private var placedLate: [VMID: UInt64] = [:]
  private var caps: [TenantName: Quota.Usage] = [:]

  /// A batch is in the log.
  mutating func wrote(_ batch: Batch, in world: World) {
    func violate(_ what: String) { world.violate("batch \(batch.sequence): \(what)") }
    if batch.stateHash != tables.stateHash { violate("the leader's state is not what its log comes to") }
    var isOfFleet = false
    for bytes in batch.entries {
      guard let entry = try? Entry(decoding: bytes) else { return violate("an entry cannot be read") }
      isOfFleet = isOfFleet || entry.kind.isOfFleet
      for effect in entry.effects where effect.isPut { remember(effect.row, entry, in: world, violate) }
      tables.apply(entry.effects, revision: entry.revision, time: batch.time)
      for effect in entry.effects {
        switch effect.row {
        case .fleet(.node(let node)) where !effect.isPut: nodeEpochs[node.name] = nil
        case .fleet(.vm(let vm)) where !effect.isPut: held[vm.id] = nil
        default: break
        }
      }
    }
    guard isOfFleet else { return }
    var report = CheckReport()
    FleetCheck(tables).run(&report)
    for finding in report.findings { violate(finding.what) }
    checkAddresses(violate)
    checkQuotas(violate)
  }

  private mutating func remember(_ row: Row, _ entry: Entry, in world: World, _ violate: (String) -> Void) {
    switch row {
    case .fleet(.vm(let vm)):
      if epochs[vm.id] ?? 0 > vm.epoch { violate("VM \(vm.key.name) goes back to placement \(vm.epoch)") }
      epochs[vm.id] = vm.epoch
      world.note(
        "entry \(entry.revision) \(entry.kind): \(vm.key.name) (\(vm.id.raw)) \(vm.state) on "
          + "\(vm.node.map { "\($0)" } ?? "-") from \(vm.leaving.map { "\($0)" } ?? "-") at \(vm.epoch) "
          + "\(vm.isLeased ? "leased" : "")")
      if let old = tables.vm(vm.key), old.id == vm.id { count(old, vm, in: world) }
    case .fleet(.node(let node)):
      if nodeEpochs[node.name] ?? 0 > node.epoch { violate("node \(node.name) goes back to epoch \(node.epoch)") }
      nodeEpochs[node.name] = node.epoch
      world.note("entry \(entry.revision) \(entry.kind): \(node.name) \(node.state) at \(node.epoch)")
      if node.state == .lost, tables.node(node.name)?.state != .lost { world.saw("a node was lost") }
    case .fleet(.quota(let quota)): caps[quota.tenant] = nil
    case .allocation(let row) where row.manager == .vm:
      world.note(
        "entry \(entry.revision) \(entry.kind): \(row.ip) of \(row.owner) on \(row.node.map { "\($0)" } ?? "-")")
    default: break
    }
  }

  /// What is interesting about a VM's step.
  private mutating func count(_ old: VM, _ new: VM, in world: World) {
    if new.state == .placed, new.epoch > old.epoch, world.isQuiet { placedLate[new.id] = new.epoch }
    if new.state == .failed, placedLate[new.id] == old.epoch {
      world.violate("VM \(new.key.name) failed long after peace had come: \(new.why)")
    }
    if old.state == .lost, let node = new.node, node != old.node {
      world.saw(node == old.standby ? "a standby took over" : "a lost VM was placed elsewhere")
    }
    if old.state == .lost, new.state == .running { world.saw("a lost VM's node came back with it") }
    if new.state == .migrating, old.state != .migrating { world.saw("a VM began to move") }
    if old.state == .migrating, new.state == .running {
      world.saw(new.node == old.node ? "a VM arrived" : "a VM did not arrive and stayed")
    }
    if old.state == .migrating, new.state == .lost { world.saw("a VM's node was lost while it moved") }
    if new.state == .preempted, old.state != .preempted { world.saw("a VM gave way") }
    if new.state == .failed { world.saw("a VM failed") }
  }

  /// A VM keeps its addresses as long as it lives.
  private mutating func checkAddresses(_ violate: (String) -> Void) {
    for vm in tables.vms(of: nil, after: nil, limit: 1_000) {
      let now = Set(tables.grants(of: vm).map(\.allocation.ip))
      if let before = held[vm.id], !before.isSubset(of: now) {
        violate("VM \(vm.key.name) had \(before.sorted()) and has \(now.sorted())")
      }
      held[vm.id] = now
    }
  }

  /// What there was when a limit came may stay; it never becomes more.
  private mutating func checkQuotas(_ violate: (String) -> Void) {
    for tenant in FleetAsking.tenants {
      guard let quota = tables.quota(tenant) else {
        caps[tenant] = nil
        continue
      }
      let used = tables.usage(of: tenant)
      var cap = caps[tenant] ?? used
      for item in [Quota.Item.vms, .cpu, .addresses] {
        guard let base = quota[item] else { continue }
        cap[item] = max(min(cap[item], used[item]), base + base * UInt64(quota.burstPercent) / 100)
        if used[item] > cap[item] { violate("tenant \(tenant) has \(used[item]) \(item), limit \(base)") }
      }
      caps[tenant] = cap
    }
  }
}
