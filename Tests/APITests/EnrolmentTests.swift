import API
import Domain
import Engine
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

@Suite("Agents and their certificates") struct EnrolmentTests {
  private let path = "/api/v1/enrolments"
  private let authority: CertificatePair

  init() throws { authority = try CertificateAuthority.make(name: "Agents", .days(200)) }

  private func house(signs: Bool = true, clock: (@Sendable () -> ClockReading)? = nil) throws -> House {
    var security = Security()
    if signs { security.signer = try AgentSigner(CertificateAuthority(authority), days: 90) }
    return try House(security: security, clock: clock)
  }

  private func body(_ request: [UInt8]) -> String {
    let lines = String(decoding: request, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    return #"{"request":"\#(lines.joined(separator: "\\n"))"}"#
  }

  private func request() throws -> CertificateRequest { try CertificateRequest.make(name: "x") }

  @Test func aTokenOfEnrolmentGetsOneCertificateForItsOwnKey() throws {
    let house = try house()
    let admin = try house.key(.clusterAdmin)
    let made = try house.call("POST", "/api/v1/tokens", #"{"enrols":"host-7"}"#, key: admin, expect: 201)
    let token = try #require(made["token"])
    #expect(made["role"] == "agent" && made["enrols"] == "host-7" && made["used"] == "false")
    let mine = try request()
    let first = try house.call("POST", path, body(mine.request), key: token, expect: 201)
    #expect(first["agent"] == "host-7" && first["uri"] == "berth://agent/host-7")
    // What came back fits the key that never left, and leads to the CA.
    let place = TemporaryDirectory()
    Files.write(mine.key, to: place.file("k"))
    #expect(chmodPrivate(place.file("k")))
    Files.write(Array(try #require(first["certificate"]).utf8), to: place.file("c"))
    Files.write(Array(try #require(first["authority"]).utf8), to: place.file("ca"))
    _ = try TLSContext.client(
      authorities: place.file("ca"), own: TLSFiles(certificate: place.file("c"), key: place.file("k")))
    #expect(CertificateFacts.leads(place.file("c"), to: place.file("ca")))
    let facts = try CertificateFacts.read(place.file("c"))[0]
    #expect(facts.uris == ["berth://agent/host-7"])
    // An answer that was lost is asked for again; nobody else gets one.
    let again = try house.call("POST", path, body(mine.request), key: token, expect: 200)
    #expect(again["certificate"] == first["certificate"])
    let other = try house.call("POST", path, body(try request().request), key: token, expect: 409)
    #expect(other["code"] == "enrolment_token_used")
    let seen = try house.call("GET", "/api/v1/tokens/\(publicHalf(token))", key: admin, expect: 200)
    #expect(seen["used"] == "true" && !seen.text.contains("BEGIN"))
    let entry = try house.call("GET", "/api/v1/export", key: admin, expect: 200)
    #expect(!entry.text.contains("PRIVATE KEY"))
    try house.call("DELETE", "/api/v1/tokens/\(publicHalf(token))", key: admin, expect: 200)
    try house.call("POST", path, body(mine.request), key: token, expect: 401)
  }

  @Test func aTokenOfEnrolmentOpensNothingElse() throws {
    let house = try house()
    let admin = try house.key(.clusterAdmin)
    let token = try house.key(.agent, enrols: NodeName(trusted: "h"))
    for target in ["/api/v1/pools", "/api/v1/allocations", "/api/v1/whoami", "/api/v1/events", "/metrics"] {
      #expect(try house.call("GET", target, key: token, expect: 403)["code"] == "forbidden", "\(target)")
    }
    try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"a"}"#, key: token, expect: 403)
    try house.call("POST", "/api/v1/tokens", #"{"role":"viewer"}"#, key: token, expect: 403)
    try house.call("GET", "/healthz", key: token, expect: 200)
    #expect(try house.call("POST", path, body(try request().request), key: admin, expect: 403)["code"] == "forbidden")
    try house.call("POST", path, body(try request().request), key: nil, expect: 401)
  }

  @Test func aDryRunUsesNothingUpAndTellsNoCertificate() throws {
    let house = try house()
    _ = try house.key(.clusterAdmin)
    let token = try house.key(.agent, enrols: NodeName(trusted: "h"))
    let dry = try house.call("POST", path + "?dry_run=true", body(try request().request), key: token, expect: 200)
    #expect(dry["agent"] == "h" && dry["certificate"] == nil && !dry.text.contains("certificate\":\"-"))
    try house.call("POST", path, body(try request().request), key: token, expect: 201)
  }

  @Test func whatIsNoRequestForAGoodKeyIsRefused() throws {
    let house = try house()
    _ = try house.key(.clusterAdmin)
    let token = try house.key(.agent, enrols: NodeName(trusted: "h"))
    let place = TemporaryDirectory()
    let made = try ChildProcess.run(
      "openssl",
      ["req", "-newkey", "rsa:1024", "-nodes", "-keyout", place.file("k"), "-out", place.file("r"), "-subj", "/CN=h"])
    #expect(made.status == .exited(0))
    var broken = try request().request
    let middle = broken.count - 60
    broken[middle] = broken[middle] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
    for (request, word) in [
      (Array("nothing".utf8), "no request"), (Files.read(place.file("r")) ?? [], "too weak"), (broken, "request")
    ] {
      let refused = try house.call("POST", path, body(request), key: token, expect: 400)
      #expect(refused["detail"]?.contains(word) == true, "\(refused.text)")
    }
    try house.call("POST", path, #"{"request":"\#(String(repeating: "x", count: 20_000))"}"#, key: token, expect: 400)
    try house.call("POST", path, body(try request().request), key: token, expect: 201)
  }

  @Test func aTokenOfEnrolmentLivesAnHourUnlessToldAndSevenDaysAtMost() throws {
    let offset = Atomic64()
    let house = try house(clock: {
      ClockReading(wall: WallClock.microseconds + offset.value, boot: WallClock.bootMicroseconds + offset.value)
    })
    let admin = try house.key(.clusterAdmin, seconds: nil)
    func make(_ more: String) throws -> Heard {
      try house.call("POST", "/api/v1/tokens", #"{"enrols":"h"\#(more)}"#, key: admin)
    }
    for more in [
      #","expires_in_seconds":604801"#, #","expires_in_seconds":null"#, #","role":"viewer""#, #","tenant":"t""#
    ] {
      #expect(try make(more).status == 400, "\(more)")
    }
    let token = try #require(try make("")["token"])
    offset.value = 3_601_000_000
    try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"a"}"#, key: admin, expect: 201)
    try house.call("POST", path, body(try request().request), key: token, expect: 401)
  }

  @Test func aServerWithoutACASaysSo() throws {
    let house = try house(signs: false)
    _ = try house.key(.clusterAdmin)
    let token = try house.key(.agent, enrols: NodeName(trusted: "h"))
    let refused = try house.call("POST", path, body(try request().request), key: token, expect: 404)
    #expect(refused["code"] == "no_enrolment" && refused["detail"]?.contains("--enrol-ca-cert") == true)
  }

  private func chmodPrivate(_ path: String) -> Bool {
    (try? ChildProcess.run("chmod", ["600", path]))?.status == .exited(0)
  }
}
