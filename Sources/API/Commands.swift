internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Platform
internal import Telemetry

/// What a command came to, ready to be sent.
struct Rendered: Sendable {
  var status = 200
  var headers: [(String, String)] = []
  var body: [UInt8]
}

/// How commands go from a call to the engine and back.
extension Call {
  /// Submits a command; `render` turns its outcome, fresh or from the log, into an answer.
  func submit(
    _ command: Command, renaming rename: @escaping @Sendable (Rejection) -> Problem = { Problem($0) },
    watching: PoolWatch? = nil, render: @escaping @Sendable (Outcome) -> Rendered
  ) throws(Problem) {
    let isDryRun = endpoint.isCommand ? try flag("dry_run") : true
    let submission = Submission(
      command, actor: principal.text, requestID: request.requestID, asked: asked,
      idempotency: endpoint.isCommand ? try idempotencyKey() : nil, dryRun: isDryRun)
    let taken = api.engine.submit(submission) { answer in
      switch answer {
      case .outcome(.rejected(let rejection), let revision):
        let problem = rename(told(rejection))
        watching?.refused(rejection.code.rawValue)
        refuse(problem, revision: revision)
      case .outcome(.replay(let entry), let revision): replay(entry, revision, render)
      case .outcome(let outcome, let revision):
        watching?.answered(outcome, since: request.receivedAt)
        send(render(outcome), revision: revision, isDryRun: isDryRun && endpoint.isCommand)
      case .unavailable(let reason):
        let problem = Problem(reason)
        watching?.refused(problem.code)
        refuse(problem)
      }
    }
    if !taken {
      watching?.refused("busy")
      throw .busy
    }
  }

  /// Tells again what was told under the same idempotency key.
  private func replay(_ entry: Revision, _ now: Revision, _ render: @escaping @Sendable (Outcome) -> Rendered) {
    let isTaken = api.log.entry(at: entry) { found in
      switch found {
      case .success(let logged?):
        api.counts.replays.add()
        send(render(logged.entry.outcome), revision: entry, isReplay: true)
      case .success(nil): refuse(.keyExpired(entry), revision: now)
      case .failure(let fault): refuse(Problem(503, "log_unreadable", "\(fault)"), revision: now)
      }
    }
    if !isTaken { refuse(.busy, revision: now) }
  }

  /// Method, path, query and as much of the body as an entry keeps.
  private var asked: String {
    var text = "\(request.method.rawValue) \(request.path)"
    for (place, item) in request.queryItems.enumerated() {
      text += "\(place == 0 ? "?" : "&")\(item.name)=\(item.value)"
    }
    if !request.body.isEmpty {
      text += " "
      text += String(decoding: request.body.prefix(Limits.askedBytes), as: UTF8.self)
    }
    return text
  }

  /// The digests of an `Idempotency-Key` and of the request it belongs to.
  private func idempotencyKey() throws(Problem) -> IdempotencyKey? {
    guard let key = request.header("idempotency-key") else { return nil }
    guard (1...128).contains(key.utf8.count), key.utf8.allSatisfy({ (32...126).contains($0) }) else {
      throw .invalid("Idempotency-Key", "must be 1 to 128 printable ASCII characters")
    }
    var asked = Array("\(request.method.rawValue) \(request.path)\n".utf8)
    for item in request.queryItems { asked += "\(item.name.utf8.count):\(item.name)=\(item.value)\n".utf8 }
    asked += request.body
    return IdempotencyKey(key: digest(Array("\(principal.text)\n\(key)".utf8)), request: digest(asked))
  }

  private func digest(_ bytes: [UInt8]) -> UInt128 {
    SHA256Digest(of: bytes).bytes.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }
}
