import Domain
import Placement

/// What people ask of a VM that is there. Wishes are noted at once; what a node has to do for them it reports later.
extension Ledger {
  func updateVM(_ key: VMKey, _ patch: VMPatch, _ ifMatch: Revision?, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context, about: .vm(key))
    let vm = try find(key, draft)
    try checkRevision(ifMatch, vm.revision, "VM \(key.name)")
    var spec = vm.spec
    if let labels = patch.labels { spec.labels = labels }
    if let priority = patch.priority {
      if patch.isOfTenant, priority > spec.priority { spec.preemption = spec.preemption.withinTenant }
      spec.priority = priority
    }
    if let isPreemptible = patch.isPreemptible { spec.isPreemptible = isPreemptible }
    if let failover = patch.failover { spec.failover = failover }
    if let budget = patch.budget { spec.budget = budget }
    if let hasStandby = patch.hasStandby { spec.hasStandby = hasStandby }
    if let flaw = spec.flaw { throw .invalid(flaw.field, flaw.rule) }
    if spec == vm.spec { return unchanged(vm, draft) }
    let before = usage(of: key.tenant, draft)
    put(vm.changed(spec: spec, revision: context.revision), &draft)
    try checkGrowth(of: key.tenant, since: before, draft)
    return decided(.vmUpdated, draft, about: [key])
  }

  func deleteVM(_ key: VMKey, force: Bool, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context, about: .vm(key))
    let vm = try find(key, draft)
    let carriers = [vm.node, vm.leaving].compactMap(\.self).compactMap { fleet.fleet.node($0) }
    let isProven = carriers.allSatisfy { $0.state == .fenced || force && $0.state == .lost }
    if isProven {
      let gone = addresses(of: vm, draft)
      clear(vm, &draft)
      return decided(.vmDeleted, draft, gone: gone)
    }
    if force {
      let alive = carriers.first { $0.state != .fenced && $0.state != .lost } ?? carriers[0]
      throw wrongState(
        vm,
        "its node \(alive.name) is \(alive.state.name); only `berth node fence \(alive.name)` proves that it is down")
    }
    if vm.isEnding { return unchanged(vm, draft) }
    let ending = vm.changed(isWanted: false, isEnding: true, revision: context.revision)
    put(down(ending, "is being deleted", context), &draft)
    return decided(.vmUpdated, draft, about: [key])
  }

  func stopVM(_ key: VMKey, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context, about: .vm(key))
    let vm = try find(key, draft)
    if vm.isEnding { throw wrongState(vm, "there is nothing to stop") }
    if !vm.isWanted { return unchanged(vm, draft) }
    put(down(vm.changed(isWanted: false, revision: context.revision), "was stopped", context), &draft)
    return decided(.vmUpdated, draft, about: [key])
  }

  /// The VM on its way down: its node has to say that it is gone; one without a node is down.
  private func down(_ vm: VM, _ why: String, _ context: Context) -> VM {
    switch vm.state {
    case .placed, .starting, .running, .migrating: step(vm, to: .stopping, why, context)
    case .pending, .preempted, .failed: step(vm, to: .stopped, why, context)
    case .stopped, .stopping, .lost: vm.changed(why: why, revision: context.revision)
    }
  }

  /// The next step in a VM's life where it is; `node` nil for those states that have none.
  func step(_ vm: VM, to state: VMState, _ why: String, _ context: Context) -> VM {
    let stays = state.hasNode == true
    let moved = vm.moved(
      to: state, node: stays ? vm.node : nil, leaving: vm.leaving, seat: stays ? vm.seat : .plain,
      why: why, revision: context.revision, at: context.time)
    guard let moved else { preconditionFailure("\(vm.key) cannot go from \(vm.state) to \(state)") }
    return moved
  }

  func startVM(_ key: VMKey, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context, about: .vm(key))
    let vm = try find(key, draft)
    if vm.isEnding { throw wrongState(vm, "make a new one") }
    if vm.isWanted, vm.state != .failed { return unchanged(vm, draft) }
    try start(vm, &draft)
    return decided(.vmUpdated, draft, about: [key])
  }

  private func start(_ vm: VM, _ draft: inout FleetDraft) throws(Rejection) {
    let context = draft.context
    let wanted = vm.changed(isWanted: true, revision: context.revision)
    if vm.node != nil { return put(wanted.changed(why: "will be started again", revision: context.revision), &draft) }
    if !vm.isWanted {
      var asked = Quota.Usage(of: vm.spec)
      asked[.addresses] = addressesLacking(vm.key, vm.spec, draft)
      try checkQuota(of: vm.key.tenant, asked: asked, draft)
    }
    let (placed, why) = try settle(wanted, request(for: wanted, context), &draft)
    if placed != nil { return }
    put(step(wanted, to: .pending, Words().text(why), context), &draft)
  }

  func restartVM(_ key: VMKey, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context, about: .vm(key))
    let vm = try find(key, draft)
    if vm.isEnding { throw wrongState(vm, "make a new one") }
    switch vm.state {
    case .placed, .starting, .running:
      put(step(vm.changed(isWanted: true, revision: context.revision), to: .stopping, "restarts", context), &draft)
    case .stopping:
      if vm.isWanted { return unchanged(vm, draft) }
      try start(vm, &draft)
    case .stopped, .failed: try start(vm, &draft)
    case .pending, .preempted, .migrating, .lost: throw wrongState(vm, "it is not running")
    }
    return decided(.vmUpdated, draft, about: [key])
  }

  func migrateVM(_ key: VMKey, to name: NodeName?, _ context: Context) throws(Rejection) -> Decided {
    var draft = FleetDraft(context, about: .vm(key))
    let vm = try find(key, draft)
    if let name {
      _ = try node(name)
      if name == vm.node { return unchanged(vm, draft) }
    }
    guard vm.state == .running, !vm.isEnding else { throw wrongState(vm, "only a running VM moves") }
    if let other = vm.leaving {
      throw wrongState(
        vm, "node \(other) may have it since it last moved; `berth node fence \(other)` says that it is off")
    }
    guard vm.seat == .plain else {
      throw wrongState(vm, "it has processors or devices of its own: stop it and start it, and it may go elsewhere")
    }
    let (moved, why) = try move(vm, to: name, &draft)
    guard moved != nil else {
      throw Rejection(.noPlacement, "there is no room for \(key.name) elsewhere: \(why.text)").with("nodes", why.nodes)
    }
    return decided(.vmMoved, draft, about: [key])
  }

  /// Looks for room for a running VM on another node, and on none of `failed`, and moves it there; it drives nobody out.
  func move(
    _ vm: VM, to name: NodeName?, butNot failed: [NodeName] = [], _ draft: inout FleetDraft
  ) throws(Rejection) -> (vm: VM?, why: Explanation) {
    let context = draft.context
    var question = request(for: vm, context)
    (question.avoid, question.mayPreempt) = ([vm.node].compactMap(\.self) + failed, false)
    if let name { question.spec.node = name }
    let decision = look(question, draft)
    guard case .placed(let placement) = decision else { return (nil, decision.explanation) }
    let before = usage(of: vm.key.tenant, draft)
    guard
      let moved = vm.moved(
        to: .migrating, node: placement.node, leaving: vm.node, seat: placement.seat,
        why: Words(before: "moves to ").text(placement.explanation), revision: context.revision, at: context.time)
    else { return (nil, placement.explanation) }
    put(moved, &draft)
    advice.forget(moved.key)
    use(placement, &draft)
    try provide(moved, &draft)
    carry(moved, &draft)
    try checkGrowth(of: vm.key.tenant, since: before, draft)
    return (moved, placement.explanation)
  }
}
