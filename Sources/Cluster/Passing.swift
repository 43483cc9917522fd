package import Engine
internal import HTTPClient
package import Log
internal import Platform
internal import Telemetry
internal import Wire

/// A request on its way to the leader.
package struct PassedRequest: Sendable {
  /// The method.
  package let method: String
  /// Path and query as they were sent.
  package let target: String
  /// What of its head the leader must know.
  package let headers: [(name: String, value: String)]
  /// The body, nil for none.
  package let body: [UInt8]?
  /// Whether it may change something: then it carries an idempotency key, so that it may be repeated.
  package let changes: Bool
  /// Whether one try is enough.
  package let isOnce: Bool
  /// Whether it may have been done already, when it was passed on before.
  package let isDoubtful: Bool

  /// Joins the parts.
  package init(
    method: String, target: String, headers: [(name: String, value: String)], body: [UInt8]?, changes: Bool,
    isOnce: Bool = false, isDoubtful: Bool = false
  ) {
    (self.method, self.target, self.headers, self.body) = (method, target, headers, body)
    (self.changes, self.isOnce, self.isDoubtful) = (changes, isOnce, isDoubtful)
  }
}

/// The leader's answer.
package struct PassedAnswer: Sendable {
  /// The status.
  package let status: Int
  /// The head, names in lower case.
  package let headers: [(name: String, value: String)]
  /// The body.
  package let body: [UInt8]

  /// The first value of a field, named in lower case.
  package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// What became of a request that was passed on.
package enum PassEnd: Sendable {
  /// The leader's answer.
  case answered(PassedAnswer)
  /// This node leads now: let it decide, under the same idempotency key; whether it is certain that nothing was done yet.
  case here(isCertain: Bool)
  /// Nobody led for too long, or did not take it; certainly nothing was done.
  case noLeader(Leader?)
  /// Nobody knows whether it was done.
  case unknown
  /// The leader speaks TLS and this node does not, or the other way round; certainly nothing was done.
  case otherwise(Leader)
}

/// The tries of one request as a state machine: who is asked next, and what may be said at the end.
package struct PassAttempts: Sendable {
  /// What to do.
  package enum Step: Hashable, Sendable {
    /// Ask this leader.
    case ask(Leader)
    /// Look again shortly who leads.
    case wait
    /// Let this node decide.
    case here
    /// Give up; whether it is certain that nothing was done.
    case giveUp(isCertain: Bool)
  }

  /// What became of a try.
  package enum Result: Hashable, Sendable {
    /// An answer with this status and, if it is a problem, its code.
    case answered(status: Int, code: String?)
    /// No answer, and whether the request had left.
    case failed(wasSent: Bool)
  }

  private let changes: Bool
  private let isOnce: Bool
  private var tries = 0
  private var mayHaveHappened: Bool

  /// Whether certainly nothing was done so far.
  package var isCertain: Bool { !mayHaveHappened }

  /// Starts before the first try; `isDoubtful` = it may have been done before that.
  package init(changes: Bool, isOnce: Bool, isDoubtful: Bool = false) {
    (self.changes, self.isOnce, mayHaveHappened) = (changes, isOnce, isDoubtful)
  }

  /// The next step, by who leads as this node sees it.
  package func next(_ leadership: Leadership, isTimeLeft: Bool) -> Step {
    let giveUp = Step.giveUp(isCertain: !mayHaveHappened)
    guard isTimeLeft, !(isOnce && tries > 0) else { return giveUp }
    switch leadership {
    case .alone, .leading: return .here
    case .following(let leader?) where !leader.url.isEmpty: return .ask(leader)
    case .following, .takingOver: return isOnce ? giveUp : .wait
    case .lost: return giveUp
    }
  }

  /// Takes what became of a try; true when its answer is the answer.
  package mutating func isFinal(_ result: Result) -> Bool {
    tries += 1
    switch result {
    case .answered(503, let code) where ["no_leader", "stopping", "history_lost", "another_cluster"].contains(code):
      return isOnce
    case .answered(504, _):
      mayHaveHappened = mayHaveHappened || changes
      return isOnce || !changes
    case .answered(503, _):
      // This try did nothing, but an earlier one may have.
      return !mayHaveHappened
    case .answered: return true
    case .failed(let wasSent):
      mayHaveHappened = mayHaveHappened || (wasSent && changes)
      return false
    }
  }
}

/// Threads that pass requests on, and the queue in front of them; both bounded.
// Unchecked because `lock` guards what changes.
final class PassingThreads: @unchecked Sendable {
  private struct Job {
    let request: PassedRequest
    let then: @Sendable (PassEnd) -> Void
    let deadline: MonotonicTime
  }

  private let options: ClusterOptions
  private let peers: Peers
  private let leadership: @Sendable () -> Leadership
  private let passed: Counter
  private let repeated: Counter
  private let unknown: Counter
  private let refused: Counter
  private let lock = Lock()
  private let changed = Condition()
  private let pausing = Condition()
  private var jobs: [Job] = []
  private var idle = 0
  private var threads: [Thread] = []
  private var isStopping = false

  init(
    _ options: ClusterOptions, _ peers: Peers, _ metrics: Metrics, _ leadership: @escaping @Sendable () -> Leadership
  ) {
    (self.options, self.peers, self.leadership) = (options, peers, leadership)
    passed = metrics.counter("berth_cluster_passed_total", "Requests passed on to the leader.")
    repeated = metrics.counter("berth_cluster_passed_again_total", "Tries beyond the first of requests passed on.")
    unknown = metrics.counter("berth_cluster_unknown_total", "Requests passed on whose outcome stayed unknown.")
    refused = metrics.counter("berth_cluster_busy_total", "Requests not passed on because too many waited.")
  }

  func add(_ request: PassedRequest, _ then: @escaping @Sendable (PassEnd) -> Void) -> Bool {
    let isTaken = lock.withLock { () -> Bool in
      guard !isStopping, jobs.count < options.queue else { return false }
      jobs.append(Job(request: request, then: then, deadline: .now + options.patience))
      if idle < jobs.count, threads.count < options.workers {
        threads.append(Thread(name: "berth-pass") { self.work() })
      } else {
        changed.signal()
      }
      return true
    }
    if !isTaken { refused.add() }
    return isTaken
  }

  func stop() {
    let all = lock.withLock { () -> [Thread] in
      isStopping = true
      changed.broadcast()
      pausing.broadcast()
      defer { threads = [] }
      return threads
    }
    for thread in all { thread.join() }
  }

  private func work() {
    while true {
      let job = lock.withLock { () -> Job? in
        while jobs.isEmpty, !isStopping {
          idle += 1
          changed.wait(lock)
          idle -= 1
        }
        return jobs.isEmpty ? nil : jobs.removeFirst()
      }
      guard let job else { return }
      passed.add()
      job.then(run(job))
    }
  }

  private func run(_ job: Job) -> PassEnd {
    let asked = job.request
    var attempts = PassAttempts(changes: asked.changes, isOnce: asked.isOnce, isDoubtful: asked.isDoubtful)
    var isFirst = true
    while true {
      let isTimeLeft = MonotonicTime.now < job.deadline && !lock.withLock { isStopping }
      let known = leadership()
      switch attempts.next(known, isTimeLeft: isTimeLeft) {
      case .here: return .here(isCertain: attempts.isCertain)
      case .wait: pause()
      case .giveUp(isCertain: true):
        if case .following(let leader) = known { return .noLeader(leader) }
        return .noLeader(nil)
      case .giveUp(isCertain: false):
        unknown.add()
        return .unknown
      case .ask(let leader):
        if peers.isOtherwise(leader.url), attempts.isCertain { return .otherwise(leader) }
        if !isFirst { repeated.add() }
        isFirst = false
        let (result, answer) = ask(leader, job)
        if attempts.isFinal(result) {
          guard let answer else { continue }
          return .answered(answer)
        }
        pause()
      }
    }
  }

  private func ask(_ leader: Leader, _ job: Job) -> (PassAttempts.Result, PassedAnswer?) {
    guard let place = peers.client(leader.url) else { return (.failed(wasSent: false), nil) }
    let left = Duration.nanoseconds(max(1, job.deadline - .now))
    let request = ClientRequest(
      job.request.method, job.request.target, headers: job.request.headers, body: job.request.body,
      timeout: min(left, options.attempt + .seconds((job.request.body?.count ?? 0) >> 20)),
      // Of every try that may have been done `attempts` has to know.
      mayRepeat: !job.request.changes)
    do throws(HTTPClientFault) {
      let response = try place.send(request)
      let answer = PassedAnswer(status: response.status, headers: response.headers, body: response.body)
      let code = response.status >= 500 ? (try? JSONValue(parsing: response.body))?["code"]?.string : nil
      return (.answered(status: response.status, code: code), answer)
    } catch {
      return (.failed(wasSent: error.wasSent), nil)
    }
  }

  private func pause() {
    lock.withLock { if !isStopping { _ = pausing.wait(lock, timeout: options.pause) } }
  }
}
