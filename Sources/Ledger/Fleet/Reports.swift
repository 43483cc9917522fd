import Domain
import Placement

/// What agents say of the VMs they were given. What is not of this node and this placement is not believed: whoever
/// knows an older placement is told by its desired list.
extension Ledger {
  func reportVMs(
    _ name: NodeName, _ epoch: UInt64, _ reports: [VMReport], _ context: Context
  ) throws(Rejection) -> Decided {
    let node = try node(name)
    guard epoch == node.epoch, node.state != .lost, node.state != .fenced else {
      throw Rejection(
        .staleEpoch, "node \(name) is \(node.state.name) at epoch \(node.epoch), you spoke at \(epoch): register again"
      ).with("epoch", node.epoch).with("state", text: node.state.name)
    }
    guard reports.count <= Limits.reports else { throw .invalid("vms", "at most \(Limits.reports) in one report") }
    if let long = reports.first(where: { $0.detail.utf8.count > Limits.reasonBytes }) {
      throw .invalid("detail", "at most \(Limits.reasonBytes) bytes, VM \(long.id.raw) has \(long.detail.utf8.count)")
    }
    var draft = FleetDraft(context)
    // What finds no room in this entry is told again.
    for report in reports where mayGoOn(draft) {
      guard let key = fleet.fleet.vmKey(of: report.id) ?? fleet.leaving[name]?[report.id], let vm = vm(key, draft),
        vm.id == report.id
      else { continue }
      if vm.node == name, vm.epoch == report.epoch {
        take(report, of: vm, &draft)
      } else if vm.leaving == name, report.epoch <= vm.epoch, report.fact == .gone || report.fact == .failed {
        left(vm, &draft)
      }
    }
    return decided(.vmReported, draft)
  }

  /// A node says what became of a VM that it has.
  private func take(_ report: VMReport, of vm: VM, _ draft: inout FleetDraft) {
    let context = draft.context
    switch report.fact {
    case .starting:
      if vm.state == .placed, vm.leaving == nil { put(step(vm, to: .starting, vm.why, context), over: vm, &draft) }
    case .running: runs(vm, &draft)
    case .gone: down(vm, report.detail.isEmpty ? "its node says that it is not there" : report.detail, &draft)
    case .failed:
      down(vm, report.detail.isEmpty ? "its node could not run it" : report.detail, &draft)
    }
  }

  private func runs(_ vm: VM, _ draft: inout FleetDraft) {
    let context = draft.context
    fleet.queue.forgive(vm.key)
    switch vm.state {
    case .placed, .starting: if vm.leaving == nil { put(step(vm, to: .running, vm.why, context), over: vm, &draft) }
    case .lost:
      // While another node has not let go of it, it was not to run here.
      guard vm.leaving == nil else { return }
      let isUnwanted = vm.isEnding || !vm.isWanted
      put(step(vm, to: isUnwanted ? .stopping : .running, "its node is back", context), &draft)
    case .migrating:
      put(step(vm.changed(leaving: .some(nil), revision: context.revision), to: .running, vm.why, context), &draft)
    case .pending, .running, .stopping, .stopped, .failed, .preempted: break
    }
  }

  /// A VM is not on its node any more.
  private func down(_ vm: VM, _ why: String, _ draft: inout FleetDraft) {
    let context = draft.context
    if vm.state == .migrating, let source = vm.leaving {
      // It never arrived, and the node it was to leave still runs it.
      return goBack(vm, to: source, why, &draft)
    }
    if vm.isEnding { return end(vm, why, &draft) }
    if !vm.isWanted {
      let stopped = vm.state == .stopping || vm.state == .lost ? vm : step(vm, to: .stopping, why, context)
      return release(step(stopped, to: .stopped, why, context), &draft)
    }
    if vm.state == .stopping {
      // It restarts.
      return restart(step(vm, to: .stopped, why, context), &draft)
    }
    release(step(vm, to: .failed, why, context), &draft)
    fleet.queue.failed(vm.key, at: context.time)
  }

  /// The move is off: the VM is again where it was, at a placement of its own. While the node that it went to may have
  /// it, it leaves that, and is started nowhere. Nobody knows what runs on a node that has fallen silent meanwhile.
  func goBack(_ vm: VM, to source: NodeName, leaving: NodeName? = nil, _ why: String, _ draft: inout FleetDraft) {
    let context = draft.context
    let isHeard = carries(source)
    guard
      let back = vm.moved(
        to: isHeard ? .running : .lost, node: source, leaving: leaving,
        why: "did not move: \(why)" + (isHeard ? "" : "; node \(source) is lost"), revision: context.revision,
        at: context.time)
    else { preconditionFailure("\(vm.key) cannot go back from \(vm.state)") }
    put(back, &draft)
    carry(back, &draft)
    // From a draining node it is to leave all the same, after a while, and to another place.
    fleet.draining[source]?.failed(vm, until: context.time + Limits.drainRest)
  }

  /// Ends a VM that is to be deleted, unless another node has not let go of it yet.
  func end(_ vm: VM, _ why: String, _ draft: inout FleetDraft) {
    if vm.leaving == nil { return clear(vm, &draft) }
    let stopping = vm.state == .stopping || vm.state == .lost ? vm : step(vm, to: .stopping, why, draft.context)
    release(step(stopping, to: .stopped, why, draft.context), &draft)
  }

  /// Notes a VM without a node.
  func release(_ vm: VM, _ draft: inout FleetDraft) {
    put(vm, &draft)
    carry(vm, &draft)
  }

  /// Starts a VM that went down in order to come up again; without room it waits.
  func restart(_ vm: VM, _ draft: inout FleetDraft) {
    let context = draft.context
    release(vm, &draft)
    let (saved, mark) = (draft, undoMark)
    do throws(Rejection) {
      let (placed, why) = try settle(vm, request(for: vm, context), &draft)
      if placed == nil { put(step(vm, to: .pending, Words().text(why), context), &draft) }
    } catch {
      undo(to: mark)
      draft = saved
      put(step(vm, to: .pending, error.detail.cutForWhy, context), &draft)
    }
  }

  /// A node has let go of a VM that left it.
  func left(_ vm: VM, _ draft: inout FleetDraft) {
    let context = draft.context
    if vm.isEnding, vm.node == nil { return clear(vm, &draft) }
    put(vm.changed(leaving: .some(nil), revision: context.revision), &draft)
  }
}

extension String {
  /// As much of it as a row keeps.
  var cutForWhy: String {
    utf8.count <= Limits.whyBytes ? self : String(unicodeScalars.prefix(Limits.whyBytes / 4))
  }
}
