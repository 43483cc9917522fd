internal import Domain
internal import Ledger
internal import Log
internal import Platform
internal import Telemetry

/// A submission on its way, and whom to answer.
struct Waiting: Sendable {
  let submission: Submission
  let done: @Sendable (Answer) -> Void
}

/// The single writer as a step function: decide what waits, append, and when the append has ended publish and answer.
///
/// Owned by one thread at a time. It waits for nothing: an append that is still under way leaves `inFlight` set, and
/// its end is the next event.
final class Core {
  let ledger: Ledger
  let published: Published
  private let log: any BatchLog
  private let random: () -> UInt64
  private let metrics: EngineMetrics
  private var clock: LogClock
  private var queue: [Waiting] = []
  private var queueHead = 0
  private(set) var inFlight: InFlight?
  private(set) var expiry = ExpiryBrake()
  private(set) var isStorageFull = false

  /// A batch that is being appended, and the answers that hang on it.
  struct InFlight {
    let batch: Batch
    let entries: [Entry]
    let answers: [(done: @Sendable (Answer) -> Void, outcome: Outcome, revision: Revision)]
    let due: [DueRow]
    let began: MonotonicTime
  }

  init(
    _ ledger: Ledger, _ published: Published, _ log: any BatchLog, clock: ClockReading, random: @escaping () -> UInt64,
    metrics: EngineMetrics
  ) {
    (self.ledger, self.published, self.log, self.random) = (ledger, published, log, random)
    self.clock = LogClock(clock)
    self.metrics = metrics
  }

  var isClockHeld: Bool { clock.isHeld }
  var queued: Int { queue.count - queueHead }

  /// When something falls due by itself; nil = never, or held.
  var nextDue: LogTime? { expiry.isHeld ? nil : ledger.nextDue }

  /// Whether a lease or a quarantine ends by the log's time now.
  func isDue(_ reading: ClockReading) -> Bool {
    guard let nextDue else { return false }
    return nextDue <= clock.reckon(reading, after: published.tables.time).time
  }

  func add(_ waiting: [Waiting]) {
    if queueHead == queue.count {
      queue = waiting
      queueHead = 0
    } else {
      queue += waiting
    }
  }

  /// Believes the wall clock and lets held expiries go.
  func confirm(_ reading: ClockReading) {
    clock.confirm(reading)
    expiry.release()
  }

  /// Decides as much of what waits as fits a batch, and appends it; true if there was anything to do.
  func begin(_ reading: ClockReading, append: (Batch) -> Void) -> Bool {
    precondition(inFlight == nil, "one append at a time")
    let time = clock.time(reading, after: published.tables.time)
    let due = dueRows(at: time)
    guard queued > 0 || !due.isEmpty else { return false }
    var draft = Draft(revision: published.tables.revision, time: time, seed: random())
    if !due.isEmpty {
      let expire = Submission(.expire(due), actor: "system", requestID: "", asked: "")
      _ = draft.take(ledger.decide(expire, draft.context))
    }
    fill(&draft)
    draft.seal(ledger)
    guard !draft.entries.isEmpty else {
      for answer in draft.answers { answer.done(.outcome(answer.outcome, answer.revision)) }
      return true
    }
    let head = log.head
    let batch = Batch(
      sequence: head.sequence + 1, epoch: 0, nonce: random(), time: time, seed: draft.seed,
      firstRevision: head.nextRevision, previous: head.hash, stateHash: published.tables.stateHash,
      entries: draft.encoded)
    inFlight = InFlight(batch: batch, entries: draft.entries, answers: draft.answers, due: due, began: .now)
    append(batch)
    return true
  }

  private func dueRows(at time: LogTime) -> [DueRow] {
    guard let next = ledger.nextDue, next <= time else { return [] }
    expiry.check(ledger, at: time)
    return expiry.isHeld ? [] : ledger.popDue(at: time, limit: Limits.expiriesPerEntry)
  }

  /// Decides from the queue until it is empty, the batch is full, or a structural command must be alone.
  private func fill(_ draft: inout Draft) {
    while queueHead < queue.count, !draft.isFull, ledger.movedCursors < Draft.cursors {
      let next = queue[queueHead]
      let isStructural = Ledger.isStructural(next.submission.command)
      if isStructural, !draft.entries.isEmpty { return }
      let decision = ledger.decide(next.submission, draft.context)
      let revision = draft.take(decision)
      draft.answers.append((next.done, decision.outcome, revision))
      queueHead += 1
      if isStructural, decision.entry != nil { return }
    }
    if queueHead == queue.count {
      queue.removeAll(keepingCapacity: true)
      queueHead = 0
    }
  }

  /// The append under way has ended.
  func ended(_ end: AppendEnd) {
    guard let flight = inFlight else { preconditionFailure("an append ended that was not begun") }
    inFlight = nil
    metrics.flush.observe(nanoseconds: MonotonicTime.now - flight.began)
    switch end {
    case .durable:
      isStorageFull = false
      published.publish(flight.entries, time: flight.batch.time, sequence: flight.batch.sequence)
      ledger.published(flight.entries)
      metrics.batches.add()
      metrics.entries.add(UInt64(flight.entries.count))
      for answer in flight.answers { answer.done(.outcome(answer.outcome, answer.revision)) }
    case .refused(let refusal):
      ledger.revoke()
      ledger.putBack(flight.due)
      if refusal == .storageFull { isStorageFull = true }
      metrics.refused.add()
      answer(flight, Unavailable(refusal))
    case .unknown:
      answer(flight, .unknownOutcome)
    }
  }

  private func answer(_ flight: InFlight, _ why: Unavailable) {
    for answer in flight.answers { answer.done(.unavailable(why)) }
  }

  /// Answers everything that still waits with `why`.
  func dismiss(_ why: Unavailable) {
    for waiting in queue[queueHead...] { waiting.done(.unavailable(why)) }
    queue = []
    queueHead = 0
  }
}

extension Unavailable {
  fileprivate init(_ refusal: Refusal) {
    switch refusal {
    case .storageFull: self = .storageFull
    case .tooLarge: self = .refused("the batch is too large")
    case .fenced: self = .refused("another node leads now")
    case .readOnly(let why): self = .refused(why)
    }
  }
}

/// A batch in the making.
private struct Draft {
  /// Once a batch has this many bytes it takes no further entry; a single entry stays below the other half of
  /// `Batch.maxBytes`.
  static let bytesEnough = Batch.maxBytes * 3 / 8

  /// A batch that has moved this many cursors takes no further entry: each is a row on its last one.
  static let cursors = 256

  private let base: Revision
  let time: LogTime
  let seed: UInt64
  var entries: [Entry] = []
  var encoded: [[UInt8]] = []
  var answers: [(done: @Sendable (Answer) -> Void, outcome: Outcome, revision: Revision)] = []
  private var bytes = 0

  init(revision: Revision, time: LogTime, seed: UInt64) { (base, self.time, self.seed) = (revision, time, seed) }

  var context: Ledger.Context {
    Ledger.Context(revision: base + UInt64(entries.count) + 1, time: time, seed: seed)
  }

  var isFull: Bool {
    entries.count == Batch.maxEntries || bytes >= Draft.bytesEnough || answers.count == Batch.maxEntries
  }

  /// Adds what the batch as a whole changes to its last entry.
  mutating func seal(_ ledger: Ledger) {
    ledger.seal(&entries)
    if let last = entries.last { encoded[encoded.count - 1] = last.encoded }
  }

  /// Adds a decision's entry; returns the revision to answer with.
  mutating func take(_ decision: Ledger.Decision) -> Revision {
    if let entry = decision.entry {
      let form = entry.encoded
      entries.append(entry)
      encoded.append(form)
      bytes += form.count + 4
    }
    return base + UInt64(entries.count)
  }
}
