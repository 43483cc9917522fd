// The door: who asks, and whether they may. Every request to every route passes `admit`, and nothing else lets in.
//
// Who asks is decided by one function (`identify`) from what the request brings: a token, the certificate of the
// connection, or a name that a peer's node passes on. A token that is there must be right, also where none is needed.
// Without any, it is `anonymous`, an administrator, as long as there is no token at all and `--auth required` was not
// said; the first token ends that. What one caller may is one table (`Permission`).
//
// Wrong tokens are counted by address (`LoginGuard`): soon nothing from there is looked at for a while. All that is
// refused here is counted, and told to the log without what was wrong.
internal import APITypes
internal import Cluster
internal import Domain
internal import Engine
internal import HTTPServer
internal import Log
package import Platform
internal import Telemetry
internal import Wire

/// How a server guards its door, as it was told at its start.
package struct Security: Sendable {
  /// Whether everybody needs a token; or else only once there is one.
  package var isRequired = false
  /// Whether other machines can reach it.
  package var isReachable = false
  /// Whether connections are encrypted.
  package var hasTLS = false
  /// Whether it was told that a reachable address without TLS and tokens is meant.
  package var isInsecure = false
  /// Told of each refusal at the door, on a loop's thread.
  package var audit: @Sendable (Denial) -> Void = { _ in }
  /// Told, on a thread that may wait, that the one-time token is gone.
  package var oneTimeTokenIsGone: @Sendable () -> Void = {}
  /// The CAs whose certificates may say that they are a node's; nil = all that TLS let in.
  package var nodeAuthorities: AuthorityList?
  /// The certificates that the server lives by, as their files are now.
  package var certificates: @Sendable () -> [CertificateState] = { [] }
  /// Makes certificates for agents; nil = this server makes none.
  package var signer: AgentSigner?
  /// The clock of the back-off.
  package var now: @Sendable () -> MonotonicTime = { .now }
  /// Microseconds since 1970, by which certificates end: the clock by which handshakes judge them.
  package var wall: @Sendable () -> Int64 = { WallClock.microseconds }

  /// Loopback, no token needed while there is none.
  package init() {}
}

/// A refusal at the door, for the audit.
package struct Denial: Sendable {
  /// The refusal's code.
  package let code: String
  /// Why, in a word that never holds what was presented.
  package let reason: String
  /// Who, as far as it is known.
  package let principal: String
  /// From where.
  package let peer: String
  /// The route's method.
  package let method: String
  /// The route's pattern: the path itself may hold anything.
  package let route: String
  /// The request's id.
  package let requestID: String
}

/// What a request brings to show who sends it.
struct Evidence {
  /// The one `Authorization` header.
  let authorization: Request.Single
  /// Who the connection's certificate is of; nil without TLS or without a certificate.
  let certificate: CertificateIdentity?
  /// `Berth-Principal`: whom a node passes on; nobody else is believed.
  let passedOn: String?
}

extension Evidence {
  /// Who asks without a token; nil = what a node passes on names nobody.
  func person(isAnonymousAllowed: Bool) -> Principal? {
    guard let certificate else { return isAnonymousAllowed ? .anonymous : .nobody }
    guard case .node = certificate, let passedOn else { return .certificate(certificate) }
    if passedOn == Principal.anonymous.text { return isAnonymousAllowed ? .anonymous : .nobody }
    return CertificateIdentity(text: passedOn).map(Principal.certificate)
  }
}

extension BerthAPI {
  /// Lets a request in, or says why not. Who was let in and is judged again (`isAgain`) has guessed nothing.
  func admit(_ endpoint: Endpoint, _ request: Request, isAgain: Bool = false) throws(Problem) -> Principal {
    if let query = request.rawQuery, TokenText.isIn(request.raw, query.indices) {
      throw deny(.tokenInURL, "token_in_url", .nobody, endpoint, request)
    }
    try checkPeer(endpoint, request)
    let principal = try identify(evidence(of: request), endpoint, request, isAgain: isAgain)
    if endpoint.permission == .open { return principal ?? .nobody }
    guard let principal else { throw deny(.missingToken, "missing", .nobody, endpoint, request) }
    if let problem = refusal(of: principal, endpoint, request) {
      throw deny(problem, endpoint.permission.rawValue, principal, endpoint, request)
    }
    return principal
  }

  /// Whose part of the room for bodies a request takes; nil where nobody says who they are. It only looks: the door has
  /// judged whoever has a body to wait for.
  func payer(_ request: Request) -> String? {
    let evidence = evidence(of: request)
    if case .one(let value) = evidence.authorization {
      return ShownToken(request.raw, value).flatMap { engine.tokens.token($0.id) }.map { Principal.token($0).payer }
    }
    switch evidence.person(isAnonymousAllowed: false) {
    case .certificate(let identity): return Principal.certificate(identity).payer
    case .nobody, .anonymous, .token, nil: return nil
    }
  }

  private func evidence(of request: Request) -> Evidence {
    Evidence(
      authorization: request.single("authorization"), certificate: request.identity,
      passedOn: request.header(Call.named))
  }

  /// Turns away whose certificate has ended, what only a node may say from those who are none, and what is meant for
  /// another cluster.
  private func checkPeer(_ endpoint: Endpoint, _ request: Request) throws(Problem) {
    // The handshake looked at it once, and a connection may be kept for as long as there is something to ask.
    if request.certificate?.hasEnded(at: security.wall()) == true {
      throw deny(.endedCertificate, "certificate_ended", .nobody, endpoint, request)
    }
    if case .node = request.identity, let list = security.nodeAuthorities,
      request.certificate?.authority.map(list.contains) != true
    {
      counts.refusedPeer(.unknownCertificate)
      throw deny(.unknownNode, "another_ca", .nobody, endpoint, request)
    }
    if request.header(Call.named) != nil, !request.isOfNode {
      counts.refusedPeer(.forgedPrincipal)
      throw deny(.forgedPrincipal, "forged_principal", .nobody, endpoint, request)
    }
    if engine.isShared, let log = request.header(Call.log), log != engine.status.head.logID.hex {
      counts.refusedPeer(.anotherLog)
      throw Problem(
        503, "another_cluster", "the node that passed this on has another log than this one: they are of two clusters",
        retryAfter: 5)
    }
  }

  /// Who asks; nil = nobody that is known.
  private func identify(
    _ evidence: Evidence, _ endpoint: Endpoint, _ request: Request, isAgain: Bool
  ) throws(Problem) -> Principal? {
    switch evidence.authorization {
    case .one(let value): return .token(try token(at: value, endpoint, request, isAgain: isAgain))
    case .repeated: throw deny(.wrongToken, "repeated", .nobody, endpoint, request)
    case .none: break
    }
    guard let person = evidence.person(isAnonymousAllowed: isAnonymousAllowed) else {
      counts.refusedPeer(.malformed)
      throw deny(.wrongToken, "passed_on", .nobody, endpoint, request)
    }
    if case .nobody = person { return nil }
    return person
  }

  /// Whether somebody without any token is let in.
  var isAnonymousAllowed: Bool { !security.isRequired && engine.tokens.isEmpty }

  /// The token in an `Authorization` header, if it is right.
  private func token(
    at value: ByteRange, _ endpoint: Endpoint, _ request: Request, isAgain: Bool
  ) throws(Problem) -> Token {
    // What a node passes on it has let in itself; others must not be able to shut the door for it.
    let mayGuess = !request.isOfNode && !isAgain
    if mayGuess, let seconds = logins.pause(request.peer, security.now()) {
      counts.throttled.add()
      throw Problem(
        429, "too_many_failures", "too many wrong tokens came from this address: try again in \(seconds) s",
        retryAfter: seconds)
    }
    let wrong: String
    if let shown = ShownToken(request.raw, value) {
      let token = engine.tokens.token(shown.id)
      // Hashed and compared in any case, so that the time says nothing about whether the id exists.
      let isSame = shown.hash.isSame(as: token?.hash ?? TokenHash(high: 0, low: 0))
      if let token, isSame {
        if !token.hasExpired(at: engine.tokens.time) { return token }
        wrong = "expired"
      } else {
        wrong = token == nil ? "unknown" : "wrong_secret"
      }
    } else {
      wrong = "malformed"
    }
    let isPaused = mayGuess && logins.failed(request.peer, security.now())
    throw deny(.wrongToken, isPaused ? "\(wrong), address paused" : wrong, .nobody, endpoint, request)
  }

  /// Why somebody who is known may not, if so.
  private func refusal(of principal: Principal, _ endpoint: Endpoint, _ request: Request) -> Problem? {
    guard let role = principal.role else { return .missingToken }
    let permission = endpoint.permission
    // A token of enrolment opens one thing, and that opens to nothing else.
    if principal.isEnrolling || permission == .enrol {
      if principal.isEnrolling, permission == .enrol { return nil }
      return principal.isEnrolling ? .enrolsOnly : .enrolmentWanted
    }
    if permission == .clusterReport, case .certificate(.node) = principal { return nil }
    guard permission.isGranted(to: role) else {
      let roles = permission.roles.map(\.name).joined(separator: ", ")
      return Problem(403, "forbidden", "role \(role.name) may not do this (\(permission.rawValue)): it takes \(roles)")
    }
    let scope = principal.scope
    guard permission.reaches(scope) else {
      return Problem(403, "outside_scope", "a token for \(scope.text) cannot do this (\(permission.rawValue))")
    }
    // Another pool is as if not there.
    guard case .pool(let own) = scope else { return nil }
    switch endpoint.subject {
    case .pool where request.parameter(0) != own.text: return missing(request.parameter(0))
    case .simplePool where own != .simple: return .noDefaultPool
    default: return nil
    }
  }

  private func missing(_ pool: String) -> Problem {
    PoolName(pool).map(Problem.noPool)
      ?? Problem(Rejection(.poolNotFound, "there is no pool '\(pool.prefix(128))': pools are \(PoolName.rule)"))
  }

  /// Counts a refusal and tells the log; what nobody tried to prove is only counted.
  private func deny(
    _ problem: Problem, _ reason: String, _ principal: Principal, _ endpoint: Endpoint, _ request: Request
  ) -> Problem {
    counts.denials.child([problem.code]).add()
    if endpoint.permission == .clusterReport, !Problem.countedAlready.contains(reason) {
      let hasToken = if case .none = request.single("authorization") { false } else { true }
      counts.refusedPeer(hasToken || request.certificate == nil ? .badToken : .unknownCertificate)
    }
    if problem.code != Problem.missingToken.code || reason != "missing" {
      security.audit(
        Denial(
          code: problem.code, reason: reason, principal: principal.text, peer: request.peer,
          method: endpoint.method.rawValue, route: endpoint.pattern, requestID: request.requestID))
    }
    return problem
  }
}

extension PeerCertificate {
  /// Whether it is good no more, at a time in microseconds since 1970.
  fileprivate func hasEnded(at wall: Int64) -> Bool { wall / 1_000_000 > endsAt }
}

extension Request {
  /// Who the connection's certificate says that it is of.
  fileprivate var identity: CertificateIdentity? {
    certificate?.uris.lazy.compactMap { CertificateIdentity(uri: $0) }.first
  }

  /// Whether it came over a node's certificate; which CAs may sign those is checked before anything else.
  fileprivate var isOfNode: Bool { if case .node = identity { true } else { false } }
}

extension Endpoint {
  /// What of Berth a route is about.
  enum Subject {
    /// The pool that its path names first.
    case pool
    /// The pool of the simple API.
    case simplePool
    /// Whatever its caller may see.
    case everything
  }

  /// Asked only for those who may see one pool.
  var subject: Subject {
    if pattern.contains("{pool}") { return .pool }
    let isSimple = pattern.hasPrefix("/api/v1/ip/") || pattern == "/api/admin/stats"
    return isSimple ? .simplePool : .everything
  }
}

/// What somebody showed as a token: its public half, and what the rest hashes to.
struct ShownToken {
  let id: TokenID
  let hash: TokenHash

  /// Reads `Bearer TOKEN`; nil if it cannot be one. One hash, no allocation.
  init?(_ bytes: [UInt8], _ value: ByteRange) {
    let start = Int(value.start) + 7
    guard value.count == 7 + TokenText.length, bytes[start - 1] == UInt8(ascii: " "),
      bytes.matches(ByteRange(Int(value.start), start - 1), "bearer"),
      bytes.matches(ByteRange(start, start + 6), "berth_"), bytes[start + 22] == UInt8(ascii: "_"),
      let id = TokenID(bytes, start + TokenText.idRange.lowerBound..<start + TokenText.idRange.upperBound)
    else { return nil }
    self.id = id
    hash = TokenHash(
      of: bytes, start + TokenText.secretRange.lowerBound..<start + TokenText.secretRange.upperBound)
  }
}

extension TokenHash {
  /// The hash of a secret.
  init(of bytes: [UInt8], _ range: Range<Int>) {
    let halves = SHA256Digest.halves(of: bytes, range)
    self.init(high: halves.high, low: halves.low)
  }
}

extension Problem {
  static let missingToken = Problem(
    401, "unauthorized", "this server wants a token: `berth login`, or send `Authorization: Bearer TOKEN`")
  static let wrongToken = Problem(
    401, "unauthorized", "the token is not valid here: it is wrong, expired or revoked, or the server is another one")
  static let endedCertificate = Problem(
    401, "certificate_ended",
    "the certificate that this connection began with has ended: connect anew with one that is good")
  /// Reasons of refusals that are counted as a peer's where they are found.
  fileprivate static let countedAlready = ["another_ca", "forged_principal", "passed_on"]
  static let forgedPrincipal = Problem(
    403, "forged_principal",
    "`Berth-Principal` is believed from the cluster's nodes alone, by their certificates: leave it out")
  static let unknownNode = Problem(
    403, "unknown_certificate",
    "the certificate says that it is a node's, and its CA signs none for this cluster (--node-ca, --tls-client-ca)")
  static let enrolsOnly = Problem(
    403, "forbidden", "a token of enrolment does one thing, POST /api/v1/enrolments: `berth cert enrol`")
  static let enrolmentWanted = Problem(
    403, "forbidden", "this takes a token of enrolment: `berth token create --enrol AGENT` makes one")
  static let tokenInURL = Problem(
    400, "token_in_url",
    "a token must never stand in an URL, which others keep: revoke it, and send `Authorization: Bearer TOKEN`")
}
