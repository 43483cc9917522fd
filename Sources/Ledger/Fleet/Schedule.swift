package import Domain
import Placement

/// What is done without being asked: looking for room for those that wait, and moving what must leave. Each entry does
/// one kind of work, so that no address is given back and given anew in one.
extension Ledger {
  /// The log time from which `schedule` may find something to do; nil = nothing waits.
  package var nextWork: LogTime? {
    if fleetIndex == nil, tables.fleet != nil { return 0 }
    return fleetIndex?.nextWork
  }

  func schedule(_ context: Context) -> Decided {
    var draft = FleetDraft(context)
    for name in fleet.ended(at: context.time).prefix(Limits.placementsPerEntry) {
      if let row = capacity(name, draft) { remove(row, &draft) } else { fleet.expire(name, at: nil) }
    }
    if !draft.isEmpty { return decided(.capacityReleased, draft) }
    settleNodes(&draft)
    if draft.isEmpty { moveFromEnded(&draft) }
    if draft.isEmpty, loseReclaimed(&draft) { return decided(.nodeLost, draft) }
    if draft.isEmpty { drain(&draft) }
    if draft.isEmpty { leaveReclaimed(&draft) }
    if draft.isEmpty { placeWaiting(&draft) }
    if draft.isEmpty { seekStandbys(&draft) }
    return decided(.vmPlaced, draft)
  }

  /// Moves VMs away from draining nodes; those with a seat of their own go down and come up elsewhere.
  private func drain(_ draft: inout FleetDraft) {
    let context = draft.context
    for (name, time) in fleet.draining.sorted(by: { $0.key < $1.key }) where time <= context.time {
      var isStuck = false
      for resident in fleet.fleet.residents(of: name) {
        guard draft.vmCount < Limits.placementsPerEntry, draft.hasRoom else { return }
        guard let vm = vm(resident.key, draft) else { continue }
        if vm.standby == name { dismiss(vm, &draft) }
        guard vm.node == name, vm.state == .running, !vm.isEnding, vm.leaving == nil else { continue }
        if vm.seat != .plain {
          put(step(vm, to: .stopping, "node \(name) is draining", context), &draft)
        } else if !attempt({ (draft) throws(Rejection) in try self.move(vm, to: nil, &draft).vm != nil }, &draft) {
          isStuck = true
        }
      }
      // Whoever changes or comes up there has it looked at again.
      fleet.draining[name] = isStuck ? context.time + Limits.drainRest : .max
    }
  }

  /// Whether `body` found room; if not, or if it is refused, nothing has changed.
  private func attempt(
    _ body: (inout FleetDraft) throws(Rejection) -> Bool, _ draft: inout FleetDraft
  ) -> Bool {
    let (saved, mark, hadNews) = (draft, undoMark, fleet.hasNews)
    do throws(Rejection) { if try body(&draft) { return true } } catch {}
    undo(to: mark)
    (draft, fleet.hasNews) = (saved, hadNews)
    return false
  }

  /// Looks for room for those that wait, by priority, then for the tenant that has least, then by age.
  private func placeWaiting(_ draft: inout FleetDraft) {
    let context = draft.context
    if fleet.hasNews {
      fleet.hasNews = false
      fleet.queue.wakeAll()
      fleet.untried = fleet.lacking
    }
    var tries = 0
    while tries < Limits.triesPerEntry, draft.vmCount < Limits.placementsPerEntry, draft.hasRoom {
      let index = fleet
      guard let item = index.queue.next(at: context.time, share: { index.share($0) }) else { return }
      tries += 1
      guard let vm = vm(item.key, draft), vm.waits else {
        index.queue.remove(item.key)
        continue
      }
      let isPlaced = attempt(
        { (draft) throws(Rejection) in try self.settle(vm, self.request(for: vm, context), &draft).vm != nil }, &draft)
      if isPlaced { continue }
      if let until = advice.awaited(vm.key, at: context.time) {
        index.queue.rest(item, until: until)
      } else {
        index.queue.refused(item, at: context.time)
      }
    }
  }

  // MARK: What only the leader knows

  /// Schedulers outside have spoken: who waited for that is looked at again.
  func advise(_ said: [VMKey: Advice], _ context: Context) -> Decided {
    let draft = FleetDraft(context)
    for key in said.keys.sorted() {
      guard let words = said[key], let vm = vm(key, draft) else { continue }
      advice.take(words, of: key, at: context.time, newest: fleet.newestReady)
      fleet.queue.wake(key)
      if vm.lacksStandby { fleet.untried.insert(key) }
      if let node = vm.node, fleet.draining[node] != nil { fleet.draining[node] = 0 }
    }
    return Decided(outcome: .fleet(.changed(nodes: 0, vms: 0)))
  }

  /// Datacenters are so far from each other now.
  func measured(_ latencies: [Latency]) -> Decided {
    fleet.fleet.setLatencies(latencies)
    fleet.hasNews = true
    return Decided(outcome: .fleet(.changed(nodes: 0, vms: 0)))
  }
}

extension FleetIndex {
  /// How much of the fleet a tenant has: thousandths of a vCPU, 4 GiB of memory counting as one vCPU.
  func share(_ tenant: TenantName) -> UInt64 {
    let usage = book[tenant]
    return usage[.cpu] + usage[.memory] / 4
  }
}

extension FleetDraft {
  /// Whether one more VM may change in this entry.
  var hasRoom: Bool { bytes < Limits.effectBytes / 4 }
}
