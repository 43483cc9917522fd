internal import APITypes
internal import Domain
internal import HTTPClient
internal import Platform
internal import Telemetry
internal import Wire

/// What is counted of schedulers outside.
struct SchedulerMetrics: Sendable {
  let requests: Family<Counter>
  let durations: Family<Histogram>

  init(_ metrics: Metrics) {
    requests = metrics.counters(
      "berth_scheduler_requests_total",
      "Questions to schedulers outside, and what came of them: `answered`, `late`, `failed`, `wrong`, `crowded` (its turn "
        + "did not come in time).",
      labels: ["scheduler", "result"])
    durations = metrics.histograms(
      "berth_scheduler_seconds", "How long schedulers outside took to answer.", labels: ["scheduler"])
  }
}

/// The threads that ask one scheduler, and the line in front of them.
// Unchecked because `lock` guards what changes.
final class SchedulerLine: @unchecked Sendable {
  private let options: SchedulerOptions
  private let metrics: SchedulerMetrics
  private let client: HTTPClient
  /// Why it cannot be asked at all.
  private let trouble: String?
  private let lock = Lock()
  private let changed = Condition()
  private var waiting: [(question: Question, number: Int)] = []
  private var isStopping = false
  private var isWell = true
  private var threads: [Thread] = []
  private let notice: @Sendable (String) -> Void

  init(
    _ options: SchedulerOptions, _ metrics: SchedulerMetrics, threads count: Int,
    notice: @escaping @Sendable (String) -> Void
  ) {
    (self.options, self.metrics, self.notice) = (options, metrics, notice)
    var bounds = HTTPClientOptions()
    (bounds.maxConnections, bounds.maxIdle) = (count, count)
    bounds.connectTimeout = options.timeout
    bounds.bodyLimit = SchedulerOptions.answerBytes
    var tls: ClientTLS?
    var trouble: String?
    if options.isEncrypted {
      do throws(TLSFault) { tls = try ClientTLS(authorities: nil, own: nil) } catch { trouble = error.sentence }
    }
    self.trouble = trouble
    client = HTTPClient(options.endpoint, options: bounds, renewing: tls)
    lock.withLock { threads = (0..<count).map { _ in Thread(name: "berth-scheduler") { self.run() } } }
  }

  /// Puts a question in the line; of a scheduler at which all threads hang the line is full, and it is left out.
  func add(_ question: Question, _ number: Int) {
    let isTaken = lock.withLock { () -> Bool in
      guard waiting.count < Advisers.most else { return false }
      waiting.append((question, number))
      changed.signal()
      return true
    }
    if isTaken { return }
    metrics.requests.child([options.name, "crowded"]).add()
    question.take(.leftOut(Advisers.crowded), of: number)
  }

  func stop() {
    let threads = lock.withLock { () -> [Thread] in
      isStopping = true
      changed.broadcast()
      return self.threads
    }
    for thread in threads { thread.join() }
  }

  private func run() {
    while true {
      let next = lock.withLock { () -> (question: Question, number: Int)? in
        while waiting.isEmpty, !isStopping { changed.wait(lock) }
        return isStopping ? nil : waiting.removeFirst()
      }
      guard let next else { return }
      guard let asked = next.question.begin(next.number) else {
        metrics.requests.child([options.name, "crowded"]).add()
        continue
      }
      let end = ask(asked.body, about: asked.asked, until: asked.deadline)
      metrics.requests.child([options.name, end.result]).add()
      say(end.trouble)
      next.question.take(end.verdict, of: next.number)
    }
  }

  /// The log hears once that a scheduler is left out, with what tenants are not told, and once that it is heard again.
  private func say(_ trouble: String?) {
    let isNews = lock.withLock { () -> Bool in
      defer { isWell = trouble == nil }
      return isWell != (trouble == nil)
    }
    guard isNews else { return }
    notice("scheduler \(options.name) " + (trouble.map { "is left out: \($0)" } ?? "is heard again"))
  }

  /// What came of asking, for the explanation, the metric and the log.
  private struct End {
    let verdict: Verdict
    let result: String
    var trouble: String?
  }

  private func ask(_ body: [UInt8], about nodes: Set<NodeName>, until deadline: MonotonicTime) -> End {
    let late = End(verdict: .late(options.timeout), result: "late", trouble: "it does not answer in time")
    if let trouble { return End(verdict: .leftOut("it cannot be asked"), result: "failed", trouble: trouble) }
    let began = MonotonicTime.now
    guard deadline > began else { return late }
    // It may be asked twice: it changes nothing.
    let request = ClientRequest(
      "POST", options.path, headers: [("Accept", "application/json")], body: body,
      timeout: .nanoseconds(deadline - began), mayRepeat: true)
    let response: ClientResponse
    do throws(HTTPClientFault) { response = try client.send(request) } catch {
      if error.kind == .timedOut || error.kind == .busy { return late }
      let isRubbish = error.kind == .malformedAnswer || error.kind == .answerTooLarge
      return End(
        verdict: .leftOut(isRubbish ? "its answer is not understood" : "it cannot be asked"),
        result: isRubbish ? "wrong" : "failed", trouble: error.sentence)
    }
    metrics.durations.child([options.name]).observe(nanoseconds: MonotonicTime.now - began)
    guard response.status == 200 else {
      let why = "it answers with status \(response.status)"
      return End(verdict: .leftOut(why), result: "failed", trouble: why)
    }
    do throws(JSONFault) {
      return End(verdict: .answered(try SchedulerAnswer(decoding: response.body, asked: nodes)), result: "answered")
    } catch {
      return End(verdict: .leftOut("its answer is not understood: \(error)"), result: "wrong", trouble: "\(error)")
    }
  }
}
