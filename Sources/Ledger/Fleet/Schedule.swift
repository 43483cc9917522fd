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
    // Each kind of work has a share of what one entry may look, so that none keeps those behind it waiting for ever.
    func inTurn(_ work: (inout FleetDraft) -> Void) {
      guard draft.isEmpty else { return }
      allowWork(parts: 4)
      work(&draft)
    }
    inTurn(settleNodes)
    inTurn(moveFromEnded)
    if draft.isEmpty, loseReclaimed(&draft) { return decided(.nodeLost, draft) }
    inTurn(drain)
    inTurn(leaveReclaimed)
    inTurn(placeWaiting)
    inTurn(seekStandbys)
    return decided(.vmPlaced, draft)
  }

  /// Whether `body` found room; if not, or if it is refused, nothing has changed.
  func attempt(
    _ body: (inout FleetDraft) throws(Rejection) -> Bool, _ draft: inout FleetDraft
  ) -> Bool {
    let (saved, mark, hadNews) = (draft, undoMark, fleet.hasNews)
    do throws(Rejection) { if try body(&draft) { return true } } catch {
      // A pool or a quota may have been in its way: a freed address is worth another try.
      fleet.wantsAddresses = true
    }
    undo(to: mark)
    (draft, fleet.hasNews) = (saved, hadNews)
    return false
  }

  /// Looks for room for those that wait, by priority, then for the tenant that has least, then by age.
  private func placeWaiting(_ draft: inout FleetDraft) {
    let context = draft.context
    if let time = fleet.distanceNewsAt, time <= context.time {
      (fleet.hasNews, fleet.distanceNewsAt, fleet.lastDistanceNews) = (true, nil, context.time)
    }
    if fleet.hasNews {
      // Whom it concerns is tried again, and says so again if it still wants one.
      (fleet.hasNews, fleet.wantsAddresses) = (false, false)
      fleet.queue.wakeAll()
      fleet.standbys.wakeAll()
    }
    var tries = 0
    while tries < Limits.triesPerEntry, draft.vmCount < Limits.placementsPerEntry, mayGoOn(draft) {
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
      index.queue.rest(item, at: context.time, until: advice.awaited(vm.key, at: context.time))
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
      fleet.standbys.wake(key)
      if let node = vm.node { fleet.draining[node]?.wake(vm.id) }
    }
    return Decided(outcome: .fleet(.changed(nodes: 0, vms: 0)))
  }

  /// Datacenters are so far from each other now. They may be further again in a moment, so whoever waits is not woken for
  /// it more often than once in `Limits.distanceRest`.
  func measured(_ latencies: [Latency], _ context: Context) -> Decided {
    fleet.fleet.setLatencies(latencies)
    fleet.distanceNewsAt = max(context.time, fleet.lastDistanceNews.map { $0 + Limits.distanceRest } ?? 0)
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
