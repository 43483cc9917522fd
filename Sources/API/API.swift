// API: the routes, and nothing else that decides.
//
// A route is declared once, as an `Endpoint` in a table: method, pattern, parameters, body, answers, refusals and
// handler. The server's router and `GET /openapi.json` are both made from that table, so that neither can know a
// route that the other does not. Every request goes through one door (`BerthAPI.open`; who asks is judged before its
// body is waited for, too): there the caller gets a name, parameters are checked against the table, and a thrown
// `Problem` becomes an answer.
//
// Reads take the reader lock for a moment, copy rows and render outside of it, on the loop's thread. Commands go
// through the engine's ring and answer from its `done`. Bodies become Domain commands in APITypes; `Rejection.Code`
// becomes a status by one exhaustive switch in `Problems.swift`. Every answer carries `Berth-Revision`.
//
// In a cluster the same door decides where a request is answered (`Freshness.swift`): a read here, behind a barrier; a
// command at the leader, to whom another node passes it on once (`Passing.swift`).
//
// Refused: middleware chains (one function is easier to audit than an order of several), handlers that know HTTP and
// the ledger at once beyond one screen, annotations in comments that drift from the code.
internal import APITypes
package import Advisers
package import Cluster
internal import Domain
package import Engine
package import HTTPServer
package import Log
internal import Platform
package import Telemetry

/// What the routes need of the process they run in.
package final class BerthAPI: Sendable {
  let engine: Engine
  let metrics: Metrics
  let counts: APIMetrics
  let log: LogAccess
  let feed: EventFeed
  let history: History
  let exports = ExportGate()
  let scrub: Scrub
  let waits: RevisionWaits
  let agents: AgentWaits
  let costs: Costs
  let usage = UsageHistory()
  let advisers: Advisers
  let cluster: ClusterNode?
  let security: Security
  let logins = LoginGuard()

  /// Joins the engine, the index of history and the metrics that the engine counts in; starts the threads that read
  /// the log. Once in `scrubEvery` all of it is read again, and `alarm` hears of what is wrong. The engine must have been
  /// told the names of the `schedulers`.
  package init(
    engine: Engine, history index: any HistoryIndex, metrics: Metrics, security: Security = Security(),
    cluster: ClusterNode? = nil, schedulers: [SchedulerOptions] = [],
    notice: @escaping @Sendable (String) -> Void = { _ in },
    scrubEvery: Duration? = nil, alarm: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.engine = engine
    self.metrics = metrics
    self.security = security
    log = LogAccess(name: "berth-log") { () throws(LogFault) in try engine.reader() }
    let feed = EventFeed(
      published: { engine.readableRevision }, newest: { engine.status.revision },
      isAlive: { $0.isAlive(engine.tokens, wall: security.wall()) }
    ) {
      () throws(LogFault) in try engine.reader()
    }
    self.feed = feed
    let waits = RevisionWaits(engine)
    self.waits = waits
    let agents = AgentWaits(engine)
    self.agents = agents
    costs = Costs(engine)
    self.cluster = cluster
    advisers = Advisers(schedulers, engine, metrics, notice: notice)
    engine.onPublish { revision in
      feed.notify(revision)
      waits.notify()
      agents.notify()
    }
    history = History(engine, index)
    scrub = Scrub(engine, metrics, every: scrubEvery, alarm: alarm)
    counts = APIMetrics(metrics, engine: engine, endpoints: BerthAPI.table)
    metrics.gauge("berth_agents_waiting", "Agents whose answers are held back.") { Double(agents.count) }
    registerDoor()
    registerCertificates()
  }

  /// Every route there is, in the order in which metrics number them.
  static let table: [Endpoint] =
    simpleEndpoints + poolEndpoints + reservationEndpoints + allocationEndpoints + searchEndpoints + spaceEndpoints
    + addressEndpoints + eventEndpoints + transferEndpoints + adminEndpoints + tokenEndpoints + enrolmentEndpoints
    + securityEndpoints + nodeEndpoints + agentEndpoints + vmEndpoints + planEndpoints + tenantEndpoints
    + costEndpoints + recommendationEndpoints + clusterEndpoints + healthEndpoints

  /// The version that health and the OpenAPI document tell.
  package static let version = "0.1.0"

  /// The table as the server wants it.
  package var router: Router {
    Router(
      BerthAPI.table.map { endpoint in
        Route(
          endpoint.method, endpoint.pattern, bodyLimit: endpoint.bodyLimit,
          judge: { request in self.judge(endpoint, request) }, sender: { request in self.payer(request) }
        ) { request, reply in
          self.open(endpoint, request, reply)
        }
      })
  }

  /// What the door has against a request, before its body is waited for: strangers must not make a server keep bodies.
  /// The door asks again when the body is there, which may take long.
  private func judge(_ endpoint: Endpoint, _ request: Request) -> Response? {
    do throws(Problem) {
      _ = try admit(endpoint, request)
      return nil
    } catch {
      return refusal(error)
    }
  }

  /// The door: every request to every route comes through here.
  private func open(_ endpoint: Endpoint, _ request: Request, _ reply: Reply) {
    let principal: Principal
    do throws(Problem) { principal = try admit(endpoint, request) } catch {
      return Caller(api: self, reply: reply, since: request.receivedAt).refuse(error)
    }
    var call = Call(api: self, isCommand: endpoint.isCommand, request: request, reply: reply, principal: principal)
    if engine.isShared { call.shared = SharedCall(endpoint) }
    do throws(Problem) {
      try endpoint.checkParameters(request)
      try call.enter(endpoint)
    } catch {
      call.refuse(error)
    }
  }

  /// Answers the agents whose answers are held back, and holds none back any more: before the server is drained, which
  /// would wait for them.
  package func releaseAgents() { agents.stop() }

  /// Ends the streams and the threads that read the log; the server must be drained, or draining.
  package func stop() {
    scrub.stop()
    advisers.stop()
    waits.stop()
    agents.stop()
    costs.stop()
    feed.stop()
    history.stop()
    log.stop()
  }

  /// Lets `/metrics` tell how the server of these routes is doing.
  package func watch(_ server: Server) {
    // Weak, because the server has the routes, and they have the metrics.
    let read: @Sendable () -> ServerMetrics? = { [weak server] in server?.metrics }
    metrics.gauge("berth_http_connections", "Connections that are open.") { Double(read()?.open ?? 0) }
    metrics.gauge("berth_http_body_bytes", "Bytes of large bodies of requests in memory.") {
      Double(read()?.bodyBytes ?? 0)
    }
    metrics.gauge("berth_http_unread_bytes", "Bytes of answers that wait for their readers.") {
      Double(read()?.unreadBytes ?? 0)
    }
    metrics.readings(.counter, "berth_http_dropped_total", "Connections dropped because their peers were too slow.") {
      [Sample([], Double(read()?.dropped ?? 0))]
    }
  }

  /// Told of every answered request by the server, on a loop's thread.
  package var onCompletion: @Sendable (Completion) -> Void {
    let counts = counts
    return { counts.completed($0) }
  }
}
