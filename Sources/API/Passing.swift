internal import APITypes
internal import Cluster
internal import Domain
internal import Engine
internal import HTTPServer
internal import Log
internal import Platform

/// Commands that come to a node that does not lead: they go to the leader once, marked.
extension Call {
  /// Who passed it on, set by a node.
  private static let mark = "berth-forwarded"
  /// Which log that node has.
  static let log = "berth-log"
  /// For whom it is passed on; believed from a node's certificate alone.
  static let named = "berth-principal"
  /// What of a request's head the leader must know; Host, Origin and lengths are this connection's own.
  private static let kept = ["authorization", "if-match", "traceparent", "tracestate", "accept", "idempotency-key"]

  /// Whether the leader may be asked: never for what another node has passed on.
  var mayPassOn: Bool {
    guard api.cluster != nil, let shared, shared.returns < SharedCall.mostReturns else { return false }
    return request.header(Call.mark) == nil
  }

  /// Hands the call to the leader, or says why not. `target` stands for the path and query that came; an answer that
  /// `keep` takes is not sent.
  func passOn(
    target: String? = nil, keep: @escaping @Sendable (PassedAnswer) -> Bool = { _ in false }
  ) throws(Problem) {
    guard let cluster = api.cluster, let shared, mayPassOn else {
      if case .following(let leader) = api.engine.leadership { throw Problem(Unavailable.notLeading(leader)) }
      throw Problem(Unavailable.notLeading(nil))
    }
    let hasKey = request.header("idempotency-key") != nil
    let key = isCommand && !hasKey ? shared.ownKey ?? Call.newKey() : nil
    var headers = peerHeaders
    if let key { headers.append(("idempotency-key", key)) }
    let asked = PassedRequest(
      method: request.method.rawValue, target: target ?? request.target, headers: headers,
      body: request.body.isEmpty ? nil : request.body, changes: isCommand, isDoubtful: shared.isDoubtful)
    let isTaken = cluster.pass(asked) { end in
      switch end {
      case .answered(let answer): if !keep(answer) { reply.send(Response(answer)) }
      case .here(let isCertain):
        var call = self
        call.shared = SharedCall(
          shared.endpoint, ownKey: key, returns: shared.returns + 1, isDoubtful: !isCertain)
        let again = call
        reply.resume { again.answer { () throws(Problem) in try again.decideHere(shared.endpoint) } }
      case .noLeader(let leader): refuse(Problem(Unavailable.notLeading(leader)))
      case .unknown: refuse(Problem(Unavailable.unknownOutcome))
      case .otherwise(let leader):
        refuse(Problem(503, "no_leader", ClusterNode.differs(leader), retryAfter: 5))
      }
    }
    if !isTaken { throw undone(.busy) }
  }

  /// What is told when this node has done nothing: that says nothing of the one that had the call before.
  func undone(_ problem: Problem) -> Problem {
    shared?.isDoubtful == true ? Problem(Unavailable.unknownOutcome) : problem
  }

  /// Goes on at this node, which leads by now and may have learnt on the way that the caller has lost what let it in.
  private func decideHere(_ endpoint: Endpoint) throws(Problem) {
    let call: Call
    do throws(Problem) { call = try judgedAgain(endpoint) } catch { throw undone(error) }
    try endpoint.handler(call)
  }

  /// The head of a question to a peer in the name of this caller.
  var peerHeaders: [(name: String, value: String)] {
    var headers = Call.kept.compactMap { name in request.header(name).map { (name: name, value: $0) } }
    headers.append(("x-request-id", request.requestID))
    headers.append((Call.mark, api.cluster?.name ?? ""))
    headers.append((Call.log, api.engine.status.head.logID.hex))
    // A token speaks for itself, and the leader judges it anew; who came by another way is named by this node.
    if api.cluster?.knowsPeers == true, let name = principal.passedOn { headers.append((Call.named, name)) }
    return headers
  }

  /// As `passOn`, when the engine has said that it does not lead any more.
  func passOnOrRefuse() { answer { () throws(Problem) in try passOn() } }

  private static func newKey() -> String {
    "berth-" + Entropy.bytes(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

extension Response {
  /// What of a leader's head goes back to the client, beside `Berth-*`.
  private static let kept = ["etag", "location", "retry-after", "idempotency-replayed", "www-authenticate", "allow"]

  /// The leader's answer as it goes back.
  fileprivate init(_ answer: PassedAnswer) {
    let headers = answer.headers.filter { $0.name.hasPrefix("berth-") || Response.kept.contains($0.name) }
    self.init(
      status: answer.status, contentType: Response.type(answer.header("content-type")),
      headers: headers.map { ($0.name, $0.value) }, body: answer.body)
  }

  private static func type(_ text: String?) -> StaticString? {
    switch text {
    case nil: nil
    case "application/problem+json": "application/problem+json"
    case .some(let type) where type.hasPrefix("text/plain"): "text/plain; charset=utf-8"
    default: "application/json"
    }
  }
}
