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
    method: .get, pattern: "/api/v1/addresses/{ip}", id: "getAddress", tag: "addresses",
    summary: "What an address is, in every routing domain that has a pool for it; in no pool: no matches.",
    query: [.init("network", "Only in this routing domain.", Schemas.poolName)],
    answers: [.init(200, "What it is.", Schemas.addressMatches)], handler: getAddress)
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
  let (matches, revision) = call.api.engine.read { tables -> ([AddressMatch], Revision) in
    let pools = tables.pools(containing: ip).filter { network == nil || $0.pool.network == network }
    return (pools.prefix(matchesLimit).map { match(ip, $0, tables) }, tables.revision)
  }
  call.send(rendered(ip, matches), revision: revision)
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
