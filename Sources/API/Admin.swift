internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

/// For the operator.
let adminEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/admin/stats", id: "adminStats", tag: "admin", permission: .spaceRead,
    summary: "The pool `default` at a glance, under names that older tools know.",
    answers: [.init(200, "The numbers.", Schemas.adminStats)], refusals: [.init(404, "no_default_pool")],
    handler: adminStats),
  Endpoint(
    method: .post, pattern: "/api/v1/clock/confirm", id: "confirmClock", tag: "admin", permission: .clockConfirm,
    summary: "Believe the wall clock, and let expiries go on that wait for this.",
    answers: [.init(200, "It is believed.", Schemas.confirmed)], asksWriter: true,
    handler: { call in confirmClock(call) })
]

@Sendable private func adminStats(_ call: Call) throws(Problem) {
  let (pool, found, revision) = call.api.engine.read { tables -> (Pool?, Capacity?, Revision) in
    let state = tables.pools[.simple]
    return (state?.pool, state.map(Capacity.init), tables.revision)
  }
  guard let pool, let capacity = found else { throw .noDefaultPool }
  var out = JSONWriter(capacity: 512)
  out.object { out in
    out.key("ipPool")
    out.object { out in
      out.field("available", capacity.available)
      out.field("total", capacity.usable)
      out.field("used", capacity.allocated + capacity.quarantined)
      out.field("currentSubnet", prefix: pool.cidr)
      out.key("expansionCapability")
      out.object { out in
        out.field("current", capacity.usable)
        out.field("maxWith16Subnet", 65_536)
        out.field("maxWith8Subnet", 16_777_216)
        out.field("recommendation", recommendation(pool, capacity))
      }
    }
    out.key("stats")
    out.object { out in
      out.field("ip_pool_available", capacity.available)
      out.field("ip_pool_total", capacity.usable)
      out.field("ip_pool_current_subnet", prefix: pool.cidr)
      out.field("ip_pool_max_possible", 65_536)
    }
  }
  call.send(out.finish(), revision: revision)
}

/// What to do about how full the pool is.
private func recommendation(_ pool: Pool, _ capacity: Capacity) -> String {
  let used = Int(capacity.utilizationPercent)
  let grow = "`berth pool expand \(pool.name)`"
  if used >= 90 { return "\(used) % used: expand now with \(grow)" }
  if used >= 75 { return "\(used) % used: plan an expansion with \(grow)" }
  return "\(used) % used: no expansion needed"
}

private func confirmClock(_ call: Call) {
  call.api.engine.confirmTime()
  call.send(Array(#"{"confirmed":true}"#.utf8), revision: call.api.engine.status.revision)
}
