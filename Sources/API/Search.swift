internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// Rows that one request may look at; then it answers with what it has and a cursor.
let searchBudget = 65_536

/// What lists of allocations can be narrowed by.
let allocationFilters: [Endpoint.Parameter] = [
  .init("owner", "Only of this owner.", Schemas.owner), .init("tenant", "Only of this tenant.", Schemas.poolName),
  .init("interface", "Only on this interface.", Schemas.knownInterface),
  .init("mac", "Only with this MAC.", Schemas.mac),
  .init("hostname", "Only with this host name.", Schemas.hostname), .init("node", "Only on this node.", Schemas.node),
  .label
]

/// Allocations over all pools.
let searchEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/allocations", id: "searchAllocations", tag: "allocations",
    permission: .allocationsRead,
    summary:
      "Allocations by pool and address. With `owner` it is a look-up in `tenant` (default `default`); all else reads at most 65,536 rows a request.",
    query: [.limit, .cursor, .init("pool", "Only of this pool.", Schemas.poolName)] + allocationFilters,
    answers: [
      .init(
        200, "A page of allocations; a short one goes on when `next_cursor` says so.", .page(of: Schemas.allocation))
    ],
    handler: search),
  Endpoint(
    method: .post, pattern: "/api/v1/allocations", id: "allocateAnywhere", tag: "allocations",
    permission: .allocationsChoose,
    summary: """
      Give addresses of pools that Berth chooses. What the owner holds in a matching pool is the answer; else, for each \
      family, of the enabled pools with `pool_labels` whose topology does not contradict `topology` the one that matches most \
      levels, then the one with most free addresses; a full one falls back to the next. All families or none.
      """,
    body: Schemas.allocateAnywhere,
    answers: [
      .init(201, "What is new, and what was there.", Schemas.allocations),
      .init(200, "All was there already, or would be given.", Schemas.allocations)
    ],
    refusals: [
      .init(409, "no_matching_pool", "pool_exhausted", "pool_disabled", "already_allocated", "too_many_for_owner")
    ],
    isCommand: true, handler: allocateAnywhere),
  Endpoint(
    method: .delete, pattern: "/api/v1/allocations", id: "releaseOwner", tag: "allocations",
    permission: .allocationsWrite,
    summary: "Take back everything of an owner.",
    query: [
      .init("owner", "Whose.", Schemas.owner, isRequired: true),
      .init("tenant", "Of which tenant; default `default`.", Schemas.poolName),
      .init("pool", "Only of this pool.", Schemas.poolName),
      .init("interface", "Only on this interface.", Schemas.knownInterface)
    ],
    answers: [.init(200, "What was released.", Schemas.allocations)],
    refusals: [.init(404, "allocation_not_found", "pool_not_found"), .init(409, "managed_by_vm")], isCommand: true,
    handler: releaseOwner)
]

/// What an allocation must be like.
struct AllocationFilter: Sendable {
  let owner: OwnerName?
  let tenant: TenantName?
  let interface: InterfaceName?
  let mac: MACAddress?
  let hostname: Hostname?
  let node: NodeName?
  let labels: Labels

  init(_ call: Call) throws(Problem) {
    owner = try call.name("owner")
    tenant = try call.visibility.tenant(named: call.name("tenant"))
    interface = try call.interface()
    hostname = try call.name("hostname")
    node = try call.name("node")
    labels = try call.labelFilter()
    mac = try call.request.query("mac").map { (text) throws(Problem) in
      guard let mac = MACAddress(text) else { throw .invalid("mac", "'\(text.prefix(64))' is not a MAC address") }
      return mac
    }
  }

  func matches(_ row: Allocation) -> Bool {
    (owner == nil || row.owner == owner) && (tenant == nil || row.tenant == tenant)
      && (interface == nil || row.interface == interface) && (mac == nil || row.mac == mac)
      && (hostname == nil || row.hostname == hostname) && (node == nil || row.node == node)
      && row.labels.includes(labels)
  }
}

@Sendable private func search(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let filter = try AllocationFilter(call)
  let pool = try call.visibility.pool(named: call.name("pool"))
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let place = AllocationPlace(cursor) else { throw .badCursor }
    return place
  }
  let found =
    if let owner = filter.owner {
      lookUp(call, owner, filter, pool, after, limit)
    } else {
      cut(scan(call, filter, pool, after, call.visibility.lookAhead(limit)), to: limit)
    }
  call.send(found.page.encoded { out, grant in out.grant(grant) }, revision: found.revision)
}

/// A page of at most `limit` items that goes on behind the last one.
private func cut(
  _ found: (page: Page<Grant>, revision: Revision), to limit: Int
) -> (page: Page<Grant>, revision: Revision) {
  guard found.page.items.count > limit else { return found }
  let last = found.page.items[limit - 1].allocation
  return (
    Page(Array(found.page.items.prefix(limit)), next: AllocationPlace(pool: last.pool, ip: last.ip).cursor),
    found.revision
  )
}

/// An owner's allocations by the index.
private func lookUp(
  _ call: Call, _ owner: OwnerName, _ filter: AllocationFilter, _ pool: PoolName?, _ after: AllocationPlace?,
  _ limit: Int
) -> (page: Page<Grant>, revision: Revision) {
  let (rows, pools, revision) = call.api.engine.read { tables in
    let rows = tables.allocations(tenant: filter.tenant ?? .standard, owner: owner)
    var pools: [PoolName: Pool] = [:]
    for row in rows where pools[row.pool] == nil { pools[row.pool] = tables.pools[row.pool]?.pool }
    return (rows, pools, tables.revision)
  }
  let wanted = rows.filter { row in
    guard filter.matches(row), pool == nil || row.pool == pool else { return false }
    guard let after else { return true }
    return row.pool > after.pool || (row.pool == after.pool && (after.ip.map { row.ip > $0 } ?? true))
  }.sorted { $0.pool != $1.pool ? $0.pool < $1.pool : $0.ip < $1.ip }
  let grants = wanted.prefix(limit).compactMap { row in
    pools[row.pool].map { Grant(row, gateway: $0.extent.gateway, network: $0.cidr) }
  }
  let next = wanted.count > limit ? AllocationPlace(pool: wanted[limit - 1].pool, ip: wanted[limit - 1].ip).cursor : nil
  return (Page(grants, next: next), revision)
}

/// Walks the pools in order, as far as the budget of rows goes.
private func scan(
  _ call: Call, _ filter: AllocationFilter, _ only: PoolName?, _ after: AllocationPlace?, _ limit: Int
) -> (page: Page<Grant>, revision: Revision) {
  let engine = call.api.engine
  var items: [Grant] = []
  var budget = searchBudget
  var place = after
  if let only, place == nil || place!.pool < only { place = AllocationPlace(pool: only, ip: nil) }
  var current: PoolName? = place?.pool ?? firstPool(engine, after: nil)
  var revision = engine.read { $0.revision }
  while let pool = current {
    if let only, pool != only { break }
    let from = place?.pool == pool ? place?.ip : nil
    var walk = PoolWalk(pool: pool, after: from, limit: limit - items.count, budget: budget)
    while let slice = walk.next(engine, where: filter.matches) {
      guard let pool = slice.pool else { continue }
      items += slice.items.map { Grant($0, gateway: pool.extent.gateway, network: pool.cidr) }
    }
    revision = walk.revision
    // A pool costs a look even when it is empty.
    budget = walk.rowsLeft - 1
    if let goesOn = walk.goesOnAfter {
      return (Page(items, next: AllocationPlace(pool: pool, ip: goesOn).cursor), revision)
    }
    current = firstPool(engine, after: pool)
    if let next = current, items.count >= limit || budget <= 0, only == nil {
      return (Page(items, next: AllocationPlace(pool: next, ip: nil).cursor), revision)
    }
  }
  return (Page(items, next: nil), revision)
}

private func firstPool(_ engine: Engine, after: PoolName?) -> PoolName? {
  var found: PoolName?
  forEachPool(engine, after: after) { state in
    found = state.pool.name
    return false
  }
  return found
}

@Sendable private func allocateAnywhere(_ call: Call) throws(Problem) {
  let request = try call.body { (body) throws(JSONFault) in try decodeAllocate(body, .choose, tenant: call.ownTenant) }
  try call.checkTenant(of: request)
  try call.submit(.allocate(request), watching: PoolWatch(nil, call.api.counts)) { outcome in
    renderedGrants(outcome, isList: true)
  }
}

@Sendable private func releaseOwner(_ call: Call) throws(Problem) {
  guard let owner: OwnerName = try call.name("owner") else { throw .invalid("owner", "this parameter is required") }
  let visibility = call.visibility
  let target = ReleaseTarget.owner(
    try visibility.tenant(named: call.name("tenant")) ?? .standard, owner,
    pool: try visibility.pool(named: call.name("pool")), interface: try call.interface())
  try call.submit(.release(target)) { outcome in
    guard case .released(let grants) = outcome else { unexpected(outcome) }
    var out = JSONWriter(capacity: 64 + 480 * grants.count)
    out.grants(grants)
    return Rendered(body: out.finish())
  }
}
