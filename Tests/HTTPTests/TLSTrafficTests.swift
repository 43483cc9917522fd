import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

private let host = "Host: localhost\r\n"
private let json = "Content-Type: application/json\r\n"

@Suite struct TLSTrafficTests {
  @Test func recordsMayBeCutAnywhere() throws {
    let certificates = try Certificates()
    try withTLSServer(try certificates.server()) { server in
      let dribble = try Dribble(to: server.port)
      defer { dribble.end() }
      let client = HTTPClient(.tcp(host: "localhost", port: dribble.port), tls: try certificates.client())
      for i in 0..<5 {
        #expect(try client.send(ClientRequest("GET", "/hello?name=\(i)")).text == "hello \(i)")
      }
      let body = Array("\"\(String(repeating: "x", count: 3000))\"".utf8)
      #expect(try client.send(ClientRequest("POST", "/echo", body: body)).body == body)
      client.closeIdle()
    }
  }

  @Test func largeBodiesPassBothWays() throws {
    let certificates = try Certificates()
    let size = 1 << 20
    try withTLSServer(try certificates.server()) { server in
      let client = httpsClient(server, try certificates.client())
      let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) | 0x40 }
      for _ in 0..<3 {
        let answer = try client.send(ClientRequest("POST", "/echo", body: body))
        #expect(answer.status == 200)
        #expect(answer.body == Array(String(decoding: body, as: UTF8.self).utf8))
      }
      #expect(client.metrics.created == 1)
    }
  }

  @Test func requestsThatShareARecordAreAllAnswered() throws {
    let certificates = try Certificates()
    try withTLSServer(try certificates.server()) { server in
      let client = try secureClient(server, try certificates.client())
      let request = "GET /hello?name=NN HTTP/1.1\r\n\(host)\r\n"
      // 400 requests are several records of 16 KiB: some end in the middle of a request, and all arrive at once.
      client.send((0..<400).map { request.replacing("NN", with: "\($0)") }.joined())
      for i in 0..<400 { #expect(try client.response()?.body == "hello \(i)") }
    }
  }

  @Test func whatWaitsBehindAnAnswerIsReadWhenItIsGiven() throws {
    let certificates = try Certificates()
    let parked = Parked()
    try withTLSServer(try certificates.server(), routes: testRoutes(parked)) { server in
      let client = try secureClient(server, try certificates.client())
      client.send("GET /park/1 HTTP/1.1\r\n\(host)\r\n")
      let first = try parked.next()
      // More than the input buffer holds, so that some of it stays inside the session.
      let body = String(repeating: "y", count: 9000)
      client.send("POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
      client.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      first.reply.send(text("first"))
      #expect(try client.response()?.body == "first")
      #expect(try client.response()?.body == body)
      #expect(try client.response()?.body == "hello you")
    }
  }

  @Test func aStreamIsEncryptedAndItsEndNoticed() throws {
    let certificates = try Certificates()
    let streams = KeptStreams()
    let route = Route(.get, "/events") { _, reply in
      let stream = reply.stream(status: 200, contentType: "text/event-stream")
      _ = stream.write(Array("data: 1\n\n".utf8))
      streams.add(stream)
    }
    try withTLSServer(try certificates.server(), routes: [route]) { server in
      let client = httpsClient(server, try certificates.client())
      var seen = ""
      _ = try client.stream(ClientRequest("GET", "/events")) { _, piece in
        seen += String(decoding: piece, as: UTF8.self)
        return seen.utf8.count < 9
      }
      #expect(seen == "data: 1\n\n")
      eventually("the server has noticed") { streams.allAreOver }
    }
  }

  @Test func newCertificatesComeWithoutARestart() throws {
    let certificates = try Certificates()
    let tls = try certificates.server()
    let notices = Notices()
    try withTLSServer(tls, configure: { $0.notice = { notices.add($0) } }) { server in
      let context = try certificates.client()
      let early = try secureClient(server, context)
      let first = try #require(early.socket.peerCertificate?.fingerprint)
      try certificates.issue("server")
      #expect(server.reloadCertificates())
      let late = try secureClient(server, context)
      #expect(late.socket.peerCertificate?.fingerprint != first)
      for client in [early, late] {
        client.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
        #expect(try client.response()?.body == "hello you")
      }
      #expect(notices.all.count == 1)
    }
  }

  @Test func aClientsChangedFilesAreUsedAlsoWhereAConnectionWaits() throws {
    let certificates = try Certificates()
    let whoami = Route(.get, "/whoami") { request, reply in
      reply.send(text(request.certificate?.uris.first ?? "nobody"))
    }
    let notices = Notices()
    try withTLSServer(try certificates.server(), routes: [whoami]) { server in
      let (first, second) = (try certificates.issue("a"), try certificates.issue("b"))
      let tls = try ClientTLS(authorities: certificates.authorityFile, own: first, notice: { notices.add($0) })
      let client = HTTPClient(.tcp(host: "localhost", port: server.port), renewing: tls)
      func who() -> String? { try? client.send(ClientRequest("GET", "/whoami")).text }
      #expect(who() == "berth://node/a" && who() == "berth://node/a" && client.metrics.created == 1)
      try FileSystem.rename(second.key, to: first.key)
      try FileSystem.rename(second.certificate, to: first.certificate)
      eventually("the new files are shown") { who() == "berth://node/b" }
      Files.write(Array("nonsense".utf8), to: first.certificate)
      eventually("the change is noticed") {
        _ = who()
        return notices.all.contains { $0.contains("the old ones stay") }
      }
      #expect(who() == "berth://node/b")
      client.closeIdle()
    }
  }

  @Test func aServerOfTheRightNameAndCAIsNotSpokenToWhenItIsSomebodyElse() throws {
    let certificates = try Certificates()
    try withTLSServer(ServerTLS(try certificates.issue("server"))) { server in
      for (uri, isRight) in [("berth://node/", true), ("berth://agent/", false)] {
        let tls = try ClientTLS(authorities: certificates.authorityFile, own: nil, serverURI: uri)
        let client = HTTPClient(.tcp(host: "localhost", port: server.port), renewing: tls)
        let told = fault(outcome(client, ClientRequest("GET", "/hello")))
        #expect((told == nil) == isRight && told?.tls == (isRight ? nil : .wrongName), "\(uri)")
      }
      #expect(server.metrics.requests == 1)
    }
  }

  @Test func changedFilesAreNoticedAndBadOnesSaidOnce() throws {
    let certificates = try Certificates()
    let tls = try certificates.server()
    let notices = Notices()
    try withTLSServer(tls, configure: { $0.notice = { notices.add($0) } }) { server in
      let context = try certificates.client()
      let first = try #require(try secureClient(server, context).socket.peerCertificate?.fingerprint)
      Files.write(Array("nonsense".utf8), to: tls.files.certificate)
      eventually("the change is noticed") {
        _ = try? secureClient(server, context)
        return !notices.all.isEmpty
      }
      #expect(notices.all.first?.contains("the old ones stay") == true)
      #expect(!server.reloadCertificates())
      #expect(try secureClient(server, context).socket.peerCertificate?.fingerprint == first)
      try certificates.issue("server")
      eventually("the repaired files are used") {
        let seen = try? secureClient(server, context).socket.peerCertificate?.fingerprint
        return seen != nil && seen != first
      }
      #expect(notices.all.filter { $0.contains("stay") }.count == 2)
    }
  }

  @Test func drainingAnswersWhatIsInFlightAndClosesInGoodOrder() throws {
    let certificates = try Certificates()
    let parked = Parked()
    var options = ServerOptions()
    options.tls = try certificates.server()
    let server = try Server(options, Router(testRoutes(parked)))
    server.start()
    let idle = try secureClient(server, try certificates.client())
    let busy = try secureClient(server, try certificates.client())
    let greeting = try RawClient(port: server.port)
    busy.send("GET /park/1 HTTP/1.1\r\n\(host)\r\n")
    let waiting = try parked.next()
    eventually("all three are there") { server.metrics.open == 3 }
    let drain = Thread(name: "drain") { server.drain() }
    #expect(try idle.endsInGoodOrder())
    #expect(try greeting.isClosed())
    waiting.reply.send(text("last"))
    let answer = try #require(try busy.response())
    #expect(answer.body == "last")
    #expect(answer.header("connection") == "close")
    #expect(try busy.endsInGoodOrder())
    drain.join()
  }

  @Test func aKeyThatEverybodyCanReadIsNotUsed() throws {
    let certificates = try Certificates()
    let files = try certificates.issue("server")
    let open = TLSFiles(certificate: files.certificate, key: certificates.directory.file("open.key"))
    Files.write(try #require(Files.read(files.key)), to: open.key)
    #expect(throws: TLSFault.self) { try TLSContext.server(open) }
    let gone = TLSFiles(certificate: files.certificate, key: certificates.directory.file("gone.key"))
    let told = #expect(throws: TLSFault.self) { try TLSContext.server(gone) }
    #expect(told?.sentence.contains("no private key") == true)
  }
}

private final class KeptStreams: @unchecked Sendable {
  private let lock = Lock()
  private var streams: [ResponseStream] = []

  func add(_ stream: ResponseStream) { lock.withLock { streams.append(stream) } }

  var allAreOver: Bool { lock.withLock { !streams.isEmpty && streams.allSatisfy { !$0.isOpen } } }
}
