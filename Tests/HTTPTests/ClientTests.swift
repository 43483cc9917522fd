import HTTPClient
import HTTPServer
import Platform
import Testing

private func client(_ server: Server, _ options: HTTPClientOptions = HTTPClientOptions()) -> HTTPClient {
  HTTPClient(.tcp(host: "127.0.0.1", port: server.port), options: options)
}

/// Sends a request on a thread of its own.
private final class Pending: @unchecked Sendable {
  private var thread: Thread?
  private var result: Result<ClientResponse, HTTPClientFault>?

  init(_ client: HTTPClient, _ request: ClientRequest) {
    thread = Thread(name: "pending") { [self] in result = outcome(client, request) }
  }

  func wait() -> Result<ClientResponse, HTTPClientFault> {
    thread!.join()
    return result!
  }
}

@Suite struct ClientTests {
  @Test func oneConnectionServesRequestAfterRequest() throws {
    try withServer { server in
      let client = client(server)
      for i in 0..<20 {
        let response = try client.send(ClientRequest("GET", "/hello?name=\(i)"))
        #expect(response.status == 200 && response.text == "hello \(i)")
        #expect(response.header("content-type") == "application/json")
      }
      let echo = try client.send(ClientRequest("POST", "/echo", body: Array(#"{"a":1}"#.utf8)))
      #expect(echo.text == #"{"a":1}"#)
      #expect(try client.send(ClientRequest("HEAD", "/hello")).body.isEmpty)
      #expect(try client.send(ClientRequest("GET", "/empty")).status == 204)
      #expect(try client.send(ClientRequest("GET", "/nothing")).status == 404)
      #expect(client.metrics.created == 1 && client.metrics.reused == 23 && client.metrics.idle == 1)
      #expect(server.metrics.accepted == 1)
    }
  }

  @Test func aLargeBodyGoesAndComesWhole() throws {
    try withServer { (server) throws in
      let body = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 % 95 + 32) }
      #expect(try client(server).send(ClientRequest("POST", "/echo", body: body)).body == body)
    }
  }

  @Test func callersOverTheLimitWaitTheirTurn() throws {
    let parked = Parked()
    try withServer(testRoutes(parked)) { server in
      var options = HTTPClientOptions()
      options.maxConnections = 1
      let client = client(server, options)
      let first = Pending(client, ClientRequest("GET", "/park/1"))
      let reply = try parked.next().reply
      let second = Pending(client, ClientRequest("GET", "/hello"))
      eventually("the second caller waits") { client.metrics.waiting == 1 }
      let busy = fault(outcome(client, ClientRequest("GET", "/hello", timeout: .milliseconds(20))))
      #expect(busy?.kind == .busy && busy?.wasSent == false)
      reply.send(text("parked"))
      #expect(try first.wait().get().text == "parked")
      #expect(try second.wait().get().text == "hello you")
      let metrics = client.metrics
      #expect(metrics.created == 1 && metrics.reused == 1 && metrics.waited == 2)
      #expect(metrics.waiting == 0 && metrics.inUse == 0 && metrics.idle == 1)
    }
  }

  @Test func idleConnectionsAreFewAndGrowOld() throws {
    let parked = Parked()
    try withServer(testRoutes(parked)) { server in
      var options = HTTPClientOptions()
      options.maxIdle = 1
      let client = client(server, options)
      let pending = (0..<3).map { Pending(client, ClientRequest("GET", "/park/\($0)")) }
      let replies = try pending.map { _ in try parked.next().reply }
      #expect(client.metrics.inUse == 3)
      for reply in replies { reply.send(text("done")) }
      for one in pending { #expect(try one.wait().get().status == 200) }
      #expect(client.metrics.created == 3 && client.metrics.idle == 1 && client.metrics.evicted == 2)

      options.idleTimeout = .zero
      let forgetful = HTTPClient(client.endpoint, options: options)
      for _ in 0..<2 { _ = try forgetful.send(ClientRequest("GET", "/hello")) }
      #expect(forgetful.metrics.created == 2 && forgetful.metrics.idle == 0 && forgetful.metrics.evicted == 2)
    }
  }

  @Test func manyThreadsShareAFewConnections() throws {
    try withServer { server in
      var options = HTTPClientOptions()
      options.maxConnections = 3
      let client = client(server, options)
      let workers = (0..<8).map { worker in
        Thread(name: "worker-\(worker)") {
          for i in 0..<50 {
            let response = outcome(client, ClientRequest("GET", "/things/\(worker)-\(i)"))
            #expect((try? response.get())?.text == "thing \(worker)-\(i)")
          }
        }
      }
      for worker in workers { worker.join() }
      #expect(client.metrics.created <= 3 && client.metrics.inUse == 0)
      #expect(client.metrics.created + client.metrics.reused == 400)
    }
  }

  @Test func aConnectionThatTheServerClosedIsNotUsed() throws {
    let ended = Counter()
    try withPeer { _, connection in
      _ = connection.request()
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
      connection.end()
      ended.increase()
    } _: { (client) throws in
      for i in 1...3 {
        _ = try client.send(ClientRequest("POST", "/", body: []))
        eventually("the peer has ended") { ended.value == i }
      }
      #expect(client.metrics.created == 3 && client.metrics.reused == 0 && client.metrics.evicted == 2)
    }
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"
  ])
  func aConnectionIsKeptOnlyIfBothSidesAreDone(_ answer: String) throws {
    try withPeer { _, connection in
      while connection.request() != nil { connection.write(answer) }
    } _: { (client) throws in
      for _ in 0..<2 { #expect(try client.send(ClientRequest("GET", "/")).text == "ok") }
      #expect(client.metrics.created == 2 && client.metrics.idle == 0)
    }
  }

  @Test func everyFramingIsReadHoweverItIsCut() throws {
    let answers = [
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n003\r\nllo\r\n0\r\nX: y\r\n\r\n",
      "HTTP/1.1 200\r\nX-A:  b \r\n\r\nhello"
    ]
    for answer in answers {
      try withPeer { _, connection in
        _ = connection.request()
        connection.writeSlowly(answer)
      } _: { (client) throws in
        #expect(try client.send(ClientRequest("GET", "/")).text == "hello", "\(answer)")
      }
    }
  }

  @Test func anAnswerMayPauseAfterItsInterimHead() throws {
    try withPeer(unix: true) { _, connection in
      _ = connection.request()
      connection.write("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
      connection.waitUntilRead()
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    } _: { (client) throws in
      #expect(try client.send(ClientRequest("GET", "/")).text == "hello")
    }
  }

  @Test func aUnixSocketIsAnEndpointLikeAnother() throws {
    try withPeer(unix: true) { _, connection in
      while let request = connection.request() {
        let isRight = request.hasPrefix("GET / HTTP/1.1\r\nHost: localhost\r\n")
        connection.write("HTTP/1.1 \(isRight ? 200 : 400)\r\nContent-Length: 0\r\n\r\n")
      }
    } _: { (client) throws in
      for _ in 0..<3 { #expect(try client.send(ClientRequest("GET", "/")).status == 200) }
      #expect(client.metrics.created == 1)
    }
  }
}
