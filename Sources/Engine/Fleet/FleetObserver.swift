internal import Domain
internal import Ledger
internal import Telemetry

/// Counts what durable entries did to nodes and VMs; only whoever decided them does.
struct FleetObserver {
  /// VMs that gave way and are waited for.
  static let most = 4_096

  private let metrics: EngineMetrics
  /// When those that gave way and have not gone yet had to.
  private var going: [VMID: LogTime] = [:]

  init(_ metrics: EngineMetrics) { self.metrics = metrics }

  /// Looks at entries that are durable and not in the tables yet.
  mutating func see(_ entries: [Entry], _ before: Tables, time: LogTime) {
    for entry in entries {
      guard let reason = FleetObserver.reason(entry.kind) ?? (going.isEmpty ? nil : "") else { continue }
      for effect in entry.effects {
        guard case .fleet(let row) = effect.row else { continue }
        switch row {
        case .node(let node):
          if effect.isPut, node.state == .lost, before.node(node.name)?.state != .lost { metrics.nodesLost.add() }
        case .vm(let vm): see(vm, isThere: effect.isPut, before, reason, time)
        case .quota, .capacity: break
        }
      }
    }
  }

  private mutating func see(_ vm: VM, isThere: Bool, _ before: Tables, _ reason: String, _ time: LogTime) {
    if let since = going[vm.id], !isThere || vm.leaving == nil {
      going[vm.id] = nil
      metrics.preemptionDuration.observe(nanoseconds: (time - since) * 1_000)
    }
    guard isThere, vm.preemptions > 0, let old = before.vm(vm.key), old.id == vm.id, old.preemptions < vm.preemptions
    else { return }
    metrics.preemptions.child([vm.isHurried ? "forced" : "graceful", reason]).add()
    if vm.leaving != nil, going.count < FleetObserver.most { going[vm.id] = time }
  }

  /// For what VMs give way in such an entry; nil = in such an entry nobody does, and no node is lost.
  private static func reason(_ kind: EntryKind) -> String? {
    switch kind {
    case .vmCreated: "create"
    case .vmUpdated: "start"
    case .vmPlaced: "waiting"
    case .nodeLost, .nodeFenced: "failover"
    case .vmReported: "restart"
    default: nil
    }
  }
}
