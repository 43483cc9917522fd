import API
import Domain
import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

/// The house's routes behind TLS, for clients with certificates of a CA that goes with the test.
@Suite("Certificates that end") struct EndedCertificateTests {
  private let directory = TemporaryDirectory()

  private func write(_ pair: CertificatePair, _ name: String) throws -> TLSFiles {
    let files = TLSFiles(certificate: directory.file("\(name).pem"), key: directory.file("\(name).key"))
    for (path, bytes) in [(files.key, pair.key), (files.certificate, pair.certificate)] {
      try File(path, .createNew).write(bytes, at: 0)
    }
    return files
  }

  private func issue(_ authority: CertificateAuthority, _ name: String, _ uri: String) throws -> TLSFiles {
    var subject = CertificateSubject(commonName: name, uri: uri)
    subject.dnsNames = ["localhost"]
    return try write(authority.issue(subject, .days(1)), name)
  }

  @Test func aConnectionAndItsStreamsEndWithTheClientsCertificate() throws {
    let ahead = Atomic64()
    var security = Security()
    security.wall = { WallClock.microseconds + ahead.value }
    let house = try House(security: security)
    let pair = try CertificateAuthority.make(name: "CA", .days(2))
    let authority = try CertificateAuthority(pair)
    let trusted = try write(pair, "ca").certificate
    var tls = ServerTLS(try issue(authority, "server", "berth://node/server"))
    (tls.clientAuthorities, tls.clients) = (trusted, .required)
    var options = ServerOptions()
    options.tls = tls
    let server = try Server(options, house.api.router)
    server.start()
    defer { server.drain() }
    let context = try TLSContext.client(
      authorities: trusted, own: try issue(authority, "host-1", "berth://agent/host-1"))
    let client = HTTPClient(.tcp(host: "localhost", port: server.port), tls: context)
    defer { client.closeIdle() }
    let (heard, isOver, isEnough) = (Shared(""), Shared(false), Shared(false))
    let listener = Thread(name: "listener") {
      _ = try? client.stream(ClientRequest("GET", "/api/v1/events?since=0")) { _, piece in
        heard.withLock { $0 += String(decoding: piece, as: UTF8.self) }
        return !isEnough.withLock { $0 }
      }
      isOver.withLock { $0 = true }
    }
    #expect(eventually { heard.withLock { $0.contains("pool_created") } })
    for _ in 0..<2 { #expect(try Heard(client.send(ClientRequest("GET", "/api/v1/whoami"))).status == 200) }
    #expect(server.metrics.open == 2, "one that listens and one that is kept")
    ahead.value = 86_000_000_000
    #expect(try Heard(client.send(ClientRequest("GET", "/api/v1/whoami"))).status == 200, "not yet")
    ahead.value = 86_402_000_000
    let refused = Heard(try client.send(ClientRequest("GET", "/api/v1/whoami")))
    #expect(refused.status == 401 && refused["code"] == "certificate_ended", "\(refused.text)")
    #expect(refused.header("connection") == "close")
    #expect(eventually { isOver.withLock { $0 } })
    isEnough.withLock { $0 = true }
    listener.join()
  }
}
