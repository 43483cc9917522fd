import Domain
import Placement

/// Nodes that fall silent, and nodes of which somebody says that they are off.
extension Ledger {
  func nodesLost(_ names: [NodeName], _ context: Context) -> Decided {
    var draft = FleetDraft(context)
    for name in names {
      guard var node = fleet.fleet.node(name), node.state != .lost, node.state != .fenced else { continue }
      guard draft.bytes < Limits.effectBytes / 2 else { break }
      (node.state, node.revision) = (.lost, context.revision)
      put(node, &draft)
    }
    settleNodes(&draft)
    return decided(.nodeLost, draft)
  }

  func leasesEnded(_ names: [NodeName], _ context: Context) -> Decided {
    for name in names { fleet.end(name) }
    var draft = FleetDraft(context)
    settleNodes(&draft)
    if draft.isEmpty { moveFromEnded(&draft) }
    return decided(.nodeLost, draft)
  }

  func fenceNode(_ name: NodeName, _ context: Context) throws(Rejection) -> Decided {
    var node = try node(name)
    if node.state == .fenced { return Decided(outcome: .fleet(.node(node, isNew: false))) }
    (node.state, node.reclaimAt) = (.fenced, nil)
    (node.epoch, node.revision) = (node.epoch + 1, context.revision)
    var draft = FleetDraft(context, about: .node(name))
    put(node, &draft)
    settleNodes(&draft)
    return decided(.nodeFenced, draft)
  }

  /// Notes at VMs what became of their lost and fenced nodes, as many as one entry takes; `schedule` does the rest.
  func settleNodes(_ draft: inout FleetDraft) {
    for name in fleet.unsettled.sorted() {
      guard let node = fleet.fleet.node(name) else { continue }
      let keys = fleet.fleet.residents(of: name).map(\.key) + (fleet.leaving[name] ?? [:]).values.sorted()
      for key in keys {
        guard mayGoOn(draft) else { return }
        guard let vm = vm(key, draft) else { continue }
        if vm.standby == name {
          dismiss(vm, &draft)
        } else if node.state == .fenced {
          fenced(vm, name, &draft)
        } else {
          lost(vm, name, &draft)
        }
      }
      fleet.unsettled.remove(name)
    }
  }

  /// A VM's node is silent: it may still run.
  private func lost(_ vm: VM, _ name: NodeName, _ draft: inout FleetDraft) {
    let context = draft.context
    guard vm.node == name, vm.state != .lost else { return }
    if vm.state == .placed, vm.leaving != nil {
      // The node was never allowed to start it.
      return release(step(vm, to: .pending, "node \(name) is lost", context), &draft)
    }
    if vm.state == .migrating, vm.isWanted, !vm.isEnding, let source = vm.leaving, carries(source) {
      // Where it was to go is silent, and may have it by now: where it came from runs on what it still has.
      return goBack(vm, to: source, leaving: name, "node \(name) is lost", &draft)
    }
    put(step(vm, to: .lost, "node \(name) is lost", context), &draft)
  }

  /// Whether a node is neither silent nor certainly off.
  func carries(_ name: NodeName) -> Bool {
    switch fleet.fleet.node(name)?.state {
    case .ready, .cordoned, .draining: true
    case .lost, .fenced, nil: false
    }
  }

  /// A VM's node, or the one it was leaving, certainly carries nothing any more.
  private func fenced(_ vm: VM, _ name: NodeName, _ draft: inout FleetDraft) {
    if vm.node == name { off(vm, "node \(name) is fenced", &draft) } else if vm.leaving == name { left(vm, &draft) }
  }

  /// A VM certainly does not run on its node.
  private func off(_ vm: VM, _ why: String, _ draft: inout FleetDraft) {
    let context = draft.context
    if !vm.isEnding, vm.isWanted, let source = vm.leaving, vm.state == .migrating {
      return goBack(vm, to: source, why, &draft)
    }
    let lost = vm.state == .lost ? vm : step(vm, to: .lost, why, context)
    if vm.isEnding { return end(lost, why, &draft) }
    if !vm.isWanted { return release(step(lost, to: .stopped, why, context), &draft) }
    if promote(lost, why, &draft) { return }
    var words = Words()
    words.before = why + "; "
    let (saved, mark) = (draft, undoMark)
    do throws(Rejection) {
      let (placed, why) = try settle(lost, request(for: lost, context), &draft, words)
      if placed == nil { release(step(lost, to: .pending, words.text(why), context), &draft) }
    } catch {
      undo(to: mark)
      draft = saved
      release(step(lost, to: .pending, (words.before + error.detail).cutForWhy, context), &draft)
    }
  }

  /// Starts elsewhere what was on lost nodes whose leases have ended: those nodes have cut it off themselves.
  func moveFromEnded(_ draft: inout FleetDraft) {
    for name in fleet.unmoved.sorted() {
      guard mayGoOn(draft) else { return }
      var vms = fleet.fleet.residents(of: name).filter { $0.role == .home }.compactMap { vm($0.key, draft) }
      vms += (fleet.leaving[name] ?? [:]).values.sorted().compactMap { vm($0, draft) }
      fleet.fleet.spend(Limits.rowWork * UInt64(vms.count))
      vms = vms.filter(\.isLeased)
      // The most important first, then the oldest; one at least, or a node of many would never be done.
      vms.sort { ($1.spec.priority, $0.id) < ($0.spec.priority, $1.id) }
      for (number, key) in vms.map(\.key).enumerated() {
        guard number == 0 || mayGoOn(draft) else { return }
        // One before it may have driven it out.
        guard let vm = vm(key, draft), vm.isLeased else { continue }
        if vm.node == name {
          off(vm, "node \(name) is lost and its lease has ended", &draft)
        } else if vm.leaving == name {
          left(vm, &draft)
        }
      }
      fleet.unmoved.remove(name)
    }
  }
}
