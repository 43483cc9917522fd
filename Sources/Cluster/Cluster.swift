// Cluster: one node's part among the others, beside the log.
//
// The log alone decides who leads and what is true; nothing here is needed for safety. This room does three things
// for people and clients. It passes a command that came to a node that does not lead on to the one that does
// (`Passing`). It tells the leader once a second how this node is, so that one question to any node shows all of them
// (`Roster`); that is soft state, in no log, gone with the leader and there again a second after the next one. And it
// compares hashes: two nodes that have different batches under one number have been told different histories, and both
// say so (`Witness`).
//
// Invariants: a request is passed on once and carries its client's own identity; nothing blocks a loop of the server,
// since requests wait in a bounded queue for a bounded number of threads; "not done" is said only when it is certain,
// or else "unknown"; a request that may be sent twice carries an idempotency key in both.
//
// Refused: redirects to the leader (clients behind a load balancer cannot follow them, and each would need to learn),
// votes or suspicions among nodes (the log has its own election), heartbeats in etcd (a write a second for every node).
internal import Domain
package import Engine
package import HTTPClient
package import Log
internal import Platform
package import Telemetry

/// How a node takes part.
package struct ClusterOptions: Sendable {
  /// Its name, unique in the cluster.
  package var node: String
  /// Where other nodes reach it.
  package var url: String
  /// The version of the program.
  package var version: String
  /// How other nodes are reached; nil = without TLS.
  package var tls: ClientTLS?
  /// Threads that pass requests on, made as they are needed.
  package var workers = 128
  /// Requests that may wait for one of them. The server counts their bodies as long as whoever is told of the end has them.
  package var queue = 1_024
  /// How long a request is passed on, with all its tries: longer than a change of leaders takes.
  package var patience = Duration.seconds(8)
  /// How long one try may take, and a second more for each MiB of its body: shorter than a paused leader lasts.
  package var attempt = Duration.seconds(1)
  /// The pause between two tries, and between two looks at who leads.
  package var pause = Duration.milliseconds(25)
  /// How often the leader is told how this node is.
  package var beat = Duration.seconds(1)
  /// The head of what this node tells of itself, such as its token.
  package var headers: [(name: String, value: String)] = []
  /// Told of what a person should know.
  package var log: @Sendable (String) -> Void = { _ in }

  /// Names a node.
  package init(node: String, url: String, version: String) {
    (self.node, self.url, self.version) = (node, url, version)
  }
}

/// This node's part in its cluster; any thread may call it.
// Unchecked because `lock` guards what changes.
package final class ClusterNode: @unchecked Sendable {
  private let engine: Engine
  private let options: ClusterOptions
  private let peers: Peers
  private let passing: PassingThreads
  private let lock = Lock()
  private let changed = Condition()
  private var roster = Roster()
  private var witness = Witness()
  /// The newest that the leader has said of itself.
  private var leader: NodeReport?
  private var isStopping = false
  private var thread: Thread?
  // What was said last; of the node's own thread.
  private var saidLeadership = Leadership.alone
  /// Since when this node leads; of the node's own thread.
  private var leadsSince: MonotonicTime?
  private var saidWarnings: [String] = []

  /// Joins an engine that shares its log; nothing runs before `start`.
  package init(_ engine: Engine, _ options: ClusterOptions, _ metrics: Metrics) {
    (self.engine, self.options) = (engine, options)
    peers = Peers(connections: options.workers, tls: options.tls)
    passing = PassingThreads(options, peers, metrics) { engine.leadership }
    register(metrics)
  }

  /// This node's name.
  package var name: String { options.node }

  /// Whether nodes know each other by their certificates.
  package var knowsPeers: Bool { options.tls != nil }

  /// Says something to the node's log.
  package func log(_ sentence: String) { options.log(sentence) }

  /// Begins to tell the leader how this node is.
  package func start() { lock.withLock { thread = Thread(name: "berth-cluster") { self.run() } } }

  /// Ends all threads; requests under way are answered first.
  package func stop() {
    passing.stop()
    let thread = lock.withLock { () -> Thread? in
      isStopping = true
      changed.signal()
      defer { self.thread = nil }
      return self.thread
    }
    thread?.join()
    peers.close()
  }

  /// Passes a request on to the leader; `then` is called once, on another thread. False when too many wait.
  package func pass(_ request: PassedRequest, then: @escaping @Sendable (PassEnd) -> Void) -> Bool {
    passing.add(request, then)
  }

  /// What this node says of itself.
  package func own() -> NodeReport {
    let status = engine.status
    var report = NodeReport(node: options.node, url: options.url, version: options.version)
    report.role = NodeRole(status.leadership)
    report.revision = status.revision
    report.sequence = status.head.sequence
    report.hash = status.head.hash.hex
    report.logID = status.head.logID.hex
    report.archivedRevision = engine.readableRevision
    report.reads = .known
    report.writes = engine.gate.level
    if let shared = engine.sharedStatus { report.store = StoreReport(shared) }
    let (alarms, leader) = lock.withLock { (witness.alarms, self.leader) }
    report.alarms = alarms
    switch status.leadership {
    case .leading(let epoch):
      report.lag = 0
      report.leader = Leader(epoch: epoch, node: options.node, url: options.url)
    case .following(let known):
      report.leader = known
      if let leader, leader.node == known?.node {
        report.lag = leader.revision > status.revision ? leader.revision - status.revision : 0
      }
    case .alone, .takingOver, .lost: break
    }
    return report
  }

  /// Takes what another node says of itself, and answers what this one says, or why it takes nothing.
  package func heard(_ report: NodeReport) -> Hearing {
    guard case .leading(let epoch) = engine.leadership else { return .notLeading }
    let logID = engine.status.head.logID.hex
    guard report.logID.isEmpty || report.logID == logID else {
      return .refused(
        .anotherLog,
        "node \(report.node) has log \(report.logID.prefix(12)) and this one \(logID.prefix(12)): they are of two clusters; "
          + "look at --etcd, --etcd-prefix and --advertise of both")
    }
    if let known = report.leader?.epoch, known < epoch {
      return .refused(.staleEpoch, "this node leads in epoch \(epoch), and \(report.node) knows only of epoch \(known)")
    }
    let isNew = lock.withLock { () -> Bool in
      witness.claim(report)
      return roster.hear(report, at: .now)
    }
    if isNew { options.log("node \(report.node) follows (\(report.url), revision \(report.revision))") }
    return .answered(own())
  }

  /// The cluster as this node knows it.
  package var view: ClusterView {
    let own = own()
    let others = lock.withLock { roster.seen(at: .now) }
    return ClusterView(own: own, others: own.role == .leader ? others : [])
  }

  // MARK: The node's own thread

  private func run() {
    while true {
      let isOver = lock.withLock { () -> Bool in
        if !isStopping { _ = changed.wait(lock, timeout: options.beat) }
        return isStopping
      }
      if isOver { return }
      tellPeople()
      tellLeader()
      holdBack(at: .now)
      lookAtClaims()
    }
  }

  /// What a person should know and has not been told yet; belongs to the node's thread.
  private func tellPeople() {
    let leadership = engine.leadership
    if leadership != saidLeadership {
      saidLeadership = leadership
      switch leadership {
      case .leading(let epoch): options.log("this node leads, epoch \(epoch)")
      case .following(let leader?):
        options.log("follows node \(leader.node) (\(leader.url)), epoch \(leader.epoch)")
        if peers.isOtherwise(leader.url) {
          options.log("ALARM: \(ClusterNode.differs(leader)): commands that come to this node are refused")
        }
      case .following(nil): options.log("no node leads")
      case .lost(let why): options.log("ALARM: this node serves nothing: \(why)")
      case .takingOver, .alone: break
      }
    }
    for warning in engine.sharedStatus?.warnings ?? [] where !saidWarnings.contains(warning) {
      if saidWarnings.count < 64 { saidWarnings.append(warning) }
      options.log(warning)
    }
  }

  /// What to say of a leader that cannot be spoken to.
  package static func differs(_ leader: Leader) -> String {
    "node \(leader.node) leads at \(leader.url), and this node "
      + (leader.url.hasPrefix("https://") ? "speaks no TLS" : "speaks only TLS")
      + ": all nodes of a cluster must advertise https:// URLs, or none"
  }

  private func tellLeader() {
    guard case .following(let known?) = engine.leadership, let place = peers.client(known.url) else {
      return lock.withLock { leader = nil }
    }
    let request = ClientRequest(
      "POST", "/api/v1/cluster/nodes", headers: options.headers, body: own().encoded, timeout: options.beat,
      mayRepeat: true)
    // A leader that does not answer is nothing to act upon: the log finds the next one, and `lag` is unknown until then.
    guard let response = try? place.send(request), response.status == 200,
      let report = NodeReport(parsing: response.body)
    else { return lock.withLock { leader = nil } }
    lock.withLock {
      leader = report
      witness.claim(report)
      if !report.alarms.isEmpty { witness.repeatAlarm(of: report) }
    }
  }

  /// Lets pass what all nodes can read. Who leads knows that of those who report to it; until they have had the time
  /// to, and while another leads, what the leader said last holds.
  private func holdBack(at now: MonotonicTime) {
    guard case .leading = engine.leadership else {
      leadsSince = nil
      if let leader = lock.withLock({ leader }) {
        engine.gate.set(min(.known, leader.writes), why: "the leader held it back before this node led")
      }
      return
    }
    if leadsSince == nil { leadsSince = now }
    let least = lock.withLock { roster.least(at: now) }
    let most = min(.known, least?.reads ?? .known)
    guard most < engine.gate.level || leadsSince.map({ $0 + Roster.silence < now }) ?? false else { return }
    let why = least.map { "node \($0.node) reads no more than \($0.reads.number): upgrade it first" } ?? ""
    if engine.gate.set(most, why: why) {
      options.log(
        "the cluster writes level \(most.number) of the log from now on\(most < .known ? ", because \(why)" : "")")
    }
  }

  private func lookAtClaims() {
    let claims = lock.withLock { witness.takeClaims() }
    guard !claims.isEmpty, let reader = try? engine.reader() else { return }
    var found: [(NodeReport, Witness.Finding)] = []
    for claim in claims { found.append((claim, Witness.compare(claim, reader))) }
    let alarms = lock.withLock { witness.settle(found) }
    for alarm in alarms { options.log("ALARM: \(alarm)") }
  }

  private func register(_ metrics: Metrics) {
    metrics.gauge("berth_cluster_leads", "1 while this node leads.") { self.own().role == .leader ? 1 : 0 }
    metrics.gauge("berth_cluster_lag", "Revisions that the leader was ahead when it last answered; -1 = not known.") {
      self.own().lag.map { Double($0) } ?? -1
    }
    metrics.gauge("berth_witness_alarms", "Nodes that were told another history; must be 0.") {
      Double(self.lock.withLock { self.witness.alarms.count })
    }
    metrics.readings(
      .counter, "berth_shared_log_events_total", "What the protocol of the shared log has met, by event.",
      labels: ["event"]
    ) { (self.engine.sharedStatus?.counters ?? []).map { Sample([$0.name], Double($0.count)) } }
  }
}
