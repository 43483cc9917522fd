import Domain
import Placement

/// Standbys: room in another datacenter that is kept for a VM, without an address, and taken at once when its node is
/// lost.
extension Ledger {
  /// Of so many VMs in one entry each has its whole reason; of more the beginning.
  private static let longReasons = 64

  /// Of the VMs that the entry changes each that wants a standby and has a node has one, or says why not; no other has.
  func reviewStandbys(_ draft: inout FleetDraft) {
    let vms = draft.changedVMs.filter { vm in
      vm.spec.hasStandby || vm.standby != nil || !vm.standbyWhy.isEmpty
    }
    // The most important first: room for standbys may be scarce.
    for vm in vms.sorted(by: { ($1.spec.priority, $0.id) < ($0.spec.priority, $1.id) }) where !hasRightStandby(vm) {
      let revision = draft.context.revision
      put(vm.changed(standby: .some(nil), standbyWhy: "", revision: revision), &draft)
      guard vm.needsStandby else { continue }
      let hasTurn = mayLook
      let why =
        hasTurn
        ? seekStandby(vm.key, &draft, isBrief: vms.count > Self.longReasons)
        : "no standby yet: it was not looked for in the same step, which had many VMs"
      if let why, let now = self.vm(vm.key, draft) {
        put(now.changed(standbyWhy: why.cutForWhy, revision: revision), &draft)
        if hasTurn { restStandby(vm.key, draft.context) }
      }
    }
  }

  /// Whether a VM's row is as it is to be; one that seeks in vain is not.
  private func hasRightStandby(_ vm: VM) -> Bool {
    guard vm.needsStandby else { return vm.standby == nil && vm.standbyWhy.isEmpty }
    guard let standby = vm.standby.flatMap({ fleet.fleet.node($0) }), let home = datacenter(of: vm) else {
      return false
    }
    guard standby.state == .ready || standby.state == .cordoned else { return false }
    return standby.topology.datacenter.map { $0 != home } ?? false
  }

  private func datacenter(of vm: VM) -> String? {
    vm.node.flatMap { fleet.fleet.node($0) }?.topology.datacenter
  }

  /// Looks for room for a VM's standby and keeps it; else the reason why there is none.
  func seekStandby(_ key: VMKey, _ draft: inout FleetDraft, isBrief: Bool = false) -> String? {
    guard let vm = vm(key, draft) else { return nil }
    guard let home = datacenter(of: vm) else {
      return "no standby: node \(vm.node?.text ?? "-") says no datacenter, so none is another"
    }
    var question = request(for: vm, draft.context)
    (question.id, question.apart, question.mayPreempt) = (nil, home, false)
    let decision = look(question, draft)
    guard case .placed(let placement) = decision else {
      return "no standby: \(Words(isBrief: isBrief).text(decision.explanation))"
    }
    let (saved, mark, hadNews) = (draft, undoMark, fleet.hasNews)
    do throws(Rejection) {
      let before = usage(of: key.tenant, draft)
      put(vm.changed(standby: placement.node, standbyWhy: "", revision: draft.context.revision), &draft)
      use(placement, &draft)
      try checkGrowth(of: key.tenant, since: before, draft)
      return nil
    } catch {
      undo(to: mark)
      // Room that was taken for a moment is no news.
      (draft, fleet.hasNews, fleet.wantsAddresses) = (saved, hadNews, true)
      return "no standby: \(error.detail)"
    }
  }

  /// A lost VM goes on where room is kept for it; false if there is none.
  func promote(_ vm: VM, _ why: String, _ draft: inout FleetDraft) -> Bool {
    guard let standby = vm.standby, carries(standby) else { return false }
    let context = draft.context
    let promoted = vm.moved(
      to: .placed, node: standby, leaving: vm.leaving, why: "\(why); its standby on \(standby) takes over",
      revision: context.revision, at: context.time)
    guard let promoted else { return false }
    let (saved, mark) = (draft, undoMark)
    do throws(Rejection) {
      put(promoted, &draft)
      try provide(promoted, &draft)
      return true
    } catch {
      // Its addresses are not of that place any more: it goes wherever there is room.
      undo(to: mark)
      draft = saved
      return false
    }
  }

  /// A node that keeps room for a VM's standby does so no longer.
  func dismiss(_ vm: VM, _ draft: inout FleetDraft) {
    put(vm.changed(standby: .some(nil), revision: draft.context.revision), &draft)
  }

  /// Looks again for those that have none.
  func seekStandbys(_ draft: inout FleetDraft) {
    var tries = 0
    while tries < Limits.triesPerEntry, draft.vmCount < Limits.placementsPerEntry, mayGoOn(draft) {
      let index = fleet
      guard let item = index.standbys.next(at: draft.context.time, share: { index.share($0) }) else { return }
      tries += 1
      guard vm(item.key, draft)?.lacksStandby == true else {
        index.standbys.remove(item.key)
        continue
      }
      if seekStandby(item.key, &draft) == nil { continue }
      index.standbys.rest(item, at: draft.context.time, until: advice.awaited(item.key, at: draft.context.time))
    }
  }

  /// It was looked for in vain, or schedulers outside are to be heard first: it rests.
  private func restStandby(_ key: VMKey, _ context: Context) {
    guard let item = fleet.standbys.take(key) else { return }
    fleet.standbys.rest(item, at: context.time, until: advice.awaited(key, at: context.time))
  }
}

extension VM {
  /// Whether it is to have a standby now: one that has promised no lease would never be taken over by it.
  var needsStandby: Bool { spec.hasStandby && isWanted && !isEnding && node != nil && isLeased }

  /// Whether it is to have a standby and has none.
  var lacksStandby: Bool { needsStandby && standby == nil }
}
