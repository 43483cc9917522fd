internal import APITypes
internal import Addressing
internal import Cluster
internal import Domain
internal import Engine
internal import HTTPServer
internal import Telemetry
internal import Wire

/// For machines that watch: liveness, readiness, metrics, and the document about all routes.
let healthEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/healthz", id: "alive", tag: "health", permission: .open, summary: "The process answers.",
    answers: [.init(200, "It does.", Schemas.alive)], isLocal: true,
    handler: { call in call.send(alive, revision: call.api.engine.status.revision) }),
  Endpoint(
    method: .get, pattern: "/readyz", id: "ready", tag: "health", permission: .open, summary: "Commands are taken.",
    answers: [.init(200, "They are.", Schemas.alive)],
    refusals: [.init(503, "stopping", "storage_full", "no_leader", "history_lost")], isLocal: true, handler: ready),
  Endpoint(
    method: .get, pattern: "/metrics", id: "metrics", tag: "health", permission: .metricsRead,
    summary: "Numbers for Prometheus.",
    answers: [.init(200, "Prometheus' text format 0.0.4.", .text(), type: metricsType)], isLocal: true,
    handler: { call in
      call.caller.send(call.api.metrics.exposition(), revision: call.api.engine.status.revision, type: metricsType)
    }),
  Endpoint(
    method: .get, pattern: "/openapi.json", id: "openapi", tag: "health", permission: .open, summary: "This document.",
    answers: [.init(200, "OpenAPI 3.0.3.", .anything)], isLocal: true,
    handler: { call in
      let document = OpenAPI(endpoints: BerthAPI.table, version: BerthAPI.version).document
      call.send(document, revision: call.api.engine.status.revision)
    })
]

private let metricsType: StaticString = "text/plain; version=0.0.4; charset=utf-8"
private let alive = Array(#"{"status":"ok"}"#.utf8)

@Sendable private func ready(_ call: Call) throws(Problem) {
  let status = call.api.engine.status
  if status.isStopped { throw Problem(Unavailable.stopping) }
  if status.isStorageFull { throw Problem(Unavailable.storageFull) }
  switch status.leadership {
  case .alone, .leading, .following(.some): break
  case .following(nil), .takingOver: throw Problem(Unavailable.notLeading(nil))
  case .lost(let why): throw Problem(Unavailable.lost(why))
  }
  call.send(alive, revision: status.revision)
}

private func isLost(_ leadership: Leadership) -> Bool { if case .lost = leadership { true } else { false } }

/// `GET /api/v1/health`.
@Sendable func health(_ call: Call) {
  let status = call.api.engine.status
  var out = JSONWriter()
  out.object { out in
    out.field("status", isLost(status.leadership) ? "lost" : "ok")
    out.field("version", BerthAPI.version)
    out.field("revision", status.revision)
    out.field("time", time: status.logTime)
    out.field("storage_full", status.isStorageFull)
    out.field("clock_held", status.isClockHeld)
    out.field("expiry_held", status.isExpiryHeld)
    out.field("findings", call.api.scrub.findings)
    // The route is open: where the other nodes are is for those who may ask for anything at all.
    if let cluster = call.api.cluster, call.principal.role != nil {
      out.key("cluster")
      out.raw(cluster.own().encoded)
    }
  }
  call.send(out.finish(), revision: status.revision)
}
