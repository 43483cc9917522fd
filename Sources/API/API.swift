// API: the routes, and nothing else that decides.
//
// A route is declared once, as an `Endpoint` in a table: method, pattern, parameters, body, answers, refusals and handler.
// The server's router and `GET /openapi.json` are both made from that table, so that neither can know a route that the other
// does not. Every request goes through one door (`BerthAPI.open`): there the caller gets a name, parameters are checked
// against the table, and a thrown `Problem` becomes an answer.
//
// Reads take the reader lock for a moment, copy rows and render outside of it, on the loop's thread. Commands go through
// the engine's ring and answer from its `done`. Bodies become Domain commands in APITypes; `Rejection.Code` becomes a status
// by one exhaustive switch in `Problems.swift`. Every answer carries `Berth-Revision`.
//
// Refused: middleware chains (one function is easier to audit than an order of several), handlers that know HTTP and the
// ledger at once beyond one screen, annotations in comments that drift from the code.
internal import APITypes
package import Domain
package import Engine
package import HTTPServer
internal import Platform
package import Telemetry

/// What the routes need of the process they run in.
package final class BerthAPI: Sendable {
  let engine: Engine
  let metrics: Metrics
  let counts: APIMetrics
  let past: any PastEntries
  let exports = ExportGate()

  /// Joins the engine, the metrics it counts in and the way to old entries.
  package init(engine: Engine, metrics: Metrics, past: any PastEntries) {
    self.engine = engine
    self.metrics = metrics
    self.past = past
    counts = APIMetrics(metrics, engine: engine, endpoints: BerthAPI.table)
  }

  /// Every route there is, in the order in which metrics number them.
  static let table: [Endpoint] =
    simpleEndpoints + poolEndpoints + reservationEndpoints + allocationEndpoints + searchEndpoints + spaceEndpoints
    + addressEndpoints + transferEndpoints + adminEndpoints + healthEndpoints

  /// The version that health and the OpenAPI document tell.
  package static let version = "0.1.0"

  /// The table as the server wants it.
  package var router: Router {
    Router(
      BerthAPI.table.map { endpoint in
        Route(endpoint.method, endpoint.pattern, bodyLimit: endpoint.bodyLimit) { request, reply in
          self.open(endpoint, request, reply)
        }
      })
  }

  /// The door: every request to every route comes through here.
  private func open(_ endpoint: Endpoint, _ request: Request, _ reply: Reply) {
    let call = Call(api: self, endpoint: endpoint, request: request, reply: reply, principal: BerthAPI.anonymous)
    do throws(Problem) {
      try endpoint.checkParameters(request)
      try endpoint.handler(call)
    } catch {
      call.refuse(error)
    }
  }

  /// Who asks while there are no tokens.
  static let anonymous = "anonymous"

  /// Told of every answered request by the server, on a loop's thread.
  package var onCompletion: @Sendable (Completion) -> Void {
    let counts = counts
    return { counts.completed($0) }
  }
}

/// Where entries are found again that were answered before.
package protocol PastEntries: Sendable {
  /// Calls `done` with the entry `revision`, or nil when the log no longer has it; from any thread, never blocking the caller.
  func entry(at revision: Revision, _ done: @escaping @Sendable (Entry?) -> Void)
}
