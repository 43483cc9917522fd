import API
import Addressing
import CLI
import Cluster
import Domain
import Engine
import HTTPServer
import Ledger
import Log
import LogEtcd
import LogSQLite
import Platform
import Telemetry

/// `berth serve --etcd`: the same parts over a log that several nodes share.
extension Serve {
  func join(
    _ wish: ClusterSettings, _ doors: Doors, _ simple: (cidr: Prefix, gateway: IPAddress?)
  ) throws(Complaint) -> Parts {
    let links = try NodeLinks(wish, settings.tls) { [logger] in logger.log(.warn, $0) }
    let way = try EtcdWay(wish.etcd, wish.etcdTLS) { [logger] in logger.log(.error, $0) }
    for trouble in try way.look() { logger.log(.error, trouble) }
    let log = way.log(node: wish.node, url: wish.advertise, prefix: wish.prefix, directory: settings.dataDirectory)
    let archive: ArchiveDirectory
    do throws(LogFault) { archive = try ArchiveDirectory(settings.dataDirectory) } catch {
      throw Complaint("\(error); or move the archive aside with `berth cluster rejoin`", code: 70)
    }
    let metrics = Metrics()
    let late = LateServer()
    let engine = try joinedEngine(log, archive, engineOptions(metrics, late))
    guard let directory = archive.directory else { preconditionFailure("joined without an archive") }
    tellWhatWasOpen(directory)
    let cluster = ClusterNode(engine, try part(wish, links), metrics)
    let keeper = TokenKeeper(settings.dataDirectory, engine)
    let api = try openAPI(directory, engine, metrics, try security(doors, keeper, links), cluster)
    let server = try listen(api)
    late.arrived(server)
    engine.start()
    server.start()
    cluster.start()
    let pool = Pool(name: .simple, extent: Extent(cidr: simple.cidr, gateway: simple.gateway))
    let first = FirstPool(engine, pool)
    first.start()
    return Parts(
      directory: directory, engine: engine, api: api, server: server,
      oneTimeToken: oneTimeToken(engine, keeper, doors), cluster: cluster, first: first)
  }

  /// Of a cluster's nodes the leader alone can make it, and it lies where it leads.
  private func oneTimeToken(_ engine: Engine, _ keeper: TokenKeeper, _ doors: Doors) -> String? {
    guard case .leading = engine.leadership else { return nil }
    do throws(Complaint) { return try keeper.prepare(isRequired: doors.isTokenRequired) } catch {
      logger.log(.warn, error.text)
      return nil
    }
  }

  private func joinedEngine(
    _ log: EtcdLog, _ archive: ArchiveDirectory, _ usual: EngineOptions
  ) throws(Complaint) -> Engine {
    var options = usual
    let begun = begun
    options.mustRestart = { why in begun.ask(why) }
    options.shouldStop = { TerminationSignals.isPending }
    logger.log(.info, "joining the cluster")
    do throws(EngineFault) { return try Engine.join(log, archive, options: options) } catch {
      log.close()
      throw Complaint("\(error)", code: 70)
    }
  }

  private func part(_ wish: ClusterSettings, _ links: NodeLinks) throws(Complaint) -> ClusterOptions {
    var part = ClusterOptions(node: wish.node, url: wish.advertise, version: BerthAPI.version)
    part.tls = links.tls
    if let path = wish.peerTokenFile {
      let bytes: [UInt8]?
      do throws(SecretFile.Fault) { bytes = try SecretFile.read(path) } catch {
        throw Complaint("--peer-token-file: \(error)")
      }
      guard let bytes else { throw Complaint("--peer-token-file: there is no \(path)") }
      let line = bytes.prefix { $0 > 0x20 }
      part.headers = [("authorization", "Bearer \(String(decoding: line, as: UTF8.self))")]
    }
    let logger = logger
    part.log = { sentence in logger.log(sentence.hasPrefix("ALARM") ? .error : .info, sentence) }
    return part
  }
}

/// Makes the pool `default` of a new cluster, once: only the leader may, and only while the log is empty.
// Unchecked because `lock` guards what changes.
final class FirstPool: @unchecked Sendable {
  /// How long a start waits for it; it goes on trying afterwards.
  private static let patience = Duration.seconds(5)
  private static let pause = Duration.milliseconds(20)

  private let engine: Engine
  private let pool: Pool
  private let lock = Lock()
  private let changed = Condition()
  private var isDone = false
  private var isStopping = false
  private var thread: Thread?

  init(_ engine: Engine, _ pool: Pool) { (self.engine, self.pool) = (engine, pool) }

  /// Returns when there is something in the log, or when that takes long.
  func start() {
    thread = Thread(name: "berth-first") { self.run() }
    let deadline = MonotonicTime.now + FirstPool.patience
    lock.withLock {
      while !isDone, MonotonicTime.now < deadline, !TerminationSignals.isPending {
        _ = changed.wait(lock, timeout: FirstPool.pause)
      }
    }
  }

  func stop() {
    lock.withLock {
      isStopping = true
      changed.broadcast()
    }
    thread?.join()
  }

  private func run() {
    while !lock.withLock({ isStopping }) {
      if engine.status.revision > 0 { break }
      if case .leading = engine.leadership { make() }
      if engine.status.revision == 0 { lock.withLock { _ = changed.wait(lock, timeout: FirstPool.pause) } }
    }
    lock.withLock {
      isDone = true
      changed.broadcast()
    }
  }

  /// Another answer than the pool means that somebody else leads by now, or was faster.
  private func make() {
    let answer = Waiter()
    let submission = Submission(.createPool(pool), actor: "system", requestID: "start", asked: "berth serve")
    guard engine.submit(submission, { answer.put($0) }) else { return }
    _ = answer.take()
  }
}

/// The way of a node back into a cluster that has gone on without it: the same process begins again.
// Unchecked because `lock` guards `wish`.
final class Rejoining: @unchecked Sendable {
  /// Beginnings in a row, each within `settled` of the one before.
  private static let most = 5
  private static let settled = Duration.seconds(600)
  private static let variable = "BERTH_REJOINED"

  private let began = MonotonicTime.now
  private let lock = Lock()
  private var wish: String?

  /// Asks for it, from any thread.
  func ask(_ why: String) {
    lock.withLock { if wish == nil { wish = why } }
    TerminationSignals.raise()
  }

  /// Begins again if that was asked for; the exit code if not.
  func goOn() throws(Complaint) -> Int32 {
    guard let why = lock.withLock({ wish }) else { return 0 }
    let before = CurrentProcess.environment[Rejoining.variable].flatMap { Int($0) } ?? 0
    let count = MonotonicTime.now > began + Rejoining.settled ? 1 : before + 1
    guard count <= Rejoining.most else {
      throw Complaint("\(why), \(Rejoining.most) times in a row: its disk or its network is too slow", code: 70)
    }
    ProcessEnd.again(Rejoining.variable, "\(count)")
    throw Complaint("\(why), and the system does not let this program begin again: start it by hand", code: 70)
  }
}
