import Domain
import Placement

/// Nodes that their owner takes back with notice. What they have moves away as from any draining node; whoever cannot
/// move gives way when its grace period is all that is left, goes down there with its time, and comes up elsewhere with
/// its addresses. At the end the node counts as lost: whatever is still there starts elsewhere by the rules of lost nodes,
/// when its lease has ended or somebody has fenced the node.
extension Ledger {
  func reclaimNode(_ name: NodeName, _ seconds: UInt32, _ context: Context) throws(Rejection) -> Decided {
    var node = try node(name)
    guard node.state != .lost, node.state != .fenced else { throw isAway(node) }
    guard (1...Limits.noticeSeconds).contains(seconds) else {
      throw .invalid("notice_seconds", "1 to \(Limits.noticeSeconds) (a week)")
    }
    (node.state, node.reclaimAt) = (.draining, context.time + LogTime(seconds) * 1_000_000)
    node.revision = context.revision
    var draft = FleetDraft(context, about: .node(name))
    put(node, &draft)
    return decided(.nodeReclaimed, draft)
  }

  /// Nodes whose time is over are lost; true if there was one.
  func loseReclaimed(_ draft: inout FleetDraft) -> Bool {
    for name in fleet.reclaiming.keys.sorted() {
      guard var node = fleet.fleet.node(name), let end = node.reclaimAt, end <= draft.context.time else { continue }
      guard mayGoOn(draft) else { break }
      (node.state, node.revision) = (.lost, draft.context.revision)
      put(node, &draft)
    }
    if draft.isEmpty { return false }
    settleNodes(&draft)
    return true
  }

  /// Sends away whoever could not move, while there is just time for it to go down by itself.
  func leaveReclaimed(_ draft: inout FleetDraft) {
    let context = draft.context
    for (name, time) in fleet.reclaiming.sorted(by: { $0.key < $1.key }) where time <= context.time {
      guard let end = fleet.fleet.node(name)?.reclaimAt else { continue }
      var next = end
      for resident in fleet.fleet.residents(of: name) where resident.role == .home {
        guard draft.vmCount < Limits.placementsPerEntry, mayGoOn(draft) else { return }
        guard let vm = vm(resident.key, draft), vm.node == name, vm.mayGiveWay else { continue }
        let grace = LogTime(vm.spec.graceSeconds) * 1_000_000
        guard end <= context.time + grace else {
          next = min(next, end - grace)
          continue
        }
        guard let gone = giveWay(vm, "node \(name) is taken back by its owner", &draft) else { continue }
        comeBack(gone, &draft)
      }
      fleet.reclaiming[name] = next
    }
  }

  /// The refusal of a wish about a node that is lost or fenced.
  func isAway(_ node: Node) -> Rejection {
    Rejection(.nodeState, "node \(node.name) is \(node.state.name): it comes back by registering again")
      .with("state", text: node.state.name)
  }
}

extension VM {
  /// Whether it runs or is about to, so that it can be told to leave. One that another node has not let go of yet cannot:
  /// its row has room for one node that is waited for.
  fileprivate var mayGiveWay: Bool {
    isWanted && !isEnding && (state == .placed || leaving == nil && (state == .starting || state == .running))
  }
}
