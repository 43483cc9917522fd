internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// Pools.
let poolEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/pools", id: "listPools", tag: "pools", permission: .poolsRead,
    summary: "Pools in the order of their names.",
    query: [
      .limit, .cursor, .label, .init("network", "Only of this routing domain.", Schemas.poolName),
      .init("family", "Only of this family.", Schemas.family),
      .init("enabled", "Only enabled or disabled ones.", .boolean)
    ],
    answers: [.init(200, "A page of pools.", .page(of: Schemas.pool))], handler: listPools),
  Endpoint(
    method: .post, pattern: "/api/v1/pools", id: "createPool", tag: "pools", permission: .poolsCreate,
    summary: "Make a pool.",
    body: Schemas.poolCreate,
    answers: [
      .init(201, "The pool.", Schemas.pool), .init(200, "What it would be (`dry_run`).", Schemas.pool)
    ],
    refusals: [.init(409, "pool_exists", "pool_overlap", "too_many_pools")], isCommand: true, handler: createPool),
  Endpoint(
    method: .get, pattern: "/api/v1/pools/{pool}", id: "getPool", tag: "pools", permission: .poolsRead,
    summary: "A pool, and how full it is.",
    answers: [.init(200, "The pool.", Schemas.pool)], refusals: [.init(404, "pool_not_found")], handler: getPool),
  Endpoint(
    method: .patch, pattern: "/api/v1/pools/{pool}", id: "updatePool", tag: "pools", permission: .poolsWrite,
    summary: "Change a pool in place; what is left out stays.", matches: true, body: Schemas.poolPatch,
    answers: [.init(200, "The pool.", Schemas.pool)],
    refusals: [
      .init(404, "pool_not_found"), .init(409, "pool_overlap", "allocations_outside"), .init(412, "revision_mismatch")
    ],
    isCommand: true, handler: updatePool),
  Endpoint(
    method: .delete, pattern: "/api/v1/pools/{pool}", id: "deletePool", tag: "pools", permission: .poolsWrite,
    summary: "Delete an empty pool.",
    matches: true, answers: [.init(200, "The pool that is gone.", Schemas.pool)],
    refusals: [.init(404, "pool_not_found"), .init(409, "pool_in_use"), .init(412, "revision_mismatch")],
    isCommand: true, handler: deletePool),
  Endpoint(
    method: .post, pattern: "/api/v1/pools/{pool}/expand", id: "expandPool", tag: "pools", permission: .poolsWrite,
    summary: "Grow a pool in place; it never shrinks.", body: Schemas.poolExpand,
    answers: [.init(200, "The pool.", Schemas.pool)],
    refusals: [.init(404, "pool_not_found"), .init(409, "pool_overlap", "allocations_outside")], isCommand: true,
    handler: expandPool),
  Endpoint(
    method: .post, pattern: "/api/v1/pools/{pool}/rollback", id: "rollbackPool", tag: "pools", permission: .poolsWrite,
    summary: "Give a pool back the extent it had before its last change of extent.",
    answers: [.init(200, "The pool.", Schemas.pool)],
    refusals: [
      .init(404, "pool_not_found"), .init(409, "nothing_to_roll_back", "pool_overlap", "allocations_outside")
    ],
    isCommand: true, handler: rollbackPool)
]

@Sendable private func listPools(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let labels = try call.labelFilter()
  let network = try call.name("network", NetworkName.self)
  let family = try call.family()
  let enabled = call.request.query("enabled") == nil ? nil : try call.flag("enabled")
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let name = PoolName(cursor.key) else { throw .badCursor }
    return name
  }
  let visibility = call.visibility
  var items: [PoolView] = []
  var goesOn = false
  let revision = forEachPool(call.api.engine, after: after) { state in
    let pool = state.pool
    guard visibility.pool == nil || pool.name == visibility.pool, network == nil || pool.network == network,
      family == nil || pool.family == family,
      enabled == nil || pool.enabled == enabled, pool.labels.includes(labels)
    else { return true }
    if items.count == limit {
      goesOn = true
      return false
    }
    items.append(PoolView(pool, visibility.capacity(of: state)))
    return true
  }
  let page = Page(items, next: goesOn ? items.last.map { Cursor($0.pool.name.text) } : nil)
  call.send(page.encoded { out, view in out.pool(view) }, revision: revision)
}

@Sendable private func createPool(_ call: Call) throws(Problem) {
  let pool = try call.body(decodePool)
  try call.submit(.createPool(pool)) { outcome in
    var answer = renderedPool(outcome)
    answer.status = 201
    answer.headers.append(("Location", "/api/v1/pools/\(pool.name)"))
    return answer
  }
}

@Sendable private func getPool(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let visibility = call.visibility
  let (view, revision) = call.api.engine.read { tables -> (PoolView?, Revision) in
    (tables.pools[name].map { PoolView($0.pool, visibility.capacity(of: $0)) }, tables.revision)
  }
  guard let view else { throw .noPool(name) }
  let answer = rendered(view)
  call.send(answer.body, revision: revision, headers: answer.headers)
}

@Sendable private func updatePool(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let patch = try call.body { (body) throws(JSONFault) in try decodePoolPatch(body, extentOnly: false) }
  try call.submit(.updatePool(name, patch, ifMatch: try call.ifMatch()), render: renderedPool)
}

@Sendable private func deletePool(_ call: Call) throws(Problem) {
  let command = Command.deletePool(try call.pool(), ifMatch: try call.ifMatch())
  try call.submit(command) { outcome in
    guard case .poolDeleted(let pool) = outcome else { unexpected(outcome) }
    return rendered(PoolView(pool, nil))
  }
}

@Sendable private func expandPool(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let patch = try call.body { (body) throws(JSONFault) in try decodePoolPatch(body, extentOnly: true) }
  try call.submit(.expandPool(name, patch), render: renderedPool)
}

@Sendable private func rollbackPool(_ call: Call) throws(Problem) {
  try call.submit(.rollbackPool(try call.pool()), render: renderedPool)
}

@Sendable private func renderedPool(_ outcome: Outcome) -> Rendered {
  guard case .pool(let pool) = outcome else { unexpected(outcome) }
  return rendered(PoolView(pool, nil))
}

private func rendered(_ view: PoolView) -> Rendered {
  var out = JSONWriter(capacity: 768)
  out.pool(view)
  return Rendered(headers: [("ETag", "\"\(view.pool.revision)\"")], body: out.finish())
}

extension Problem {
  static func noPool(_ name: PoolName) -> Problem {
    Problem(Rejection(.poolNotFound, "there is no pool '\(name)': see `berth pool list`", field: "pool"))
  }
}

extension Call {
  /// The family asked for.
  func family() throws(Problem) -> AddressFamily? {
    guard let text = request.query("family") else { return nil }
    guard let family = AddressFamily.allCases.first(where: { $0.name == text }) else {
      throw .invalid("family", "must be ipv4 or ipv6")
    }
    return family
  }
}
