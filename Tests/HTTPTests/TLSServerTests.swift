import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

private let host = "Host: localhost\r\n"
private let json = "Content-Type: application/json\r\n"

/// Answers with the names of the client's certificate.
private let whoami = Route(.get, "/whoami") { request, reply in
  reply.send(text(request.certificate.map { $0.names.joined(separator: " ") } ?? "nobody"))
}

@Suite struct TLSServerTests {
  @Test func aClientWithACertificateIsKnownByItsNames() throws {
    let certificates = try Certificates()
    try withTLSServer(try certificates.server(), routes: testRoutes() + [whoami]) { server in
      let client = httpsClient(server, try certificates.client("a"))
      #expect(try client.send(ClientRequest("GET", "/whoami")).text == "berth://node/a localhost")
      #expect(try client.send(ClientRequest("GET", "/hello")).text == "hello you")
      #expect(client.metrics.created == 1)
    }
  }

  @Test func whereCertificatesAreOptionalAClientMayGoWithout() throws {
    let certificates = try Certificates()
    try withTLSServer(try certificates.server(.optional), routes: [whoami]) { server in
      let without = httpsClient(server, try certificates.client(nil))
      #expect(try without.send(ClientRequest("GET", "/whoami")).text == "nobody")
      let with = httpsClient(server, try certificates.client("b"))
      #expect(try with.send(ClientRequest("GET", "/whoami")).text == "berth://node/b localhost")
    }
  }

  @Test func aClientWithoutACertificateIsToldWhy() throws {
    let certificates = try Certificates()
    try withTLSServer(try certificates.server()) { server in
      let client = httpsClient(server, try certificates.client(nil))
      let told = try #require(fault(outcome(client, ClientRequest("POST", "/echo", body: Array("{}".utf8)))))
      #expect(told.kind == .notConnected)
      #expect(!told.wasSent)
      #expect(told.sentence.contains("certificate required"))
      eventually("the failure is counted") { server.metrics.failedHandshakes == 1 }
      #expect(server.metrics.requests == 0)
    }
  }

  @Test func aClientOfAnotherCAIsToldWhy() throws {
    let certificates = try Certificates()
    let others = try Certificates("Other CA")
    let foreign = try TLSContext.client(authorities: certificates.authorityFile, own: try others.issue("stranger"))
    let notices = Notices()
    try withTLSServer(try certificates.server(), configure: { $0.notice = { notices.add($0) } }) { server in
      let told = try #require(fault(outcome(httpsClient(server, foreign), ClientRequest("GET", "/hello"))))
      #expect(told.sentence.contains("unknown ca"))
      #expect(!told.wasSent)
      eventually("the operator is told") {
        notices.all.contains { $0.contains("the peer's certificate is refused") }
      }
    }
  }

  @Test func anExpiredClientCertificateIsRefused() throws {
    let certificates = try Certificates()
    let old = try certificates.issue("old", .init(from: -7200, to: -3600))
    let context = try TLSContext.client(authorities: certificates.authorityFile, own: old)
    try withTLSServer(try certificates.server()) { server in
      let told = try #require(fault(outcome(httpsClient(server, context), ClientRequest("GET", "/hello"))))
      #expect(told.sentence.contains("certificate expired"))
    }
  }

  @Test func anExpiredServerCertificateIsNotServed() throws {
    let certificates = try Certificates()
    let old = try certificates.issue("old", .init(from: -7200, to: -3600))
    var options = ServerOptions()
    options.tls = ServerTLS(old)
    #expect(throws: ServerFault.self) { try Server(options, Router(testRoutes())) }
  }

  @Test func aServerOfAnotherCAOrNameIsNotSpokenTo() throws {
    let certificates = try Certificates()
    let others = try Certificates("Other CA")
    try withTLSServer(ServerTLS(try certificates.issue("server", dns: ["berth.example"], addresses: []))) { server in
      let wrongCA = httpsClient(server, try others.client(nil))
      #expect(fault(outcome(wrongCA, ClientRequest("GET", "/hello")))?.sentence.contains("refused") == true)
      for name in ["localhost", "127.0.0.1"] {
        let client = httpsClient(server, try certificates.client(nil), host: name)
        let told = fault(outcome(client, ClientRequest("GET", "/hello")))
        #expect(told?.sentence.contains("mismatch") == true, "\(name): \(told.map(\.sentence) ?? "let in")")
      }
    }
  }

  /// Other CAs give such certificates; ours does not. A star is one whole label, here and where a node looks at its own.
  @Test func aStarInACertificateStandsForOneWholeLabel() throws {
    let place = TemporaryDirectory()
    let files = TLSFiles(certificate: place.file("stars.pem"), key: place.file("stars.key"))
    let names = "subjectAltName=DNS:*.whole.example,DNS:w*.partial.example,DNS:*b.partial.example"
    let made = try ChildProcess.run(
      "openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", files.key,
        "-out", files.certificate, "-subj", "/CN=stars", "-days", "2", "-addext", names
      ])
    #expect(made.status == .exited(0))
    let client = try TLSContext.client(authorities: files.certificate)
    try withTLSServer(ServerTLS(files)) { server in
      for (name, isRight) in [
        ("a.whole.example", true), ("A.WHOLE.example", true), ("a.b.whole.example", false), ("whole.example", false),
        ("a.whole.example.org", false), ("web.partial.example", false), ("w.partial.example", false)
      ] {
        let isSpokenTo = (try? secureClient(server, client, host: name)) != nil
        let isCarried = try CertificateFacts.carries(files.certificate, name: name)
        #expect(isSpokenTo == isRight && isCarried == isRight, "\(name): \(isSpokenTo) \(isCarried)")
      }
    }
  }

  @Test func anAddressInTheCertificateIsAName() throws {
    let certificates = try Certificates()
    try withTLSServer(ServerTLS(try certificates.issue("server", dns: []))) { server in
      let client = httpsClient(server, try certificates.client(nil), host: "127.0.0.1")
      #expect(try client.send(ClientRequest("GET", "/hello")).text == "hello you")
    }
  }

  @Test func olderVersionsAreSpokenOnlyWhenAskedFor() throws {
    let certificates = try Certificates()
    let old = try TLSContext.client(authorities: certificates.authorityFile, versions: .v12 ... .v12)
    var tls = ServerTLS(try certificates.issue("server"))
    try withTLSServer(tls) { server in
      let told = try #require(fault(outcome(httpsClient(server, old), ClientRequest("GET", "/hello"))))
      #expect(told.sentence.contains("version"))
      #expect(try secureClient(server, try certificates.client(nil)).socket.tlsVersion == "TLSv1.3")
    }
    tls.allowsTLS12 = true
    try withTLSServer(tls) { server in
      let answer = try httpsClient(server, old).send(ClientRequest("GET", "/hello"))
      #expect(answer.text == "hello you")
      #expect(try secureClient(server, try certificates.client(nil)).socket.tlsVersion == "TLSv1.3")
    }
  }

  @Test func plainHTTPOnAnEncryptedPortIsAnsweredByClosing() throws {
    let certificates = try Certificates()
    try withTLSServer(try certificates.server()) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response() == nil)
      #expect(server.metrics.requests == 0)
    }
  }

  @Test func aSlowHandshakeIsDropped() throws {
    let certificates = try Certificates()
    try withTLSServer(try certificates.server(), configure: { $0.handshakeTimeout = .milliseconds(40) }) { server in
      let silent = try RawClient(port: server.port)
      let half = try RawClient(port: server.port)
      half.send([0x16, 0x03, 0x01, 0x02])
      #expect(try silent.isClosed())
      #expect(try half.isClosed())
      #expect(server.metrics.dropped == 2)
    }
  }

  @Test func handshakesOverTheLimitWaitForTheirTurn() throws {
    let certificates = try Certificates()
    let configure: (inout ServerOptions) -> Void = {
      $0.loops = 1
      $0.maxHandshakes = 2
      $0.handshakeTimeout = .milliseconds(200)
    }
    try withTLSServer(try certificates.server(), configure: configure) { server in
      let silent = [try RawClient(port: server.port), try RawClient(port: server.port)]
      eventually("both are at the door") { server.metrics.open == 2 }
      let client = httpsClient(server, try certificates.client())
      #expect(try client.send(ClientRequest("GET", "/hello")).text == "hello you")
      #expect(server.metrics.dropped == 2)
      for each in silent { #expect(try each.isClosed()) }
    }
  }
}
