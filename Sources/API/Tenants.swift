internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Platform
internal import Wire

private let gone = Endpoint.Refused(404, "quota_not_found")

/// Tenants, their quotas, and room that is kept for them.
let tenantEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/tenants", id: "listTenants", tag: "tenants", permission: .quotaRead,
    summary: "Tenants that have anything, with their quotas, in the order of their names.", query: [.limit, .cursor],
    answers: [.init(200, "A page of tenants.", .page(of: Schemas.quota))], handler: listTenants),
  Endpoint(
    method: .get, pattern: "/api/v1/tenants/{tenant}/quota", id: "getQuota", tag: "tenants", permission: .quotaRead,
    summary: "What a tenant may have, and what it uses; without a quota it may have any amount.",
    answers: [.init(200, "Quota and usage.", Schemas.quota)], refusals: [gone], handler: getQuota),
  Endpoint(
    method: .put, pattern: "/api/v1/tenants/{tenant}/quota", id: "setQuota", tag: "tenants", permission: .quotaWrite,
    summary: "Limit a tenant; what is left out is without limit. What it has already stays.", body: Schemas.quotaSet,
    answers: [.init(200, "The quota.", Schemas.quota)], refusals: [gone], isCommand: true,
    handler: { (call) throws(Problem) in
      let tenant = try call.tenantInPath()
      let quota = try call.body { (body) throws(JSONFault) in try decodeQuota(body, tenant) }
      try call.submit(.setQuota(quota), render: rendered)
    }),
  Endpoint(
    method: .delete, pattern: "/api/v1/tenants/{tenant}/quota", id: "deleteQuota", tag: "tenants",
    permission: .quotaWrite, summary: "Let a tenant have any amount.",
    answers: [.init(200, "The quota that is gone.", Schemas.quota)], refusals: [gone], isCommand: true,
    handler: { (call) throws(Problem) in try call.submit(.deleteQuota(try call.tenantInPath()), render: rendered) }),
  Endpoint(
    method: .get, pattern: "/api/v1/capacity", id: "listCapacity", tag: "tenants", permission: .capacityRead,
    summary: "Room that is kept for tenants, in the order of its names.", query: [.limit, .cursor],
    answers: [.init(200, "A page of kept room.", .page(of: Schemas.keptCapacity))], handler: listCapacity),
  Endpoint(
    method: .post, pattern: "/api/v1/capacity", id: "reserveCapacity", tag: "tenants", permission: .capacityWrite,
    summary: "Keep room on a node for a tenant's VMs, and for those of a higher priority that may preempt.",
    body: Schemas.capacityReserve,
    answers: [
      .init(201, "What is kept.", Schemas.keptCapacity), .init(200, "What would be (`dry_run`).", Schemas.keptCapacity)
    ],
    refusals: [.init(404, "node_not_found"), .init(409, "capacity_exists", "no_placement", "node_state")],
    isCommand: true, handler: reserveCapacity),
  Endpoint(
    method: .delete, pattern: "/api/v1/capacity/{name}", id: "releaseCapacity", tag: "tenants",
    permission: .capacityWrite, summary: "Give kept room back to everybody.",
    answers: [.init(200, "What is kept no more.", Schemas.keptCapacity)], refusals: [.init(404, "capacity_not_found")],
    isCommand: true,
    handler: { (call) throws(Problem) in
      let name: CapacityName = try call.name(0, .capacityNotFound, "capacity reservation")
      try call.submit(.releaseCapacity(name), render: renderedCapacity)
    })
]

@Sendable private func rendered(_ outcome: FleetOutcome) -> Rendered {
  switch outcome {
  case .quota(let quota), .quotaDeleted(let quota):
    return Rendered(revision: quota.revision) { $0.quota(QuotaView(quota, nil)) }
  default: unexpected(.fleet(outcome))
  }
}

@Sendable private func renderedCapacity(_ outcome: FleetOutcome) -> Rendered {
  switch outcome {
  case .capacity(let row), .capacityDeleted(let row): return Rendered(revision: row.revision) { $0.capacity(row) }
  default: unexpected(.fleet(outcome))
  }
}

extension Tables {
  /// A tenant's quota with what it uses.
  func quotaView(of tenant: TenantName) -> QuotaView {
    let (quota, usage) = (quota(tenant) ?? Quota(tenant: tenant), usage(of: tenant))
    return QuotaView(quota, usage, budgetUsedPercent: quota.budgetUsedPercent(usage))
  }
}

extension Quota {
  /// How much of the monthly budget a month of what runs now costs, in percent; nil without a budget.
  func budgetUsedPercent(_ usage: Usage) -> Int? {
    self[.money].map {
      $0 == 0 ? (usage[.money] == 0 ? 0 : 100) : Int(clamping: UInt128(usage[.money]) * 100 / UInt128($0))
    }
  }
}

@Sendable private func listTenants(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let name = TenantName(cursor.key) else { throw .badCursor }
    return name
  }
  let own = call.onlyTenant
  let (items, goesOn, revision) = call.api.engine.read { tables -> ([QuotaView], Bool, Revision) in
    let all = own.map { [$0] } ?? tables.tenants
    let rest = all.drop { tenant in after.map { tenant <= $0 } ?? false }
    return (rest.prefix(limit).map { tables.quotaView(of: $0) }, rest.count > limit, tables.revision)
  }
  let page = Page(items, next: goesOn ? items.last.map { Cursor($0.quota.tenant.text) } : nil)
  call.send(page.encoded { out, view in out.quota(view) }, revision: revision)
}

@Sendable private func getQuota(_ call: Call) throws(Problem) {
  let tenant = try call.tenantInPath()
  let (view, revision) = call.api.engine.read { ($0.quotaView(of: tenant), $0.revision) }
  let answer = Rendered(revision: view.quota.revision) { $0.quota(view) }
  call.send(answer.body, revision: revision, headers: answer.headers)
}

@Sendable private func listCapacity(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let after = try call.cursor().map(\.key)
  let own = call.onlyTenant
  let (all, revision) = call.api.engine.read { ($0.capacities, $0.revision) }
  let rest = all.filter { row in
    (own == nil || row.tenant == own) && (after.map { row.name.text > $0 } ?? true)
  }
  let items = Array(rest.prefix(limit))
  let page = Page(items, next: rest.count > limit ? items.last.map { Cursor($0.name.text) } : nil)
  call.send(page.encoded { out, row in out.capacity(row) }, revision: revision)
}

@Sendable private func reserveCapacity(_ call: Call) throws(Problem) {
  let body = try call.body(CapacityBody.init(decoding:))
  let now = call.api.engine.read { $0.now }
  let ends = body.expiresAt ?? body.expiresInSeconds.map { now + LogTime($0) * 1_000_000 }
  let row = CapacityReservation(
    name: body.name, tenant: body.tenant, node: body.node, asked: body.amounts, priority: body.priority,
    expiresAt: ends, reason: body.reason)
  try call.submit(.reserveCapacity(row)) { outcome in
    var answer = renderedCapacity(outcome)
    answer.status = 201
    answer.headers.append(("Location", "/api/v1/capacity/\(row.name)"))
    return answer
  }
}
