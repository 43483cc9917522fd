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
  /// A snapshot is taken after this many entries.
  package var snapshotEvery: UInt64 = 200_000
  /// Where the engine's metrics are registered.
  package var metrics = Metrics()
  /// The machine's clocks.
  package var clock: @Sendable () -> ClockReading = { .now }
  /// Seeds and nonces.
  package var random: @Sendable () -> UInt64 = { Entropy.uint64() }
  /// Called when nobody knows whether an append happened: must end the process.
  package var unknownOutcome: @Sendable (String) -> Void = { _ in }
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
}

/// The single writer with its thread, and the readers' door to what is published.
// Unchecked because the compiler cannot see the rule: `core` belongs to the engine's thread once it runs; `shared`
// is guarded by `lock`.
package final class Engine: @unchecked Sendable {
  /// What the engine counts.
  package let metrics: EngineMetrics
  private let options: EngineOptions
  private let log: any BatchLog
  private let published: Published
  private let core: Core
  private let snapshotter: Snapshotter?
  private let lock = Lock()
  private let wake = Condition()
  private var shared = Shared()
  private var thread: Thread?

  private struct Shared {
    var ring: [Waiting] = []
    var ends: [AppendEnd] = []
    var listeners: [@Sendable (Revision) -> Void] = []
    var isStopping = false
    var isStopped = false
    var isAsleep = false
    var confirm = false
    var flags = (expiryHeld: false, clockHeld: false, storageFull: false)

    /// What there is to do; nil if nothing, unless the engine must go on `always`.
    mutating func take(ring takesRing: Bool, always: Bool) -> Work? {
      let hasWork = !ends.isEmpty || confirm || (takesRing && (!ring.isEmpty || isStopping))
      guard hasWork || always else { return nil }
      var work = Work(ends: ends, confirm: confirm, isStopping: isStopping)
      ends.removeAll(keepingCapacity: true)
      confirm = false
      if takesRing { swap(&work.ring, &ring) }
      return work
    }
  }

  /// Recovers the state from a log and prepares to serve it; damaged snapshots passed over go to `options.warn`.
  package static func open(
    log: any BatchLog, snapshots: (any SnapshotStore)?, options: EngineOptions = EngineOptions()
  ) throws(EngineFault) -> Engine {
    let reader: any BatchReader
    do throws(LogFault) { reader = try log.reader() } catch { throw .log("\(error)") }
    let recovery = try Recovery(reader, snapshots, seed: options.random())
    for fault in recovery.passedOver { options.warn("\(fault)") }
    return Engine(recovery, log, snapshots, options)
  }

  private init(_ recovery: Recovery, _ log: any BatchLog, _ snapshots: (any SnapshotStore)?, _ options: EngineOptions) {
    self.options = options
    self.log = log
    let metrics = EngineMetrics(options.metrics)
    let published = Published(recovery.tables, sequence: recovery.head.sequence)
    self.metrics = metrics
    self.published = published
    core = Core(
      Ledger(recovery.tables), published, log, clock: options.clock(), random: options.random, metrics: metrics)
    snapshotter = snapshots.map {
      Snapshotter(
        published, $0, logID: recovery.head.logID, lastRevision: recovery.snapshotRevision, metrics: metrics,
        fault: options.warn)
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
    enum Fate { case taken, full, stopped }
    let fate = lock.withLock { () -> Fate in
      if shared.isStopping || shared.isStopped { return .stopped }
      if shared.ring.count >= options.ringCapacity { return .full }
      shared.ring.append(Waiting(submission: submission, done: done))
      if shared.isAsleep { wake.signal() }
      return .taken
    }
    switch fate {
    case .taken: return true
    case .stopped:
      done(.unavailable(.stopping))
      return true
    case .full:
      metrics.busy.add()
      return false
    }
  }

  /// Reads what is published; keep it under 100 microseconds, and never nest it.
  package func read<T, E: Error>(_ body: (Tables) throws(E) -> T) throws(E) -> T {
    metrics.reads.add()
    return try published.lock.read { () throws(E) in try body(published.tables) }
  }

  /// The published tokens.
  package var tokens: TokenRegister { published.tokens }

  /// Calls `notify` with the newest revision after each publish, on the engine's thread.
  package func onPublish(_ notify: @escaping @Sendable (Revision) -> Void) {
    lock.withLock { shared.listeners.append(notify) }
  }

  /// A reader of the log for one thread.
  package func reader() throws(LogFault) -> any BatchReader { try log.reader() }

  /// How the engine is doing.
  package var status: EngineStatus {
    let (revision, time) = published.lock.read { (published.tables.revision, published.tables.time) }
    return lock.withLock {
      EngineStatus(
        revision: revision, logTime: time, isExpiryHeld: shared.flags.expiryHeld, isClockHeld: shared.flags.clockHeld,
        isStorageFull: shared.flags.storageFull, isStopped: shared.isStopped, ringDepth: shared.ring.count,
        snapshotRevision: snapshotter?.newest ?? 0)
    }
  }

  /// Believes the wall clock, and lets held expiries go on.
  package func confirmTime() {
    lock.withLock {
      shared.confirm = true
      wake.signal()
    }
  }

  /// Starts a snapshot now; false if there is nowhere to put one or one is running.
  @discardableResult
  package func snapshotNow() -> Bool {
    guard let snapshotter, !snapshotter.isBusy else { return false }
    snapshotter.start()
    return true
  }

  /// Decides and answers what waits, closes the log, and ends the thread.
  package func stop() {
    lock.withLock {
      shared.isStopping = true
      wake.signal()
    }
    thread?.join()
    thread = nil
    snapshotter?.finish()
    log.close()
  }

  // MARK: The engine's thread

  private struct Work {
    var ring: [Waiting] = []
    var ends: [AppendEnd] = []
    var confirm = false
    var isStopping = false
  }

  private func run() {
    var isSettled = true
    while true {
      let work = takeWork(isSettled: &isSettled)
      if work.confirm { core.confirm(options.clock()) }
      for end in work.ends {
        core.ended(end)
        if case .unknown(let why) = end { return fail(why) }
        isSettled = false
        log.maintain(idle: false)
        announce()
      }
      core.add(work.ring)
      guard core.inFlight == nil else { continue }
      let began = core.begin(options.clock()) { batch in
        log.append(batch) { end in
          self.lock.withLock {
            self.shared.ends.append(end)
            if self.shared.isAsleep { self.wake.signal() }
          }
        }
      }
      if !began, work.isStopping, work.ring.isEmpty, core.queued == 0 { break }
    }
    lock.withLock { shared.isStopped = true }
  }

  /// Waits until there is something to do; what is left of a full batch goes before the ring.
  private func takeWork(isSettled: inout Bool) -> Work {
    let isFree = core.inFlight == nil
    let hasLeft = isFree && core.queued > 0
    let flags = (core.expiry.isHeld, core.isClockHeld, core.isStorageFull)
    while true {
      let mustGo = hasLeft || (isFree && core.isDue(options.clock()))
      let patience: Duration? = !isSettled ? .milliseconds(50) : core.nextDue != nil ? .milliseconds(200) : nil
      let (work, isWoken) = lock.withLock { () -> (Work?, Bool) in
        shared.flags = flags
        if let work = shared.take(ring: isFree && !hasLeft, always: mustGo) { return (work, true) }
        shared.isAsleep = true
        defer { shared.isAsleep = false }
        guard let patience else {
          wake.wait(lock)
          return (nil, true)
        }
        return (nil, wake.wait(lock, timeout: patience))
      }
      if let work { return work }
      if !isWoken, !isSettled {
        isSettled = true
        log.maintain(idle: true)
      }
    }
  }

  /// After a publish: listeners hear of it, and a snapshot is taken when one is due.
  private func announce() {
    let revision = published.tables.revision
    for listener in lock.withLock({ shared.listeners }) { listener(revision) }
    if let snapshotter, revision >= snapshotter.newest + options.snapshotEvery { snapshotter.start() }
  }

  /// Nobody knows what the log holds: nothing more is answered, and the process must end.
  private func fail(_ why: String) {
    let left = lock.withLock { () -> [Waiting] in
      shared.isStopped = true
      defer { shared.ring = [] }
      return shared.ring
    }
    core.add(left)
    options.unknownOutcome(why)
    core.dismiss(.stopping)
  }
}
