import HTTPClient
import Log
import Platform
import TestSupport

@testable import LogEtcd

/// A real etcd of one member on loopback, in a directory of its own; ends with its last reference.
final class RealEtcd: @unchecked Sendable {
  private let directory = TemporaryDirectory()
  private var process: ChildProcess
  private let arguments: [String]
  let port: UInt16

  /// Nil where etcd is not installed; says so once.
  static func start(quota: Int? = nil) -> RealEtcd? {
    guard let found = try? ChildProcess.run("etcd", ["--version"]), found.status == .exited(0) else {
      print("skipped: no etcd here (apt-get install etcd-server)")
      return nil
    }
    return RealEtcd(quota: quota)
  }

  private init(quota: Int?) {
    port = freePort()
    let peer = freePort()
    let (client, peers) = ("http://127.0.0.1:\(port)", "http://127.0.0.1:\(peer)")
    var arguments = [
      "--name", "one", "--data-dir", directory.file("etcd"), "--listen-client-urls", client,
      "--advertise-client-urls", client, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
      "--initial-cluster", "one=\(peers)", "--election-timeout", "500", "--heartbeat-interval", "50"
    ]
    if let quota { arguments += ["--quota-backend-bytes", "\(quota)"] }
    self.arguments = arguments
    process = try! ChildProcess("etcd", arguments)
    precondition(isUp(), "etcd did not start: \(process.errors.suffix(2_000))")
  }

  var endpoint: Endpoint { .tcp(host: "127.0.0.1", port: port) }

  func calls() -> EtcdCalls { EtcdCalls([endpoint], HTTPClientOptions()) }

  private func isUp() -> Bool {
    let calls = calls()
    defer { calls.close() }
    return eventually {
      if case .success(.lease) = calls.call(.grant(seconds: 5), to: 0, timeout: .seconds(1)) { true } else { false }
    }
  }

  func stop() {
    process.kill(9)
    _ = process.waitForExit()
  }

  func restart() {
    process = try! ChildProcess("etcd", arguments)
    precondition(isUp(), "etcd did not start again")
  }

  func pause() { process.kill(19) }
  func resume() { process.kill(18) }
}

/// A node with the least engine that keeps the contract: it takes over when asked, and remembers what it was told.
final class TestNode: @unchecked Sendable {
  let log: EtcdLog
  private let lock = Lock()
  private var waiting: [LogEvent] = []
  private(set) var events: [LogEvent] = []
  private(set) var head: LogHead?
  private(set) var applied: [Batch] = []
  private(set) var image: SnapshotImage?
  private(set) var epoch: UInt64?
  private(set) var lost: String?
  private var flight: Batch?
  private var barriers: [UInt64: BarrierEnd] = [:]
  private(set) var ends: [AppendEnd] = []
  private var asked: UInt64 = 0
  /// Whether `step` lets the log know that the engine lives.
  var isWedged = false

  init(_ name: String, _ endpoints: [Endpoint], after head: LogHead? = nil) {
    log = EtcdLog(
      EtcdOptions(node: name, url: "http://\(name)", endpoints: endpoints.count), endpoints: endpoints)
    self.head = head
    log.start(after: head) { event in self.lock.withLock { self.waiting.append(event) } }
  }

  /// Takes what has happened; to be called again and again, as an engine would.
  func step() {
    for event in lock.withLock({ () -> [LogEvent] in
      defer { waiting = [] }
      return waiting
    }) { take(event) }
    if !isWedged { log.stepped() }
  }

  private func take(_ event: LogEvent) {
    events.append(event)
    switch event {
    case .opened(let head): self.head = head
    case .bootstrap(let image): (head, self.image, applied) = (image.anchor, image, [])
    case .applied(let stored):
      applied.append(stored.batch)
      head = head!.advanced(by: stored.batch, hash: stored.hash)
    case .takeover(let epoch): begin(next([], epoch: epoch))
    case .leads(let epoch): self.epoch = epoch
    case .follows: epoch = nil
    case .ended(let end):
      if end == .durable {
        applied.append(flight!)
        head = head!.advanced(by: flight!, hash: flight!.hash)
      }
      if flight?.entries.isEmpty == false { ends.append(end) }
      flight = nil
    case .barrier(let through, let end): barriers[through] = end
    case .lost(let why): lost = why
    }
  }

  func next(_ entries: [[UInt8]], epoch: UInt64) -> Batch {
    Batch(
      sequence: head!.sequence + 1, epoch: epoch, nonce: Entropy.uint64(), time: head!.time + 1, seed: 0,
      firstRevision: head!.nextRevision, previous: head!.hash, stateHash: 0, entries: entries)
  }

  private func begin(_ batch: Batch) {
    flight = batch
    log.append(batch) { end in self.lock.withLock { self.waiting.append(.ended(end)) } }
  }

  /// Begins to append entries in this node's epoch.
  func begin(_ entries: [[UInt8]]) { begin(next(entries, epoch: epoch ?? 0)) }

  /// Whether an append was sent again.
  var hasResent: Bool { log.status.counters.contains { $0.name == "appends_resent" && $0.count > 0 } }

  /// Steps until `condition` holds; false when it does not in time.
  func until(_ deadline: Duration = .seconds(20), _ condition: () -> Bool) -> Bool {
    eventually(deadline: deadline) {
      step()
      return condition()
    }
  }

  /// Appends a batch of entries and waits for its end; nil when none came in time.
  func append(_ entries: [[UInt8]], epoch: UInt64? = nil) -> AppendEnd? {
    let count = ends.count
    begin(next(entries, epoch: epoch ?? self.epoch ?? 0))
    return until { ends.count > count } ? ends.last : nil
  }

  /// Asks for a barrier and waits for its end.
  func barrier(_ deadline: Duration = .seconds(20)) -> BarrierEnd? {
    asked += 1
    log.barrier(asked)
    let number = asked
    return until(deadline) { barriers.contains { $0.key >= number } }
      ? barriers.filter { $0.key >= number }.first?.value : nil
  }
}
