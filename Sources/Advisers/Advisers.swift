// Advisers: asks filters and scorers outside about VMs that are to be placed, at the border, bounded, and merges what
// they say into `Advice`.
//
// A question is made from one published revision and goes to every scheduler at once; whoever has not answered well
// within its time is left out, by name, and the advice goes on without it. So `ask` always ends, and soon: each
// scheduler has its own threads and its own line, and a thread of this room ends what is overdue. The engine never waits
// for any of it: what was said comes to it inside a command, and its own filters are asked again when it decides.
//
// VMs that the engine would place by itself (one that waits, that fails over, that a drain moves) it names through
// `Engine.onAdviceWanted`; they are asked about in the same way, and the answer goes back as a command that leaves no
// entry. How long it waits for that is the ledger's business (`AdviceBook`).
//
// Refused: retries (the next question is one); a cache over questions (what a scheduler knows that Berth does not may
// have changed); a scheduler that must be heard, without which nothing is placed.
internal import APITypes
package import Domain
package import Engine
internal import Ledger
internal import Platform
package import Telemetry

/// Asks the schedulers outside.
// Unchecked because `lock` guards what changes.
package final class Advisers: @unchecked Sendable {
  /// Questions under way; more are answered without advice at once.
  static let most = 256
  /// Of those, at most so many for VMs that the engine asked about.
  static let mostForEngine = 64
  /// And so many that only want to know: they take nobody's turn who is to be placed.
  static let mostReads = 32
  /// Bytes of documents in memory: of a large fleet one has megabytes. Who comes later waits to be made.
  package static let room = 64 << 20
  /// Threads of each scheduler.
  static let threads = 4
  /// How long a question may wait to be made, and then again in a line.
  static let patience = Duration.seconds(1)
  /// How long one of the engine's may stand in a line; the VM waits for it in the ledger's book.
  static let enginePatience = Duration.seconds(4)
  /// Why somebody was not asked.
  static let crowded = "too many questions wait"

  /// The schedulers, in the order in which they were named.
  package let schedulers: [SchedulerOptions]
  private let engine: Engine
  private let lines: [SchedulerLine]
  private let room: Int
  private let lock = Lock()
  private let changed = Condition()
  private var open: [Question] = []
  private var unmade: [Question] = []
  private var wanted: [VMKey] = []
  private var openForEngine = 0
  private var openReads = 0
  private var turn = 0
  private var isStopping = false
  private var thread: Thread?

  /// Starts threads, and tells `notice` when a scheduler is left out or heard again. Without schedulers there is nothing to start.
  package init(
    _ schedulers: [SchedulerOptions], _ engine: Engine, _ metrics: Metrics, room: Int = Advisers.room,
    notice: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    precondition(schedulers.count <= SchedulerOptions.most, "too many schedulers")
    (self.schedulers, self.engine, self.room) = (schedulers, engine, room)
    let counts = SchedulerMetrics(metrics)
    lines = schedulers.map { SchedulerLine($0, counts, threads: Advisers.threads, notice: notice) }
    guard !schedulers.isEmpty else { return }
    metrics.gauge("berth_scheduler_question_bytes", "Bytes of questions to schedulers outside in memory.") {
      [weak self] in Double(self.map { advisers in advisers.lock.withLock { advisers.bytes } } ?? 0)
    }
    engine.onAdviceWanted { keys in self.want(keys) }
    lock.withLock { thread = Thread(name: "berth-advice") { self.run() } }
  }

  /// Whether there is nobody to be asked.
  package var isEmpty: Bool { schedulers.isEmpty }

  /// Only with the lock.
  private var bytes: Int { open.reduce(0) { $0 + $1.bytes } }

  /// Asks about a VM; `then` is called once, soon, on some thread. `isRead` is who changes nothing by it.
  package func ask(
    _ key: VMKey, _ spec: VMSpec, isRead: Bool = false, then: @escaping @Sendable (Advice) -> Void
  ) {
    if !isRead {
      return ask(
        Question(key, spec, schedulers, inLine: Advisers.patience) { said in
          self.hasEnded()
          then(said)
        })
    }
    let isTaken = lock.withLock { () -> Bool in
      guard openReads < Advisers.mostReads else { return false }
      openReads += 1
      return true
    }
    let question = Question(key, spec, schedulers, inLine: Advisers.patience) { said in
      if isTaken { self.lock.withLock { self.openReads -= 1 } }
      self.hasEnded()
      then(said)
    }
    isTaken ? ask(question) : question.end(Advisers.crowded)
  }

  /// Somebody may have room now.
  private func hasEnded() { lock.withLock { changed.signal() } }

  private func ask(_ question: Question) {
    let isTaken = lock.withLock { () -> Bool in
      guard !isStopping, open.count < Advisers.most else { return false }
      open.append(question)
      unmade.append(question)
      changed.signal()
      return true
    }
    if !isTaken { question.end(Advisers.crowded) }
  }

  /// Ends the threads; what is open ends without those that have not answered.
  package func stop() {
    let thread = lock.withLock { () -> Thread? in
      isStopping = true
      changed.broadcast()
      defer { self.thread = nil }
      return self.thread
    }
    thread?.join()
    // Each holds the other until here.
    if !schedulers.isEmpty { engine.onAdviceWanted { _ in } }
    for line in lines { line.stop() }
    for question in lock.withLock({ open }) { question.end("the server is stopping") }
  }

  // MARK: What the engine asks for

  private func want(_ keys: [VMKey]) {
    lock.withLock {
      // Who finds no room here waits as long as the ledger lets it.
      wanted += keys.prefix(max(0, 4 * Advisers.most - wanted.count))
      changed.signal()
    }
  }

  private func ask(forEngine key: VMKey) {
    guard let vm = engine.read({ $0.vm(key) }) else { return lock.withLock { openForEngine -= 1 } }
    let question = Question(key, vm.spec, schedulers, inLine: Advisers.enginePatience) { said in
      self.tell([key: said])
      self.lock.withLock {
        self.openForEngine -= 1
        self.changed.signal()
      }
    }
    ask(question)
  }

  /// Tells the engine what was said. Where it does not lead any more nobody waits for it.
  package func tell(_ said: [VMKey: Advice]) {
    _ = engine.submit(Submission(.fleet(.advise(said)), actor: "system", requestID: "", asked: "")) { _ in }
  }

  // MARK: The thread

  private struct Step {
    var made: [Question] = []
    var wanted: [VMKey] = []
  }

  private func run() {
    while let step = next() {
      for question in step.made { make(question) }
      for key in step.wanted { ask(forEngine: key) }
      endOverdue()
    }
  }

  private func next() -> Step? {
    lock.withLock {
      while true {
        if isStopping { return nil }
        var step = Step()
        // One at a time, because what it takes is known when it is made.
        if let first = unmade.first, first.isOver || first.isLate || bytes < room { step.made = [unmade.removeFirst()] }
        let more = min(wanted.count, Advisers.mostForEngine - openForEngine)
        if more > 0 {
          step.wanted = Array(wanted.prefix(more))
          wanted.removeFirst(more)
          openForEngine += more
        }
        if !step.made.isEmpty || !step.wanted.isEmpty { return step }
        open.removeAll(where: \.isOver)
        let end = open.map(\.deadline).min()
        guard let end else {
          changed.wait(lock)
          continue
        }
        let left = end - .now
        if left <= 0 || !changed.wait(lock, timeout: .nanoseconds(left)) { return step }
      }
    }
  }

  private func make(_ question: Question) {
    if question.isLate { return question.end(Advisers.crowded) }
    turn += 1
    question.make(CandidateList(question.key, question.spec, engine, turn: turn))
    for (number, line) in lines.enumerated() { line.add(question, number) }
  }

  private func endOverdue() {
    let now = MonotonicTime.now
    for question in lock.withLock({ open }) where question.deadline <= now { question.endOverdue(at: now) }
    lock.withLock { open.removeAll(where: \.isOver) }
  }
}
