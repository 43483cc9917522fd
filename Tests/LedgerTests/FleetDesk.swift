import Addressing
import Domain

@testable import Ledger

func vmKey(_ name: String, tenant: String = "default") -> VMKey {
  VMKey(tenant: TenantName(trusted: tenant), name: VMName(trusted: name))
}

func nodeName(_ text: String) -> NodeName { NodeName(trusted: text) }

/// One interface with an address of the best pool.
let anyAddress = [VMInterface(source: .choose([.ipv4], .none))]

extension Desk {
  /// Registers a node of so many whole processors and GiB that it may promise.
  @discardableResult
  func node(
    _ name: String, cpus: Int32 = 8, memory: Int32 = 32, _ change: (inout Node) -> Void = { _ in }
  ) -> Node {
    let physical = Resources(
      cpu: (cpus * 1_000 * 10 + 8) / 9, memory: (memory * 1_024 * 10 + 8) / 9, disk: 1 << 20, bandwidth: 10_000)
    var node = Node(name: nodeName(name), physical: physical)
    change(&node)
    guard case .fleet(.node(let made, _)) = ask(.fleet(.registerNode(node))) else {
      preconditionFailure("no node \(name)")
    }
    return made
  }

  /// Asks for a VM of so many processors and GiB.
  @discardableResult
  func create(
    _ name: String, cpus: Int32 = 2, memory: Int32 = 4, tenant: String = "default", count: Int? = nil,
    isWanted: Bool = true, mustPlace: Bool = false, dryRun: Bool = false, _ change: (inout VMSpec) -> Void = { _ in }
  ) -> Outcome {
    var spec = VMSpec(Resources(cpu: cpus * 1_000, memory: memory * 1_024))
    spec.interfaces = anyAddress
    change(&spec)
    var request = VMRequest(vmKey(name, tenant: tenant), spec)
    (request.count, request.isWanted, request.mustPlace) = (count, isWanted, mustPlace)
    return ask(.fleet(.createVM(request)), dryRun: dryRun)
  }

  func vm(_ name: String, tenant: String = "default") -> VM {
    guard let vm = tables.vm(vmKey(name, tenant: tenant)) else { preconditionFailure("no VM \(name)") }
    return vm
  }

  func has(_ name: String, tenant: String = "default") -> Bool { tables.vm(vmKey(name, tenant: tenant)) != nil }

  func addresses(_ name: String, tenant: String = "default") -> [String] {
    tables.grants(of: vm(name, tenant: tenant)).map { "\($0.allocation.ip)" }
  }

  /// The VM's node says something of it.
  @discardableResult
  func report(_ name: String, _ fact: VMReport.Fact, from node: NodeName? = nil, detail: String = "") -> Outcome {
    let vm = vm(name)
    guard let teller = node ?? vm.node, let row = tables.node(teller) else {
      preconditionFailure("\(name) has no node")
    }
    return ask(
      .fleet(
        .reportVMs(teller, epoch: row.epoch, [VMReport(id: vm.id, epoch: vm.epoch, fact: fact, detail: detail)])))
  }

  /// The node brings the VM up.
  func run(_ name: String) {
    report(name, .starting)
    report(name, .running)
  }

  /// Does what is waiting, until nothing is.
  func schedule() {
    for _ in 0..<1_000 {
      guard let work = ledger.nextWork, work <= time else { return }
      let before = entries.count
      ask(.fleet(.schedule))
      if entries.count == before, ledger.nextWork.map({ $0 <= time }) == true { continue }
    }
    preconditionFailure("schedule never ends")
  }
}

extension Outcome {
  var vms: [PlacedVM] { if case .fleet(.vms(let vms, _)) = self { vms } else { [] } }
  var made: Bool { if case .fleet(.vms(_, let isNew)) = self { isNew } else { false } }
  var changed: (nodes: Int, vms: Int)? {
    if case .fleet(.changed(let nodes, let vms)) = self { (nodes, vms) } else { nil }
  }
}

/// Refusals that only commands about nodes and VMs give.
let fleetCodes: Set<Rejection.Code> = [
  .nodeNotFound, .nodeInUse, .nodeState, .staleEpoch, .tooManyNodes, .vmExists, .vmNotFound, .vmState, .tooManyVMs,
  .noPlacement, .quotaExceeded, .quotaNotFound, .capacityExists, .capacityNotFound
]
