import Domain
import Placement

/// What would happen if: the same functions as when it happens, on the view as it would be, which is then rolled back.
extension Ledger {
  func plan(_ question: WhatIf, _ context: Context) throws(Rejection) -> Decided {
    // The rows are left alone: only the view changes, and it has a journal of its own.
    let before = fleet.fleet.mark
    defer {
      fleet.fleet.rollback(to: before)
      fleet.addresses.planned.removeAll()
    }
    var report = PlanReport()
    switch question {
    case .drain(let name):
      _ = try node(name)
      evacuate([name], mayPreempt: false, context, &report)
    case .lose(let datacenter):
      let names = nodes().filter { $0.topology.datacenter == datacenter }.map(\.name)
      if names.isEmpty { throw .invalid("lose", "no node stands in datacenter \(datacenter)") }
      evacuate(names, mayPreempt: true, context, &report)
    case .add(let node, let count): try add(node, count, context, &report)
    case .cheaper(let policy): findCheaper(policy, context, &report)
    case .fit(let request, let most): try fit(request, min(most, Limits.planTries), context, &report)
    }
    if case .fit = question {
    } else if !advice.names.isEmpty {
      report.notes.append("the schedulers outside were not asked: \(advice.names.joined(separator: ", "))")
    }
    return Decided(outcome: .fleet(.plan(report)))
  }

  private func nodes() -> [Node] {
    // What is pending is known to the view alone; names of nodes only come and go by entries of their own.
    tables.nodeNames.compactMap { fleet.fleet.node($0) }
  }

  /// Takes nodes out and looks where their VMs would go: the most important first.
  private func evacuate(
    _ names: [NodeName], mayPreempt: Bool, _ context: Context, _ report: inout PlanReport
  ) {
    let draft = FleetDraft(context)
    let there = fleet.fleet.homes(on: names, most: Limits.planTries)
    for name in names {
      guard var node = fleet.fleet.node(name) else { continue }
      node.state = .cordoned
      fleet.fleet.put(node)
    }
    var looked = 0
    for key in there.first {
      guard mayLook else { break }
      looked += 1
      guard let vm = vm(key, draft), !vm.isEnding else { continue }
      let from = vm.node
      if mayPreempt, let standby = vm.standby, !names.contains(standby), carries(standby) {
        let why = "its standby there takes over"
        report.add(PlanReport.Move(vm: vm.key, from: from, to: standby, saves: 0, why: why))
        continue
      }
      fleet.fleet.remove(vm: vm.id)
      var question = request(for: vm, context)
      question.id = nil
      if !mayPreempt { question.mayPreempt = false }
      report.add(tryOn(vm, question, from: from, draft))
    }
    report.note(looked, of: there.count, "VMs that are there, the most important,")
  }

  /// Places a VM in the view alone; those it drives out are only named.
  private func tryOn(
    _ vm: VM, _ question: PlacementRequest, from: NodeName?, _ draft: FleetDraft
  ) -> PlanReport.Move {
    let decision = look(question, draft, isQuestion: true)
    var gone: [VMKey] = []
    let placement: Placement
    switch decision {
    case .pending(let why): return PlanReport.Move(vm: vm.key, from: from, to: nil, why: why.firstLines(3))
    case .placed(let found): placement = found
    case .preempt(let found, let victims):
      placement = found
      gone = victims.map(\.key)
      for victim in victims { driveOut(victim.key, victim.id, draft) }
    }
    fleet.fleet.put(vm.moved(onto: placement))
    let hour = Prices.hour(of: draft.context.time)
    let old = from.flatMap { fleet.fleet.node($0) }?.prices.rates(hour: hour).hourly(vm.spec.resources)
    return PlanReport.Move(
      vm: vm.key, from: from, to: placement.node, victims: gone, saves: (old ?? placement.price) - placement.price,
      why: placement.explanation.firstLines(1))
  }

  /// Takes a VM's room in the view alone; its groups count it as away, as they would.
  private func driveOut(_ key: VMKey, _ id: VMID, _ draft: FleetDraft) {
    let (revision, time) = (draft.context.revision, draft.context.time)
    guard let gone = vm(key, draft)?.moved(to: .preempted, node: nil, why: "", revision: revision, at: time) else {
      return fleet.fleet.remove(vm: id)
    }
    fleet.fleet.put(gone)
  }

  private func add(_ like: Node, _ count: Int, _ context: Context, _ report: inout PlanReport) throws(Rejection) {
    if let flaw = like.flaw { throw .invalid(flaw.field, flaw.rule) }
    guard (1...Limits.count).contains(count) else { throw .invalid("count", "must be 1 to \(Limits.count)") }
    for number in 1...count {
      let node = Node(
        name: NodeName(trusted: "new-\(number)"), physical: like.physical, custom: like.custom, devices: like.devices,
        numa: like.numa, topology: like.topology, backends: like.backends, prices: like.prices, isSpot: like.isSpot,
        profile: like.profile, labels: like.labels)
      guard fleet.fleet.node(node.name) == nil else {
        throw .invalid("add", "a node \(node.name) exists, and the new ones would be called so")
      }
      fleet.fleet.put(node)
    }
    let draft = FleetDraft(context)
    let waiting = fleet.queue.mostImportant(Limits.planMoves)
    var looked = 0
    for key in waiting {
      guard mayLook else { break }
      looked += 1
      guard let vm = vm(key, draft), vm.waits else { continue }
      var question = request(for: vm, context)
      question.mayPreempt = false
      report.add(tryOn(vm, question, from: nil, draft))
    }
    report.note(looked, of: fleet.queue.count, "VMs that wait")
  }

  /// Moves one by one the running VMs that would be cheaper elsewhere and may be moved; who saves most comes first.
  private func findCheaper(_ policy: CostPolicy, _ context: Context, _ report: inout PlanReport) {
    let draft = FleetDraft(context)
    // Who is found is looked for once more, when those that save more have moved.
    allowWork(parts: 2)
    let found = candidates(policy, draft, &report)
    allowWork(parts: 2)
    for (vm, _) in found.sorted(by: { ($1.saves, $0.vm.key) < ($0.saves, $1.vm.key) }) {
      guard report.moveCount < policy.mostMoves else {
        report.notes.append("more would save money; the policy allows \(policy.mostMoves) moves")
        break
      }
      guard mayLook else {
        report.notes.append("more may save money: one question has only so much time")
        break
      }
      guard let (placement, saves) = cheaper(vm, policy, draft) else { continue }
      fleet.fleet.remove(vm: vm.id)
      fleet.fleet.put(vm.moved(onto: placement))
      report.add(
        PlanReport.Move(
          vm: vm.key, from: vm.node, to: placement.node, saves: saves, why: placement.explanation.firstLines(1)))
    }
  }

  /// Those that a policy lets move and that would be cheaper elsewhere, each by itself. To read a row is work too: whoever
  /// excludes nearly everybody has to be stopped as well.
  private func candidates(
    _ policy: CostPolicy, _ draft: FleetDraft, _ report: inout PlanReport
  ) -> [(vm: VM, saves: Money)] {
    var found: [(vm: VM, saves: Money)] = []
    var (read, looked) = (0, 0)
    var last: VMKey?
    while true {
      let keys = tables.vmKeys(of: policy.tenant, after: last, limit: Limits.placementsPerEntry)
      guard let end = keys.last else { return found }
      last = end
      for key in keys {
        guard mayLook, looked < Limits.planMoves else {
          report.notes.append(
            "only the first \(read) VMs by tenant and name were looked at, \(looked) of which may move:"
              + " one question has so much time")
          return found
        }
        read += 1
        fleet.fleet.spend(1)
        if policy.excludedTenants.contains(key.tenant) { continue }
        fleet.fleet.spend(Limits.rowWork)
        guard let vm = vm(key, draft), policy.allows(vm) else { continue }
        looked += 1
        if let one = cheaper(vm, policy, draft) { found.append((vm, one.saves)) }
      }
    }
  }

  /// Where a running VM would be cheaper, as things are in the view now; nil = it is where it should be.
  private func cheaper(
    _ vm: VM, _ policy: CostPolicy, _ draft: FleetDraft
  ) -> (placement: Placement, saves: Money)? {
    let hour = Prices.hour(of: draft.context.time)
    guard vm.state == .running, vm.seat == .plain, let from = vm.node,
      let now = fleet.fleet.node(from)?.prices.rates(hour: hour).hourly(vm.spec.resources), now > 0
    else { return nil }
    var question = request(for: vm, draft.context)
    (question.avoid, question.mayPreempt, question.spec.strategy) = ([from], false, .cost)
    guard case .placed(let placement) = look(question, draft, isQuestion: true),
      now - placement.price >= max(1, policy.leastSaving)
    else {
      return nil
    }
    return (placement, now - placement.price)
  }

  /// Places VMs like this one until one finds no room, by itself and without driving out others.
  private func fit(
    _ request: VMRequest, _ most: Int, _ context: Context, _ report: inout PlanReport
  ) throws(Rejection) {
    if let flaw = request.spec.flaw { throw .invalid(flaw.field, flaw.rule) }
    let draft = FleetDraft(context)
    for number in 0..<most {
      guard mayLook else { return report.notes.append("\(number) and more: one question has only so much time") }
      let key = VMKey(tenant: request.key.tenant, name: VMName(trusted: "\(request.key.name)-\(number)"))
      let vm = VM(key: key, id: VMID(raw: (1 << 61) | UInt64(number)), spec: request.spec)
      var question = self.request(for: vm, context)
      (question.mayPreempt, question.advice) = (false, request.advice)
      switch look(question, draft, isQuestion: true) {
      case .placed(let placement):
        fleet.fleet.put(vm.moved(onto: placement))
        if let place = fleet.fleet.node(placement.node)?.topology {
          fleet.addresses.plan(request.spec.interfaces, at: place)
        }
        report.fitting += 1
      case .preempt(_, _): return
      case .pending(let why): return report.notes.append(why.text)
      }
    }
    report.notes.append("\(most) and more")
  }
}

extension PlanReport {
  /// Says so if not all were looked at.
  mutating func note(_ looked: Int, of all: Int, _ what: String) {
    if looked < all {
      notes.append("of the \(all) \(what) only \(looked) were looked at: one question has so much time")
    }
  }

  /// Adds a move to the list, or only to the numbers.
  mutating func add(_ move: Move) {
    moveCount += 1
    if move.to == nil { unplaced += 1 }
    saves += move.saves
    if moves.count < Limits.planMoves { moves.append(move) }
  }
}

extension Explanation {
  /// The beginning of the text.
  func firstLines(_ count: Int) -> String {
    text.split(separator: "\n", maxSplits: count, omittingEmptySubsequences: false).prefix(count).joined(
      separator: "\n")
  }
}

extension VM {
  /// The VM as if it were there already.
  func moved(onto placement: Placement) -> VM {
    VM(
      key: key, id: id, spec: spec, state: .placed, node: placement.node,
      standby: standby == placement.node ? nil : standby, seat: placement.seat, epoch: epoch + 1,
      preemptedAt: preemptedAt)
  }
}
