internal import APITypes
internal import Domain
internal import Platform

/// One question on its way to all schedulers, and what they have said so far.
// Unchecked because `lock` guards what changes.
final class Question: @unchecked Sendable {
  let key: VMKey
  let spec: VMSpec
  let begun = MonotonicTime.now
  /// How long it may stand in a scheduler's line.
  private let inLine: Duration
  private let schedulers: [SchedulerOptions]
  private let lock = Lock()
  private var then: (@Sendable (Advice) -> Void)?
  private var verdicts: [Verdict?]
  private var sentAt: MonotonicTime?
  /// When each scheduler was asked.
  private var askedAt: [MonotonicTime?]
  private var list: [NodeName] = []
  private var total = 0
  private var revision: Revision = 0
  private var document: (body: [UInt8], asked: Set<NodeName>) = ([], [])

  init(
    _ key: VMKey, _ spec: VMSpec, _ schedulers: [SchedulerOptions], inLine: Duration,
    _ then: @escaping @Sendable (Advice) -> Void
  ) {
    (self.key, self.spec, self.schedulers, self.inLine, self.then) = (key, spec, schedulers, inLine, then)
    verdicts = schedulers.map { _ in nil }
    askedAt = schedulers.map { _ in nil }
  }

  /// What its document takes, from when it is made until it has been answered.
  var bytes: Int { lock.withLock { document.body.count } }

  /// Whether it has been answered.
  var isOver: Bool { lock.withLock { then == nil } }

  /// Fills in which nodes it is about; from now on it stands in the schedulers' lines.
  func make(_ found: CandidateList) {
    let question = SchedulerQuestion(
      revision: found.revision, key: key, spec: spec, candidates: found.candidates, total: found.total)
    let names = found.candidates.map(\.node.name)
    let body = question.encoded
    lock.withLock {
      guard then != nil else { return }
      (document, list, total, sentAt) = ((body, Set(names)), names, found.total, .now)
      revision = found.revision
    }
  }

  /// A scheduler is asked now: what is sent, about which nodes it is, and by when it must have answered; nil if nobody
  /// waits for that any more.
  func begin(_ number: Int) -> (body: [UInt8], asked: Set<NodeName>, deadline: MonotonicTime)? {
    lock.withLock {
      guard then != nil, verdicts[number] == nil else { return nil }
      let now = MonotonicTime.now
      askedAt[number] = now
      return (document.body, document.asked, now + schedulers[number].timeout)
    }
  }

  /// Whether it was not made in time.
  var isLate: Bool { begun + Advisers.patience <= .now }

  /// When somebody must look at it: the first time of a scheduler that has not answered, or that it must be made.
  var deadline: MonotonicTime {
    lock.withLock {
      guard let sentAt else { return begun + Advisers.patience }
      return verdicts.indices.filter { verdicts[$0] == nil }.map { due($0, since: sentAt) }.min() ?? sentAt
    }
  }

  private func due(_ number: Int, since sentAt: MonotonicTime) -> MonotonicTime {
    askedAt[number].map { $0 + schedulers[number].timeout } ?? sentAt + inLine
  }

  /// A scheduler has answered, or certainly will not.
  func take(_ verdict: Verdict, of number: Int) {
    finish { verdicts in if verdicts[number] == nil { verdicts[number] = verdict } }
  }

  /// Whoever is late is left out.
  func endOverdue(at now: MonotonicTime) {
    guard let sentAt = lock.withLock({ sentAt }) else { return end(Advisers.crowded) }
    finish { verdicts in
      for number in verdicts.indices where verdicts[number] == nil && due(number, since: sentAt) <= now {
        verdicts[number] = askedAt[number] == nil ? .leftOut(Advisers.crowded) : .late(schedulers[number].timeout)
      }
    }
  }

  /// Whoever has not answered is left out.
  func end(_ why: String) {
    finish { verdicts in for index in verdicts.indices where verdicts[index] == nil { verdicts[index] = .leftOut(why) }
    }
  }

  /// Changes the verdicts, and answers when all are there.
  private func finish(_ change: (inout [Verdict?]) -> Void) {
    let end = lock.withLock { () -> (then: @Sendable (Advice) -> Void, advice: Advice)? in
      guard let then else { return nil }
      change(&verdicts)
      let all = verdicts.compactMap(\.self)
      guard all.count == schedulers.count else { return nil }
      self.then = nil
      // What still stands in a line is not sent any more.
      defer { document = ([], []) }
      return (then, Advice(Array(zip(schedulers, all)), asked: list, total: total, revision: revision))
    }
    if let end { end.then(end.advice) }
  }
}
