import API
import Addressing
import CLI
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

  init(_ settings: ServeOptions) {
    // Before the first thread exists, and the sink has one.
    TerminationSignals.block()
    self.settings = settings
    sink = BufferedSink { CurrentProcess.complain($0) }
    logger = Logger(level: settings.debug ? .debug : .info, format: settings.logsJSON ? .json : .text, sink: sink)
  }

  func run() -> Int32 {
    do throws(Complaint) {
      for row in settings.settings.rows {
        logger.log(
          .debug, "setting", ["key": .text(row.key), "value": .text(row.value), "origin": .text("\(row.origin)")])
      }
      let doors = try Doors(settings, hasTLS: false)
      if let warning = doors.warning { logger.log(.warn, warning) }
      let parts = try start(doors)
      greet(parts)
      let name = TerminationSignals.wait()
      TerminationSignals.unblock()
      logger.log(.info, "stopping", ["signal": .text(name)])
      stop(parts)
      return 0
    } catch {
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
  }

  private func start(_ doors: Doors) throws(Complaint) -> Parts {
    // Checked before anything is made: a wrong flag must not leave a data directory behind.
    let simple = try simpleExtent(network: settings.network, gateway: settings.gateway)
    let directory: DataDirectory
    do throws(LogFault) {
      directory = try DataDirectory.open(settings.dataDirectory, .readWrite(create: true))
    } catch { throw Complaint("\(error)", code: 70) }
    let metrics = Metrics()
    let engine = try openEngine(directory, metrics)
    engine.start()
    try prepareSimplePool(engine, simple)
    let keeper = TokenKeeper(settings.dataDirectory, engine)
    let oneTimeToken = try keeper.prepare(isRequired: doors.isTokenRequired)
    let api = try openAPI(directory, engine, metrics, security(doors, keeper))
    let server = try listen(api)
    server.start()
    return Parts(directory: directory, engine: engine, api: api, server: server, oneTimeToken: oneTimeToken)
  }

  private func openEngine(_ directory: DataDirectory, _ metrics: Metrics) throws(Complaint) -> Engine {
    var options = EngineOptions()
    options.metrics = metrics
    if let every = settings.snapshotEvery { options.snapshotEvery = every }
    let (logger, sink) = (logger, sink)
    options.warn = { logger.log(.warn, $0) }
    options.unknownOutcome = { why in
      logger.log(.error, "nobody knows whether the last write is on disk: \(why); ending, the next start reads what is")
      sink.flush()
      ProcessEnd.now(70)
    }
    do throws(EngineFault) {
      return try Engine.open(log: directory.log, snapshots: directory.snapshots, options: options)
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

  private func openAPI(
    _ directory: DataDirectory, _ engine: Engine, _ metrics: Metrics, _ security: Security
  ) throws(Complaint) -> BerthAPI {
    do throws(LogFault) {
      let logger = logger
      let every = settings.scrubSeconds
      return BerthAPI(
        engine: engine, history: try directory.history(), metrics: metrics, security: security,
        scrubEvery: every > 0 ? .seconds(every) : nil, alarm: { logger.log(.error, $0) })
    } catch { throw Complaint("\(error)", code: 70) }
  }

  private func security(_ doors: Doors, _ keeper: TokenKeeper) -> Security {
    var security = Security()
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

  private func listen(_ api: BerthAPI) throws(Complaint) -> Server {
    var options = ServerOptions()
    options.host = settings.host
    options.port = settings.port
    // The engine and the kernel want processors too: with two, one loop serves more than two do.
    options.loops = settings.loops ?? max(1, CurrentProcess.processors / 2)
    options.corsOrigins = settings.corsOrigins
    options.allowedHosts = settings.hostNames
    let sink = sink
    options.accessLog = { sink.write($0) }
    options.onCompletion = api.onCompletion
    do throws(ServerFault) { return try Server(options, api.router) } catch {
      throw Complaint("\(error.sentence): is another Berth running? Choose a port with --port", code: 1)
    }
  }

  private func greet(_ parts: Parts) {
    let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
    let url = "http://\(host):\(parts.server.port)"
    let status = parts.engine.status
    var text = "berth serves \(url) (data in \(settings.dataDirectory), revision \(status.revision))\n"
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
    parts.server.drain()
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
