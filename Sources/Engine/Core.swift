package import Domain
package import Ledger
package import Log
internal import Platform
internal import Telemetry

/// A submission on its way, and whom to answer.
package struct Waiting: Sendable {
  let submission: Submission
  let done: @Sendable (Answer) -> Void

  /// Pairs a submission with whom to answer.
  package init(submission: Submission, done: @escaping @Sendable (Answer) -> Void) {
    (self.submission, self.done) = (submission, done)
  }
}

/// What the core needs of the world, handed in so that the simulator can be the world.
package struct CoreOptions {
  /// Seeds and nonces.
  package var random: () -> UInt64
  /// Where it counts.
  package var metrics: EngineMetrics
  /// Whether other nodes write the log too.
  package var isShared = false
  /// Told of each durable batch in order, the node's own included; only over a shared log.
  package var archive: (StoredBatch) -> Void = { _ in }
  /// Called around the answers of one batch.
  package var answering: (() -> Void) -> Void = { $0() }
  /// Told when the log's room ends and when there is some again, before those who wait for it are answered.
  package var storageFull: (Bool) -> Void = { _ in }
  /// At most so many commands are decided in one batch.
  package var batchMax = Batch.maxEntries
  /// At most so much is looked for room in one batch, as `Ledger.work` counts it; the last command may go beyond.
  package var batchWork = Limits.work
  /// Schedulers outside that VMs wait for.
  package var schedulers: [String] = []
  /// Told of VMs that these are to be asked about.
  package var wantAdvice: ([VMKey]) -> Void = { _ in }
  /// What may be written, as far as the other nodes can read it.
  package var gate = LevelGate()
  /// Called now and then in the long work before it leads: a leader that does not step loses its lease.
  package var stepped: () -> Void = {}
  /// Deliberate bugs, for the simulator alone.
  package var flaws: CoreFlaws = []

  /// What every core needs.
  package init(random: @escaping () -> UInt64, metrics: EngineMetrics) {
    (self.random, self.metrics) = (random, metrics)
  }
}

/// Deliberate bugs that the simulator must catch; empty in every program that ships.
package struct CoreFlaws: OptionSet, Hashable, Sendable {
  /// The bits.
  package let rawValue: Int
  /// Makes a set from bits.
  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Answers when the append begins.
  package static let answerBeforeAppend = CoreFlaws(rawValue: 1 << 0)
  /// Answers repeats and refusals without asking whether somebody else leads.
  package static let answerWithoutBarrier = CoreFlaws(rawValue: 1 << 1)
  /// Leaves pending what was refused.
  package static let keepRefused = CoreFlaws(rawValue: 1 << 2)
  /// Believes the node's wall clock whatever it says.
  package static let expireByLocalClock = CoreFlaws(rawValue: 1 << 3)
  /// Believes the node's wall clock when it begins to lead.
  package static let believeWhenLeading = CoreFlaws(rawValue: 1 << 4)
}

/// The single writer as a step function: decide what waits, append, and when the append has ended publish and answer.
///
/// Owned by one thread at a time. It waits for nothing: an append that is still under way leaves `inFlight` set, and
/// its end is the next event. Over a shared log it also publishes what others wrote, and decides only while it leads.
package final class Core {
  /// How long those who wait for a node are left alone after a try that changed nothing, in microseconds.
  private static let schedulingRest: Int64 = 50_000
  /// How long what is due by itself waits after a refusal, in microseconds.
  private static let refusalRest: Int64 = 1_000_000

  private(set) var ledger: Ledger
  let published: Published
  private let options: CoreOptions
  private var clock: LogClock
  private var queue: [Waiting] = []
  private var queueHead = 0
  private(set) var inFlight: InFlight?
  /// Whether an append is under way.
  package var isAppending: Bool { inFlight != nil }
  private(set) var expiry = ExpiryBrake()
  private(set) var isStorageFull = false {
    didSet { if isStorageFull != oldValue { options.storageFull(isStorageFull) } }
  }
  /// Until then, since boot, nobody who waits for a node is tried again: the last try changed nothing.
  private var schedulingRests: Int64 = 0
  /// Until then, since boot, nothing is done that nobody asked for: the log has refused the last batch.
  private var everythingRests: Int64 = 0
  /// Whether the last batch left out what was due, so that a command that must be alone could go.
  private var wentAlone = false
  /// What this node may do with the log.
  package private(set) var leadership: Leadership
  /// The end of the log as this node has taken it; the next batch follows it.
  package private(set) var head: LogHead
  /// The newest batch that another node wrote.
  private var newestForeign: UInt64 = 0
  private var loading: Loading?
  private var barriers = BarrierQueue()
  private var observer: FleetObserver
  /// The epoch that is to be taken over as soon as nothing is in flight.
  private var claimed: UInt64?

  /// A batch that is being appended, and the answers that hang on it.
  struct InFlight {
    let batch: Batch
    let entries: [Entry]
    let answers: [PendingAnswer]
    let due: [DueRow]
    /// Since boot, time that the machine slept included: leases hang on it.
    let began: MonotonicTime
  }

  /// A core that starts with a state, for a world that drives it itself.
  package convenience init(_ tables: Tables, head: LogHead, clock: ClockReading, options: CoreOptions) {
    self.init(Ledger(tables), Published(tables, head: head), head: head, clock: clock, options: options)
  }

  init(_ ledger: Ledger, _ published: Published, head: LogHead, clock: ClockReading, options: CoreOptions) {
    (self.ledger, self.published, self.head, self.options) = (ledger, published, head, options)
    self.clock = LogClock(clock)
    leadership = options.isShared ? .following(nil) : .alone
    observer = FleetObserver(options.metrics)
    ledger.advice.names = options.schedulers
  }

  /// What is durable; for the thread that drives the core.
  package var tables: Tables { published.tables }

  var isClockHeld: Bool { clock.isHeld }
  var queued: Int { queue.count - queueHead }

  /// Whether something falls due by itself some time.
  var waitsForTime: Bool {
    leadership.decides && (ledger.nextWork != nil || !expiry.isHeld && ledger.nextDue != nil)
  }

  /// Whether a lease or a quarantine ends by the log's time now, or somebody who waits for a node is to be tried.
  func isDue(_ reading: ClockReading) -> Bool {
    guard leadership.decides, reading.boot >= everythingRests else { return false }
    let time = clock.reckon(reading, after: lastTime).time
    return hasWork(at: time, reading) || !expiry.isHeld && ledger.nextDue.map { $0 <= time } ?? false
  }

  private func hasWork(at time: LogTime, _ reading: ClockReading) -> Bool {
    guard let work = ledger.nextWork else { return false }
    return work <= time && reading.boot >= schedulingRests
  }

  /// No batch may lie before this; a batch of no entries moves it, and not the tables.
  private var lastTime: LogTime { max(published.tables.time, head.time) }

  /// Takes submissions; who cannot be decided for is answered at once.
  package func add(_ waiting: [Waiting]) {
    guard leadership.decides else { return dismiss(waiting, Unavailable(leadership)) }
    if queueHead == queue.count {
      queue = waiting
      queueHead = 0
    } else {
      queue += waiting
    }
  }

  /// Believes the wall clock and lets held expiries go.
  package func confirm(_ reading: ClockReading) {
    clock.confirm(reading)
    expiry.release()
  }

  // MARK: Deciding

  /// Decides as much of what waits as fits a batch, and appends it; true if there was anything to do. Who is about to
  /// stop begins nothing by itself.
  package func begin(
    _ reading: ClockReading, isStopping: Bool = false, append: (Batch) -> Void, barrier: (UInt64) -> Void
  ) -> Bool {
    precondition(inFlight == nil, "one append at a time")
    if let epoch = claimed { return takeOver(epoch, reading, append) }
    guard leadership.decides else { return false }
    let isCredulous = options.flaws.contains(.expireByLocalClock)
    let time = isCredulous ? max(reading.wall, lastTime) : clock.time(reading, after: lastTime)
    // What must be alone would wait until nothing is due any more; so it goes first every other time.
    wentAlone = !wentAlone && queued > 0 && Ledger.isStructural(queue[queueHead].submission.command)
    let isAsIfIdle = wentAlone || isStopping || reading.boot < everythingRests
    let due = isAsIfIdle ? [] : dueRows(at: time)
    let hasWork = !isAsIfIdle && hasWork(at: time, reading)
    guard queued > 0 || !due.isEmpty || hasWork else { return false }
    var draft = Draft(
      revision: published.tables.revision, time: time, seed: options.random(), most: options.batchMax)
    if !due.isEmpty {
      let expire = Submission(.expire(due), actor: "system", requestID: "", asked: "")
      _ = draft.take(ledger.decide(expire, draft.context))
    }
    // Before the commands that wait: what has become free belongs to those who waited for it.
    if hasWork { schedule(&draft, reading) }
    fill(&draft)
    let wanted = ledger.advice.takeWanted()
    if !wanted.isEmpty { options.wantAdvice(wanted) }
    draft.seal(ledger)
    guard !draft.entries.isEmpty else {
      answer(unchanged: draft.answers, barrier)
      return true
    }
    let batch = Batch(
      sequence: head.sequence + 1, epoch: leadership.epoch, nonce: options.random(), time: time, seed: draft.seed,
      firstRevision: head.nextRevision, previous: head.hash, stateHash: published.tables.stateHash,
      entries: draft.encoded)
    let isEager = options.flaws.contains(.answerBeforeAppend)
    if isEager { for answer in draft.answers { answer.send() } }
    inFlight = InFlight(
      batch: batch, entries: draft.entries, answers: isEager ? [] : draft.answers, due: due, began: .sinceBoot)
    append(batch)
    return true
  }

  private func dueRows(at time: LogTime) -> [DueRow] {
    guard let next = ledger.nextDue, next <= time else { return [] }
    expiry.check(ledger, at: time)
    return expiry.isHeld ? [] : ledger.popDue(at: time, limit: Limits.expiriesPerEntry)
  }

  private func schedule(_ draft: inout Draft, _ reading: ClockReading) {
    let asked = Submission(.fleet(.schedule), actor: "system", requestID: "", asked: "")
    let decision = ledger.decide(asked, draft.context)
    if decision.entry == nil { schedulingRests = reading.boot + Core.schedulingRest }
    _ = draft.take(decision)
  }

  /// Decides from the queue until it is empty, the batch is full or has looked enough for room, or a structural command must
  /// be alone.
  private func fill(_ draft: inout Draft) {
    let enough = ledger.work + options.batchWork
    while queueHead < queue.count, !draft.isFull, ledger.movedCursors < Draft.cursorsEnough, ledger.work < enough {
      let next = queue[queueHead]
      if let why = options.gate.refusal(of: next.submission.command.level) {
        options.answering { next.done(.unavailable(.refused(why))) }
        queueHead += 1
        continue
      }
      let isStructural = Ledger.isStructural(next.submission.command)
      if isStructural, !draft.entries.isEmpty { return }
      let decision = ledger.decide(next.submission, draft.context)
      let revision = draft.take(decision)
      draft.answers.append(PendingAnswer(done: next.done, outcome: decision.outcome, revision: revision))
      queueHead += 1
      if isStructural, decision.entry != nil { return }
    }
    if queueHead == queue.count {
      queue.removeAll(keepingCapacity: true)
      queueHead = 0
    }
  }

  /// Nothing to append, so the answers saw only what is durable; over a shared log somebody else may lead by now. A
  /// barrier begun after they were asked for shows what the log is: if it brings batches of others, what they wrote
  /// may have been acknowledged before, and an answer from the state without them would be a look at the past.
  private func answer(unchanged answers: [PendingAnswer], _ barrier: (UInt64) -> Void) {
    if answers.isEmpty { return }
    guard options.isShared, !options.flaws.contains(.answerWithoutBarrier) else {
      return options.answering { for answer in answers { answer.send() } }
    }
    let decidedAt = head.sequence
    // It is the core itself that keeps this until then.
    wait(barrier: barrier) { [unowned self] end in
      if case .passed = end, newestForeign <= decidedAt {
        for answer in answers { answer.send() }
      } else {
        for answer in answers { answer.done(.unavailable(.notLeading(nil))) }
      }
    }
  }

  /// Calls `done` once everything acknowledged anywhere before now is published here, or that cannot be known.
  package func wait(barrier: (UInt64) -> Void, _ done: @escaping (BarrierEnd) -> Void) {
    if case .lost(let why) = leadership { return done(.failed(why)) }
    barrier(barriers.add(done))
  }

  // MARK: Ends

  /// The append under way has ended.
  private func ended(_ end: AppendEnd, _ reading: ClockReading) {
    guard let flight = inFlight else { preconditionFailure("an append ended that was not begun") }
    inFlight = nil
    options.metrics.flush.observe(nanoseconds: MonotonicTime.sinceBoot - flight.began)
    switch end {
    case .durable:
      isStorageFull = false
      everythingRests = 0
      let stored = StoredBatch(batch: flight.batch, hash: flight.batch.hash)
      head = head.advanced(by: stored.batch, hash: stored.hash)
      observer.see(flight.entries, published.tables, time: flight.batch.time)
      published.publish(flight.entries, time: flight.batch.time, head: head)
      ledger.published(flight.entries)
      archive(stored)
      options.metrics.batches.add()
      options.metrics.entries.add(UInt64(flight.entries.count))
      options.answering { for answer in flight.answers { answer.send() } }
    case .refused(let refusal):
      if refusal == .storageFull { isStorageFull = true }
      if refusal != .fenced { everythingRests = reading.boot + Core.refusalRest }
      takeBack(flight, Unavailable(refusal))
      options.metrics.refused.add()
    case .unknown:
      takeBack(flight, .unknownOutcome)
    }
  }

  /// After the tables have it: whoever reads the archive must not see what a read of the tables does not.
  private func archive(_ stored: StoredBatch) { if options.isShared { options.archive(stored) } }

  private func takeBack(_ flight: InFlight, _ why: Unavailable) {
    if !options.flaws.contains(.keepRefused) { ledger.revoke() }
    ledger.putBack(flight.due)
    options.answering { for answer in flight.answers { answer.done(.unavailable(why)) } }
  }

  /// Nobody will hear of the end of the append under way, nor of a barrier's.
  func giveUp() {
    barriers.end(through: .max, .failed("the node is stopping"))
    guard let flight = inFlight else { return }
    inFlight = nil
    takeBack(flight, .unknownOutcome)
  }

  /// Answers everything that still waits with `why`.
  func dismiss(_ why: Unavailable) {
    let left = Array(queue[queueHead...])
    queue = []
    queueHead = 0
    dismiss(left, why)
  }

  private func dismiss(_ waiting: [Waiting], _ why: Unavailable) {
    if waiting.isEmpty { return }
    options.answering { for item in waiting { item.done(.unavailable(why)) } }
  }

  // MARK: A shared log

  /// Takes the next event of a shared log.
  package func handle(_ event: LogEvent, _ reading: ClockReading) {
    if case .lost = leadership { return }
    // A step of the wall clock while another node led is a step still when this one leads.
    if !leadership.decides { clock.follow(reading) }
    switch event {
    case .opened(let head): self.head = head
    case .bootstrap(let image): load(image)
    case .applied(let stored): apply(stored)
    case .takeover(let epoch):
      (leadership, claimed) = (.takingOver(epoch: epoch), epoch)
    case .leads(let epoch):
      if options.flaws.contains(.believeWhenLeading) { clock = LogClock(reading) }
      expiry = ExpiryBrake()
      leadership = .leading(epoch: epoch)
    case .follows(let leader):
      (leadership, claimed) = (.following(leader), nil)
      dismiss(.notLeading(leader))
    case .ended(let end): ended(end, reading)
    case .barrier(let through, let end): barriers.end(through: through, end)
    case .lost(let why): lose(why)
    }
  }

  private func load(_ image: SnapshotImage) {
    do {
      loading = try Loading(image, seed: options.random())
      head = image.anchor
      finishLoading()
    } catch {
      lose("the snapshot of the cluster cannot be read: \(error)")
    }
  }

  private func apply(_ stored: StoredBatch) {
    let batch = stored.batch
    newestForeign = batch.sequence
    do {
      if loading != nil {
        try loading?.take(batch)
        head = head.advanced(by: batch, hash: stored.hash)
        finishLoading()
        return archive(stored)
      }
      // The log's contract is kept by the log; what the rows add up to can only be checked here.
      guard batch.stateHash == published.tables.stateHash else {
        throw EngineFault.state("this node's state differs from the leader's before batch \(batch.sequence)")
      }
      let entries = try batch.entries.map { bytes throws(LogFault) in try Recovery.entry(bytes, in: batch) }
      head = head.advanced(by: batch, hash: stored.hash)
      published.publish(entries, time: batch.time, head: head)
      archive(stored)
      options.metrics.batches.add()
      options.metrics.entries.add(UInt64(entries.count))
    } catch {
      lose("\(error)")
    }
  }

  private func finishLoading() {
    guard let tables = loading?.whole else { return }
    loading = nil
    published.replace(tables, head: head)
    ledger = Ledger(tables)
    ledger.advice.names = options.schedulers
  }

  /// Takes an epoch over: an empty batch after the head, so that nothing of an older epoch can follow. A follower keeps
  /// no index of free space and of the fleet; they are made here, from the rows, as at a start. With very many VMs that
  /// takes longer than a lease lives unrenewed, so it is told meanwhile that the engine steps.
  private func takeOver(_ epoch: UInt64, _ reading: ClockReading, _ append: (Batch) -> Void) -> Bool {
    claimed = nil
    guard loading == nil else { return false }
    // What was pending under an older epoch is gone with the ledger that held it.
    ledger = Ledger(published.tables, stepped: options.stepped)
    ledger.prepareFleet(stepped: options.stepped)
    ledger.advice.names = options.schedulers
    observer = FleetObserver(options.metrics)
    let batch = Batch(
      sequence: head.sequence + 1, epoch: epoch, nonce: options.random(), time: lastTime, seed: options.random(),
      firstRevision: head.nextRevision, previous: head.hash, stateHash: published.tables.stateHash, entries: [])
    inFlight = InFlight(batch: batch, entries: [], answers: [], due: [], began: .sinceBoot)
    append(batch)
    return true
  }

  private func lose(_ why: String) {
    leadership = .lost(why)
    claimed = nil
    giveUp()
    dismiss(.lost(why))
  }
}

/// What waits for a barrier, in the order of their numbers.
struct BarrierQueue {
  private var waiting: [(number: UInt64, done: (BarrierEnd) -> Void)] = []
  private var last: UInt64 = 0

  mutating func add(_ done: @escaping (BarrierEnd) -> Void) -> UInt64 {
    last += 1
    waiting.append((last, done))
    return last
  }

  mutating func end(through number: UInt64, _ end: BarrierEnd) {
    let passed = waiting.prefix { $0.number <= number }
    waiting.removeFirst(passed.count)
    for item in passed { item.done(end) }
  }
}

extension Unavailable {
  fileprivate init(_ refusal: Refusal) {
    switch refusal {
    case .storageFull: self = .storageFull
    case .tooLarge: self = .refused("the batch is too large")
    case .fenced: self = .notLeading(nil)
    case .readOnly(let why): self = .refused(why)
    }
  }

  init(_ leadership: Leadership) {
    switch leadership {
    case .following(let leader): self = .notLeading(leader)
    case .lost(let why): self = .lost(why)
    case .alone, .takingOver, .leading: self = .notLeading(nil)
    }
  }
}
