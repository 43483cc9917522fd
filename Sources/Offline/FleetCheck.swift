internal import Addressing
internal import Domain
package import Ledger

/// Looks at nodes and VMs beside each other, trusting no index: no VM without its addresses, no address without its VM,
/// no node over its capacity, and what is kept about tenants is what their rows add up to.
package struct FleetCheck {
  private var nodes: [NodeName: Node] = [:]
  private var vms: [VMKey: VM] = [:]
  private var kept: [CapacityReservation] = []
  private var addresses: [VMKey: [Allocation]] = [:]
  private var perTenant: [TenantName: UInt64] = [:]
  private let tables: Tables

  /// Reads all rows.
  package init(_ tables: Tables) {
    self.tables = tables
    var rows: [Row] = []
    tables.forEachRow { row in if FleetCheck.looks(at: row) { rows.append(row) } }
    for row in rows { take(row) }
  }

  private static func looks(at row: Row) -> Bool {
    switch row {
    case .fleet, .allocation: true
    default: false
    }
  }

  private mutating func take(_ row: Row) {
    switch row {
    case .fleet(.node(let node)): nodes[node.name] = node
    case .fleet(.vm(let vm)): vms[vm.key] = vm
    case .fleet(.capacity(let row)): kept.append(row)
    case .allocation(let row):
      perTenant[row.tenant, default: 0] += 1
      guard row.manager == .vm else { return }
      addresses[VMKey(tenant: row.tenant, name: VMName(trusted: row.owner.text)), default: []].append(row)
    default: break
    }
  }

  /// Adds what is wrong.
  package func run(_ report: inout CheckReport) {
    for key in addresses.keys.sorted() where vms[key] == nil {
      report.add(.orphan, "addresses of VM \(key.name) (tenant \(key.tenant)), which does not exist")
    }
    for row in kept where nodes[row.node] == nil {
      report.add(.orphan, "capacity \(row.name) is kept on node \(row.node), which does not exist")
    }
    var used: [NodeName: [Int]] = [:]
    for key in vms.keys.sorted() { if let vm = vms[key] { check(vm, &used, &report) } }
    for (name, sum) in used.sorted(by: { $0.key < $1.key }) {
      guard let node = nodes[name] else { continue }
      let most = [node.effective.cpu, node.effective.memory, node.effective.disk, node.effective.bandwidth]
      if zip(sum, most).contains(where: { $0 > Int($1) }) {
        report.add(.overlap, "node \(name) carries more than it may promise")
      }
    }
    checkSeats(&report)
    checkUsage(&report)
  }

  private func check(_ vm: VM, _ used: inout [NodeName: [Int]], _ report: inout CheckReport) {
    let name = "VM \(vm.key.name) (tenant \(vm.key.tenant))"
    for node in [vm.node, vm.leaving, vm.standby].compactMap(\.self) where nodes[node] == nil {
      report.add(.orphan, "\(name) is on node \(node), which does not exist")
    }
    checkStandby(of: vm, name, &report)
    guard let place = vm.node else { return }
    let held = addresses[vm.key] ?? []
    for interface in vm.spec.interfaces {
      if held.count(where: { $0.interface == interface.name }) >= interface.addresses { continue }
      report.add(.orphan, "\(name) has a node but lacks an address on \(interface.name)")
    }
    for row in held where row.node != place {
      report.add(.orphan, "\(name) is on node \(place), its address \(row.ip) is not")
    }
    var carriers = [place] + [vm.standby].compactMap(\.self)
    if vm.state == .migrating, let leaving = vm.leaving { carriers.append(leaving) }
    for carrier in carriers {
      guard let node = nodes[carrier] else { continue }
      let isBacked = vm.spec.isPinned || vm.spec.isSingleNUMA
      let need = isBacked ? node.profile.backed(vm.spec.resources) : vm.spec.resources
      let amounts = [need.cpu, need.memory, need.disk, need.bandwidth].map(Int.init)
      used[carrier] = zip(used[carrier] ?? [0, 0, 0, 0], amounts).map(+)
    }
  }

  private func checkStandby(of vm: VM, _ name: String, _ report: inout CheckReport) {
    guard let standby = vm.standby else { return }
    if !vm.spec.hasStandby || vm.node == nil {
      report.add(.implausible, "\(name) has a standby on node \(standby) and is to have none")
    } else if let place = vm.node, let home = nodes[place],
      nodes[standby]?.topology.datacenter == home.topology.datacenter
    {
      report.add(.implausible, "\(name) and its standby are in the same datacenter")
    }
  }

  /// No processor and no device of a node is given to two VMs.
  private func checkSeats(_ report: inout CheckReport) {
    var cpus: [NodeName: CPUSet] = [:]
    var devices: [NodeName: Set<DeviceID>] = [:]
    for key in vms.keys.sorted() {
      guard let vm = vms[key], let node = vm.node, vm.seat != .plain else { continue }
      let hasTwins =
        !vm.seat.cpus.isDisjoint(with: cpus[node] ?? .none)
        || !(devices[node] ?? []).isDisjoint(with: vm.seat.devices)
      if hasTwins {
        report.add(
          .overlap, "VM \(key.name) (tenant \(key.tenant)) shares what is its own with another on node \(node)")
      }
      cpus[node, default: .none].formUnion(vm.seat.cpus)
      devices[node, default: []].formUnion(vm.seat.devices)
    }
  }

  private func checkUsage(_ report: inout CheckReport) {
    guard !nodes.isEmpty || !vms.isEmpty else { return }
    var counted: [TenantName: UInt64] = [:]
    for vm in vms.values where vm.isWanted || vm.node != nil { counted[vm.key.tenant, default: 0] += 1 }
    for tenant in Set(counted.keys).union(perTenant.keys).sorted() {
      let usage = tables.usage(of: tenant)
      if usage[.vms] != counted[tenant] ?? 0 || usage[.addresses] != perTenant[tenant] ?? 0 {
        report.add(.index, "what tenant \(tenant) uses is counted wrongly")
      }
    }
  }
}

extension VMInterface {
  /// How many addresses it has.
  fileprivate var addresses: Int {
    switch source {
    case .pool: 1
    case .choose(let families, _): families.count
    }
  }
}
