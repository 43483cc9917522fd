import Addressing
import Domain

@testable import Ledger

/// What must hold of a fleet after every batch, by the plainest sums over its rows.
struct FleetProofs {
  typealias Failure = FleetHarness.Failure
  private var ids: [VMID: VMKey] = [:]
  private var epochs: [VMID: UInt64] = [:]
  private var nodeEpochs: [NodeName: UInt64] = [:]
  private var caps: [TenantName: Quota.Usage] = [:]

  /// Each row of an entry is of that entry, and comes once.
  func look(at entry: Entry) throws {
    var seen: Set<RowKey> = []
    for effect in entry.effects {
      guard effect.isPut, case .fleet(let row) = effect.row else { continue }
      let revision: Revision =
        switch row {
        case .node(let node): node.revision
        case .vm(let vm): vm.revision
        case .quota(let quota): quota.revision
        case .capacity(let row): row.revision
        }
      if revision != entry.revision {
        throw Failure("a row of revision \(revision) in entry \(entry.revision): \(row)")
      }
      if !seen.insert(effect.row.key).inserted { throw Failure("entry \(entry.revision) puts \(effect.row.key) twice") }
    }
  }

  /// Ids are never used again, epochs never go back.
  mutating func remember(_ batch: [Entry]) {
    for effect in batch.flatMap(\.effects) {
      switch effect.row {
      case .fleet(.vm(let vm)):
        precondition(ids[vm.id] ?? vm.key == vm.key && epochs[vm.id] ?? 0 <= vm.epoch, "\(vm.key) goes back in time")
        (ids[vm.id], epochs[vm.id]) = (vm.key, vm.epoch)
      case .fleet(.node(let node)):
        precondition(nodeEpochs[node.name] ?? 0 <= node.epoch, "\(node.name) goes back in time")
        nodeEpochs[node.name] = effect.isPut ? node.epoch : nil
      case .fleet(.quota(let quota)): caps[quota.tenant] = nil
      default: break
      }
    }
  }

  mutating func afterABatch(_ harness: FleetHarness) throws {
    let rows = Rows(harness.tables)
    for vm in rows.vms { try check(vm, rows) }
    try checkAddresses(rows)
    for node in rows.nodes.values { try check(node, rows) }
    try checkGroups(rows)
    try checkQuotas(harness.tables, rows)
    try checkReading(harness.tables, rows)
    try checkCarriers(harness.agents)
    try FleetProofs.same(harness.ledger, Ledger(harness.tables))
  }

  func atTheEnd(_ harness: FleetHarness) throws {
    let replayed = Tables(seed: 5)
    for item in harness.log { try replayed.apply(entry: item.bytes, unlessUpTo: 0, time: item.time) }
    let loaded = Tables(seed: 6)
    loaded.beginLoading()
    for chunk in 0..<harness.tables.chunkCount { try loaded.load(harness.tables.chunk(chunk)) }
    loaded.finishLoading(revision: harness.tables.revision, time: harness.tables.time)
    for other in [replayed, loaded] {
      guard other.stateHash == harness.tables.stateHash else { throw Failure("another state hash") }
      try checkReading(other, Rows(harness.tables))
      try FleetProofs.same(Ledger(other), Ledger(harness.tables))
    }
  }

  /// All rows, read one by one.
  struct Rows {
    var vms: [VM] = []
    var nodes: [NodeName: Node] = [:]
    var quotas: [TenantName: Quota] = [:]
    var capacities: [CapacityReservation] = []
    var allocations: [Allocation] = []
    var pools: [PoolName: Pool] = [:]

    init(_ tables: Tables) {
      tables.forEachRow { row in
        switch row {
        case .fleet(.vm(let vm)): vms.append(vm)
        case .fleet(.node(let node)): nodes[node.name] = node
        case .fleet(.quota(let quota)): quotas[quota.tenant] = quota
        case .fleet(.capacity(let row)): capacities.append(row)
        case .allocation(let row): allocations.append(row)
        case .pool(let pool): pools[pool.name] = pool
        default: break
        }
      }
      vms.sort { $0.key < $1.key }
      capacities.sort { $0.name < $1.name }
    }

    /// Who has room on a node.
    func there(_ name: NodeName) -> [VM] {
      vms.filter { $0.node == name || $0.standby == name || $0.state == .migrating && $0.leaving == name }
    }

    func addresses(of vm: VM) -> [Allocation] {
      allocations.filter { $0.manager == .vm && $0.tenant == vm.key.tenant && $0.owner == vm.key.name.owner }
    }
  }

  // MARK: VMs and addresses

  private func check(_ vm: VM, _ rows: Rows) throws {
    let name = "\(vm.key.tenant)/\(vm.key.name) (\(vm.state))"
    if let hasNode = vm.state.hasNode, hasNode != (vm.node != nil) { throw Failure("\(name): node \(vm.node as Any)") }
    if vm.state == .failed, vm.node != nil { throw Failure("\(name) keeps its room") }
    if vm.isEnding, vm.isWanted { throw Failure("\(name) is ending and wanted") }
    if vm.node != nil, vm.node == vm.leaving { throw Failure("\(name) leaves where it is") }
    try checkStandby(vm, rows)
    for node in [vm.node, vm.leaving].compactMap(\.self) where rows.nodes[node] == nil {
      throw Failure("\(name): no node \(node)")
    }
    let held = rows.addresses(of: vm)
    for row in held where row.node != vm.node || row.expiresAt != nil || row.mac == nil {
      throw Failure("\(name): \(row.ip) is at \(row.node as Any), the VM at \(vm.node as Any)")
    }
    guard let node = vm.node.flatMap({ rows.nodes[$0] }) else { return }
    for interface in vm.spec.interfaces {
      let mine = held.filter { $0.interface == interface.name }
      switch interface.source {
      case .pool(let pool):
        guard mine.count == 1, mine[0].pool == pool, interface.address ?? mine[0].ip == mine[0].ip else {
          throw Failure("\(name) has a node and on \(interface.name) \(mine.map(\.ip))")
        }
      case .choose(let families, _):
        guard mine.map({ $0.ip.family.rawValue }).sorted() == families.map(\.rawValue).sorted() else {
          throw Failure("\(name) has a node and on \(interface.name) \(mine.map(\.ip))")
        }
      }
      guard Set(mine.compactMap { rows.pools[$0.pool]?.vlan }).count < 2 else {
        throw Failure("\(name): \(interface.name) is in two VLANs: \(mine.map(\.pool))")
      }
      for row in mine where rows.pools[row.pool]?.topology.match(node.topology) == nil {
        throw Failure("\(name): pool \(row.pool) does not serve \(node.name)")
      }
    }
  }

  private func checkStandby(_ vm: VM, _ rows: Rows) throws {
    let name = "\(vm.key.tenant)/\(vm.key.name) (\(vm.state))"
    guard vm.needsStandby else {
      if vm.standby != nil || vm.standbyWhy != "" { throw Failure("\(name) has a standby and is to have none") }
      return
    }
    guard (vm.standby == nil) != (vm.standbyWhy == "") else { throw Failure("\(name): standby, or why there is none") }
    guard let standby = vm.standby else { return }
    guard let there = rows.nodes[standby], let here = vm.node.flatMap({ rows.nodes[$0] }) else {
      throw Failure("\(name): no node of its standby")
    }
    if standby == vm.leaving { throw Failure("\(name) has its standby where it leaves") }
    if there.topology.datacenter == here.topology.datacenter { throw Failure("\(name): both in one datacenter") }
    if there.state == .lost || there.state == .fenced { throw Failure("\(name): its standby is \(there.state)") }
  }

  private func checkAddresses(_ rows: Rows) throws {
    let vms = Dictionary(uniqueKeysWithValues: rows.vms.map { ($0.key, $0) })
    var seen: Set<String> = []
    for row in rows.allocations {
      if !seen.insert("\(row.pool) \(row.ip)").inserted { throw Failure("\(row.ip) twice") }
      guard row.manager == .vm else { continue }
      let vm = vms[VMKey(tenant: row.tenant, name: VMName(trusted: row.owner.text))]
      guard vm?.spec.interfaces.contains(where: { $0.name == row.interface }) == true else {
        throw Failure("\(row.ip) of \(row.owner) has no VM")
      }
    }
  }

  // MARK: Nodes

  private func check(_ node: Node, _ rows: Rows) throws {
    let there = rows.there(node.name)
    var (used, custom, devices, cpus) = (Resources.none, UInt32(0), Set<DeviceID>(), Set<Int>())
    for vm in there {
      used = used + (vm.spec.isPinned ? node.profile.backed(vm.spec.resources) : vm.spec.resources)
      custom += vm.spec.custom.reduce(0) { $0 + $1.amount }
      if vm.standby == node.name { continue }
      for device in vm.seat.devices where !devices.insert(device).inserted { throw Failure("\(device) twice") }
      for cpu in vm.seat.cpus.members where !cpus.insert(cpu).inserted { throw Failure("processor \(cpu) twice") }
      if vm.spec.isPinned, vm.seat.cpus.count != Int(vm.spec.resources.cpu / 1_000) {
        throw Failure("\(vm.key) is pinned and has \(vm.seat.cpus)")
      }
    }
    guard used.fits(in: node.effective) else { throw Failure("\(node.name) is over capacity: \(used)") }
    guard custom <= node.custom.first?.amount ?? 0 else { throw Failure("\(node.name): too many licences") }
    guard devices.isSubset(of: node.devices.map(\.id)) else { throw Failure("\(node.name): devices it does not have") }
    let settled =
      node.state != .fenced || !rows.vms.contains { [$0.node, $0.leaving, $0.standby].contains(node.name) }
    if node.reclaimAt != nil, node.state != .draining, node.state != .lost {
      throw Failure("\(node.name) is \(node.state) and taken back")
    }
    guard settled else { throw Failure("\(node.name) is fenced and carries something") }
    if node.state == .lost, rows.vms.contains(where: { $0.node == node.name && $0.state != .lost }) {
      throw Failure("\(node.name) is lost and its VMs are not")
    }
  }

  /// Hard rules to be away from a group, counting members and not places.
  private func checkGroups(_ rows: Rows) throws {
    for vm in rows.vms where vm.node != nil {
      for rule in vm.spec.affinity where rule.isAnti && rule.weight == nil {
        func domain(_ name: NodeName?) -> String? {
          name.map { rule.scope == .node ? $0.text : rows.nodes[$0]?.topology.datacenter ?? "-" }
        }
        let members = rows.vms.filter {
          $0.key.tenant == vm.key.tenant && $0.spec.groups.contains(rule.group) && domain($0.node) == domain(vm.node)
        }
        let isMember = vm.spec.groups.contains(rule.group)
        guard members.count <= Int(rule.most) - (isMember ? 0 : 1) else {
          throw Failure("\(vm.key) wanted to be away from \(rule.group): \(members.map(\.key.name))")
        }
      }
    }
  }

  // MARK: Tenants

  private mutating func checkQuotas(_ tables: Tables, _ rows: Rows) throws {
    for (tenant, quota) in rows.quotas {
      let used = FleetProofs.usage(of: tenant, rows)
      if (quota.burstSince == nil) == quota.isExceeded(by: used) {
        throw Failure("\(tenant): over its limits since \(quota.burstSince as Any), used \(used)")
      }
      if quota.alerted != quota.alert(at: used) {
        throw Failure("\(tenant): alert at \(quota.alerted), used \(used[.money]) of \(quota[.money] as Any)")
      }
      var cap = caps[tenant] ?? used
      for item in [Quota.Item.vms, .cpu, .addresses] {
        guard let base = quota[item] else { continue }
        // What there was when the limit came may stay; it never becomes more.
        cap[item] = max(min(cap[item], used[item]), base + base * UInt64(quota.burstPercent) / 100)
        guard used[item] <= cap[item] else { throw Failure("\(tenant): \(used[item]) \(item), limit \(base)") }
      }
      caps[tenant] = cap
    }
  }

  static func usage(of tenant: TenantName, _ rows: Rows) -> Quota.Usage {
    var usage = Quota.Usage()
    for vm in rows.vms where vm.key.tenant == tenant && (vm.isWanted || vm.node != nil) {
      usage.add(Quota.Usage(of: vm.spec))
      for node in [vm.node, vm.standby].compactMap({ $0.flatMap { rows.nodes[$0] } }) {
        usage[.money] += UInt64(node.prices.monthly(vm.spec.resources))
      }
    }
    usage[.addresses] = UInt64(rows.allocations.count { $0.tenant == tenant })
    return usage
  }

  // MARK: Sameness

  private func checkReading(_ tables: Tables, _ rows: Rows) throws {
    guard tables.nodeNames == rows.nodes.keys.sorted() else { throw Failure("list of nodes") }
    guard tables.vms(of: nil, after: nil, limit: 1_000) == rows.vms, tables.vmCount == rows.vms.count else {
      throw Failure("list of VMs")
    }
    guard tables.capacities == rows.capacities else { throw Failure("list of capacities") }
    for tenant in FleetAsking.tenants where tables.fleet != nil {
      guard tables.usage(of: tenant) == FleetProofs.usage(of: tenant, rows) else { throw Failure("usage of \(tenant)") }
      guard tables.quota(tenant) == rows.quotas[tenant] else { throw Failure("quota of \(tenant)") }
      guard tables.vms(of: tenant, after: nil, limit: 2) == Array(rows.vms.filter { $0.key.tenant == tenant }.prefix(2))
      else { throw Failure("list of the VMs of \(tenant)") }
    }
    for name in rows.nodes.keys {
      guard tables.vms(on: name) == rows.vms.filter({ [$0.node, $0.leaving, $0.standby].contains(name) }) else {
        throw Failure("VMs on \(name)")
      }
      let there = rows.there(name)
      let sum = there.reduce(Resources.none) { $0 + $1.spec.resources }
      guard tables.carried(by: name) == (sum, there.count) else { throw Failure("what \(name) carries") }
    }
  }

  /// No VM runs in two places, and no address in two VMs.
  private func checkCarriers(_ agents: Agents) throws {
    var places: [VMID: NodeName] = [:]
    var holders: [IPAddress: VMKey] = [:]
    for (node, vms) in agents.carried {
      for (id, item) in vms {
        if let other = places.updateValue(node, forKey: id) {
          throw Failure("\(item.key) runs on \(node) and \(other)")
        }
        for ip in item.addresses {
          if let other = holders.updateValue(item.key, forKey: ip) { throw Failure("\(ip): \(item.key) and \(other)") }
        }
      }
    }
  }

  /// A ledger that lived through it all sees what one sees that has just started.
  static func same(_ a: Ledger, _ b: Ledger) throws {
    try Proofs.same(a, b)
    guard b.tables.fleet != nil else { return }
    let (x, y) = (a.fleet, b.fleet)
    let (lines, fresh) = (x.fleet.fingerprint(), y.fleet.fingerprint())
    if lines != fresh {
      let different = zip(lines, fresh).first { $0 != $1 }
      throw Failure("the view differs: \(different.map { "\n  \($0.0)\n  \($0.1)" } ?? "in length")")
    }
    guard x.book == y.book else { throw Failure("usage differs") }
    for (what, mine, other) in [("waiting", x.queue, y.queue), ("want a standby", x.standbys, y.standbys)] {
      let (line, made) = (mine.mostImportant(mine.count), other.mostImportant(other.count))
      guard line == made else { throw Failure("\(what): \(line), fresh \(made)") }
    }
    guard x.leaving == y.leaving else { throw Failure("leaving: \(x.leaving), fresh \(y.leaving)") }
    guard x.quotas == y.quotas, x.nodeCount == y.nodeCount, x.nextExpiry == y.nextExpiry else {
      throw Failure("quotas, nodes or ends differ")
    }
    guard x.unsettled.isSubset(of: x.unsettled.union(y.unsettled)), y.unsettled.isSubset(of: x.unsettled) else {
      throw Failure("unsettled: \(x.unsettled), fresh \(y.unsettled)")
    }
    guard Set(x.draining.keys) == Set(y.draining.keys) else { throw Failure("draining") }
    guard Set(x.reclaiming.keys) == Set(y.reclaiming.keys) else { throw Failure("reclaiming") }
  }
}
