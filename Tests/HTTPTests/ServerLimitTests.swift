import HTTPServer
import Platform
import Testing

private let host = "Host: localhost\r\n"
private let json = "Content-Type: application/json\r\n"

@Suite struct ServerLimitTests {
  @Test func aSlowHeadIsTimedOut() throws {
    try withServer(configure: { $0.headerTimeout = .milliseconds(40) }) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /hello HT")
      let response = try #require(try client.response())
      #expect(response.status == 408)
      #expect(try client.isClosed())
    }
  }

  @Test func aSlowBodyIsTimedOut() throws {
    try withServer(configure: {
      $0.headerTimeout = .milliseconds(40)
      $0.minimumRate = 1000
    }) { server in
      let client = try RawClient(port: server.port)
      client.send("POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 100\r\n\r\nabc")
      #expect(try client.response()?.status == 408)
      #expect(try client.isClosed())
    }
  }

  @Test func anIdleConnectionIsClosed() throws {
    try withServer(configure: { $0.idleTimeout = .milliseconds(40) }) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response()?.status == 200)
      #expect(try client.isClosed())
    }
  }

  @Test func aHandlerThatNeverAnswersIsAnsweredForOnce() throws {
    let parked = Parked()
    try withServer(testRoutes(parked), configure: { $0.requestTimeout = .milliseconds(40) }) { server in
      let reader = try RawClient(port: server.port)
      reader.send("GET /park/1 HTTP/1.1\r\n\(host)\r\n")
      #expect(try reader.response()?.status == 503)
      let writer = try RawClient(port: server.port)
      writer.send("POST /park HTTP/1.1\r\n\(host)\r\n")
      let response = try #require(try writer.response())
      #expect(response.status == 504)
      #expect(response.body.contains("outcome_unknown"))
      #expect(try writer.isClosed())
      // Both handlers come too late, and nothing happens.
      try parked.next().reply.send(text("late"))
      try parked.next().reply.send(text("late"))
    }
  }

  @Test func connectionsOverTheLimitAreToldSo() throws {
    try withServer(configure: { $0.maxConnections = 2 }) { server in
      let first = try RawClient(port: server.port)
      let second = try RawClient(port: server.port)
      for client in [first, second] {
        client.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
        #expect(try client.response()?.status == 200)
      }
      let third = try RawClient(port: server.port)
      third.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      let response = try #require(try third.response())
      #expect(response.status == 503)
      #expect(response.header("retry-after") == "1")
      #expect(response.body.contains("too_many_connections"))
      #expect(try third.isClosed())
      first.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      #expect(try first.response()?.status == 200)
    }
  }

  @Test func manyConnectionsAreServedAtOnce() throws {
    let parked = Parked()
    try withServer(testRoutes(parked)) { server in
      let clients = try (0..<300).map { _ in try SmallClient(port: server.port) }
      for (n, client) in clients.enumerated() { client.send("GET /park/\(n) HTTP/1.1\r\n\(host)\r\n") }
      for _ in clients {
        let (path, reply) = try parked.next()
        reply.send(text(path))
      }
      for (n, client) in clients.enumerated() { #expect(try client.lastLine() == "/park/\(n)") }
      #expect(server.metrics.open == 300)
      #expect(server.metrics.requests == 300)
    }
  }

  @Test func aReaderThatFallsBehindIsDropped() throws {
    let streams = Streams()
    try withServer([streams.route]) { server in
      let client = try RawClient(port: server.port, receiveBuffer: 4096)
      client.send("GET /events HTTP/1.1\r\n\(host)\r\n")
      let stream = try streams.next()
      let piece = [UInt8](repeating: 97, count: 64 << 10)
      var written = 0
      while stream.write(piece), written < 1000 { written += 1 }
      #expect(written < 1000, "the writer is told")
      #expect(!stream.isOpen)
      eventually("the connection is gone") { server.metrics.open == 0 }
      #expect(server.metrics.dropped == 1)
    }
  }
}

/// A client whose answer is small; it has no large buffer, so there may be hundreds.
final class SmallClient {
  private let socket: Socket

  init(port: UInt16) throws {
    let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
    socket = try Socket.connect(to: address, until: .now + RawClient.patience)
  }

  func send(_ text: String) { _ = socket.send(Array(text.utf8), from: 0) }

  func lastLine() throws -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    try #require(socket.wait(until: .now + RawClient.patience))
    guard case .bytes(let count) = socket.receive(into: &buffer, at: 0) else { return "" }
    return String(decoding: buffer[..<count].split(separator: 10).last ?? [], as: UTF8.self)
  }
}

/// Streams opened by a handler, for the test to write to.
final class Streams: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var open: [ResponseStream] = []

  var route: Route {
    Route(.get, "/events") { [self] _, reply in
      let stream = reply.stream(status: 200, contentType: "text/event-stream")
      lock.withLock {
        open.append(stream)
        changed.broadcast()
      }
    }
  }

  func next() throws -> ResponseStream {
    let found = lock.withLock { () -> ResponseStream? in
      let deadline = MonotonicTime.now + RawClient.patience
      while open.isEmpty, MonotonicTime.now < deadline { _ = changed.wait(lock, timeout: .seconds(1)) }
      return open.popLast()
    }
    return try #require(found, "no stream was opened")
  }
}
