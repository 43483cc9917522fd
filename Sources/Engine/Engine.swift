package import Domain
package import Ledger
package import Log
internal import Platform
internal import Synchronization
package import Telemetry

/// What an engine may be told.
package struct EngineOptions: Sendable {
  /// How many submissions may wait.
  package var ringCapacity = 8_192
  /// At most so many commands are decided in one batch.
  package var batchMax = Batch.maxEntries
  /// A snapshot is taken after this many entries.
  package var snapshotEvery: UInt64 = 200_000
  /// Over a shared log also after this many batches, so that its tail stays short.
  package var snapshotEveryBatches: UInt64 = 20_000
  /// Where the engine's metrics are registered.
  package var metrics = Metrics()
  /// The machine's clocks.
  package var clock: @Sendable () -> ClockReading = { .now }
  /// Seeds and nonces.
  package var random: @Sendable () -> UInt64 = { Entropy.uint64() }
  /// Called when nobody knows whether an append happened: must end the process.
  package var unknownOutcome: @Sendable (String) -> Void = { _ in }
  /// Called around the answers of one batch, so that they can leave together.
  package var answering: @Sendable (_ answers: () -> Void) -> Void = { $0() }
  /// Called when this node must start again to go on: the cluster has trimmed what it missed.
  package var mustRestart: @Sendable (String) -> Void = { _ in }
  /// How long nodes are waited for.
  package var fleet = FleetTiming()
  /// The names of schedulers outside that VMs wait for; whoever asks them listens by `onAdviceWanted`.
  package var schedulers: [String] = []
  /// Asked while joining a cluster takes long: whether to give up.
  package var shouldStop: @Sendable () -> Bool = { false }
  /// Told of what went wrong beside the commands, such as a snapshot that failed.
  package var warn: @Sendable (String) -> Void = { _ in }

  /// The defaults.
  package init() {}
}

/// How an engine is doing.
package struct EngineStatus: Sendable {
  /// The last entry published.
  package var revision: Revision
  /// The log's time.
  package var logTime: LogTime
  /// Whether expiries wait for confirmation.
  package var isExpiryHeld: Bool
  /// Whether a step of the wall clock waits for confirmation.
  package var isClockHeld: Bool
  /// Whether the last append found no room.
  package var isStorageFull: Bool
  /// Whether the engine has stopped or failed.
  package var isStopped: Bool
  /// Submissions waiting.
  package var ringDepth: Int
  /// The newest snapshot's revision, 0 without one.
  package var snapshotRevision: Revision
  /// What this node may do with the log.
  package var leadership: Leadership
  /// The batch it has reached, and its hash.
  package var head: LogHead
}

/// The single writer with its thread, and the readers' door to what is published.
// Unchecked because the compiler cannot see the rule: `core` belongs to the engine's thread once it runs; `inbox`
// has its own lock.
package final class Engine: @unchecked Sendable {
  /// What the engine counts.
  package let metrics: EngineMetrics
  /// How long a stopping engine waits for the end of an append to a shared log.
  private static let stopPatience = Duration.seconds(3)

  private let options: EngineOptions
  private let published: Published
  private let core: Core
  private let medium: Medium
  private let snapshotter: Snapshotter?
  private let inbox: Inbox
  private let watch: NodeWatch
  private var thread: Thread?

  /// What the engine writes to: a log of its own, or one that it shares with other nodes and archives.
  private enum Medium {
    case own(any BatchLog)
    case shared(any SharedLog, Archiver, log: any BatchLog)

    /// Where this node's readers find what was written.
    var readable: any BatchLog {
      switch self {
      case .own(let log): log
      case .shared(_, _, let log): log
      }
    }
  }

  /// Recovers the state from a log and prepares to serve it; damaged snapshots passed over go to `options.warn`.
  package static func open(
    log: any BatchLog, snapshots: (any SnapshotStore)?, options: EngineOptions = EngineOptions()
  ) throws(EngineFault) -> Engine {
    let recovery = try recover(log, snapshots, options)
    let hooks = Snapshotter.Hooks(fault: options.warn)
    return Engine(
      Start(recovery.tables, recovery.head, recovery.snapshotRevision), .own(log), snapshots, hooks, options)
  }

  /// Recovers what this node has archived, joins the cluster behind `shared`, and returns when the node has caught up
  /// with a state that is whole; `options.warn` hears why that takes long.
  package static func join(
    _ shared: any SharedLog, _ archive: any Archive, options: EngineOptions = EngineOptions()
  ) throws(EngineFault) -> Engine {
    let joined = try Joining(shared, archive, options).run()
    guard let log = archive.log, let snapshots = archive.snapshots else { preconditionFailure("joined without a log") }
    let inbox = joined.inbox
    let archiver = Archiver(
      archive, log, archived: { head in inbox.archived(head) },
      unknown: options.unknownOutcome, warn: options.warn)
    let hooks = Snapshotter.Hooks(
      fault: options.warn, reach: { sequence throws(LogFault) in try archiver.flush(through: sequence) },
      wantsImage: { shared.status.leads }, image: { shared.publish($0) },
      finished: { () throws(LogFault) in try archive.settle() })
    return Engine(joined.start, .shared(shared, archiver, log: log), snapshots, hooks, options, inbox)
  }

  static func recover(
    _ log: any BatchLog, _ snapshots: (any SnapshotStore)?, _ options: EngineOptions
  ) throws(EngineFault) -> Recovery {
    let reader: any BatchReader
    do throws(LogFault) { reader = try log.reader() } catch { throw .log("\(error)") }
    let recovery = try Recovery(reader, snapshots, seed: options.random())
    for fault in recovery.passedOver { options.warn("\(fault)") }
    return recovery
  }

  /// The state that an engine starts with.
  struct Start {
    let tables: Tables
    let head: LogHead
    let snapshotRevision: Revision

    init(_ tables: Tables, _ head: LogHead, _ snapshotRevision: Revision) {
      (self.tables, self.head, self.snapshotRevision) = (tables, head, snapshotRevision)
    }
  }

  private init(
    _ start: Start, _ medium: Medium, _ snapshots: (any SnapshotStore)?, _ hooks: Snapshotter.Hooks,
    _ options: EngineOptions, _ inbox: Inbox = Inbox()
  ) {
    let metrics = EngineMetrics(options.metrics)
    let published = Published(start.tables, head: start.head)
    (self.options, self.medium, self.metrics, self.published) = (options, medium, metrics, published)
    self.inbox = inbox
    // Over a shared log the first level is what every node reads, until those who are there have been heard.
    gate = if case .shared = medium { LevelGate(.first, why: "not all nodes have been heard yet") } else { LevelGate() }
    watch = NodeWatch(options.fleet)
    inbox.capacity = options.ringCapacity
    var wishes = CoreOptions(random: options.random, metrics: metrics)
    wishes.batchMax = max(1, min(options.batchMax, Batch.maxEntries))
    wishes.gate = gate
    wishes.answering = { body in options.answering(body) }
    wishes.storageFull = { isFull in inbox.flags.storageFull = isFull }
    wishes.schedulers = options.schedulers
    wishes.wantAdvice = { keys in inbox.wantAdvice(keys) }
    if case .shared(let log, let archiver, _) = medium {
      wishes.isShared = true
      wishes.stepped = { log.stepped() }
      wishes.archive = { stored in
        if archiver.add(stored) { return }
        inbox.tell(.lost("its archive cannot keep up: its disk is full or too slow; make room, start again"))
      }
    }
    core = Core(Ledger(start.tables), published, head: start.head, clock: options.clock(), options: wishes)
    snapshotter = snapshots.map {
      Snapshotter(
        published, $0, logID: start.head.logID, lastRevision: start.snapshotRevision, metrics: metrics, hooks: hooks)
    }
  }

  // MARK: For every thread

  /// Starts the engine's thread.
  package func start() {
    precondition(thread == nil, "an engine is started once")
    thread = Thread(name: "berth-engine") { self.run() }
  }

  /// Hands a submission over; `done` is called once, on the engine's thread. False if the ring is full: nothing will
  /// happen.
  package func submit(_ submission: Submission, _ done: @escaping @Sendable (Answer) -> Void) -> Bool {
    switch inbox.add(Waiting(submission: submission, done: done)) {
    case .taken: return true
    case .stopped:
      done(.unavailable(.stopping))
      return true
    case .full:
      metrics.busy.add()
      return false
    }
  }

  /// Whether other nodes write the log too, so that a read may need a barrier.
  package var isShared: Bool { if case .shared = medium { true } else { false } }

  /// Calls `done` on the engine's thread once everything acknowledged on any node before now is published here, or
  /// that cannot be known; over a log of its own at once, here.
  package func barrier(_ done: @escaping @Sendable (BarrierEnd) -> Void) {
    guard isShared else { return done(.passed(sequence: 0)) }
    if !inbox.add(barrier: done) { done(.failed("the node is stopping, or too many reads wait")) }
  }

  /// Ends the leadership of whoever leads, over a shared log; false when nobody does.
  package func depose() -> Bool {
    guard case .shared(let log, _, _) = medium, let leader = log.status.leader else { return false }
    log.depose(epoch: leader.epoch)
    return true
  }

  /// How the shared log is; nil over a log of this node's own.
  package var sharedStatus: SharedLogStatus? {
    if case .shared(let log, _, _) = medium { log.status } else { nil }
  }

  /// What may be written, as far as all nodes of the cluster can read it.
  package let gate: LevelGate

  /// Reads what is published; keep it under 100 microseconds, and never nest it.
  package func read<T, E: Error>(_ body: (Tables) throws(E) -> T) throws(E) -> T {
    metrics.reads.add()
    return try published.lock.read { () throws(E) in try body(published.tables) }
  }

  /// The published tokens.
  package var tokens: TokenRegister { published.tokens }

  /// Calls `notify` with the newest revision that readers of the log find, after each publish and each time that there
  /// is more to read; on the engine's thread, or the archiver's.
  package func onPublish(_ notify: @escaping @Sendable (Revision) -> Void) { inbox.add(listener: notify) }

  /// The newest revision that readers of the log find.
  package var readableRevision: Revision {
    if case .shared(_, let archiver, _) = medium { return archiver.head.nextRevision - 1 }
    return published.lock.read { published.tables.revision }
  }

  /// A reader of the log for one thread.
  package func reader() throws(LogFault) -> any BatchReader { try medium.readable.reader() }

  /// How long nodes are waited for.
  package var fleetTiming: FleetTiming { options.fleet }

  /// Calls `ask` with VMs that schedulers outside are to be asked about, on the engine's thread; the answers come back as
  /// a command. One listener.
  package func onAdviceWanted(_ ask: @escaping @Sendable ([VMKey]) -> Void) { inbox.onAdviceWanted(ask) }

  /// A node's agent has reported; what becomes of its VMs is for commands.
  package func heartbeat(
    _ node: NodeName, epoch: UInt64, usage: NodeUsage?, latencies: [Latency] = []
  ) -> HeartbeatAnswer {
    guard leadership.decides else { return .notLeading }
    let known = read { $0.node(node) }
    let answer = watch.hear(node, known, epoch: epoch, usage, isAlone: !isShared, at: .sinceBoot)
    if case .taken = answer, !latencies.isEmpty, let datacenter = known?.topology.datacenter {
      watch.hear(node, in: datacenter, latencies, at: .sinceBoot)
    }
    return answer
  }

  /// How far datacenters are from each other, as agents measured; nil where this node of Berth does not lead.
  package var latencies: [MeasuredLatency]? { leadership.decides ? watch.latencies(at: .sinceBoot) : nil }

  /// How long a node has been silent, and what it said last; nil where this node of Berth does not lead.
  package func health(of node: NodeName) -> (silent: Duration, usage: NodeUsage?)? {
    leadership.decides ? watch.health(of: node, at: .sinceBoot) : nil
  }

  /// How the engine is doing.
  package var status: EngineStatus {
    let (revision, time, head) = published.lock.read {
      (published.tables.revision, published.tables.time, published.complete)
    }
    let (flags, depth, isStopped) = inbox.status
    return EngineStatus(
      revision: revision, logTime: time, isExpiryHeld: flags.expiryHeld, isClockHeld: flags.clockHeld,
      isStorageFull: flags.storageFull, isStopped: isStopped, ringDepth: depth,
      snapshotRevision: snapshotter?.newest ?? 0, leadership: flags.leadership ?? .alone, head: head)
  }

  /// What this node may do with the log now.
  package var leadership: Leadership { inbox.status.flags.leadership ?? .alone }

  /// Believes the wall clock, and lets held expiries go on.
  package func confirmTime() { inbox.confirmTime() }

  /// Starts a snapshot now; false if there is nowhere to put one or one is running.
  @discardableResult
  package func snapshotNow() -> Bool {
    guard let snapshotter, !snapshotter.isBusy else { return false }
    snapshotter.start()
    return true
  }

  /// Decides and answers what waits, closes the log, and ends the thread.
  package func stop() {
    inbox.stop()
    thread?.join()
    thread = nil
    switch medium {
    case .own(let log):
      snapshotter?.finish()
      log.close()
    case .shared(let shared, let archiver, let log):
      shared.close()
      archiver.stop()
      snapshotter?.finish()
      log.close()
    }
  }

  // MARK: The engine's thread

  private func run() {
    var isSettled = true
    var stoppingSince: MonotonicTime?
    if core.leadership.decides { watch.begin(at: .sinceBoot, proven: .sinceBoot) }
    while true {
      let work = takeWork(isSettled: &isSettled)
      if work.isStopping, stoppingSince == nil { stoppingSince = .now }
      if work.confirm { core.confirm(options.clock()) }
      guard take(work.events, &isSettled) else { return }
      core.add(work.ring)
      if !work.barriers.isEmpty { wait(for: work.barriers) }
      if !work.isStopping { watch.look(after: core, barrier: barrier, at: .sinceBoot) }
      stepped()
      if core.inFlight != nil {
        // A shared log may be out of reach: what is under way is told to be unknown, rather than waited for for ever.
        guard let stoppingSince, isShared, MonotonicTime.now > stoppingSince + Engine.stopPatience else { continue }
        core.giveUp()
        break
      }
      let began = core.begin(
        options.clock(), isStopping: work.isStopping, append: append, barrier: barrier)
      if !began, work.isStopping, work.ring.isEmpty, core.queued == 0 { break }
    }
    core.dismiss(.stopping)
    inbox.ended()
  }

  /// Takes events in their order; false when the process must end.
  private func take(_ events: [LogEvent], _ isSettled: inout Bool) -> Bool {
    for event in events {
      if case .bootstrap = event, isShared {
        // Nothing of this may reach the archive, which ends long before: until the process begins again it is out.
        options.mustRestart("the cluster has trimmed what this node has missed")
        core.handle(.lost("this node has missed what the cluster keeps no more, and begins again"), options.clock())
        continue
      }
      let (before, began) = (core.leadership, core.inFlight?.began)
      core.handle(event, options.clock())
      watch.follow(event, begun: began, from: before, to: core.leadership, at: .sinceBoot)
      switch (event, medium) {
      case (.ended(.unknown(let why)), .own):
        fail(why)
        return false
      case (.ended, .own(let log)):
        isSettled = false
        log.maintain(idle: false)
        announce()
      case (.ended, _), (.applied, _): announce()
      default: break
      }
    }
    return true
  }

  private func append(_ batch: Batch) {
    let inbox = inbox
    switch medium {
    case .own(let log): log.append(batch) { inbox.tell(.ended($0)) }
    case .shared(let log, _, _): log.append(batch) { inbox.tell(.ended($0)) }
    }
  }

  private func barrier(_ number: UInt64) {
    if case .shared(let log, _, _) = medium { log.barrier(number) }
  }

  private func wait(for readers: [@Sendable (BarrierEnd) -> Void]) {
    core.wait(barrier: barrier) { end in for done in readers { done(end) } }
  }

  private func stepped() {
    // Who is lost decides nothing more: it must not keep the epoch from those who could.
    if case .lost = core.leadership { return }
    if case .shared(let log, _, _) = medium { log.stepped() }
  }

  /// Waits until there is something to do; what is left of a full batch goes before the ring.
  private func takeWork(isSettled: inout Bool) -> Work {
    let isFree = core.inFlight == nil
    let hasLeft = isFree && core.queued > 0
    inbox.flags = Inbox.Flags(
      expiryHeld: core.expiry.isHeld, clockHeld: core.isClockHeld, storageFull: core.isStorageFull,
      leadership: core.leadership)
    let hasNodes = !published.tables.nodeNames.isEmpty
    while true {
      let mustGo = (hasLeft && core.leadership.decides) || (isFree && core.isDue(options.clock()))
      let patience: Duration? =
        isShared
        ? .milliseconds(100)
        : !isSettled ? .milliseconds(50) : hasNodes || core.waitsForTime ? .milliseconds(200) : nil
      let (work, isWoken) = inbox.take(
        ring: isFree && !hasLeft, always: mustGo, patience: patience, isPulse: isShared || hasNodes)
      if !isWoken, !isSettled, case .own(let log) = medium {
        isSettled = true
        log.maintain(idle: true)
      }
      if let work { return work }
    }
  }

  /// After a publish: listeners hear of it, and a snapshot is taken when one is due.
  private func announce() {
    let revision = published.tables.revision
    inbox.announce(isShared ? readableRevision : revision)
    guard let snapshotter, !snapshotter.isBusy else { return }
    let batches = isShared ? core.head.sequence &- snapshotter.newestSequence : 0
    if revision >= snapshotter.newest + options.snapshotEvery || batches >= options.snapshotEveryBatches {
      snapshotter.start()
    }
  }

  /// Nobody knows what the log holds: nothing more is answered, and the process must end.
  private func fail(_ why: String) {
    core.add(inbox.fail())
    options.unknownOutcome(why)
    core.dismiss(.stopping)
  }
}
