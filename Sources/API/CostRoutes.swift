internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

private let period: [Endpoint.Parameter] = [
  .init("from", "The beginning of the period; default: 30 days before its end.", .time),
  .init("to", "The end of the period; default: now.", .time),
  .init("tenant", "Only of this tenant.", Schemas.poolName), .limit, .cursor
]
private let refused: [Endpoint.Refused] = [
  .init(410, "history_trimmed"), .init(503, "busy", "history_too_long", "log_unreadable")
]

/// What VMs' room came to.
let costEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/cost", id: "costReport", tag: "costs", permission: .costRead,
    summary: """
      What VMs cost in a period, by tenant, datacenter or VM; the sum of the bill's intervals, to the last millionth. At \
      most a million entries of the log are read for one answer.
      """,
    query: period + [.init("by", "Default `tenant`.", .oneOf(CostGrouping.allCases.map(\.rawValue)))],
    answers: [.init(200, "The report.", Schemas.costReport)], refusals: refused, handler: costReport),
  Endpoint(
    method: .get, pattern: "/api/v1/billing", id: "billing", tag: "costs", permission: .costRead,
    summary: """
      The intervals that a bill is made of: a VM's room on a node at one price list, in the order in which they ended. As \
      CSV the next page's cursor is in `Berth-Next-Cursor`.
      """,
    query: period + [.init("format", "Default `json`.", .oneOf(["json", "csv"]))],
    answers: [
      .init(200, "A page of intervals.", Schemas.bill),
      .init(200, "As lines.", .text(), type: "text/csv; charset=utf-8")
    ],
    refusals: refused, handler: billing)
]

/// The period and the page that are asked for.
private struct CostQuery: Sendable {
  let from: LogTime
  let to: LogTime
  let tenant: TenantName?
  let limit: Int
  /// What the pages before have told.
  let after: String?

  init(_ call: Call) throws(Problem) {
    tenant = try call.visibility.tenant(named: call.name("tenant"))
    limit = try call.limit()
    let cursor = try call.cursor()?.key
    let now = call.api.engine.read { $0.now }
    if let cursor {
      // The end is that of the first page, so that the pages fit together.
      let parts = cursor.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let end = LogTime(parts[0]), (0...now).contains(end) else {
        throw .badCursor
      }
      (to, after) = (end, String(parts[1]))
    } else {
      (to, after) = (min(now, try call.time("to") ?? now), nil)
    }
    from = try call.time("from") ?? max(0, to - 30 * 24 * Billing.hour)
    guard from <= to else { throw .invalid("from", "must not be after the end of the period") }
  }

  func cursor(_ rest: String) -> Cursor { Cursor("\(to) \(rest)") }

  func ask(
    _ call: Call, _ send: @escaping @Sendable ([BilledInterval]) -> Void
  ) throws(Problem) {
    let tenant = tenant
    try call.afterLog { () throws(Problem) in
      let isTaken = call.api.costs.intervals(of: call.principal.payer, from: from, to: to) { result in
        switch result {
        case .success(let found): send(found)
        case .failure(let fault): call.refuse(fault.problem)
        }
      } where: {
        tenant == nil || $0.key.tenant == tenant
      }
      if !isTaken { throw .historyBusy }
    }
  }
}

extension Call {
  /// A time in the query.
  fileprivate func time(_ parameter: String) throws(Problem) -> LogTime? {
    guard let text = request.query(parameter) else { return nil }
    guard let time = Instant.parse(text) else { throw .invalid(parameter, "must be \(Instant.rule)") }
    return time
  }
}

@Sendable private func costReport(_ call: Call) throws(Problem) {
  let query = try CostQuery(call)
  let grouping: CostGrouping = try call.word("by") { $0.rawValue } ?? .tenant
  try query.ask(call) { intervals in
    var (sums, total): ([String: CostSum], Money) = ([:], 0)
    for item in intervals {
      total = total.adding(item.amount)
      let key = grouping.key(of: item)
      sums[key, default: CostSum(grouping.item(for: item))].add(item)
    }
    let rest = sums.keys.sorted().drop { key in query.after.map { key <= $0 } ?? false }
    let page = rest.prefix(query.limit)
    let report = CostReport(
      from: query.from, to: query.to, grouping: grouping, total: total,
      items: page.compactMap { sums[$0]?.whole }, next: rest.count > query.limit ? page.last.map(query.cursor) : nil)
    call.send(Rendered { $0.costs(report) }.body, revision: call.api.engine.status.revision)
  }
}

/// Adds up what belongs to one line; seconds are only made of microseconds at the end.
private struct CostSum {
  var item: CostItem
  var cpu: UInt128 = 0
  var memory: UInt128 = 0

  init(_ item: CostItem) { self.item = item }

  mutating func add(_ interval: BilledInterval) {
    let time = UInt128(interval.to - interval.from)
    cpu += UInt128(interval.resources.cpu) * time
    memory += UInt128(interval.resources.memory) * time
    item.amount = item.amount.adding(interval.amount)
  }

  var whole: CostItem {
    var whole = item
    whole.milliCPUSeconds = UInt64(clamping: cpu / 1_000_000)
    whole.memorySeconds = UInt64(clamping: memory / 1_000_000)
    return whole
  }
}

extension CostGrouping {
  fileprivate func key(of item: BilledInterval) -> String {
    switch self {
    case .tenant: item.key.tenant.text
    case .datacenter: item.datacenter ?? ""
    case .vm: "\(item.key.tenant) \(item.key.name)"
    }
  }

  fileprivate func item(for item: BilledInterval) -> CostItem {
    switch self {
    case .tenant: CostItem(tenant: item.key.tenant)
    case .datacenter: CostItem(datacenter: item.datacenter)
    case .vm: CostItem(tenant: item.key.tenant, vm: item.key.name)
    }
  }
}

@Sendable private func billing(_ call: Call) throws(Problem) {
  let query = try CostQuery(call)
  let isCSV = call.request.query("format") == "csv"
  if let format = call.request.query("format"), !["csv", "json"].contains(format) {
    throw .invalid("format", "must be json or csv")
  }
  let told = try query.after.map { (text) throws(Problem) in
    guard let count = Int(text), count >= 0 else { throw .badCursor }
    return count
  }
  try query.ask(call) { intervals in
    let rest = intervals.dropFirst(told ?? 0)
    let page = rest.prefix(query.limit)
    let next = rest.count > query.limit ? query.cursor("\((told ?? 0) + page.count)") : nil
    let revision = call.api.engine.status.revision
    guard isCSV else {
      let total = intervals.reduce(Money(0)) { $0.adding($1.amount) }
      return call.send(Rendered { $0.bill(Array(page), query.from, query.to, total, next) }.body, revision: revision)
    }
    call.caller.send(
      csv(page), revision: revision, headers: next.map { [("Berth-Next-Cursor", $0.text)] } ?? [],
      type: "text/csv; charset=utf-8")
  }
}

extension JSONWriter {
  fileprivate mutating func bill(
    _ items: [BilledInterval], _ from: LogTime, _ to: LogTime, _ total: Money, _ next: Cursor?
  ) {
    object { out in
      out.field("from", time: from)
      out.field("to", time: to)
      out.field("total_micros", total)
      out.key("items")
      out.array { out in for item in items { out.interval(item) } }
      out.field("next_cursor", next?.text)
    }
  }
}

/// One line an interval; names follow rules that leave nothing to quote.
private func csv(_ items: ArraySlice<BilledInterval>) -> [UInt8] {
  var lines = ["tenant,vm,id,node,datacenter,from,to,vcpus,memory_mib,disk_mib,bandwidth_mbps,micros"]
  for item in items {
    let amounts = item.resources
    let fields = [
      item.key.tenant.text, item.key.name.text, "\(item.id.raw)", item.node.text, item.datacenter ?? "",
      Instant.text(item.from), Instant.text(item.to), Thousandths.text(amounts.cpu), "\(amounts.memory)",
      "\(amounts.disk)", "\(amounts.bandwidth)", "\(item.amount)"
    ]
    lines.append(fields.joined(separator: ","))
  }
  return Array((lines.joined(separator: "\r\n") + "\r\n").utf8)
}
