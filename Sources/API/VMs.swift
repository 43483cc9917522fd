internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

private let tenant = Endpoint.Parameter(
  "tenant", "Whose it is; default: the caller's own, or `default`.", Schemas.poolName)
private let gone = Endpoint.Refused(404, "vm_not_found")
private let placing: [Endpoint.Refused] = [
  .init(400, "address_outside_pool"), .init(404, "pool_not_found", "node_not_found"),
  .init(
    409, "vm_exists", "too_many_vms", "no_placement", "quota_exceeded", "pool_exhausted", "pool_disabled",
    "no_matching_pool", "address_in_use", "address_reserved", "address_quarantined", "already_allocated",
    "too_many_for_owner", "node_state")
]

/// VMs.
let vmEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/vms", id: "listVMs", tag: "vms", permission: .vmsRead,
    summary: "VMs in the order of tenant and name, with their addresses.",
    query: [
      .limit, .cursor, .label, .init("tenant", "Only of this tenant.", Schemas.poolName),
      .init("node", "Only what this node has.", Schemas.node), .init("state", "Only in this state.", Schemas.vmState),
      .init("group", "Only members of this group.", Schemas.level)
    ],
    answers: [.init(200, "A page of VMs; a short one goes on when `next_cursor` says so.", .page(of: Schemas.vm))],
    handler: listVMs),
  Endpoint(
    method: .post, pattern: "/api/v1/vms", id: "createVM", tag: "vms", permission: .vmsWrite,
    summary: """
      Make VMs: node, addresses and quota are decided in one entry, or nothing is. Without room a VM waits and says why; \
      asked again with the same body, the same VM.
      """,
    body: Schemas.vmCreate,
    answers: [
      .init(201, "What is new: one VM, or `{\"vms\":[...]}` when `count` was given.", Schemas.vmsMade),
      .init(200, "What is there already, or would be (`dry_run`).", Schemas.vmsMade)
    ],
    refusals: placing, isCommand: true, handler: createVM),
  Endpoint(
    method: .get, pattern: "/api/v1/vms/{vm}", id: "getVM", tag: "vms", permission: .vmsRead,
    summary: """
      A VM with its addresses, where it is, and why. With `usage=true` also what it uses, which in a cluster the leader \
      alone knows.
      """,
    query: [tenant, .init("usage", "Add what it used when it was last measured.", .boolean)],
    answers: [.init(200, "The VM.", Schemas.vm)], refusals: [gone], asksLeaderFor: "usage", handler: getVM),
  Endpoint(
    method: .patch, pattern: "/api/v1/vms/{vm}", id: "updateVM", tag: "vms", permission: .vmsWrite,
    summary: "Change what is noted beside a VM; what counts for placement counts the next time.", query: [tenant],
    matches: true, body: Schemas.vmPatch, answers: [.init(200, "The VM.", Schemas.vm)],
    refusals: [gone, .init(412, "revision_mismatch")], isCommand: true, handler: updateVM),
  Endpoint(
    method: .delete, pattern: "/api/v1/vms/{vm}", id: "deleteVM", tag: "vms", permission: .vmsWrite,
    summary: """
      End a VM. One without a node is gone at once, with its addresses; any other goes down first (202) and is gone when \
      its node says so.
      """,
    query: [tenant, .init("force", "Do not wait for a node that is lost or fenced.", .boolean)],
    answers: [
      .init(200, "The VM that is gone, and what was given back.", Schemas.vm), .init(202, "It ends.", Schemas.vm)
    ],
    refusals: [gone, .init(409, "vm_state")], isCommand: true, handler: deleteVM),
  action(
    pattern: "/api/v1/vms/{vm}/start", "startVM", "Wish that a VM runs.", more: ["no_placement", "quota_exceeded"],
    places: true
  ) {
    (call) throws(Problem) in .startVM(try call.vmKey())
  },
  action(
    pattern: "/api/v1/vms/{vm}/stop", "stopVM", "Wish that a VM is down; it keeps its addresses and gives up its room."
  ) {
    (call) throws(Problem) in .stopVM(try call.vmKey())
  },
  action(
    pattern: "/api/v1/vms/{vm}/restart", "restartVM", "Bring a VM down and up again, perhaps elsewhere.", places: true
  ) {
    (call) throws(Problem) in .restartVM(try call.vmKey())
  },
  action(
    pattern: "/api/v1/vms/{vm}/migrate", "migrateVM",
    "Move a running VM to another node: the named one, or whichever is best.",
    more: ["no_placement", "node_state"], body: Schemas.migrate, places: true
  ) { (call) throws(Problem) in
    let node = try call.body(decodeMigration)
    return .migrateVM(try call.vmKey(), to: node)
  },
  Endpoint(
    method: .get, pattern: "/api/v1/vms/{vm}/why", id: "whyVM", tag: "vms", permission: .vmsRead,
    summary: "Why a VM is where it is; of one that waits also what stands in its way now.", query: [tenant],
    answers: [.init(200, "The explanation.", Schemas.why)], refusals: [gone], asksWriter: true, handler: whyVM),
  Endpoint(
    method: .get, pattern: "/api/v1/vms/{vm}/network", id: "getVMNetwork", tag: "vms", permission: .vmsRead,
    summary: """
      A VM's network as its guest has it, and how the guest is told: in an argument of the Linux kernel, and in \
      cloud-init's network-config, version 2.
      """,
    query: [tenant], answers: [.init(200, "The network.", Schemas.vmNetwork)], refusals: [gone], handler: vmNetwork)
]

private func action(
  pattern: String, _ id: String, _ summary: String, more: [String] = [], body: Schema? = nil, places: Bool = false,
  _ command: @escaping @Sendable (Call) throws(Problem) -> FleetCommand
) -> Endpoint {
  var refused = [gone, Endpoint.Refused(409, "vm_state")] + more.map { Endpoint.Refused(409, $0) }
  if body != nil { refused.append(Endpoint.Refused(404, "node_not_found")) }
  return Endpoint(
    method: .post, pattern: pattern, id: id, tag: "vms", permission: .vmsWrite, summary: summary,
    query: [tenant], body: body, bodyIsOptional: true,
    answers: [.init(200, "The VM as it is now.", Schemas.vm)],
    refusals: refused, isCommand: true,
    handler: { (call) throws(Problem) in
      let asked = try command(call)
      guard places else { return try call.submit(asked, render: rendered) }
      var target: NodeName?
      if case .migrateVM(_, let to) = asked { target = to }
      try call.advised(try call.vmKey(), to: target) { () throws(Problem) in try call.submit(asked, render: rendered) }
    })
}

// MARK: Reading

/// Which VMs a list has.
struct VMFilter {
  let tenant: TenantName?
  let node: NodeName?
  let state: VMState?
  let group: GroupName?
  let labels: Labels

  init(_ call: Call) throws(Problem) {
    tenant = try call.visibility.tenant(named: call.name("tenant"))
    node = try call.name("node")
    state = try call.word("state") { $0.name }
    group = try call.name("group")
    labels = try call.labelFilter()
  }

  func matches(_ vm: VM) -> Bool {
    (tenant == nil || vm.key.tenant == tenant) && (node == nil || vm.node == node || vm.leaving == node)
      && (state == nil || vm.state == state) && (group.map { vm.spec.groups.contains($0) } ?? true)
      && vm.spec.labels.includes(labels)
  }
}

extension Cursor {
  /// Where a list of VMs goes on.
  init(_ key: VMKey) { self.init("\(key.tenant) \(key.name)") }

  fileprivate var vmKey: VMKey? {
    let parts = key.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2, let tenant = TenantName(String(parts[0])), let name = VMName(String(parts[1])) else {
      return nil
    }
    return VMKey(tenant: tenant, name: name)
  }
}

extension Call {
  /// Where a list of VMs begins.
  func vmCursor() throws(Problem) -> VMKey? {
    guard let cursor = try cursor() else { return nil }
    guard let key = cursor.vmKey else { throw .badCursor }
    return key
  }
}

/// Walks VMs in short holds of the reader lock.
struct VMWalk {
  private let filter: VMFilter
  private var after: VMKey?
  private var budget = searchBudget
  private var isAtEnd = false
  private(set) var revision: Revision = 0

  init(_ filter: VMFilter, after: VMKey?) { (self.filter, self.after) = (filter, after) }

  /// Where it would go on; nil at the end.
  var goesOnAfter: VMKey? { isAtEnd ? nil : after }

  /// The next VMs that match, at most `limit`; nil when there are no more, or it has looked at enough.
  mutating func next(_ engine: Engine, limit: Int) -> [VMView]? {
    if isAtEnd || budget <= 0 || limit <= 0 { return nil }
    let (views, last, isOver, revision) = engine.read { tables -> ([VMView], VMKey?, Bool, Revision) in
      var views: [VMView] = []
      let slice = slice(tables)
      for vm in slice {
        if views.count == limit { break }
        after = vm.key
        if filter.matches(vm) { views.append(tables.view(of: vm, at: tables.now)) }
      }
      return (views, slice.last?.key, slice.count < PoolWalk.slice, tables.revision)
    }
    budget -= PoolWalk.slice
    isAtEnd = isOver && after == last || last == nil
    self.revision = revision
    return views
  }

  private func slice(_ tables: Tables) -> [VM] {
    guard let node = filter.node else {
      return tables.vms(of: filter.tenant, after: after, limit: PoolWalk.slice)
    }
    let all = tables.vms(on: node)
    return Array(all.drop { vm in after.map { vm.key <= $0 } ?? false }.prefix(PoolWalk.slice))
  }
}

@Sendable private func listVMs(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let filter = try VMFilter(call)
  let after = try call.vmCursor()
  // One more than the page, so that a list ends where its last item is.
  var walk = VMWalk(filter, after: after)
  var items: [VMView] = []
  while let found = walk.next(call.api.engine, limit: limit + 1 - items.count) { items += found }
  let next = items.count > limit ? items[limit - 1].vm.key : walk.goesOnAfter
  let page = Page(Array(items.prefix(limit)), next: next.map { Cursor($0) })
  call.send(page.encoded { out, view in out.vm(view) }, revision: walk.revision)
}

@Sendable private func getVM(_ call: Call) throws(Problem) {
  let key = try call.vmKey()
  let (found, revision) = call.api.engine.read { tables in
    (tables.vm(key).map { tables.view(of: $0, at: tables.now) }, tables.revision)
  }
  guard var view = found else { throw .noVM(key) }
  if try call.flag("usage") { view.usage = .some(call.api.usage.last(of: view.vm.id)) }
  let answer = Rendered(revision: view.vm.revision) { [view] in $0.vm(view) }
  call.send(answer.body, revision: revision, headers: answer.headers)
}

@Sendable private func whyVM(_ call: Call) throws(Problem) {
  let key = try call.vmKey()
  guard let vm = call.api.engine.read({ $0.vm(key) }) else { throw .noVM(key) }
  let engine = call.api.engine
  guard vm.isWanted, vm.node == nil else {
    return call.send(Rendered { $0.why(vm, now: nil) }.body, revision: engine.status.revision)
  }
  // As if it were asked for anew, without the addresses that it holds itself.
  var request = VMRequest(VMKey(tenant: key.tenant, name: key.name), vm.spec)
  for index in request.spec.interfaces.indices { request.spec.interfaces[index].address = nil }
  try call.advised(request) { (request) throws(Problem) in
    try call.submit(.plan(.fit(request, most: 1))) { outcome in
      guard case .plan(let report) = outcome else { unexpected(.fleet(outcome)) }
      return Rendered { $0.why(vm, now: report) }
    }
  }
}

extension JSONWriter {
  fileprivate mutating func why(_ vm: VM, now: PlanReport?) {
    object { out in
      out.field("tenant", vm.key.tenant)
      out.field("name", vm.key.name)
      out.field("state", vm.state.name)
      out.field("node", vm.node)
      out.field("why", vm.why)
      out.field("standby_node", vm.standby)
      out.field("standby_why", vm.standbyWhy.isEmpty ? nil : vm.standbyWhy)
      out.key("now")
      guard let now else { return out.null() }
      out.object { out in
        out.field("fitting", now.fitting)
        out.field("notes", now.notes)
      }
    }
  }
}

// MARK: Writing

@Sendable private func rendered(_ outcome: FleetOutcome) -> Rendered {
  guard case .vms(let placed, _) = outcome, let first = placed.first else { unexpected(.fleet(outcome)) }
  return Rendered(revision: first.vm.revision) { $0.vm(VMView(first)) }
}

/// What making VMs came to: one object, or a list.
private func rendered(_ outcome: FleetOutcome, isList: Bool) -> Rendered {
  guard case .vms(let placed, let isNew) = outcome else { unexpected(.fleet(outcome)) }
  var answer: Rendered
  if isList {
    answer = Rendered { $0.vms(placed.map { VMView($0) }) }
  } else {
    answer = rendered(outcome)
    if isNew, let key = placed.first?.vm.key {
      answer.headers.append(("Location", "/api/v1/vms/\(key.name)?tenant=\(key.tenant)"))
    }
  }
  answer.status = isNew ? 201 : 200
  return answer
}

@Sendable private func createVM(_ call: Call) throws(Problem) {
  let request = try call.vmRequest()
  let isList = request.count != nil
  let fleet = call.api.counts.fleet
  let (since, isDry) = (call.request.receivedAt, try call.flag("dry_run"))
  try call.advised(request) { (request) throws(Problem) in
    try call.submit(
      .createVM(request), counting: { if !isDry, case .fleet(let made) = $0 { fleet.placed(made, since: since) } },
      render: { rendered($0, isList: isList) })
  }
}

@Sendable private func updateVM(_ call: Call) throws(Problem) {
  var patch = try call.body(decodeVMPatch)
  patch.isOfTenant = call.onlyTenant != nil
  try call.submit(.updateVM(try call.vmKey(), patch, ifMatch: try call.ifMatch()), render: rendered)
}

@Sendable private func deleteVM(_ call: Call) throws(Problem) {
  let force = try call.flag("force")
  try call.submit(.deleteVM(try call.vmKey(), force: force)) { outcome in
    if case .vmDeleted(let placed) = outcome {
      return Rendered(revision: placed.vm.revision) { $0.vm(VMView(placed)) }
    }
    var answer = rendered(outcome)
    answer.status = 202
    return answer
  }
}
