internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
package import Platform
internal import Wire

/// The CA by which a server makes certificates for agents, if it was given one.
package struct AgentSigner: Sendable {
  private let authority: CertificateAuthority
  private let days: Int
  /// The CA's own certificate, in PEM.
  let certificate: String

  /// Signs for so many days.
  package init(_ authority: CertificateAuthority, days: Int) throws(TLSFault) {
    (self.authority, self.days) = (authority, days)
    certificate = String(decoding: try authority.ownCertificate(), as: UTF8.self)
  }

  /// The certificate of an agent for the key in a request. Names in the request count for nothing.
  func sign(_ request: [UInt8], for agent: NodeName) throws(Problem) -> Enrolment.Made {
    let subject = CertificateSubject(commonName: String(agent.text.prefix(64)), uri: "berth://agent/\(agent)")
    let end: Result<SignedCertificate, TLSFault>
    do throws(TLSFault) { end = try authority.sign(request, subject, .days(days)) } catch {
      throw .invalid("request", error.sentence)
    }
    switch end {
    case .success(let signed):
      return Enrolment.Made(
        key: TokenHash(signed.publicKey), certificate: String(decoding: signed.certificate, as: UTF8.self))
    case .failure(let fault):
      throw Problem(503, "enrolment_failed", "the server's CA signs nothing at the moment: \(fault)")
    }
  }
}

extension TokenHash {
  fileprivate init(_ digest: SHA256Digest) {
    let halves = [digest.bytes[..<16], digest.bytes[16...]].map { $0.reduce(UInt128(0)) { $0 << 8 | UInt128($1) } }
    self.init(high: halves[0], low: halves[1])
  }
}

/// How an agent gets its certificate.
let enrolmentEndpoints: [Endpoint] = [
  Endpoint(
    method: .post, pattern: "/api/v1/enrolments", id: "enrolAgent", tag: "tokens", permission: .enrol,
    summary: """
      Get an agent's certificate for a key of its own, once, with a token of enrolment. The same key again gets the \
      same certificate, since an answer may be lost; any other key gets nothing.
      """,
    body: Schemas.enrolment, bodyLimit: 32 << 10,
    answers: [
      .init(201, "The certificate.", Schemas.enrolled),
      .init(200, "The same one again, or none (`dry_run`).", Schemas.enrolled)
    ],
    refusals: [.init(404, "no_enrolment"), .init(409, "enrolment_token_used"), .init(503, "enrolment_failed")],
    isCommand: true, handler: enrol)
]

@Sendable private func enrol(_ call: Call) throws(Problem) {
  guard case .token(let token) = call.principal, let enrolment = token.enrolment else { throw .missingToken }
  let body = try call.body(EnrolmentBody.init(decoding:))
  guard let signer = call.api.security.signer else {
    throw Problem(
      404, "no_enrolment",
      "this server signs no certificates: start it with --enrol-ca-cert and --enrol-ca-key, in a cluster every node")
  }
  let isDryRun = try call.flag("dry_run")
  let made = try signer.sign(Array(body.request.utf8), for: enrolment.agent)
  try call.submit(.enrol(EnrolRequest(token: token.id, made: made))) { outcome in
    guard case .enrolled(let token, let isNew) = outcome, let enrolment = token.enrolment else { unexpected(outcome) }
    var out = JSONWriter()
    out.object { out in
      out.field("agent", enrolment.agent.text)
      out.field("uri", "berth://agent/\(enrolment.agent)")
      // What a dry run has signed must not leave: the token is not used up.
      out.field("certificate", isDryRun ? nil : enrolment.made?.certificate)
      out.field("authority", signer.certificate)
    }
    return Rendered(status: isNew ? 201 : 200, headers: [("Cache-Control", "no-store")], body: out.finish())
  }
}
