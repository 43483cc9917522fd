package import APITypes
internal import Addressing
internal import Domain
package import HTTPServer
internal import Wire

extension History {
  /// `GET /api/v1/history`: hands a page of intervals to `send`, or throws or calls `refuse` with why not.
  package func answer(
    _ request: Request, _ visibility: Visibility = .all, of asker: String? = nil,
    send: @escaping @Sendable ([UInt8]) -> Void, refuse: @escaping @Sendable (Problem) -> Void
  ) throws(Problem) {
    let query = try HistoryQuery(request, visibility)
    let isTaken = intervals(query, of: asker) { result in
      switch result {
      case .success(let page):
        let list = Page(page.items, next: page.next.map { Cursor($0.text) })
        send(list.encoded { $0.interval($1) })
      case .failure(let fault): refuse(fault.problem)
      }
    }
    if !isTaken { throw .historyBusy }
  }
}

extension Problem {
  /// Too many questions about the past wait.
  package static let historyBusy = Problem(
    503, "busy", "More questions about the past wait than may: repeat this one shortly.", retryAfter: 1)
}

extension HistoryQuery {
  /// Reads the query of `GET /api/v1/history`.
  init(_ request: Request, _ visibility: Visibility) throws(Problem) {
    var subjects: [HistorySubject] = []
    var tenant: TenantName?
    var owner: OwnerName?
    var query = HistoryQuery(.mac(MACAddress(bits: 0)))
    for (name, value) in request.queryItems {
      switch name {
      case "ip":
        guard let ip = IPAddress(value) else { throw .invalid("ip", "'\(value.prefix(64))' is not an IP address") }
        subjects.append(.ip(ip))
      case "mac":
        guard let mac = MACAddress(value) else { throw .invalid("mac", "'\(value.prefix(64))' is not a MAC address") }
        subjects.append(.mac(mac))
      case "owner": owner = try .parameter("owner", value)
      case "tenant": tenant = try .parameter("tenant", value)
      case "pool": query.pool = try .parameter("pool", value)
      case "from": query.from = try HistoryQuery.time("from", value)
      case "to": query.to = try HistoryQuery.time("to", value)
      case "limit":
        guard let limit = Int(value), (1...1_000).contains(limit) else { throw .invalid("limit", "must be 1 to 1000") }
        query.limit = limit
      case "cursor":
        guard let place = Cursor(text: value).flatMap({ HistoryPlace($0.key) }) else {
          throw .invalid("cursor", "is not a cursor of this list: take `next_cursor` of the page before")
        }
        query.place = place
      case "consistency", "min_revision": continue
      default:
        throw .invalid(name, "is no parameter of this route: ip, owner, mac, from, to, tenant, pool, limit, cursor")
      }
    }
    tenant = try visibility.tenant(named: tenant)
    query.pool = try visibility.pool(named: query.pool)
    if let owner { subjects.append(.owner(tenant ?? .standard, owner)) }
    guard subjects.count == 1 else {
      throw Problem(400, "invalid_field", "Name exactly one of ip, owner and mac: whose history is it to be?")
    }
    (query.subject, query.tenant) = (subjects[0], tenant)
    self = query
  }

  /// Reads a time in a query.
  static func time(_ name: String, _ value: String) throws(Problem) -> LogTime {
    guard let time = Instant.parse(value) else { throw .invalid(name, "must be \(Instant.rule)") }
    return time
  }
}

extension JSONWriter {
  fileprivate mutating func interval(_ item: OwnershipInterval) {
    let row = item.allocation
    object { out in
      out.field("ip", address: row.ip)
      out.field("prefix_length", row.isChildPrefix ? row.block.length : nil)
      out.field("pool", row.pool)
      out.field("tenant", row.tenant)
      out.field("owner", row.owner)
      out.field("interface", row.interface)
      out.field("from", time: row.createdAt)
      out.field("to", time: item.to)
      out.field("generation", row.generation)
    }
  }
}
