import Addressing
import Domain
import Placement

/// New VMs, with their addresses, where there is room; all or none.
extension Ledger {
  func createVM(_ request: VMRequest, _ context: Context) throws(Rejection) -> Decided {
    let keys = try keys(of: request)
    if let flaw = request.spec.flaw { throw .invalid(flaw.field, flaw.rule) }
    var draft = FleetDraft(context)
    if let there = try existing(keys, request, draft) { return there }
    guard tables.vmCount + keys.count <= Limits.vms else {
      throw Rejection(.tooManyVMs, "there are \(tables.vmCount) VMs, and \(Limits.vms) are the most Berth keeps")
    }
    if let name = request.spec.node { _ = try node(name) }
    var asked = request.isWanted ? Quota.Usage(of: request.spec) : Quota.Usage()
    if request.isWanted { asked[.addresses] = addressesLacking(keys[0], request.spec, draft) }
    try checkQuota(of: request.key.tenant, asked: asked.times(keys.count), draft)
    try checkInterfaces(request, keys, draft)
    var refused: Explanation?
    for (number, key) in keys.enumerated() {
      if draft.bytes > Limits.effectBytes { throw Ledger.tooLarge(draft.bytes) }
      try make(key, number, request, &draft, &refused, isBrief: keys.count > 64)
    }
    return decided(.vmCreated, draft, about: keys)
  }

  /// Makes one; `refused` is why one before it found no room: the same question has the same answer then, unless they hold
  /// addresses or wait for schedulers.
  private func make(
    _ key: VMKey, _ number: Int, _ request: VMRequest, _ draft: inout FleetDraft, _ refused: inout Explanation?,
    isBrief: Bool
  ) throws(Rejection) {
    let context = draft.context
    func vm(_ state: VMState, _ why: String) -> VM {
      VM(
        key: key, id: VMID(revision: context.revision, index: number), spec: request.spec, state: state,
        isWanted: request.isWanted, why: why, createdAt: context.time, revision: context.revision)
    }
    guard request.isWanted else { return put(vm(.stopped, "made without being started"), &draft) }
    let words = Words(isBrief: isBrief)
    let isLikeOthers = request.advice != nil || advice.names.isEmpty
    if let refused, isLikeOthers, holdings(of: key, draft).isEmpty {
      return put(vm(.pending, words.text(refused)), &draft)
    }
    guard mayLook else {
      if request.mustPlace {
        throw Rejection(
          .noPlacement, "finding room for \(number) took all the time that one request has: ask for fewer at once")
      }
      return put(vm(.pending, "waits its turn: it was asked for together with many others"), &draft)
    }
    let new = vm(.pending, "")
    var question = self.request(for: new, context)
    question.advice = request.advice
    let (placed, why) = try settle(new, question, &draft, words)
    let mayWait = placed == nil && !request.mustPlace
    // What was said holds for the next tries too, and for the standby.
    if let said = request.advice, mayWait || placed != nil && request.spec.hasStandby {
      advice.take(said, of: key, at: context.time, newest: fleet.newestReady)
    }
    if placed != nil { return }
    let text = words.text(why)
    if request.mustPlace {
      throw Rejection(.noPlacement, "there is no room for \(key.name): \(text)").with("nodes", why.nodes)
    }
    if holdings(of: key, draft).isEmpty { refused = why }
    put(vm(.pending, text), &draft)
  }

  /// The names of those asked for.
  private func keys(of request: VMRequest) throws(Rejection) -> [VMKey] {
    guard let count = request.count else { return [request.key] }
    guard (1...Limits.count).contains(count) else { throw .invalid("count", "must be 1 to \(Limits.count)") }
    guard VMName.accepts("\(request.key.name)-\(count)") else { throw .invalid("name", VMName.rule) }
    return (1...count).map { number in
      VMKey(tenant: request.key.tenant, name: VMName(trusted: "\(request.key.name)-\(number)"))
    }
  }

  /// The answer to a repeat; nil = none of them is there.
  private func existing(_ keys: [VMKey], _ request: VMRequest, _ draft: FleetDraft) throws(Rejection) -> Decided? {
    var there: [VM] = []
    for key in keys {
      guard let vm = vm(key, draft) else { continue }
      if vm.isEnding {
        throw Rejection(.vmExists, "VM \(key.name) is still being deleted: wait until it is gone", field: "name")
      }
      guard vm.spec == request.spec else {
        throw Rejection(
          .vmExists, "a VM \(key.name) exists and is another than this: choose another name", field: "name")
      }
      there.append(vm)
    }
    if there.isEmpty { return nil }
    guard there.count == keys.count else {
      throw Rejection(
        .vmExists, "\(there.count) of the \(keys.count) VMs exist, \(there[0].key.name) first: choose another name",
        field: "name")
    }
    return Decided(outcome: .fleet(.vms(there.map { placed($0, draft) }, isNew: false)))
  }

  /// How many addresses a VM would be given.
  func addressesLacking(_ key: VMKey, _ spec: VMSpec, _ draft: FleetDraft) -> UInt64 {
    if spec.interfaces.isEmpty || fleet.quotas[key.tenant] == nil { return 0 }
    let held = holdings(of: key, draft)
    var count: UInt64 = 0
    for interface in spec.interfaces {
      switch interface.source {
      case .pool(let name):
        if !held.contains(where: { $0.interface == interface.name && $0.pool == name }) { count += 1 }
      case .choose(let families, _):
        for family in families
        where !held.contains(where: { $0.interface == interface.name && $0.ip.family == family }) {
          count += 1
        }
      }
    }
    return count
  }

  /// Refuses at once what no node could mend: pools that are not there, do not give or have nothing left, and addresses
  /// that are outside or taken.
  private func checkInterfaces(_ request: VMRequest, _ keys: [VMKey], _ draft: FleetDraft) throws(Rejection) {
    var wanted: [PoolName: Int] = [:]
    for interface in request.spec.interfaces {
      switch interface.source {
      case .choose(let families, let labels):
        if families.isEmpty || families.count > 1 && Set(families).count != families.count {
          throw .invalid("interfaces", "families must name ipv4, ipv6 or both, each once")
        }
        if interface.address != nil { throw .invalid("ip", "needs a named pool") }
        try checkVLANs(interface, families, labels)
      case .pool(let name):
        let state = try pool(name)
        if interface.address != nil, keys.count > 1 { throw .invalid("count", "must be 1 when `ip` names the address") }
        try checkAddress(interface, state)
        for key in keys where try lacks(key, interface, state, draft) { wanted[name, default: 0] += 1 }
      }
    }
    guard request.isWanted else { return }
    for (name, count) in wanted.sorted(by: { $0.key < $1.key }) {
      let state = try pool(name)
      guard let index = index(of: name) else { preconditionFailure("pool \(name) has no index") }
      guard state.pool.enabled else {
        throw Rejection(.poolDisabled, "pool \(name) is disabled: `berth pool enable \(name)`", field: "pool")
      }
      guard index.available >= AddressCount(UInt128(count)) else { throw exhausted(state, index) }
    }
  }

  /// Refuses an interface of two families for which there are pools, but nowhere two that go together. Whoever has very
  /// many pools that do not is told by placement, node by node.
  private func checkVLANs(
    _ interface: VMInterface, _ families: [AddressFamily], _ labels: Labels
  ) throws(Rejection) {
    guard families.count == 2 else { return }
    var looked = 0
    var apart: (one: Pool, other: Pool)?
    for one in tables.pools.values.lazy.map(\.pool) where looked < Limits.poolPairs {
      looked += 1
      guard one.family == families[0], one.labels.includes(labels) else { continue }
      // Those that serve a place which this one serves.
      for other in tables.byPlace[families[1]]?.pools(matching: one.topology).map(\.pool) ?? [] {
        looked += 1
        guard other.labels.includes(labels) else { continue }
        if one.isInVLAN(of: other) { return }
        // Whatever the order in which they lie, the same two are named.
        if apart.map({ (one.name, other.name) < ($0.one.name, $0.other.name) }) ?? true { apart = (one, other) }
      }
    }
    guard looked < Limits.poolPairs, let (one, other) = apart else { return }
    throw .invalid(
      "interfaces",
      GuestInterface.twoVLANs(interface.name, (one.name, one.vlan), (other.name, other.vlan))
        + ": give both pools one VLAN, choose others with pool_labels, or ask for two interfaces, one of each family")
  }

  private func checkAddress(_ interface: VMInterface, _ state: PoolState) throws(Rejection) {
    guard let address = interface.address, !state.cidr.contains(address) else { return }
    throw Rejection(
      .addressOutsidePool,
      "\(address) is not in pool \(state.name) (\(state.cidr)): choose an address inside, or another pool", field: "ip")
  }

  /// Whether an address of a named pool has to be given for a VM's interface.
  private func lacks(
    _ key: VMKey, _ interface: VMInterface, _ state: PoolState, _ draft: FleetDraft
  ) throws(Rejection) -> Bool {
    let mine = holdings(of: key, draft).filter { $0.interface == interface.name && $0.pool == state.name }
    if let row = mine.first {
      guard let objection = row.objection ?? (interface.address.map { $0 != row.ip } == true ? "\(row.ip)" : nil) else {
        return false
      }
      throw Rejection(
        .alreadyAllocated, "\(key.name) holds on \(interface.name) already: \(objection): release that first",
        field: "ip"
      ).with("held", text: "\(row.ip)")
    }
    guard let address = interface.address, let index = index(of: state.name) else { return true }
    var request = AllocateRequest(.pool(state.name), holder: Holder(tenant: key.tenant, owner: key.name.owner))
    request.address = address
    _ = try pickBlock(request, state, index)
    return true
  }
}
