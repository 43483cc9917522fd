internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// Who has an address.
let addressEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/addresses/{ip}", id: "getAddress", tag: "addresses", permission: .allocationsRead,
    summary: "What an address is, in every routing domain that has a pool for it; in no pool: no matches.",
    query: [
      .init("network", "Only in this routing domain.", Schemas.poolName),
      .init("at", "What it was at this time.", .time)
    ],
    answers: [.init(200, "What it is, or was.", Schemas.addressMatches)],
    refusals: [
      .init(410, "history_trimmed"),
      .init(503, "busy", "history_catching_up", "history_too_long", "log_unreadable")
    ],
    handler: getAddress)
]

/// What an address is in one pool.
struct AddressMatch: Sendable {
  let pool: Pool
  let state: String
  let allocation: Allocation?
}

@Sendable private func getAddress(_ call: Call) throws(Problem) {
  let ip = try call.address(0)
  let network = try call.name("network", NetworkName.self)
  if let text = call.request.query("at") {
    return try call.afterLog { () throws(Problem) in try getPastAddress(call, ip, network, at: text) }
  }
  let visibility = call.visibility
  let (matches, revision) = call.api.engine.read { tables -> ([AddressMatch], Revision) in
    let pools =
      network.map { tables.pool(containing: ip, in: $0).map { [$0] } ?? [] }
      ?? tables.pools(containing: ip, limit: matchesLimit)
    return (pools.map { match(ip, $0, tables) }.filter(visibility.sees), tables.revision)
  }
  call.send(rendered(ip, matches), revision: revision)
}

private func getPastAddress(
  _ call: Call, _ ip: IPAddress, _ network: NetworkName?, at text: String
) throws(Problem) {
  guard let time = Instant.parse(text) else { throw .invalid("at", "must be \(Instant.rule)") }
  let visibility = call.visibility
  let isTaken = call.api.history.matches(ip, at: time, of: call.principal.payer) { result in
    switch result {
    case .success(let found):
      let matches = found.filter { network == nil || $0.pool.network == network }.prefix(matchesLimit)
      call.send(
        rendered(ip, matches.map(AddressMatch.init).filter(visibility.sees)), revision: call.api.engine.status.revision)
    case .failure(let fault): call.refuse(fault.problem)
    }
  }
  if !isTaken { throw .historyBusy }
}

extension Visibility {
  /// Whether an address may be told of: a tenant learns of its own alone, not even what is free.
  func sees(_ match: AddressMatch) -> Bool {
    if let pool, match.pool.name != pool { return false }
    return tenant == nil || match.allocation?.tenant == tenant
  }
}

extension AddressMatch {
  init(_ past: PastMatch) {
    let state =
      if past.allocation != nil { "allocated" } else if past.resting != nil { "quarantined" } else {
        past.isUsable ? "available" : "reserved"
      }
    self.init(pool: past.pool, state: state, allocation: past.allocation)
  }
}

/// Routing domains told of in one answer.
private let matchesLimit = 256

/// The body of an answer about an address.
func rendered(_ ip: IPAddress, _ matches: [AddressMatch]) -> [UInt8] {
  var out = JSONWriter(capacity: 640)
  out.object { out in
    out.field("ip", address: ip)
    out.key("matches")
    out.array { out in
      for match in matches {
        out.object { out in
          out.field("pool", match.pool.name)
          out.field("network", match.pool.network)
          out.field("state", match.state)
          out.key("allocation")
          if let row = match.allocation {
            out.grant(Grant(row, gateway: match.pool.extent.gateway, network: match.pool.cidr))
          } else {
            out.null()
          }
        }
      }
    }
  }
  return out.finish()
}

private func match(_ ip: IPAddress, _ state: PoolState, _ tables: Tables) -> AddressMatch {
  let pool = state.pool
  if let row = tables.allocation(holding: ip, in: pool.name) {
    return AddressMatch(pool: pool, state: "allocated", allocation: row)
  }
  if state.quarantinedCount > .zero, isQuarantined(ip, pool, tables) {
    return AddressMatch(pool: pool, state: "quarantined", allocation: nil)
  }
  let isUsable = state.usable.contains { $0.contains(ip) }
  return AddressMatch(pool: pool, state: isUsable ? "available" : "reserved", allocation: nil)
}

/// Whether the address rests, by itself or inside a child prefix.
private func isQuarantined(_ ip: IPAddress, _ pool: Pool, _ tables: Tables) -> Bool {
  (pool.cidr.length...pool.family.bitCount).contains { length in
    let block = Prefix(containing: ip, length: length)
    guard case .released(let row) = tables.row(at: block.first, in: pool.name) else { return false }
    return row.quarantineUntil != nil && row.block == block
  }
}
