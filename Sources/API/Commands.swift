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
  /// Submits a command; `render` turns its outcome, fresh or from the log, into an answer, and `counting` is told of a
  /// fresh one.
  func submit(
    _ command: Command, renaming rename: @escaping @Sendable (Rejection) -> Problem = { Problem($0) },
    watching: PoolWatch? = nil, counting: (@Sendable (Outcome) -> Void)? = nil,
    render: @escaping @Sendable (Outcome) -> Rendered
  ) throws(Problem) {
    let isDryRun = isCommand ? try flag("dry_run") : true
    let submission = Submission(
      command, actor: principal.text, requestID: request.requestID,
      asked: request.summary(bodyLimit: Limits.askedBytes), idempotency: isCommand ? try idempotencyKey() : nil,
      dryRun: isDryRun)
    // The request is not kept: its bytes are the connection's buffer, which is wanted for the next one.
    let (caller, principal) = (caller, principal)
    // But for a node that may have to pass it on when it turns out to lead no more.
    let whole = shared == nil ? nil : self
    let saysDryRun = isDryRun && isCommand
    let taken = api.engine.submit(submission) { answer in
      switch answer {
      case .outcome(.rejected(let rejection), let revision):
        let problem = rename(principal.told(rejection))
        watching?.refused(rejection.code.rawValue)
        caller.refuse(problem, revision: revision)
      case .outcome(.replay(let entry), let revision): caller.replay(entry, revision, render)
      case .outcome(let outcome, let revision):
        watching?.answered(outcome, since: caller.since)
        counting?(outcome)
        // Written on the connection's own loop: for the engine's thread everybody waits.
        caller.reply.resume { caller.send(render(outcome), revision: revision, isDryRun: saysDryRun) }
      case .unavailable(.notLeading) where whole?.mayPassOn == true: whole?.passOnOrRefuse()
      case .unavailable(let reason):
        let problem = whole?.undone(Problem(reason)) ?? Problem(reason)
        watching?.refused(problem.code)
        caller.refuse(problem)
      }
    }
    if !taken {
      watching?.refused("busy")
      throw undone(.busy)
    }
  }

  /// Submits a command whose answer is not what it came to: `then` gives it, on the engine's thread. One request may
  /// be several such commands, so it has no idempotency key; each may be repeated.
  /// Where `otherwise` is given it is what happens when the one who decides cannot write now.
  func decide(
    _ command: Command, isDry: Bool, otherwise: (@Sendable () -> Void)? = nil,
    then: @escaping @Sendable (Outcome) -> Void
  ) throws(Problem) {
    let submission = Submission(
      command, actor: principal.text, requestID: request.requestID,
      asked: request.summary(bodyLimit: Limits.askedBytes), idempotency: nil, dryRun: isDry)
    let taken = api.engine.submit(submission) { answer in
      switch answer {
      case .outcome(.rejected(let rejection), let revision):
        refuse(Problem(principal.told(rejection)), revision: revision)
      case .outcome(let outcome, _): then(outcome)
      case .unavailable(.notLeading) where mayPassOn: passOnOrRefuse()
      case .unavailable(let reason):
        if case .notLeading = reason { return refuse(Problem(reason)) }
        if let otherwise { otherwise() } else { refuse(Problem(reason)) }
      }
    }
    if taken { return }
    if let otherwise { return otherwise() }
    throw .busy
  }

  /// The digests of an `Idempotency-Key` and of the request it belongs to.
  private func idempotencyKey() throws(Problem) -> IdempotencyKey? {
    guard let key = request.header("idempotency-key") ?? shared?.ownKey else { return nil }
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

extension Caller {
  /// Tells again what was told under the same idempotency key.
  fileprivate func replay(_ entry: Revision, _ now: Revision, _ render: @escaping @Sendable (Outcome) -> Rendered) {
    whenReadable(upTo: entry, at: now) { lookUp(entry, now, render) }
  }

  private func lookUp(_ entry: Revision, _ now: Revision, _ render: @escaping @Sendable (Outcome) -> Rendered) {
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
}
