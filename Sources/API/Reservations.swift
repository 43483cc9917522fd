internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// Addresses that are never given out.
let reservationEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/pools/{pool}/reservations", id: "listReservations", tag: "reservations",
    permission: .poolsRead,
    summary: "Excluded addresses in order, with those that reserve themselves.", query: [.limit, .cursor],
    answers: [.init(200, "A page of reservations.", .page(of: Schemas.reservation))],
    refusals: [.init(404, "pool_not_found")], handler: listReservations),
  Endpoint(
    method: .post, pattern: "/api/v1/pools/{pool}/reservations", id: "createReservation", tag: "reservations",
    permission: .poolsWrite,
    summary: "Exclude addresses from being given out.", body: Schemas.reserve,
    answers: [
      .init(201, "The reservation.", Schemas.reservation),
      .init(200, "What it would be (`dry_run`).", Schemas.reservation)
    ],
    refusals: [
      .init(400, "address_outside_pool"), .init(404, "pool_not_found"),
      .init(409, "address_in_use", "address_quarantined", "reservation_exists", "too_many_reservations")
    ],
    isCommand: true, handler: createReservation),
  Endpoint(
    method: .delete, pattern: "/api/v1/pools/{pool}/reservations/{first}", id: "deleteReservation", tag: "reservations",
    permission: .poolsWrite,
    summary: "Make a reservation's addresses available again.",
    answers: [.init(200, "The reservation that is gone.", Schemas.reservation)],
    refusals: [.init(404, "pool_not_found", "reservation_not_found")], isCommand: true, handler: deleteReservation)
]

@Sendable private func listReservations(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let limit = try call.limit()
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let ip = IPAddress(cursor.key) else { throw .badCursor }
    return ip
  }
  let (found, revision) = call.api.engine.read { tables -> ((Pool, [Reservation])?, Revision) in
    (tables.pools[name].map { ($0.pool, $0.reservations) }, tables.revision)
  }
  guard let (pool, reservations) = found else { throw .noPool(name) }
  var views = reservations.map { ReservationView($0) }
  for view in automatic(pool) where !reservations.contains(where: { $0.range.overlaps(view.range) }) {
    views.append(view)
  }
  views.sort { $0.range < $1.range }
  if let after { views.removeAll { $0.range.first <= after } }
  let items = Array(views.prefix(limit))
  let next = views.count > limit ? items.last.map { Cursor("\($0.range.first)") } : nil
  call.send(Page(items, next: next).encoded { out, view in out.reservation(view) }, revision: revision)
}

/// The addresses of a pool that reserve themselves.
private func automatic(_ pool: Pool) -> [ReservationView] {
  var views: [ReservationView] = []
  if let first = pool.cidr.reservedFirst {
    views.append(ReservationView(automatic: first, pool.family == .ipv4 ? "network address" : "subnet-router anycast"))
  }
  if let gateway = pool.extent.gateway { views.append(ReservationView(automatic: gateway, "gateway")) }
  if let last = pool.cidr.reservedLast { views.append(ReservationView(automatic: last, "broadcast address")) }
  return views
}

@Sendable private func createReservation(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let body = try call.body(ReserveBody.init(decoding:))
  try call.submit(.reserve(name, body.range, reason: body.reason)) { outcome in
    guard case .reservation(let reservation) = outcome else { unexpected(outcome) }
    var answer = rendered(reservation)
    answer.status = 201
    answer.headers.append(("Location", "/api/v1/pools/\(name)/reservations/\(reservation.range.first)"))
    return answer
  }
}

@Sendable private func deleteReservation(_ call: Call) throws(Problem) {
  let name = try call.pool()
  let first = try call.address(1)
  try call.submit(.unreserve(name, first: first)) { outcome in
    guard case .reservationDeleted(let reservation) = outcome else { unexpected(outcome) }
    return rendered(reservation)
  }
}

private func rendered(_ reservation: Reservation) -> Rendered {
  var out = JSONWriter()
  out.reservation(ReservationView(reservation))
  return Rendered(body: out.finish())
}
