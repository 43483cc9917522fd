internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// The simple API: one pool, one address per VM.
let simpleEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/health", id: "health", tag: "simple", permission: .open,
    summary: "Whether the service is up.",
    answers: [.init(200, "It is.", Schemas.health)], isLocal: true, handler: { call in health(call) }),
  Endpoint(
    method: .post, pattern: "/api/v1/ip/allocate", id: "simpleAllocate", tag: "simple", permission: .allocationsWrite,
    summary: "Give a VM an address of the pool `default`; asked again, the same one.",
    body: Schemas.simpleAllocate,
    answers: [
      .init(201, "The VM's new address.", Schemas.simpleAllocation),
      .init(
        200, "The address that the VM has already; original values stand, `Berth-Unchanged` names what differed.",
        Schemas.simpleAllocation)
    ],
    refusals: [
      .init(404, "no_default_pool"), .init(409, "already_allocated", "pool_disabled", "too_many_for_owner"),
      .init(503, "pool_exhausted")
    ],
    isCommand: true, handler: simpleAllocate),
  Endpoint(
    method: .delete, pattern: "/api/v1/ip/release/{vm_id}", id: "simpleRelease", tag: "simple",
    permission: .allocationsWrite,
    summary: "Take a VM's address back.",
    answers: [.init(200, "What was released.", Schemas.simpleAllocation)],
    refusals: [.init(404, "allocation_not_found", "no_default_pool"), .init(409, "managed_by_vm")], isCommand: true,
    handler: simpleRelease),
  Endpoint(
    method: .delete, pattern: "/api/v1/ip/release-by-ip/{ip}", id: "simpleReleaseByIP", tag: "simple",
    permission: .allocationsWrite,
    summary: "Take an address back, whoever holds it.",
    answers: [.init(200, "What was released.", Schemas.simpleAllocation)],
    refusals: [
      .init(400, "address_outside_pool"), .init(404, "allocation_not_found", "no_default_pool"),
      .init(409, "managed_by_vm")
    ],
    isCommand: true, handler: simpleReleaseByIP),
  Endpoint(
    method: .get, pattern: "/api/v1/ip/{vm_id}", id: "simpleGet", tag: "simple", permission: .allocationsRead,
    summary: "The address of a VM.",
    answers: [.init(200, "Its address.", Schemas.simpleAllocation)],
    refusals: [.init(404, "allocation_not_found", "no_default_pool")], handler: simpleGet),
  Endpoint(
    method: .get, pattern: "/api/v1/ip/allocations", id: "simpleList", tag: "simple", permission: .allocationsRead,
    summary: "All allocations of the pool `default` in the order of their addresses, up to 65,536 at a time.",
    query: [
      .init("limit", "Most allocations in the answer.", .integer(1, simpleListLimit, standard: simpleListLimit)),
      .cursor
    ],
    answers: [.init(200, "The allocations.", Schemas.simpleList)], refusals: [.init(404, "no_default_pool")],
    handler: simpleList),
  Endpoint(
    method: .get, pattern: "/api/v1/ip/stats", id: "simpleStats", tag: "simple", permission: .spaceRead,
    summary: "How full the pool `default` is.", answers: [.init(200, "The numbers.", Schemas.simpleStats)],
    refusals: [.init(404, "no_default_pool")], handler: simpleStats)
]

/// Most allocations in one answer of the simple list.
let simpleListLimit = 65_536

@Sendable private func simpleAllocate(_ call: Call) throws(Problem) {
  let body = try call.body(SimpleAllocateBody.init(decoding:))
  var request = AllocateRequest(.pool(.simple), holder: Holder(tenant: call.ownTenant, owner: body.vmID))
  request.hostname = body.hostname
  try call.submit(.allocate(request), renaming: simpleProblem, watching: call.api.counts.simplePool) { outcome in
    guard case .granted(let grants, let isNew, let unchanged) = outcome else { unexpected(outcome) }
    var answer = rendered(grants[0])
    answer.status = isNew ? 201 : 200
    if !unchanged.isEmpty { answer.headers.append(("Berth-Unchanged", unchanged.joined(separator: ", "))) }
    return answer
  }
}

@Sendable private func simpleRelease(_ call: Call) throws(Problem) {
  let owner = try vmID(call)
  let target = ReleaseTarget.owner(call.ownTenant, owner, pool: .simple, interface: .standard)
  try call.submit(.release(target), renaming: simpleProblem, render: released)
}

@Sendable private func simpleReleaseByIP(_ call: Call) throws(Problem) {
  let target = AllocationTarget(pool: .simple, ip: try call.address(0), tenant: call.onlyTenant)
  try call.submit(.release(.address(target)), renaming: simpleProblem, render: released)
}

@Sendable private func released(_ outcome: Outcome) -> Rendered {
  guard case .released(let grants) = outcome else { unexpected(outcome) }
  return rendered(grants[0])
}

private func rendered(_ grant: Grant) -> Rendered {
  var out = JSONWriter()
  out.simple(grant.allocation, gateway: grant.gateway, network: grant.network)
  return Rendered(body: out.finish())
}

private func vmID(_ call: Call) throws(Problem) -> OwnerName {
  let text = call.request.parameter(0)
  guard let owner = OwnerName(text) else {
    throw Problem(
      Rejection(.allocationNotFound, "no VM can be called '\(text.prefix(128))': ids are \(OwnerName.rule)"))
  }
  return owner
}

@Sendable private func simpleGet(_ call: Call) throws(Problem) {
  let owner = try vmID(call)
  let tenant = call.ownTenant
  var row: Allocation?
  var gateway: IPAddress?
  var network: Prefix?
  let revision = call.api.engine.read { tables in
    if let state = tables.pools[.simple] {
      (gateway, network) = (state.gateway, state.cidr)
      row = tables.allocation(tenant: tenant, owner: owner, pool: .simple, interface: .standard)
    }
    return tables.revision
  }
  guard let network else { throw .noDefaultPool }
  guard let row else {
    return call.refuse(Problem(Rejection(.allocationNotFound, "\(owner) holds no address")), revision: revision)
  }
  var out = JSONWriter()
  out.simple(row, gateway: gateway, network: network)
  call.send(out.finish(), revision: revision)
}

@Sendable private func simpleList(_ call: Call) throws(Problem) {
  let limit = try call.integer("limit", 1...simpleListLimit) ?? simpleListLimit
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let ip = IPAddress(cursor.key) else { throw .badCursor }
    return ip
  }
  let visibility = call.visibility
  let ahead = visibility.lookAhead(limit)
  var walk = PoolWalk(pool: .simple, after: after, limit: ahead, budget: simpleListLimit)
  var out = JSONWriter(capacity: 4096)
  var count = 0
  var next: IPAddress?
  out.beginObject()
  out.key("allocations")
  out.beginArray()
  while let slice = walk.next(call.api.engine, where: visibility.sees) {
    guard let pool = slice.pool else { throw .noDefaultPool }
    for row in slice.items where count < limit {
      out.simple(row, gateway: pool.extent.gateway, network: pool.cidr)
      count += 1
      next = row.ip
    }
  }
  out.endArray()
  out.field("count", count)
  if let next = ahead > limit && walk.isFull ? next : walk.goesOnAfter {
    out.field("next_cursor", Cursor("\(next)").text)
  }
  out.endObject()
  call.send(out.finish(), revision: walk.revision)
}

@Sendable private func simpleStats(_ call: Call) throws(Problem) {
  let (pool, capacity, revision) = call.api.engine.read { tables -> (Pool?, Capacity?, Revision) in
    let state = tables.pools[.simple]
    return (state?.pool, state.map(Capacity.init), tables.revision)
  }
  guard let pool, let capacity else { throw .noDefaultPool }
  var out = JSONWriter()
  out.object { out in
    out.field("network", prefix: pool.cidr)
    out.field("gateway", address: pool.extent.gateway)
    out.field("total", capacity.usable)
    out.field("used", capacity.allocated + capacity.quarantined)
    out.field("available", capacity.available)
    out.key("utilization_percent")
    out.number(capacity.utilizationPercent)
  }
  call.send(out.finish(), revision: revision)
}

/// An outcome that the ledger never gives to this command: our own bug.
func unexpected(_ outcome: Outcome) -> Never { preconditionFailure("unexpected outcome \(outcome)") }

extension Capacity {
  /// What a pool's state says now.
  init(_ state: PoolState) {
    self.init(
      total: state.total, usable: state.usableCount, allocated: state.allocatedCount,
      quarantined: state.quarantinedCount)
  }
}
