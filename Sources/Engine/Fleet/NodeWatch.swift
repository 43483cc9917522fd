package import Domain
internal import Ledger
package import Log
package import Platform

/// Deliberate bugs that the simulator must catch; empty in every program that ships.
package struct LeaseFlaws: OptionSet, Hashable, Sendable {
  /// The bits.
  package let rawValue: Int
  /// Makes a set from bits.
  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Grants a full lease, however long ago it was that this node certainly led.
  package static let grantWithoutProof = LeaseFlaws(rawValue: 1 << 0)
  /// A new leader takes everybody for silent who has not reported to it.
  package static let noGrace = LeaseFlaws(rawValue: 1 << 1)
  /// Forgets the margin.
  package static let noMargin = LeaseFlaws(rawValue: 1 << 2)
  /// Starts elsewhere what was lost before its lease has ended.
  package static let impatient = LeaseFlaws(rawValue: 1 << 3)
}

/// The leader's ear for nodes, for every thread; `look` and `follow` are for the one that drives the core.
// Unchecked because `lock` guards what changes; `isProving` and `lastDurable` belong to the core's thread.
package final class NodeWatch: @unchecked Sendable {
  /// How often it is looked whether somebody is silent.
  static let interval = Duration.milliseconds(250)
  /// How often a leader proves that it leads, while nodes report.
  static let proofInterval = Duration.seconds(1)

  private let timing: FleetTiming
  /// How long silence is waited for; `timing`, but for flaws.
  private let patience: FleetTiming
  private let flaws: LeaseFlaws
  private let lock = Lock()
  private var heartbeats = Heartbeats()
  private var distances = LatencyBook()
  /// When this node was last certain to lead; nil = it does not.
  private var proven: MonotonicTime?
  private var lastLook = MonotonicTime(nanoseconds: 0)
  private var lastHeard: MonotonicTime?
  /// Whether a proof is under way.
  private var isProving = false
  /// When the newest batch that is durable was begun.
  private var lastDurable = MonotonicTime(nanoseconds: 0)

  /// Has heard of nobody.
  package init(_ timing: FleetTiming, flaws: LeaseFlaws = []) {
    (self.timing, self.flaws) = (timing, flaws)
    var patience = timing
    if flaws.contains(.noMargin) { patience.margin = .zero }
    if flaws.contains(.impatient) { (patience.lease, patience.margin) = (timing.lease / 3, .zero) }
    self.patience = patience
  }

  // MARK: The core's thread

  /// An event was taken, and may have made this node a leader or none; `begun` is when the append was that it may end.
  package func follow(
    _ event: LogEvent, begun: MonotonicTime?, from before: Leadership, to after: Leadership, at now: MonotonicTime
  ) {
    if case .ended(.durable) = event, let begun {
      lastDurable = begun
      prove(at: begun)
    }
    // What made it the leader is the batch that took over: it led when that was begun, and nothing later is certain.
    if before != after { after.decides ? begin(at: now, proven: lastDurable) : end() }
  }

  /// Silent nodes become commands, and a leader that nodes report to proves now and then that it leads.
  package func look(after core: Core, barrier: (UInt64) -> Void, at now: MonotonicTime) {
    let leadership = core.leadership
    guard leadership.decides else { return }
    // One look at a time: what was asked for and is not decided yet would be asked for again.
    for command in core.isAppending ? [] : commands(core.tables, at: now) {
      let asked = Submission(.fleet(command), actor: "system", requestID: "", asked: "")
      core.add([Waiting(submission: asked) { _ in }])
    }
    guard leadership != .alone, !isProving, wantsProof(at: now) else { return }
    isProving = true
    core.wait(barrier: barrier) { [unowned self, unowned core] end in
      self.isProving = false
      if case .passed = end, core.leadership == leadership { self.prove(at: now) }
    }
  }

  // MARK: Every thread

  /// A node whose row is `known` reported under `epoch`: how long it may go on.
  package func hear(
    _ node: NodeName, _ known: Node?, epoch: UInt64, _ usage: NodeUsage?, isAlone: Bool, at now: MonotonicTime
  ) -> HeartbeatAnswer {
    guard let known else { return .unknownNode }
    guard known.epoch == epoch, known.state != .lost, known.state != .fenced else { return .staleEpoch(known.epoch) }
    return hear(node, in: known.topology.datacenter, usage, isAlone: isAlone, at: now)
  }

  func hear(
    _ node: NodeName, in datacenter: String? = nil, _ usage: NodeUsage?, isAlone: Bool, at now: MonotonicTime
  ) -> HeartbeatAnswer {
    lock.withLock {
      guard var proven = isAlone ? now : proven else { return .notLeading }
      if flaws.contains(.grantWithoutProof) { proven = now }
      guard proven + timing.lease > now else { return .notLeading }
      heartbeats.hear(node, usage, at: now)
      if let datacenter { distances.hear(from: datacenter, at: now) }
      lastHeard = now
      return .taken(leaseMilliseconds: Int((proven + timing.lease - now) / 1_000_000))
    }
  }

  /// A node has measured how far other datacenters are.
  func hear(_ node: NodeName, in datacenter: String, _ measured: [Latency], at now: MonotonicTime) {
    lock.withLock { distances.hear(node, in: datacenter, measured, at: now) }
  }

  /// How far datacenters are from each other.
  func latencies(at now: MonotonicTime) -> [MeasuredLatency] { lock.withLock { distances.all(at: now) } }

  /// How long a node has been silent, and what it said last.
  func health(of node: NodeName, at now: MonotonicTime) -> (silent: Duration, usage: NodeUsage?)? {
    lock.withLock { heartbeats.health(of: node, at: now) }
  }

  /// This node leads since now, certainly since `proven`: every node has a full lease.
  func begin(at now: MonotonicTime, proven: MonotonicTime) {
    lock.withLock {
      if flaws.contains(.noGrace) { heartbeats = Heartbeats() } else { heartbeats.restart(at: now) }
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
      if flaws.contains(.noGrace) { heartbeats.suspect(tables.nodeNames) }
      let due = heartbeats.due(among: tables.nodeNames, at: now, patience) { name in
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
