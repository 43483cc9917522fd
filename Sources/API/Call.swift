internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Platform
internal import Wire

/// Who waits for an answer; all of a request that lives on while the engine has its command.
struct Caller: Sendable {
  let api: BerthAPI
  let reply: Reply
  /// When the request's head was complete.
  let since: MonotonicTime

  /// Sends a body, marked with the revision it was answered at.
  func send(
    _ body: [UInt8], status: Int = 200, revision: Revision, headers: [(String, String)] = [],
    type: StaticString = "application/json"
  ) {
    reply.send(
      Response(
        status: status, contentType: type, headers: headers, stamp: .init("Berth-Revision", revision), body: body))
  }

  /// Sends what a command came to.
  func send(_ answer: Rendered, revision: Revision, isReplay: Bool = false, isDryRun: Bool = false) {
    var headers = answer.headers
    var status = answer.status
    if isReplay { headers.append(("Idempotency-Replayed", "true")) }
    if isDryRun {
      headers.append(("Berth-Dry-Run", "true"))
      if status == 201 { status = 200 }
    }
    send(answer.body, status: status, revision: revision, headers: headers)
  }

  /// Sends a refusal.
  func refuse(_ problem: Problem, revision: Revision? = nil) { reply.send(api.refusal(problem, revision: revision)) }
}

extension BerthAPI {
  /// A refusal as it is sent.
  func refusal(_ problem: Problem, revision: Revision? = nil) -> Response {
    var headers: [(String, String)] = []
    if let seconds = problem.retryAfter { headers.append(("Retry-After", "\(seconds)")) }
    if problem.status == 401 { headers.append(("WWW-Authenticate", "Bearer")) }
    var response = Response(
      status: problem.status, contentType: "application/problem+json", headers: headers,
      stamp: .init("Berth-Revision", revision ?? engine.read { $0.revision }),
      body: problem.encoded(title: problem.title))
    // A new connection begins with the certificate that its client has by then.
    response.endsConnection = problem.code == Problem.endedCertificate.code
    return response
  }
}

/// One request on its way to its answer.
struct Call: Sendable {
  let api: BerthAPI
  /// Whether the route is a command with `dry_run` and `Idempotency-Key`.
  let isCommand: Bool
  /// What was asked, without a body for whoever has read that and waits for long.
  var request: Request
  let reply: Reply
  /// Who asks, as the door judged it last.
  var principal: Principal
  /// What only a node of a cluster has to remember of it.
  var shared: SharedCall?

  /// Who waits for the answer.
  var caller: Caller { Caller(api: api, reply: reply, since: request.receivedAt) }

  /// As `Caller.send`.
  func send(_ body: [UInt8], revision: Revision, headers: [(String, String)] = []) {
    caller.send(body, revision: revision, headers: headers)
  }

  /// As `Caller.refuse`.
  func refuse(_ problem: Problem, revision: Revision? = nil) { caller.refuse(problem, revision: revision) }

  // MARK: Parameters

  /// A path parameter that is a name; one that breaks the rule names nothing that exists.
  func name<N: Name>(_ index: Int, _ code: Rejection.Code, _ what: String) throws(Problem) -> N {
    let text = request.parameter(index)
    guard let name = N(text) else {
      throw Problem(Rejection(code, "there is no \(what) '\(text.prefix(128))': \(what)s are \(N.rule)"))
    }
    return name
  }

  /// The name in the path of what this request may make.
  func newName<N: Name>(_ index: Int, _ field: String) throws(Problem) -> N {
    guard let name = N(request.parameter(index)) else { throw .invalid(field, "must be \(N.rule)") }
    return name
  }

  /// The pool in the path.
  func pool(_ index: Int = 0) throws(Problem) -> PoolName { try name(index, .poolNotFound, "pool") }

  /// The address in the path.
  func address(_ index: Int) throws(Problem) -> IPAddress {
    let text = request.parameter(index)
    guard let ip = IPAddress(text) else { throw .invalid("ip", "'\(text.prefix(64))' is not an IP address") }
    return ip
  }

  /// A query parameter that is a name.
  func name<N: Name>(_ parameter: String, _ type: N.Type = N.self) throws(Problem) -> N? {
    guard let text = request.query(parameter) else { return nil }
    guard let name = N(text) else { throw .invalid(parameter, "must be \(N.rule)") }
    return name
  }

  /// The interface that a query names; what is there already may be of an earlier, wider rule.
  func interface() throws(Problem) -> InterfaceName? {
    guard let text = request.query("interface") else { return nil }
    guard InterfaceName.acceptedOnce(text) else {
      throw .invalid(
        "interface", "must be 1 to \(InterfaceName.maxBytes) printable ASCII characters without '/' or space")
    }
    return InterfaceName(trusted: text)
  }

  /// A query parameter that is a whole number.
  func integer<T: FixedWidthInteger>(_ parameter: String, _ allowed: ClosedRange<T>) throws(Problem) -> T? {
    guard let text = request.query(parameter) else { return nil }
    guard let value = T(text), allowed.contains(value), text.utf8.first != UInt8(ascii: "+") else {
      throw .invalid(parameter, "must be a whole number from \(allowed.lowerBound) to \(allowed.upperBound)")
    }
    return value
  }

  /// A query parameter that is true or false.
  func flag(_ parameter: String) throws(Problem) -> Bool {
    switch request.query(parameter) {
    case nil, "false": return false
    case "true": return true
    default: throw .invalid(parameter, "must be true or false")
    }
  }

  /// How many items a page may have.
  func limit() throws(Problem) -> Int { try integer("limit", 1...1_000) ?? 100 }

  /// Where the page begins.
  func cursor() throws(Problem) -> Cursor? {
    guard let text = request.query("cursor") else { return nil }
    guard let cursor = Cursor(text: text) else { throw .badCursor }
    return cursor
  }

  /// The labels that items must carry.
  func labelFilter() throws(Problem) -> Labels {
    var pairs: [(key: String, value: String)] = []
    for item in request.queryItems where item.name == "label" {
      guard let equals = item.value.firstIndex(of: "=") else { throw .invalid("label", "must be KEY=VALUE") }
      pairs.append((String(item.value[..<equals]), String(item.value[item.value.index(after: equals)...])))
    }
    guard let labels = Labels(pairs) else { throw .invalid("label", Labels.rule) }
    return labels
  }

  /// The revision that the object must still have.
  func ifMatch() throws(Problem) -> Revision? {
    guard let text = request.header("if-match"), text != "*" else { return nil }
    guard text.utf8.count > 2, text.hasPrefix("\""), text.hasSuffix("\""),
      let revision = Revision(text.dropFirst().dropLast())
    else { throw .invalid("If-Match", "must be one ETag as it was sent: a revision in double quotes, or *") }
    return revision
  }

  /// Reads the body, turning what is wrong with it into an answer.
  func body<T>(_ read: ([UInt8]) throws(JSONFault) -> T) throws(Problem) -> T {
    do throws(JSONFault) { return try read(request.body) } catch { throw Problem(error) }
  }
}

extension Problem {
  static let badCursor = Problem.invalid(
    "cursor", "is not a cursor of this list: take `next_cursor` of the page before")
}
