internal import APITypes
internal import Domain
internal import Platform

/// One question on its way to all schedulers, and what they have said so far.
// Unchecked because `lock` guards what changes.
final class Question: @unchecked Sendable {
  let key: VMKey
  let spec: VMSpec
  let begun = MonotonicTime.now
  private let schedulers: [SchedulerOptions]
  private let lock = Lock()
  private var then: (@Sendable (Advice) -> Void)?
  private var verdicts: [Verdict?]
  private var sentAt: MonotonicTime?
  private var list: [NodeName] = []
  private var total = 0
  private var revision: Revision = 0
  private var document: (body: [UInt8], asked: Set<NodeName>) = ([], [])

  init(
    _ key: VMKey, _ spec: VMSpec, _ schedulers: [SchedulerOptions], _ then: @escaping @Sendable (Advice) -> Void
  ) {
    (self.key, self.spec, self.schedulers, self.then) = (key, spec, schedulers, then)
    verdicts = schedulers.map { _ in nil }
  }

  /// Whether it has been answered.
  var isOver: Bool { lock.withLock { then == nil } }

  /// Fills in which nodes it is about; from now on the schedulers' times count.
  func make(_ found: CandidateList) {
    let question = SchedulerQuestion(
      revision: found.revision, key: key, spec: spec, candidates: found.candidates, total: found.total)
    let names = found.candidates.map(\.node.name)
    let body = question.encoded
    lock.withLock {
      (document, list, total, sentAt) = ((body, Set(names)), names, found.total, .now)
      revision = found.revision
    }
  }

  /// What is sent, and about which nodes it is.
  var content: (body: [UInt8], asked: Set<NodeName>) { lock.withLock { document } }

  /// By when a scheduler must have answered.
  func deadline(of number: Int) -> MonotonicTime {
    lock.withLock { (sentAt ?? begun + Advisers.patience) + schedulers[number].timeout }
  }

  /// When somebody must look at it: the first time of a scheduler that has not answered, or that it must be made.
  var deadline: MonotonicTime {
    lock.withLock {
      guard let sentAt else { return begun + Advisers.patience }
      return zip(schedulers, verdicts).filter { $0.1 == nil }.map { sentAt + $0.0.timeout }.min() ?? sentAt
    }
  }

  /// A scheduler has answered, or certainly will not.
  func take(_ verdict: Verdict, of number: Int) {
    finish { verdicts in if verdicts[number] == nil { verdicts[number] = verdict } }
  }

  /// Whoever is late is left out.
  func endOverdue(at now: MonotonicTime) {
    guard let sentAt = lock.withLock({ sentAt }) else { return end("too many questions wait") }
    finish { verdicts in
      for (number, scheduler) in schedulers.enumerated() where sentAt + scheduler.timeout <= now {
        if verdicts[number] == nil { verdicts[number] = .late(scheduler.timeout) }
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
      return (then, Advice(Array(zip(schedulers, all)), asked: list, total: total, revision: revision))
    }
    if let end { end.then(end.advice) }
  }
}
