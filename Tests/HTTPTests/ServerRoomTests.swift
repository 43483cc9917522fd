import HTTPServer
import Platform
import Testing

private let host = "Host: localhost\r\n"
private let json = "Content-Type: application/json\r\n"

/// Requests kept by a handler until the test lets them go.
// Unchecked because `lock` guards `kept`.
private final class Kept: @unchecked Sendable {
  private let lock = Lock()
  private var kept: [(request: Request, reply: Reply)] = []

  func add(_ request: Request, _ reply: Reply) { lock.withLock { kept.append((request, reply)) } }
  func take() -> (request: Request, reply: Reply)? { lock.withLock { kept.popLast() } }
  var count: Int { lock.withLock { kept.count } }
}

/// Who may not pass is told before a body is kept, and what is kept has a room with an end.
@Suite struct ServerRoomTests {
  /// `/guarded` is for whoever shows anything at all.
  private func routes(_ kept: Kept = Kept()) -> [Route] {
    let stranger: @Sendable (Request) -> Response? = { request in
      request.header("authorization") == nil ? text("who are you", status: 401) : nil
    }
    let guarded = Route(.post, "/guarded", bodyLimit: 8 << 20, judge: stranger) { request, reply in
      reply.send(stranger(request) ?? text("\(request.body.count) bytes"))
    }
    return testRoutes() + [guarded, Route(.post, "/kept", bodyLimit: 8 << 20) { kept.add($0, $1) }]
  }

  @Test func whoMayNotPassIsToldBeforeTheBodyIsWaitedFor() throws {
    let closed = [
      "Content-Length: 8388608\r\n\r\n", "Content-Length: 8388608\r\n\r\n{",
      "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n",
      "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n\(host)\r\n"
    ]
    try withServer(routes()) { server in
      for rest in closed {
        let client = try RawClient(port: server.port)
        client.send("POST /guarded HTTP/1.1\r\n\(host)\(json)" + rest)
        let answer = try #require(try client.response())
        #expect(answer.status == 401 && answer.body == "who are you", "\(rest)")
        #expect(answer.header("connection") == "close")
        #expect(try client.isClosed(), "nothing behind the head is taken for a request: \(rest)")
      }
      #expect(server.metrics.bodyBytes == 0)
    }
  }

  @Test func aSmallBodyOfWhoMayNotPassIsReadAndForgottenAndTheConnectionLivesOn() throws {
    try withServer(routes()) { server in
      let client = try RawClient(port: server.port)
      let inside = "GET /things/1 HTTP/1.1\r\n\(host)\r\n"
      for length in [inside.utf8.count, 60_000] {
        client.send("POST /guarded HTTP/1.1\r\n\(host)\(json)Content-Length: \(length)\r\n\r\n")
        let body = inside + String(repeating: " ", count: length - inside.utf8.count)
        client.send(body + "GET /hello HTTP/1.1\r\n\(host)\r\n")
        #expect(try client.response()?.status == 401)
        #expect(try client.response()?.body == "hello you", "and what stood in the body is no request")
      }
      client.send("POST /guarded HTTP/1.1\r\n\(host)\(json)Content-Length: 2\r\n\r\n{}")
      #expect(try client.response()?.status == 401, "a body that came with its head")
    }
  }

  @Test func whoMayPassIsAskedForTheBody() throws {
    try withServer(routes()) { server in
      let client = try RawClient(port: server.port)
      let known = "Authorization: me\r\n"
      client.send(
        "POST /guarded HTTP/1.1\r\n\(host)\(json)\(known)Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
      #expect(try client.response()?.status == 100)
      client.send("{}")
      #expect(try client.response()?.body == "2 bytes")
    }
  }

  @Test func largeBodiesShareARoomAndSmallOnesGetThroughWhenItIsFull() throws {
    try withServer(
      routes(),
      configure: {
        $0.bodyRoom = 1 << 20
        $0.headerTimeout = .seconds(60)
      }
    ) { server in
      let large = [UInt8](repeating: 32, count: 700_000)
      let head = "POST /guarded HTTP/1.1\r\n\(host)\(json)Authorization: me\r\nContent-Length: "
      let first = try RawClient(port: server.port)
      first.send("\(head)800000\r\n\r\n")
      first.send(large)
      eventually("it is counted") { server.metrics.bodyBytes == large.count }
      let second = try RawClient(port: server.port)
      second.send("\(head)800000\r\n\r\n")
      second.send(large)
      let answer = try #require(try second.response())
      #expect(answer.status == 503 && answer.body.contains("too_many_bodies"))
      #expect(answer.header("retry-after") == "1" && answer.header("connection") == "close")
      #expect(server.metrics.bodyBytes == large.count, "what is refused takes nothing")
      let small = try RawClient(port: server.port)
      small.send("\(head)2\r\n\r\n{}")
      #expect(try small.response()?.body == "2 bytes")
      small.send("POST /guarded HTTP/1.1\r\n\(host)\(json)Authorization: me\r\nTransfer-Encoding: chunked\r\n\r\n")
      small.send("60000\r\n" + String(repeating: " ", count: 0x60000) + "\r\n0\r\n\r\n")
      #expect(try small.response()?.status == 503, "however its length is told")
      first.send([UInt8](repeating: 32, count: 100_000))
      #expect(try first.response()?.body == "800000 bytes")
      eventually("all is given back") { server.metrics.bodyBytes == 0 }
    }
  }

  /// Or whoever has a token shuts the others out, with bodies that are just fast enough.
  @Test func oneSenderHasAPartOfTheRoomAndLeavesTheRestToOthers() throws {
    let sender: @Sendable (Request) -> String? = { $0.header("authorization") }
    let shared = Route(.post, "/shared", bodyLimit: 8 << 20, sender: sender) { request, reply in
      reply.send(text("\(request.body.count) bytes"))
    }
    try withServer(
      [shared],
      configure: {
        $0.bodyRoomEach = 500_001
        $0.headerTimeout = .seconds(60)
      }
    ) { server in
      /// Sends so much of a body that a little of it is missing.
      func send(_ count: Int, as name: String?) throws -> RawClient {
        let client = try RawClient(port: server.port)
        let sender = name.map { "Authorization: \($0)\r\n" } ?? ""
        client.send("POST /shared HTTP/1.1\r\n\(host)\(json)\(sender)Content-Length: \(count + 1)\r\n\r\n")
        client.send([UInt8](repeating: 32, count: count))
        return client
      }
      let first = try send(250_000, as: "a"), second = try send(250_000, as: "a")
      eventually("both are counted") { server.metrics.bodyBytes == 500_000 }
      #expect(try send(100_000, as: "a").response()?.status == 503, "its part is full")
      eventually("what is refused takes nothing") { server.metrics.bodyBytes == 500_000 }
      let other = try send(450_000, as: "b")
      let nobody = try (0..<2).map { _ in try send(450_000, as: nil) }
      eventually("the others have theirs, and who has no name has none") { server.metrics.bodyBytes == 1_850_000 }
      for client in [first, second, other] + nobody {
        client.send(" ")
        #expect(try client.response()?.status == 200)
      }
      eventually("all is given back") { server.metrics.bodyBytes == 0 }
      let again = try send(450_000, as: "a")
      again.send(" ")
      #expect(try again.response()?.status == 200, "also to the sender")
    }
  }

  @Test func whoSendsALargeBodySlowlyGivesWayWhenHalfTheRoomIsTaken() throws {
    try withServer(
      routes(),
      configure: {
        // Each loop gives up the slowest of its own: on one loop they meet.
        $0.loops = 1
        // Half of it is passed by the very last that is sent, so that it is no matter when the server looks.
        $0.bodyRoom = 1_280_000
        $0.headerTimeout = .milliseconds(60)
      }
    ) { server in
      let head = "POST /guarded HTTP/1.1\r\n\(host)\(json)Authorization: me\r\nContent-Length: "
      let (slow, slower) = (try RawClient(port: server.port), try RawClient(port: server.port))
      slower.send("\(head)400000\r\n\r\n")
      slower.send([UInt8](repeating: 32, count: 300_000))
      eventually("it has it") { server.metrics.bodyBytes == 300_000 }
      slow.send("\(head)400000\r\n\r\n")
      slow.send([UInt8](repeating: 32, count: 350_000))
      // At the least rate either could take minutes.
      #expect(try slower.response()?.status == 408)
      eventually("what it sent is forgotten") { server.metrics.bodyBytes == 350_000 }
      slow.send([UInt8](repeating: 32, count: 50_000))
      #expect(try slow.response()?.body == "400000 bytes")
    }
  }

  @Test func aBodyIsCountedAsLongAsAnybodyHasItsRequest() throws {
    let kept = Kept()
    try withServer(routes(kept)) { server in
      var client: RawClient? = try RawClient(port: server.port)
      client?.send("POST /kept HTTP/1.1\r\n\(host)\(json)Content-Length: 100000\r\n\r\n")
      client?.send([UInt8](repeating: 32, count: 100_000))
      eventually("the handler has it") { kept.count == 1 }
      #expect(server.metrics.bodyBytes == 100_000)
      client?.socket.resetOnClose()
      client = nil
      eventually("the connection is gone") { server.metrics.open == 0 }
      #expect(server.metrics.bodyBytes == 100_000, "whoever has the request still has the body")
      var taken = kept.take()
      let rest = taken?.request.withoutBody
      taken = nil
      #expect(server.metrics.bodyBytes == 0 && rest?.path == "/kept")
    }
  }

  private static let largeAnswer = 12 << 20
  private let large = Route(.get, "/large") { _, reply in
    reply.send(Response(status: 200, body: [UInt8](repeating: 120, count: largeAnswer)))
  }

  @Test func answersThatNobodyReadsHaveARoomAndTheSlowestGoWhenItIsFull() throws {
    try withServer(
      [large],
      configure: {
        $0.loops = 1
        $0.outputRoom = 30 << 20
        $0.outputPatience = .milliseconds(40)
      }
    ) { server in
      // Nothing is read of them; three are more than there is room for.
      let slow = try (0..<5).map { _ in try RawClient(port: server.port, receiveBuffer: 4096) }
      for client in slow { client.send("GET /large HTTP/1.1\r\n\(host)\r\n") }
      eventually("some are dropped") { server.metrics.dropped >= 3 && server.metrics.unreadBytes <= 30 << 20 }
      #expect(server.metrics.open == 2 && server.metrics.dropped == 3, "and no more than it takes")
      #expect(server.metrics.unreadBytes > 20 << 20)
      let reader = try RawClient(port: server.port)
      reader.send("GET /large HTTP/1.1\r\n\(host)\r\n")
      #expect(try reader.takes(Self.largeAnswer), "who reads is not dropped for those who do not")
    }
  }

  @Test func whoReadsTooSlowlyIsDroppedHoweverSteadily() throws {
    try withServer(
      [large],
      configure: {
        $0.writeTimeout = .milliseconds(300)
        $0.minimumRate = 1 << 30
      }
    ) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /large HTTP/1.1\r\n\(host)\r\n")
      var bytes = [UInt8](repeating: 0, count: 16 << 10)
      var read = 0
      eventually("it is dropped") {
        if case .bytes(let count) = client.socket.receive(into: &bytes, at: 0) { read += count }
        return server.metrics.dropped == 1 && server.metrics.unreadBytes == 0
      }
      #expect(read > 0)
    }
  }
}

extension RawClient {
  /// Whether an answer with a body of so many `x` comes, of which nothing is kept.
  fileprivate func takes(_ count: Int) throws -> Bool {
    let deadline = MonotonicTime.now + Self.patience
    var (bytes, got) = ([UInt8](repeating: 0, count: 1 << 20), 0)
    while got < count {
      switch socket.receive(into: &bytes, at: 0) {
      case .bytes(let more): got += bytes[..<more].count { $0 == 120 }
      case .wouldBlock: guard socket.wait(until: deadline) else { return false }
      case .ended, .failed: return false
      }
    }
    return got == count
  }
}
