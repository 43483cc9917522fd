import Domain
import Placement

/// A node whose VMs are to leave, as its leader remembers it: who rests, and where moves have failed.
struct Draining {
  /// Targets that are remembered of one VM.
  static let failedMost = 16

  /// When it is looked at next; `max` = whoever comes up there says so.
  var next: LogTime = 0
  /// Those that found no room or did not arrive, and until when they are left alone.
  private(set) var rests: [VMID: LogTime] = [:]
  private var failures: [VMID: [NodeName]] = [:]

  /// Where a VM did not arrive: it goes there again only if there is nowhere else.
  func failures(of id: VMID) -> [NodeName] { failures[id] ?? [] }

  /// A VM found no room: the next time it may go wherever it failed before. Unless it only waits to be told where.
  mutating func refused(_ id: VMID, until time: LogTime, isAwaited: Bool) {
    rests[id] = time
    if !isAwaited { failures[id] = nil }
  }

  /// A VM's move to the node that it has now has failed.
  mutating func failed(_ vm: VM, until time: LogTime) {
    if let node = vm.node { failures[vm.id] = Array((failures(of: vm.id) + [node]).suffix(Self.failedMost)) }
    rests[vm.id] = time
    next = min(next, time)
  }

  /// A VM leaves, or what it waited for is known.
  mutating func wake(_ id: VMID) { (rests[id], next) = (nil, 0) }
}

/// Moving away what is to leave its node.
extension Ledger {
  /// Moves VMs away from draining nodes. An entry goes on where the one before it stopped: whoever was tried rests, and the
  /// node that has waited longest comes first.
  func drain(_ draft: inout FleetDraft) {
    let due = fleet.draining.filter { $0.value.next <= draft.context.time }
    for name in due.sorted(by: { ($0.value.next, $0.key) < ($1.value.next, $1.key) }).map(\.key) {
      guard mayGoOn(draft) else { return }
      let next = drain(name, &draft)
      fleet.draining[name]?.next = next
    }
  }

  /// Moves VMs away from one node; when it is to be looked at again.
  private func drain(_ name: NodeName, _ draft: inout FleetDraft) -> LogTime {
    let time = draft.context.time
    var next = LogTime.max
    var isCut = false
    let residents = inTurn(fleet.fleet.residents(of: name), of: name)
    let seated = elsewhere(residents.filter(\.isSeated), draft)
    for resident in residents {
      if let until = fleet.draining[name]?.rests[resident.id], until > time {
        next = min(next, until)
        continue
      }
      guard draft.vmCount < Limits.placementsPerEntry, hasRoom(draft), mayLook || !seated.isEmpty else {
        return time
      }
      guard let vm = vm(resident.key, draft) else { continue }
      if vm.standby == name { dismiss(vm, &draft) }
      guard vm.node == name, vm.state == .running, !vm.isEnding, vm.leaving == nil else { continue }
      let isSeated = vm.seat != .plain
      guard let leaves = isSeated ? seated[vm.id] : mayLook ? moves(vm, from: name, &draft) : nil else {
        isCut = true
        continue
      }
      if leaves {
        if isSeated { put(step(vm, to: .stopping, "node \(name) is draining", draft.context), &draft) }
        fleet.draining[name]?.wake(vm.id)
      } else {
        let (until, isAwaited) = (time + Limits.drainRest, advice.awaited(vm.key, at: time) != nil)
        fleet.draining[name]?.refused(vm.id, until: until, isAwaited: isAwaited)
        next = min(next, until)
      }
    }
    return isCut ? time : next
  }

  /// Who was never tried comes first, then who has rested longest.
  private func inTurn(_ residents: [Fleet.Resident], of name: NodeName) -> [Fleet.Resident] {
    guard let rests = fleet.draining[name]?.rests, !rests.isEmpty else { return residents }
    return residents.sorted { (rests[$0.id] ?? 0, $0.key) < (rests[$1.id] ?? 0, $1.key) }
  }

  private func moves(_ vm: VM, from name: NodeName, _ draft: inout FleetDraft) -> Bool {
    let failed = fleet.draining[name]?.failures(of: vm.id) ?? []
    return attempt(
      { (draft) throws(Rejection) in try self.move(vm, to: nil, butNot: failed, &draft).vm != nil }, &draft)
  }

  /// Whether those that have a seat on a draining node would come up elsewhere: they have to go down first, so each is looked
  /// for beside those before it, and beside those that are on their way already. Who is not in it was not looked for: half of
  /// the time is for those that just move.
  private func elsewhere(_ residents: [Fleet.Resident], _ draft: FleetDraft) -> [VMID: Bool] {
    var found: [VMID: Bool] = [:]
    let before = fleet.fleet.mark
    let end = workEnd
    workEnd = work + (max(work, end) - work) / 2
    defer {
      fleet.fleet.rollback(to: before)
      workEnd = end
    }
    let vms = residents.compactMap { vm($0.key, draft) }.filter { !$0.isEnding }
    let onTheirWay = vms.filter { $0.state == .stopping && $0.isWanted }
    for vm in onTheirWay + vms.filter({ $0.state == .running && $0.leaving == nil }) {
      if let until = vm.node.flatMap({ fleet.draining[$0] })?.rests[vm.id], until > draft.context.time { continue }
      guard mayLook else { break }
      var question = request(for: vm, draft.context)
      (question.avoid, question.mayPreempt) = ([vm.node].compactMap(\.self), false)
      found[vm.id] = false
      guard case .placed(let placement) = look(question, draft) else { continue }
      fleet.fleet.put(vm.moved(onto: placement))
      found[vm.id] = true
    }
    return found
  }
}
