import API
import CLI
import Platform
import Telemetry

/// Looks once an hour at the certificates that the server lives by, and says once when the end of one comes near.
// Unchecked because `lock` guards what changes.
final class CertificateWatch: @unchecked Sendable {
  private static let pause = Duration.seconds(3_600)
  /// What was read so long ago is read again when somebody asks.
  private static let goodFor = Duration.seconds(60)

  private let files: [(use: String, path: String)]
  private let logger: Logger
  private let lock = Lock()
  private let changed = Condition()
  private var said: [String: CertificateState.Urgency] = [:]
  private var isStopping = false
  private var known: (states: [CertificateState], at: MonotonicTime)?
  private var thread: Thread?

  init(_ settings: ServeOptions, _ logger: Logger) {
    self.logger = logger
    let named: [(String, String?)] = [
      ("server", settings.tls?.certificate), ("client_ca", settings.tls?.clientAuthorities),
      ("node_ca", settings.cluster?.nodeAuthorities), ("etcd", settings.cluster?.etcdTLS?.certificate),
      ("etcd_ca", settings.cluster?.etcdTLS?.authorities), ("enrol_ca", settings.enrolment?.certificate)
    ]
    files = named.compactMap { use, path in path.map { (use: use, path: $0) } }
  }

  /// How they are now, or were a minute ago.
  var states: [CertificateState] {
    lock.withLock {
      if let known, known.at + CertificateWatch.goodFor > .now { return known.states }
      let states = read()
      known = (states, .now)
      return states
    }
  }

  private func read() -> [CertificateState] {
    files.map { use, path in
      // Of several in one file the one counts that ends first.
      let ends = (try? CertificateFacts.read(path))?.map(\.endsAt).min()
      return CertificateState(use: use, path: path, endsAt: ends)
    }
  }

  func start() {
    guard !files.isEmpty else { return }
    lock.withLock { thread = Thread(name: "berth-certs") { self.run() } }
  }

  func stop() {
    let thread = lock.withLock { () -> Thread? in
      isStopping = true
      changed.broadcast()
      defer { self.thread = nil }
      return self.thread
    }
    thread?.join()
  }

  private func run() {
    while true {
      look(at: WallClock.microseconds / 1_000_000)
      let isOver = lock.withLock { () -> Bool in
        if !isStopping { _ = changed.wait(lock, timeout: CertificateWatch.pause) }
        return isStopping
      }
      if isOver { return }
    }
  }

  /// Says what has become more urgent than it was; belongs to the watch's thread.
  private func look(at now: Int64) {
    for state in states {
      let urgency = state.urgency(at: now)
      let before = said.updateValue(urgency, forKey: state.use) ?? .none
      if urgency > before { logger.log(urgency > .soon ? .error : .warn, state.sentence(at: now)) }
    }
  }
}
