internal import Domain
internal import Ledger
internal import Platform

/// The leader's ear for nodes, for every thread.
// Unchecked because `lock` guards what changes.
final class NodeWatch: @unchecked Sendable {
  /// How often it is looked whether somebody is silent.
  static let interval = Duration.milliseconds(250)
  /// How often a leader proves that it leads, while nodes report.
  static let proofInterval = Duration.seconds(1)

  private let timing: FleetTiming
  private let lock = Lock()
  private var heartbeats = Heartbeats()
  private var distances = LatencyBook()
  /// When this node was last certain to lead; nil = it does not.
  private var proven: MonotonicTime?
  private var lastLook = MonotonicTime(nanoseconds: 0)
  private var lastHeard: MonotonicTime?

  init(_ timing: FleetTiming) { self.timing = timing }

  /// A node reported: how long it may go on.
  func hear(_ node: NodeName, _ usage: NodeUsage?, isAlone: Bool, at now: MonotonicTime = .now) -> HeartbeatAnswer {
    lock.withLock {
      guard let proven = isAlone ? now : proven, proven + timing.lease > now else { return .notLeading }
      heartbeats.hear(node, usage, at: now)
      lastHeard = now
      return .taken(leaseMilliseconds: Int((proven + timing.lease - now) / 1_000_000))
    }
  }

  /// A node has measured how far other datacenters are.
  func hear(_ node: NodeName, in datacenter: String, _ measured: [Latency], at now: MonotonicTime = .now) {
    lock.withLock { distances.hear(node, in: datacenter, measured, at: now) }
  }

  /// How far datacenters are from each other.
  func latencies(at now: MonotonicTime = .now) -> [MeasuredLatency] { lock.withLock { distances.all(at: now) } }

  /// How long a node has been silent, and what it said last.
  func health(of node: NodeName, at now: MonotonicTime = .now) -> (silent: Duration, usage: NodeUsage?)? {
    lock.withLock { heartbeats.health(of: node, at: now) }
  }

  /// This node leads since now, certainly since `proven`: every node has a full lease.
  func begin(at now: MonotonicTime, proven: MonotonicTime) {
    lock.withLock {
      heartbeats.restart(at: now)
      distances.restart()
      self.proven = proven
    }
  }

  /// This node does not lead any more.
  func end() { lock.withLock { proven = nil } }

  /// This node led at `time`: what was begun then has succeeded.
  func prove(at time: MonotonicTime) {
    lock.withLock { if let last = proven, last < time { proven = time } }
  }

  /// Whether a proof is wanted: nodes report and the last one is some time ago.
  func wantsProof(at now: MonotonicTime) -> Bool {
    lock.withLock {
      guard let proven, let lastHeard, lastHeard + timing.lease > now else { return false }
      return proven + NodeWatch.proofInterval <= now
    }
  }

  /// What to ask the ledger for, at most every `interval`.
  func commands(_ tables: Tables, at now: MonotonicTime) -> [FleetCommand] {
    lock.withLock {
      guard lastLook + NodeWatch.interval <= now, !tables.nodeNames.isEmpty else { return [] }
      lastLook = now
      let due = heartbeats.due(among: tables.nodeNames, at: now, timing) { name in
        switch tables.node(name)?.state {
        case .lost: true
        case .ready, .cordoned, .draining: false
        case .fenced, nil: nil
        }
      }
      var commands: [FleetCommand] = []
      if !due.silent.isEmpty { commands.append(.nodesLost(due.silent)) }
      if !due.ended.isEmpty { commands.append(.leasesEnded(due.ended)) }
      if let news = distances.news(at: now) { commands.append(.measured(news)) }
      return commands
    }
  }
}
