internal import HTTPClient
internal import Platform
internal import Wire

/// Why a call has no answer, as an error.
struct EtcdCallFault: Error {
  let failure: EtcdFailure
}

/// Calls to etcd's gateway from a few threads of its own, and watches with a thread each.
// Unchecked because the compiler cannot see that `lock` guards what changes.
final class EtcdCalls: @unchecked Sendable {
  typealias Done = @Sendable (Result<EtcdAnswer, EtcdCallFault>) -> Void

  /// The machine has at most one request of each purpose under way, and a few that nobody waits for.
  private static let workers = 8
  private static let maxWaiting = 64
  /// A watch that says nothing for so long is opened anew: nobody can tell silence from a dead connection.
  private static let quiet = Duration.seconds(5)

  private struct Job {
    let request: EtcdRequest
    let endpoint: Int
    let timeout: Duration
    let done: Done
  }

  private let clients: [HTTPClient]
  private let watchers: [HTTPClient]
  private let lock = Lock()
  private let changed = Condition()
  private var jobs: [Job] = []
  private var idle = 0
  private var threads: [Thread] = []
  private var isClosed = false
  /// What was said last of each endpoint that TLS keeps us from; nil while it answers.
  private var said: [EtcdDoor.Trouble?]
  private let way: EtcdDoor

  init(_ endpoints: [Endpoint], _ options: HTTPClientOptions, _ way: EtcdDoor = EtcdDoor()) {
    self.way = way
    said = Array(repeating: nil, count: endpoints.count)
    var options = options
    options.bodyLimit = EtcdDecoding.maxBytes
    options.maxConnections = EtcdCalls.workers + 2
    options.connectTimeout = min(options.connectTimeout, .seconds(1))
    clients = endpoints.map { HTTPClient($0, options: options, renewing: way.tls) }
    options.maxIdle = 0
    watchers = endpoints.map { HTTPClient($0, options: options, renewing: way.tls) }
  }

  /// Sends a request on some thread; `done` is called once, there.
  func send(_ request: EtcdRequest, to endpoint: Int, timeout: Duration, _ done: @escaping Done) {
    let isTaken = lock.withLock { () -> Bool in
      guard !isClosed, jobs.count < EtcdCalls.maxWaiting else { return false }
      jobs.append(Job(request: request, endpoint: endpoint, timeout: timeout, done: done))
      if idle < jobs.count, threads.count < EtcdCalls.workers {
        threads.append(Thread(name: "berth-etcd-io") { self.work() })
      } else {
        changed.signal()
      }
      return true
    }
    if !isTaken { done(.failure(EtcdCallFault(failure: .unknown("too many calls wait")))) }
  }

  private func work() {
    while true {
      let job = lock.withLock { () -> Job? in
        while jobs.isEmpty, !isClosed {
          idle += 1
          changed.wait(lock)
          idle -= 1
        }
        return jobs.isEmpty ? nil : jobs.removeFirst()
      }
      guard let job else { return }
      job.done(call(job.request, to: job.endpoint, timeout: job.timeout))
    }
  }

  /// Sends a request and waits.
  func call(_ request: EtcdRequest, to endpoint: Int, timeout: Duration) -> Result<EtcdAnswer, EtcdCallFault> {
    let body = request.body
    do throws(HTTPClientFault) {
      let call = ClientRequest(
        body == nil ? "GET" : "POST", request.path, body: body, timeout: timeout, mayRepeat: false)
      let response = try clients[endpoint].send(call)
      guard let answer = EtcdDecoding.answer(to: request, status: response.status, body: response.body) else {
        tell(nil, of: endpoint)
        return .failure(EtcdCallFault(failure: .unreadable("HTTP \(response.status)")))
      }
      // The version is not asked for through the gateway, so that it says nothing of it.
      if request != .version || !isShut(endpoint) { tell(EtcdDoor.Trouble(answer), of: endpoint) }
      return .success(answer)
    } catch {
      // Who is silent may only be slow: that is nothing to repair, and no reason not to begin.
      if let trouble = error.tls, trouble != .silent {
        tell(.tls(trouble, error.sentence), of: endpoint)
      } else if error.kind == .malformedAnswer {
        tell(.foreign(error.sentence), of: endpoint)
      }
      return .failure(
        EtcdCallFault(failure: error.kind == .answerTooLarge ? .unreadable("\(error)") : .unknown("\(error)")))
    }
  }

  var endpoints: Int { clients.count }

  /// Whether the gateway of an endpoint was found shut.
  private func isShut(_ endpoint: Int) -> Bool { lock.withLock { said[endpoint] == .gateway } }

  /// How many endpoints TLS keeps us from, as far as they were tried.
  var blocked: Int { lock.withLock { said.count { $0 != nil } } }

  /// Says what keeps us from an endpoint, when that is something new.
  private func tell(_ trouble: EtcdDoor.Trouble?, of endpoint: Int) {
    let isNew = lock.withLock { () -> Bool in
      defer { said[endpoint] = trouble }
      return said[endpoint] != trouble
    }
    if isNew, let trouble { way.notice(trouble.sentence(clients[endpoint].endpoint)) }
  }

  /// Opens a watch on a thread of its own; `each` is called with every message, and with nil at the end, until it
  /// returns false.
  func watch(_ watch: EtcdWatch, at endpoint: Int, _ each: @escaping @Sendable (EtcdWatchMessage?) -> Bool) {
    let client = watchers[endpoint]
    _ = Thread(name: "berth-etcd-w") {
      var line: [UInt8] = []
      var isWanted = true
      let request = ClientRequest("POST", "/v3/watch", body: watch.body, timeout: .seconds(2), mayRepeat: false)
      _ = try? client.stream(request, quiet: EtcdCalls.quiet) { response, piece in
        guard response.status == 200 else { return false }
        for part in piece.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
          if part.offset > 0, isWanted, !line.isEmpty {
            guard let message = EtcdDecoding.watchLine(line) else { return false }
            isWanted = each(message)
            line = []
          }
          line += part.element
        }
        return isWanted && line.count <= EtcdDecoding.maxBytes
      }
      if isWanted { _ = each(nil) }
    }
  }

  /// Ends the threads once they have nothing to do; a watch ends by itself when it next hears something.
  func close() {
    let left = lock.withLock { () -> [Thread] in
      isClosed = true
      changed.broadcast()
      defer { threads = [] }
      return threads
    }
    for thread in left { thread.join() }
    for client in clients { client.closeIdle() }
  }
}
