import API
import Addressing
import Advisers
import CLI
import Cluster
import Config
import Domain
import Engine
import HTTPServer
import Ledger
import Log
import LogSQLite
import Platform
import Telemetry

/// `berth serve`: wires the medium, the engine, the API and the server together, and waits for the signal that ends
/// them.
struct Serve {
  let settings: ServeOptions
  let logger: Logger
  let sink: BufferedSink
  let begun = Rejoining()
  let certificates: CertificateWatch
  private let signals: TerminationSignals

  init(_ settings: ServeOptions) {
    // Before the first thread exists, and the sink has one: they block what the thread that makes them blocks.
    signals = TerminationSignals(reload: settings.tls != nil)
    self.settings = settings
    sink = BufferedSink { CurrentProcess.complain($0) }
    logger = Logger(level: settings.debug ? .debug : .info, format: settings.logsJSON ? .json : .text, sink: sink)
    certificates = CertificateWatch(settings, logger)
  }

  func run() -> Int32 {
    do throws(Complaint) {
      for row in settings.settings.rows {
        logger.log(
          .debug, "setting", ["key": .text(row.key), "value": .text(row.value), "origin": .text("\(row.origin)")])
      }
      let doors = try Doors(settings, hasTLS: settings.tls != nil)
      if let warning = doors.warning { logger.log(.warn, warning) }
      let parts = try start(doors)
      greet(parts)
      certificates.start()
      var wish = signals.wait()
      while wish == .reload {
        parts.server.reloadCertificates()
        wish = signals.wait()
      }
      signals.unblock()
      logger.log(.info, "stopping", ["signal": .text(wish.rawValue)])
      stop(parts)
      return try begun.goOn()
    } catch {
      // Whoever stops a node that has not joined yet gets what was asked for.
      if settings.cluster != nil, TerminationSignals.isPending {
        logger.log(.info, "stopped before it had joined the cluster")
        sink.close()
        return 0
      }
      logger.log(.error, error.text)
      sink.close()
      return error.code
    }
  }

  struct Parts {
    let directory: DataDirectory
    let engine: Engine
    let api: BerthAPI
    let server: Server
    /// Where the one-time token lies, if there is one.
    let oneTimeToken: String?
    var cluster: ClusterNode?
    var first: FirstPool?
  }

  private func start(_ doors: Doors) throws(Complaint) -> Parts {
    // Checked before anything is made: a wrong flag must not leave a data directory behind.
    let simple = try simpleExtent(network: settings.network, gateway: settings.gateway)
    if let cluster = settings.cluster { return try join(cluster, doors, simple) }
    let directory: DataDirectory
    do throws(LogFault) {
      directory = try DataDirectory.open(settings.dataDirectory, .readWrite(create: true))
    } catch { throw Complaint("\(error)", code: 70) }
    tellWhatWasOpen(directory)
    let metrics = Metrics()
    let late = LateServer()
    let engine = try openEngine(directory, metrics, late)
    engine.start()
    try prepareSimplePool(engine, simple)
    let keeper = TokenKeeper(settings.dataDirectory, engine)
    let oneTimeToken = try keeper.prepare(isRequired: doors.isTokenRequired)
    let api = try openAPI(directory, engine, metrics, try security(doors, keeper))
    let server = try listen(api)
    late.arrived(server)
    server.start()
    return Parts(directory: directory, engine: engine, api: api, server: server, oneTimeToken: oneTimeToken)
  }

  /// Whoever lets others read on purpose should know why they cannot any more.
  func tellWhatWasOpen(_ directory: DataDirectory) {
    guard !directory.wereOpen.isEmpty else { return }
    let paths = directory.wereOpen.joined(separator: ", ")
    logger.log(.warn, "others could read what holds all rows and now cannot any more: \(paths)")
  }

  func engineOptions(_ metrics: Metrics, _ late: LateServer) -> EngineOptions {
    var options = EngineOptions()
    options.metrics = metrics
    options.answering = { late.gatheringReplies($0) }
    if let most = settings.batchMax { options.batchMax = most }
    if let every = settings.snapshotEvery { options.snapshotEvery = every }
    options.fleet = FleetTiming(lease: .seconds(settings.nodeLeaseSeconds))
    options.schedulers = settings.schedulers.map(\.name)
    let (logger, sink) = (logger, sink)
    options.warn = { logger.log(.warn, $0) }
    options.unknownOutcome = { why in
      logger.log(.error, "nobody knows whether the last write is on disk: \(why); ending, the next start reads what is")
      sink.flush()
      ProcessEnd.now(70)
    }
    return options
  }

  private func openEngine(
    _ directory: DataDirectory, _ metrics: Metrics, _ late: LateServer
  ) throws(Complaint) -> Engine {
    do throws(EngineFault) {
      return try Engine.open(log: directory.log, snapshots: directory.snapshots, options: engineOptions(metrics, late))
    } catch { throw Complaint("\(error)", code: 70) }
  }

  /// The pool `default` is made in a fresh directory only; later starts keep what is stored, and say so when the
  /// flags differ.
  private func prepareSimplePool(_ engine: Engine, _ simple: (cidr: Prefix, gateway: IPAddress?)) throws(Complaint) {
    let (isFresh, stored) = engine.read { ($0.revision == 0, $0.pools[.simple]?.pool.extent) }
    if isFresh {
      let pool = Pool(name: .simple, extent: Extent(cidr: simple.cidr, gateway: simple.gateway))
      let answer = Waiter()
      let submission = Submission(.createPool(pool), actor: "system", requestID: "start", asked: "berth serve")
      guard engine.submit(submission, { answer.put($0) }) else {
        throw Complaint("the engine is busy at start", code: 70)
      }
      guard case .outcome(.pool, _) = answer.take() else {
        throw Complaint("the pool 'default' could not be stored: is the disk full?", code: 70)
      }
      return
    }
    let asked = settings.network != nil || settings.gateway != nil
    if asked, let stored, stored.cidr != simple.cidr || stored.gateway != simple.gateway {
      logger.log(
        .warn,
        "--network and --gateway are for a fresh directory: pool 'default' stays \(stored.cidr), gateway \(stored.gateway.map { "\($0)" } ?? "none")"
      )
    }
  }

  func openAPI(
    _ directory: DataDirectory, _ engine: Engine, _ metrics: Metrics, _ security: Security,
    _ cluster: ClusterNode? = nil
  ) throws(Complaint) -> BerthAPI {
    do throws(LogFault) {
      let logger = logger
      let every = settings.scrubSeconds
      return BerthAPI(
        engine: engine, history: try directory.history(), metrics: metrics, security: security, cluster: cluster,
        schedulers: settings.schedulers.map(SchedulerOptions.init), notice: { logger.log(.warn, $0) },
        scrubEvery: every > 0 ? .seconds(every) : nil, alarm: { logger.log(.error, $0) })
    } catch { throw Complaint("\(error)", code: 70) }
  }

  func security(
    _ doors: Doors, _ keeper: TokenKeeper, _ links: NodeLinks? = nil
  ) throws(Complaint) -> Security {
    var security = Security()
    let watch = certificates
    security.certificates = { watch.states }
    security.signer = try settings.enrolment?.signer()
    security.nodeAuthorities = links?.authorities
    (security.isRequired, security.isReachable) = (doors.isTokenRequired, doors.isReachable)
    (security.hasTLS, security.isInsecure) = (doors.hasTLS, settings.insecure)
    security.oneTimeTokenIsGone = { keeper.removeFile() }
    let logger = logger
    security.audit = { denial in
      logger.log(
        .warn, "denied",
        [
          "code": .text(denial.code), "reason": .text(denial.reason), "principal": .text(denial.principal),
          "peer": .text(denial.peer), "method": .text(denial.method), "route": .text(denial.route),
          "request": .text(denial.requestID)
        ])
    }
    return security
  }

  /// Descriptors for everything but connections of clients: files, other nodes, etcd, schedulers.
  private static let otherDescriptors = 256

  func listen(_ api: BerthAPI) throws(Complaint) -> Server {
    var options = ServerOptions()
    let descriptors = CurrentProcess.raiseDescriptorLimit()
    let most = max(16, descriptors - Serve.otherDescriptors)
    if most < options.maxConnections {
      options.maxConnections = most
      logger.log(
        .warn,
        "\(most) connections are served at a time: the process may have \(descriptors) descriptors (ulimit -n)")
    }
    options.host = settings.host
    options.port = settings.port
    // The engine and the kernel want processors too: with two, one loop serves more than two do.
    options.loops = settings.loops ?? max(1, CurrentProcess.processors / 2)
    options.corsOrigins = settings.corsOrigins
    options.allowedHosts = settings.hostNames
    let sink = sink
    options.accessLog = { sink.write($0) }
    options.onCompletion = api.onCompletion
    options.tls = settings.tls.map(ServerTLS.init)
    let logger = logger
    options.notice = { logger.log(.warn, $0) }
    do throws(ServerFault) {
      let server = try Server(options, api.router)
      api.watch(server)
      return server
    } catch {
      let isTaken = error.sentence.hasPrefix("cannot listen")
      throw Complaint(
        error.sentence + (isTaken ? ": is another Berth running? Choose a port with --port" : ""), code: 1)
    }
  }

  private func greet(_ parts: Parts) {
    let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
    let url = "\(settings.tls == nil ? "http" : "https")://\(host):\(parts.server.port)"
    let status = parts.engine.status
    let part = parts.cluster.map { "node \($0.name), " } ?? ""
    var text = "berth serves \(url) (\(part)data in \(settings.dataDirectory), revision \(status.revision))\n"
    if parts.engine.tokens.isEmpty {
      let body = "-H 'Content-Type: application/json' -d '{\"vm_id\":\"vm-1\"}'"
      text += "try: curl -s -X POST \(url)/api/v1/ip/allocate \(body)\n"
    }
    if let path = parts.oneTimeToken {
      text += "one-time admin token in \(path): `berth token create --role cluster-admin` uses it, for 24 hours\n"
    }
    CurrentProcess.say(Array(text.utf8))
    if parts.directory.crashed { logger.log(.info, "the last run did not end in good order; the log is whole") }
  }

  private func stop(_ parts: Parts) {
    certificates.stop()
    parts.first?.stop()
    parts.api.releaseAgents()
    parts.server.drain()
    parts.cluster?.stop()
    parts.api.stop()
    parts.engine.stop()
    sink.close()
  }
}

/// Waits for one answer of the engine.
// Unchecked because `lock` guards `answer`.
final class Waiter: @unchecked Sendable {
  private let lock = Lock()
  private let filled = Condition()
  private var answer: Answer?

  func put(_ answer: Answer) {
    lock.withLock {
      self.answer = answer
      filled.signal()
    }
  }

  func take() -> Answer {
    lock.withLock {
      while true {
        if let answer { return answer }
        filled.wait(lock)
      }
    }
  }
}

/// The server, which is made after the engine whose answers it gathers.
// Unchecked because `lock` guards `server`.
final class LateServer: @unchecked Sendable {
  private let lock = Lock()
  private var server: Server?

  func arrived(_ server: Server) { lock.withLock { self.server = server } }

  func gatheringReplies(_ body: () -> Void) {
    guard let server = lock.withLock({ server }) else { return body() }
    server.gatheringReplies(body)
  }
}

extension ServerTLS {
  /// What the settings say.
  fileprivate init(_ settings: ServeTLSOptions) {
    self.init(TLSFiles(certificate: settings.certificate, key: settings.key))
    allowsTLS12 = settings.allowsTLS12
    clientAuthorities = settings.clientAuthorities
    if clientAuthorities != nil { clients = settings.clientsMayGoWithout ? .optional : .required }
  }
}
