import HTTPServer
import Platform
import Testing

private let host = "Host: localhost\r\n"

@Suite struct ServerStreamTests {
  @Test func aStreamArrivesInPiecesAndTheConnectionLivesOn() throws {
    let streams = Streams()
    try withServer([streams.route] + testRoutes()) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /events HTTP/1.1\r\n\(host)\r\nGET /hello HTTP/1.1\r\n\(host)\r\n")
      let stream = try streams.next()
      #expect(stream.write(Array("one ".utf8)))
      let head = try client.text(40)
      #expect(head.contains("HTTP/1.1 200 OK"))
      #expect(stream.write(Array("two".utf8)))
      stream.close()
      #expect(!stream.write([1]))
      eventually("both are answered") { server.metrics.requests == 2 }
      let rest = try client.text(10)
      #expect((head + rest).contains("Transfer-Encoding: chunked"))
      #expect(rest.contains("0\r\n\r\nHTTP/1.1 200 OK"))
    }
  }

  @Test func aLongStreamArrivesWhole() throws {
    let streams = Streams()
    try withServer([streams.route]) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /events HTTP/1.1\r\n\(host)\r\n")
      let stream = try streams.next()
      let pieces = (0..<2000).map { Array("event number \($0)\n".utf8) }
      for piece in pieces { #expect(stream.write(piece)) }
      stream.close()
      #expect(try client.response()?.body == pieces.map { String(decoding: $0, as: UTF8.self) }.joined())
    }
  }

  @Test func anOldClientGetsAStreamUntilClose() throws {
    let streams = Streams()
    try withServer([streams.route]) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      let stream = try streams.next()
      _ = stream.write(Array("plain".utf8))
      stream.close()
      let response = try #require(try client.response())
      #expect(response.header("transfer-encoding") == nil)
      #expect(response.body == "plain")
    }
  }

  @Test func headOfAStreamEndsAtOnce() throws {
    let streams = Streams()
    try withServer([streams.route] + testRoutes()) { server in
      let client = try RawClient(port: server.port)
      client.send("HEAD /events HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response(toHead: true)?.status == 200)
      #expect(try !streams.next().isOpen)
      client.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response()?.status == 200)
    }
  }

  @Test func aStreamLearnsThatItsReaderHasLeft() throws {
    let streams = Streams()
    try withServer([streams.route]) { server in
      var client: RawClient? = try RawClient(port: server.port)
      client?.send("GET /events HTTP/1.1\r\n\(host)\r\n")
      let stream = try streams.next()
      #expect(stream.isOpen)
      client = nil
      eventually("the stream is closed") { !stream.isOpen }
      #expect(!stream.write([1]))
    }
  }
}

@Suite struct ServerDrainTests {
  @Test func drainAnswersWhatIsInFlightAndEndsTheRest() throws {
    let parked = Parked(), streams = Streams(), drained = Parked()
    var options = ServerOptions()
    options.loops = 2
    let server = try Server(options, Router(testRoutes(parked) + [streams.route]))
    server.start()
    let idle = try RawClient(port: server.port)
    idle.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
    #expect(try idle.response()?.status == 200)
    let reader = try RawClient(port: server.port)
    reader.send("GET /events HTTP/1.1\r\n\(host)\r\n")
    let stream = try streams.next()
    _ = stream.write(Array("event".utf8))
    let busy = try RawClient(port: server.port)
    busy.send("GET /park/1 HTTP/1.1\r\n\(host)\r\n")
    let (_, reply) = try parked.next()
    let port = server.port
    let draining = Thread(name: "drain") {
      server.drain()
      server.drain()
    }
    #expect(try idle.isClosed())
    #expect(try reader.response()?.body == "event")
    reply.send(text("in flight"))
    let response = try #require(try busy.response())
    #expect(response.body == "in flight")
    #expect(response.header("connection") == "close")
    busy.socket.endSending()
    reader.socket.endSending()
    draining.join()
    #expect(server.metrics.open == 0)
    #expect(throws: NetFault.self) {
      _ = try Socket.connect(to: SocketAddress.resolve(host: "127.0.0.1", port: port)[0], until: .now + .seconds(5))
    }
    #expect(drained.count == 0)
  }

  @Test func drainGivesUpOnAHandlerThatNeverAnswers() throws {
    let parked = Parked()
    try withServer(testRoutes(parked), configure: { $0.drainTimeout = .milliseconds(50) }) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /park/1 HTTP/1.1\r\n\(host)\r\n")
      let (_, reply) = try parked.next()
      server.drain()
      #expect(try client.isClosed())
      reply.send(text("too late"))
    }
  }
}
