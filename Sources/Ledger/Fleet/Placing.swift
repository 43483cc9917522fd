import Domain
import Placement

typealias PlacementDecision = Decision

/// Finding room for a VM and taking it: node, seat, kept capacity, addresses, and those who give way, in one entry.
extension Ledger {
  /// The usual question about a VM.
  func request(for vm: VM, _ context: Context) -> PlacementRequest {
    var request = PlacementRequest(vm.key, vm.spec, time: context.time)
    if vm.node != nil || vm.state == .preempted { request.id = vm.id }
    request.vmsPerNode = fleet.quotas[vm.key.tenant]?[.vmsPerNode]
    // Where it still goes down it cannot come up.
    request.avoid = [vm.leaving].compactMap(\.self)
    // Who gave way drives nobody out in order to come back.
    request.mayPreempt = vm.state != .preempted
    return request
  }

  /// Where a VM would go, by what schedulers outside say of it. If they have not been heard it waits, for a while; a
  /// question about what would be waits for nobody.
  func look(_ asked: PlacementRequest, _ draft: FleetDraft, isQuestion: Bool = false) -> PlacementDecision {
    var request = asked
    if request.advice == nil {
      switch advice.state(of: request.key, at: draft.context.time, newest: fleet.newestReady, isQuestion: isQuestion) {
      case .unasked: break
      case .there(let said): request.advice = said
      case .awaited: return .pending(Explanation(awaiting: advice.names))
      }
    }
    if !request.spec.interfaces.isEmpty { fleet.addresses.held = holdings(of: request.key, draft) }
    let decision = fleet.fleet.place(request)
    if case .pending(let why) = decision, why.removed(by: .addresses) > 0 { fleet.wantsAddresses = true }
    return decision
  }

  /// What looking for room has cost so far: the same on every machine, so that limits on it are no matter of clocks.
  package var work: UInt64 { fleetIndex?.fleet.work ?? 0 }

  /// Grants the command that is decided, or a part of it, so much looking for room; what is left over is not saved.
  func allowWork(parts: UInt64 = 1) { workEnd = work + workMost / parts }

  /// Whether it may look for room once more: whoever does so often asks before each time, and leaves the rest to a later
  /// entry. The last look may go beyond.
  var mayLook: Bool { work < workEnd }

  /// Whether the entry has room for one more VM.
  func hasRoom(_ draft: FleetDraft) -> Bool { draft.bytes < Limits.effectBytes / 4 }

  /// Whether one more VM may be looked after in the entry.
  func mayGoOn(_ draft: FleetDraft) -> Bool { mayLook && hasRoom(draft) }

  /// Looks for room for a VM that has no node, and takes it; nil = there is none, for the reasons given.
  func settle(
    _ vm: VM, _ request: PlacementRequest, _ draft: inout FleetDraft, _ words: Words = Words()
  ) throws(Rejection) -> (vm: VM?, why: Explanation) {
    let decision = look(request, draft)
    switch decision {
    case .placed(let placement):
      return (try seat(vm, placement, [], &draft, words), placement.explanation)
    case .preempt(let placement, let victims):
      return (try seat(vm, placement, victims, &draft, words), placement.explanation)
    case .pending(let why): return (nil, why)
    }
  }

  /// What a row is to say beside the explanation.
  struct Words {
    /// Before it.
    var before = ""
    /// Whether the first line is enough.
    var isBrief = false

    func text(_ why: Explanation) -> String {
      let text = before + (isBrief ? String(why.text.prefix { $0 != "\n" }) : why.text)
      return text.cutForWhy
    }
  }

  private func seat(
    _ vm: VM, _ placement: Placement, _ victims: [Victim], _ draft: inout FleetDraft, _ words: Words
  ) throws(Rejection) -> VM {
    guard victims.count <= Limits.placementsPerEntry else {
      throw Rejection(
        .noPlacement, "\(victims.count) VMs would have to give way, over \(Limits.placementsPerEntry) at once")
    }
    let before = usage(of: vm.key.tenant, draft)
    let gone = victims.compactMap { self.vm($0.key, draft) }.compactMap { giveWay($0, to: vm, &draft) }
    // An entry that is too large is refused as a whole, and would be tried again and again.
    guard gone.isEmpty || draft.bytes <= Limits.effectBytes / 2 else {
      throw Rejection(.noPlacement, "the \(victims.count) VMs that would have to give way are too much for one entry")
    }
    let context = draft.context
    guard
      let placed = vm.moved(
        to: .placed, node: placement.node, leaving: vm.leaving, seat: placement.seat,
        why: words.text(placement.explanation), revision: context.revision, at: context.time)
    else { preconditionFailure("\(vm.key) is \(vm.state) and was to be placed") }
    put(placed, &draft)
    advice.forget(placed.key)
    use(placement, &draft)
    try provide(placed, &draft)
    try checkGrowth(of: vm.key.tenant, since: before, draft)
    for victim in gone { comeBack(victim, &draft) }
    return placed
  }

  /// Kept capacity that a VM uses is kept no longer.
  func use(_ placement: Placement, _ draft: inout FleetDraft) {
    for use in placement.uses {
      guard var row = capacity(use.name, draft) else { continue }
      (row.left, row.revision) = (row.left - use.amounts, draft.context.revision)
      put(row, &draft)
    }
  }

  private func giveWay(_ vm: VM, to other: VM, _ draft: inout FleetDraft) -> VM? {
    // Its tenant reads this, who must not learn what others call their VMs.
    let winner = vm.key.tenant == other.key.tenant ? "\(other.key.name)" : "a VM of another tenant"
    let isForced = other.spec.isForced
    let why = "gave way to \(winner) (priority \(other.spec.priority))" + (isForced ? ", at once" : "")
    return giveWay(vm, why, isForced: isForced, &draft)
  }

  /// Takes a VM's room away; it is still on its node until that says that it is gone.
  func giveWay(_ vm: VM, _ why: String, isForced: Bool = false, _ draft: inout FleetDraft) -> VM? {
    let context = draft.context
    let moved = vm.moved(
      to: .preempted, node: nil, leaving: vm.leaving ?? vm.node, why: why, revision: context.revision, at: context.time)
    guard let gone = moved?.changed(isHurried: isForced, revision: context.revision) else { return nil }
    put(gone, &draft)
    carry(gone, &draft)
    return gone
  }

  /// A VM that gave way goes elsewhere, if there is room without driving out others.
  func comeBack(_ vm: VM, _ draft: inout FleetDraft) {
    let saved = draft
    let mark = undoMark
    do throws(Rejection) {
      _ = try settle(vm, request(for: vm, draft.context), &draft, Words(before: vm.why + "; then to ", isBrief: true))
    } catch {
      undo(to: mark)
      draft = saved
    }
  }

  // MARK: Quotas

  /// What a tenant uses with everything pending, this command's changes included.
  func usage(of tenant: TenantName, _ draft: FleetDraft) -> Quota.Usage {
    guard fleet.quotas[tenant] != nil else { return Quota.Usage() }
    var usage = fleet.book[tenant]
    let durable = Int(fleet.durableUsage(of: tenant, tables)[.addresses])
    let pending = fleet.pendingAddresses(of: tenant, overlay) + (draft.addresses[tenant] ?? 0)
    usage[.addresses] = UInt64(durable + pending)
    return usage
  }

  /// Refuses what would pass a limit.
  func checkQuota(of tenant: TenantName, asked: Quota.Usage, _ draft: FleetDraft) throws(Rejection) {
    guard let quota = fleet.quotas[tenant] else { return }
    try refuse(
      quota.excess(
        used: usage(of: tenant, draft), asked: asked, mayBurst: quota.mayBurst(at: draft.context.time)), tenant)
  }

  /// Refuses addresses beyond a tenant's quota to whoever asks for them: `count` with those that the command has given
  /// already.
  func checkAddresses(of tenant: TenantName, _ count: Int, _ context: Context) throws(Rejection) {
    guard fleet.quotas[tenant]?[.addresses] != nil else { return }
    var asked = Quota.Usage()
    asked[.addresses] = UInt64(count)
    try checkQuota(of: tenant, asked: asked, FleetDraft(context))
  }

  /// Refuses what has passed a limit: money and addresses are known only when there is a node.
  func checkGrowth(of tenant: TenantName, since before: Quota.Usage, _ draft: FleetDraft) throws(Rejection) {
    guard let quota = fleet.quotas[tenant] else { return }
    let after = usage(of: tenant, draft)
    var asked = Quota.Usage()
    for item in Quota.Item.allCases where after[item] > before[item] { asked[item] = after[item] - before[item] }
    try refuse(quota.excess(used: before, asked: asked, mayBurst: quota.mayBurst(at: draft.context.time)), tenant)
  }

  private func refuse(_ excess: Quota.Excess?, _ tenant: TenantName) throws(Rejection) {
    guard let excess else { return }
    throw Rejection(
      .quotaExceeded,
      "tenant \(tenant) would be over its quota (\(excess.text)): stop or delete something, or raise the limit"
    ).with("item", text: excess.item.name).with("limit", excess.limit).with("used", excess.used)
      .with("asked", excess.asked)
  }

  /// The same where addresses are given and taken back by commands that are not about the fleet.
  func reviewQuotas(_ decided: inout Decided, _ context: Context) {
    guard let fleetIndex, !fleetIndex.quotas.isEmpty else { return }
    var draft = FleetDraft(context)
    for (tenant, change) in decided.effects.compactMap(\.addresses) { draft.count(tenant, addresses: change) }
    reviewQuotas(&draft)
    decided.effects += draft.effects
  }

  /// Notes since when tenants are over their limits, or that they are not any more, and which part of their budgets they
  /// have reached.
  func reviewQuotas(_ draft: inout FleetDraft) {
    if fleet.quotas.isEmpty { return }
    for tenant in draft.tenants.sorted() {
      guard let old = fleet.quotas[tenant] else { continue }
      let used = usage(of: tenant, draft)
      var quota = old
      quota.burstSince = quota.isExceeded(by: used) ? old.burstSince ?? draft.context.time : nil
      quota.alerted = quota.alert(at: used)
      if quota == old { continue }
      quota.revision = draft.context.revision
      put(quota, &draft)
    }
  }
}
