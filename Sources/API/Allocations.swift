internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

private let allocateRefusals: [Endpoint.Refused] = [
  .init(400, "address_outside_pool"), .init(404, "pool_not_found"),
  .init(
    409, "pool_exhausted", "pool_disabled", "address_in_use", "address_reserved", "address_quarantined",
    "already_allocated", "too_many_for_owner")
]
private let oneRefusals: [Endpoint.Refused] = [
  .init(400, "address_outside_pool"), .init(404, "pool_not_found", "allocation_not_found")
]
private let generation = Endpoint.Parameter("generation", "Only if it is still this incarnation.", .revision)

/// The allocations of a pool.
let allocationEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/pools/{pool}/allocations", id: "listAllocations", tag: "allocations",
    permission: .allocationsRead,
    summary: "A pool's allocations in the order of their addresses.", query: [.limit, .cursor] + allocationFilters,
    answers: [
      .init(
        200, "A page of allocations; a short one goes on when `next_cursor` says so.", .page(of: Schemas.allocation))
    ],
    refusals: [.init(404, "pool_not_found")], handler: listAllocations),
  Endpoint(
    method: .post, pattern: "/api/v1/pools/{pool}/allocations", id: "allocate", tag: "allocations",
    permission: .allocationsWrite,
    summary: "Give addresses of a pool to an owner; asked again, the same ones.", body: Schemas.allocate,
    answers: [
      .init(201, "What is new: one allocation, or `{\"allocations\":[...]}` when `count` was given.", Schemas.granted),
      .init(200, "What the owner has already (`Berth-Unchanged` names what differed), or would get.", Schemas.granted)
    ],
    refusals: allocateRefusals, isCommand: true, handler: allocate),
  Endpoint(
    method: .get, pattern: "/api/v1/pools/{pool}/allocations/{ip}", id: "getAllocation", tag: "allocations",
    permission: .allocationsRead,
    summary: "One allocation.", answers: [.init(200, "The allocation.", Schemas.allocation)], refusals: oneRefusals,
    handler: getAllocation),
  Endpoint(
    method: .patch, pattern: "/api/v1/pools/{pool}/allocations/{ip}", id: "updateAllocation", tag: "allocations",
    permission: .allocationsWrite,
    summary: "Change what is noted beside an allocation; what is left out stays.", query: [generation], matches: true,
    body: Schemas.allocationPatch, answers: [.init(200, "The allocation.", Schemas.allocation)],
    refusals: oneRefusals + [.init(409, "stale_generation"), .init(412, "revision_mismatch")], isCommand: true,
    handler: updateAllocation),
  Endpoint(
    method: .delete, pattern: "/api/v1/pools/{pool}/allocations/{ip}", id: "release", tag: "allocations",
    permission: .allocationsWrite,
    summary: "Take an address back.", query: [generation], matches: true,
    answers: [.init(200, "What was released.", Schemas.allocation)],
    refusals: oneRefusals + [.init(409, "stale_generation", "managed_by_vm"), .init(412, "revision_mismatch")],
    isCommand: true, handler: release),
  Endpoint(
    method: .post, pattern: "/api/v1/pools/{pool}/allocations/{ip}/renew", id: "renew", tag: "allocations",
    permission: .allocationsWrite,
    summary: "Let a lease live on.", query: [generation], matches: true, body: Schemas.renew, bodyIsOptional: true,
    answers: [.init(200, "The allocation.", Schemas.allocation)],
    refusals: oneRefusals + [.init(409, "stale_generation", "not_leased"), .init(412, "revision_mismatch")],
    isCommand: true, handler: renew)
]

@Sendable private func listAllocations(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let limit = try call.limit()
  let filter = try AllocationFilter(call)
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let ip = IPAddress(cursor.key) else { throw .badCursor }
    return ip
  }
  let ahead = call.visibility.lookAhead(limit)
  var walk = PoolWalk(pool: name, after: after, limit: ahead, budget: searchBudget)
  var items: [Grant] = []
  while let slice = walk.next(call.api.engine, where: filter.matches) {
    guard let pool = slice.pool else { throw .noPool(name) }
    items += slice.items.map { Grant($0, gateway: pool.extent.gateway, network: pool.cidr) }
  }
  let next = items.count > limit ? items[limit - 1].allocation.ip : walk.goesOnAfter
  let page = Page(Array(items.prefix(limit)), next: next.map { Cursor("\($0)") })
  call.send(page.encoded { out, grant in out.grant(grant) }, revision: walk.revision)
}

@Sendable private func allocate(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let request = try call.body { (body) throws(JSONFault) in
    try decodeAllocate(body, .pool(name), tenant: call.ownTenant)
  }
  try call.checkTenant(of: request)
  let isList = request.count != nil
  try call.submit(.allocate(request), watching: PoolWatch(name, call.api.counts)) { outcome in
    renderedGrants(outcome, isList: isList)
  }
}

/// What an allocation came to: one object, or a list.
func renderedGrants(_ outcome: Outcome, isList: Bool) -> Rendered {
  guard case .granted(let grants, let isNew, let unchanged) = outcome else { unexpected(outcome) }
  var answer: Rendered
  if isList {
    var out = JSONWriter(capacity: 64 + 480 * grants.count)
    out.grants(grants)
    answer = Rendered(body: out.finish())
  } else {
    answer = rendered(grants[0])
  }
  answer.status = isNew ? 201 : 200
  if !unchanged.isEmpty { answer.headers.append(("Berth-Unchanged", unchanged.joined(separator: ", "))) }
  return answer
}

private func rendered(_ grant: Grant) -> Rendered {
  var out = JSONWriter(capacity: 512)
  out.grant(grant)
  return Rendered(headers: [("ETag", "\"\(grant.allocation.revision)\"")], body: out.finish())
}

@Sendable private func getAllocation(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let ip = try call.address(1)
  let (pool, row, revision) = call.api.engine.read { tables in
    (tables.pools[name]?.pool, tables.allocation(at: ip, in: name), tables.revision)
  }
  guard let pool else { throw .noPool(name) }
  guard pool.cidr.contains(ip) else {
    throw Problem(Rejection(.addressOutsidePool, "\(ip) is not in pool \(name) (\(pool.cidr))", field: "ip"))
  }
  guard let row, call.visibility.sees(row) else {
    throw Problem(Rejection(.allocationNotFound, "\(ip) of pool \(name) is not allocated", field: "ip"))
  }
  let answer = rendered(Grant(row, gateway: pool.extent.gateway, network: pool.cidr))
  call.send(answer.body, revision: revision, headers: answer.headers)
}

@Sendable private func updateAllocation(_ call: Call) throws(Problem) {
  let target = try target(call)
  let patch = try call.body(decodeAllocationPatch)
  try call.submit(.updateAllocation(target, patch), render: renderedChange)
}

@Sendable private func release(_ call: Call) throws(Problem) {
  try call.submit(.release(.address(try target(call)))) { outcome in
    guard case .released(let grants) = outcome else { unexpected(outcome) }
    return rendered(grants[0])
  }
}

@Sendable private func renew(_ call: Call) throws(Problem) {
  let target = try target(call)
  let seconds = try call.body(decodeRenew)
  try call.submit(.renew(target, leaseSeconds: seconds), render: renderedChange)
}

@Sendable private func renderedChange(_ outcome: Outcome) -> Rendered {
  guard case .allocation(let grant) = outcome else { unexpected(outcome) }
  return rendered(grant)
}

private func target(_ call: Call) throws(Problem) -> AllocationTarget {
  AllocationTarget(
    pool: try call.pool(), ip: try call.address(1), tenant: call.onlyTenant,
    generation: try call.integer("generation", 0...Revision.max),
    ifMatch: try call.ifMatch())
}
