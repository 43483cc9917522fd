import Addressing
import Domain
import TestSupport

@testable import Ledger

/// Drives tables and ledger as the engine does, the model beside them.
final class Harness {
  struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  let tables = Tables(seed: 11)
  let ledger: Ledger
  private(set) var durable = Model()
  private(set) var pending = Model()
  private(set) var time: LogTime = 1_000_000_000
  private(set) var revision: Revision = 0
  private var batch: [Entry] = []
  private var popped: [DueRow] = []
  /// The log: entries as bytes, and each one's time.
  private(set) var log: [(bytes: [UInt8], time: LogTime)] = []
  private var chunks: [(rows: [[UInt8]], revision: Revision)] = []
  private(set) var said: [String] = []
  /// How often each kind of answer was met.
  private(set) var answers: [String: Int] = [:]
  var keepsTrace = false

  init() {
    ledger = Ledger(tables)
    ledger.memories = durable.memories
  }

  func run(_ steps: [Step]) throws {
    for step in steps { try take(step) }
    try endBatch(durable: true)
    try letEverythingFallDue()
    try Proofs(self).all(chunks)
  }

  private func take(_ step: Step) throws {
    var asking = Asking(random: SeededRandom(seed: step.numbers), model: pending, time: time)
    switch step.kind {
    case .commit: return try endBatch(durable: true)
    case .refuse: return try endBatch(durable: false)
    case .pass:
      time += LogTime([1, 15, 50, 90, 90_000][asking.number(0...4)]) * 1_000_000
      return
    case .expire: return try expire(limit: asking.oneIn(3) ? 2 : 1_024)
    case .snapshot:
      if tables.chunkCount > 0 { chunks.append((tables.chunk(0), tables.revision)) }
      return
    default: break
    }
    guard let submission = asking.submission(step.kind) else { return }
    let isAlone = Ledger.isStructural(submission.command)
    if isAlone { try endBatch(durable: true) }
    try decide(submission, seed: step.numbers)
    if isAlone || batch.count >= 6 { try endBatch(durable: !asking.oneIn(6)) }
  }

  private func expire(limit: Int) throws {
    let inFlight = Set(popped)
    let due = ledger.popDue(at: time, limit: limit)
    popped += due
    if due.count < limit {
      let missing = durable.due(at: time).subtracting(due).subtracting(inFlight)
      guard missing.isEmpty else { throw Failure("not popped as due: \(missing)") }
    }
    if due.isEmpty { return }
    try decide(Submission(.expire(due), actor: "system", requestID: "", asked: ""), seed: 0)
  }

  func decide(_ submission: Submission, seed: UInt64) throws {
    let next = revision + Revision(batch.count) + 1
    let decision = ledger.decide(submission, Ledger.Context(revision: next, time: time, seed: seed))
    let answer = Answer(decision.outcome)
    answers[answer.name, default: 0] += 1
    if keepsTrace {
      said.append("\(next): \(submission.command)\(submission.dryRun ? " (dry run)" : "")\n    -> \(answer)")
    }
    let foretold = pending.decide(submission, next, time, seen: answer)
    guard answer == foretold else {
      throw Failure("\(submission.command)\n  said     \(answer)\n  foretold \(foretold)")
    }
    guard let entry = decision.entry else { return }
    if submission.dryRun { throw Failure("a dry run made an entry") }
    if let key = submission.idempotency { pending.answered[key.key] = (key.request, next, time) }
    try checkAnswersAgain(entry, answer)
    batch.append(entry)
  }

  /// An entry alone, read back from its bytes, gives the answer once more.
  private func checkAnswersAgain(_ entry: Entry, _ answer: Answer) throws {
    let again = try Entry(decoding: entry.encoded)
    if entry.kind != .expired, Answer(again.outcome) != answer {
      throw Failure("the entry answers \(Answer(again.outcome)) instead of \(answer)")
    }
    if again.encoded != entry.encoded { throw Failure("an entry changes when it is read and written") }
  }

  func endBatch(durable isDurable: Bool) throws {
    if isDurable {
      ledger.seal(&batch)
      for entry in batch {
        tables.apply(entry.effects, revision: entry.revision, time: time)
        log.append((entry.encoded, time))
      }
      ledger.published(batch)
      revision += Revision(batch.count)
      durable = pending
    } else {
      ledger.revoke()
      ledger.putBack(popped)
      pending = durable
    }
    if keepsTrace, !batch.isEmpty { said.append(isDurable ? "durable" : "refused") }
    if !batch.isEmpty || !popped.isEmpty { try Proofs(self).afterABatch() }
    batch = []
    popped = []
  }

  private func letEverythingFallDue() throws {
    time += 400 * 24 * 3_600_000_000
    for _ in 0..<100 {
      guard let next = ledger.nextDue, next <= time else { break }
      try expire(limit: 1_024)
      try endBatch(durable: true)
    }
    guard durable.due(at: time).isEmpty else { throw Failure("never ended: \(durable.due(at: time))") }
  }
}
