import HTTPServer
import Platform
import Testing

private let host = "Host: localhost\r\n"
private let json = "Content-Type: application/json\r\n"

@Suite struct ServerBehaviourTests {
  @Test func pipelinedAnswersLeaveInOrderThoughAnsweredLater() throws {
    let parked = Parked()
    try withServer(testRoutes(parked)) { server in
      let client = try RawClient(port: server.port)
      client.send((1...20).map { "GET /\($0 % 2 == 0 ? "things" : "park")/\($0) HTTP/1.1\r\n\(host)\r\n" }.joined())
      for n in stride(from: 1, through: 19, by: 2) {
        let (path, reply) = try parked.next()
        #expect(path == "/park/\(n)")
        #expect(parked.count == 0, "the next request waits for this answer")
        Thread(name: "answer") { reply.send(text("parked \(n)")) }.join()
      }
      for n in 1...20 { #expect(try client.response()?.body == (n % 2 == 0 ? "thing \(n)" : "parked \(n)")) }
    }
  }

  @Test func aThousandPipelinedRequestsAreAnsweredInOrder() throws {
    try withServer { server in
      let client = try RawClient(port: server.port)
      let requests = (0..<1000).map { "GET /things/\($0) HTTP/1.1\r\n\(host)\r\n" }.joined()
      client.send(requests)
      for n in 0..<1000 { #expect(try client.response()?.body == "thing \(n)") }
    }
  }

  @Test func headIsGetWithoutBody() throws {
    try withServer { server in
      let client = try RawClient(port: server.port)
      client.send("HEAD /hello HTTP/1.1\r\n\(host)\r\n")
      let response = try #require(try client.response(toHead: true))
      #expect(response.status == 200)
      #expect(response.header("content-length") == "9")
      client.send("HEAD /nope HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response(toHead: true)?.status == 404)
      client.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response()?.body == "hello you")
    }
  }

  @Test func optionsAndWrongMethodsNameWhatIsAllowed() throws {
    try withServer { server in
      let client = try RawClient(port: server.port)
      client.send("OPTIONS /things/1 HTTP/1.1\r\n\(host)\r\n")
      let options = try #require(try client.response())
      #expect(options.status == 204)
      #expect(options.header("allow") == "GET, HEAD, DELETE, OPTIONS")
      client.send("POST /things/1 HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response()?.header("allow") == "GET, HEAD, DELETE, OPTIONS")
      client.send("OPTIONS * HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response()?.status == 204)
      client.send("OPTIONS /nope HTTP/1.1\r\n\(host)\r\n")
      #expect(try client.response()?.status == 404)
    }
  }

  @Test func continueIsSaidBeforeTheBodyIsRead() throws {
    try withServer { server in
      let client = try RawClient(port: server.port)
      client.send("POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
      #expect(try client.response()?.status == 100)
      client.send("{}")
      #expect(try client.response()?.body == "{}")
      client.send("POST /small HTTP/1.1\r\n\(host)\(json)Content-Length: 17\r\nExpect: 100-continue\r\n\r\n")
      #expect(try client.response()?.status == 413, "a refusal comes instead")
    }
  }

  @Test func bodiesUpToTheLimitArriveWhole() throws {
    try withServer { server in
      let client = try RawClient(port: server.port)
      let body = String((0..<(1 << 20)).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
      for _ in 0..<2 {
        client.send("POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: \(body.utf8.count)\r\n\r\n" + body)
        #expect(try client.response()?.body == body)
      }
      client.send(
        "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n100000\r\n\(body)\r\n0\r\n\r\n")
      #expect(try client.response()?.body == body)
    }
  }

  @Test func requestIdsAreTakenOverOnlyWhenAcceptable() throws {
    try withServer { server in
      let client = try RawClient(port: server.port)
      func id(_ header: String) throws -> String? {
        client.send("GET /id HTTP/1.1\r\n\(host)\(header)\r\n\r\n")
        let response = try #require(try client.response())
        #expect(response.body == "\(response.header("x-request-id") ?? "") -")
        return response.header("x-request-id")
      }
      #expect(try id("X-Request-Id: a.B_c-9") == "a.B_c-9")
      #expect(try id("X-Request-Id: a b")?.count == 16)
      #expect(try id("X-Request-Id: \(String(repeating: "a", count: 129))")?.count == 16)
      let trace = "0af7651916cd43dd8448eb211c80319c"
      #expect(try id("traceparent: 00-\(trace)-b7ad6b7169203331-01") == trace)
      #expect(try id("X-A: -") != id("X-A: -"))
    }
  }

  @Test func corsIsSilentUnlessConfigured() throws {
    let preflight =
      "OPTIONS /things/1 HTTP/1.1\r\n\(host)Origin: https://ui.example\r\nAccess-Control-Request-Method: DELETE\r\n\r\n"
    try withServer { server in
      let client = try RawClient(port: server.port)
      client.send(preflight)
      #expect(try client.response()?.header("access-control-allow-origin") == nil)
    }
    try withServer(configure: { $0.corsOrigins = ["https://ui.example"] }) { server in
      let client = try RawClient(port: server.port)
      client.send(preflight)
      let answer = try #require(try client.response())
      #expect(answer.status == 204)
      #expect(answer.header("access-control-allow-origin") == "https://ui.example")
      #expect(answer.header("access-control-allow-methods")?.contains("DELETE") == true)
      #expect(answer.header("vary") == "Origin")
      client.send("DELETE /things/1 HTTP/1.1\r\n\(host)Origin: https://ui.example\r\n\r\n")
      let written = try #require(try client.response())
      #expect(written.status == 200)
      #expect(written.header("access-control-expose-headers")?.contains("X-Request-Id") == true)
      client.send("DELETE /things/1 HTTP/1.1\r\n\(host)Origin: https://other.example\r\n\r\n")
      let refused = try #require(try client.response())
      #expect(refused.status == 403)
      #expect(refused.header("access-control-allow-origin") == nil)
    }
  }

  @Test func aHandlersHeaderCannotSplitTheAnswer() throws {
    let route = Route(.get, "/split") { _, reply in
      reply.send(Response(status: 200, headers: [("X-Name", "a\r\nSet-Cookie: b\u{0}")], body: []))
    }
    try withServer([route]) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /split HTTP/1.1\r\n\(host)\r\n")
      let response = try #require(try client.response())
      #expect(response.header("set-cookie") == nil)
      #expect(response.header("x-name") == "a??Set-Cookie: b?")
    }
  }

  @Test func aHalfClosedClientStillGetsItsAnswers() throws {
    let parked = Parked()
    try withServer(testRoutes(parked)) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /hello HTTP/1.1\r\n\(host)\r\nGET /park/1 HTTP/1.1\r\n\(host)\r\n")
      client.socket.endSending()
      #expect(try client.response()?.body == "hello you")
      try parked.next().reply.send(text("late"))
      #expect(try client.response()?.body == "late")
      #expect(try client.isClosed())
    }
  }

  @Test func anAnswerToAClientThatIsGoneIsDropped() throws {
    let parked = Parked()
    try withServer(testRoutes(parked)) { server in
      var client: RawClient? = try RawClient(port: server.port)
      client?.send("GET /park/1 HTTP/1.1\r\n\(host)\r\n")
      let (_, reply) = try parked.next()
      client?.socket.resetOnClose()
      client = nil
      eventually("the connection is gone") { server.metrics.open == 0 }
      reply.send(text("nobody hears this"))
      let next = try RawClient(port: server.port)
      next.send("GET /hello HTTP/1.1\r\n\(host)\r\n")
      #expect(try next.response()?.status == 200)
    }
  }

  @Test func logLinesAndCompletionsTellOfEveryRequest() throws {
    let seen = Seen()
    try withServer(configure: {
      $0.accessLog = { seen.add(log: $0) }
      $0.onCompletion = { seen.add($0) }
    }) { server in
      let client = try RawClient(port: server.port)
      client.send("GET /things/7?secret=1 HTTP/1.1\r\n\(host)X-Request-Id: me\r\n\r\n")
      _ = try client.response()
      client.send("GET /nope HTTP/1.1\r\n\(host)\r\nnonsense\r\n\r\n")
      _ = try client.response()
      _ = try client.response()
      eventually("three lines") { seen.lines.count == 3 }
      let first = seen.lines[0].split(separator: " ").map(String.init)
      try #require(first.count == 8)
      #expect(first[1...4] == ["GET", "/things/7", "200", "7"])
      #expect(first[6] == "me")
      #expect(first[7].hasPrefix("127.0.0.1:"))
      #expect(seen.lines[1].contains(" GET /nope 404 "))
      #expect(seen.lines[2].contains(" - - 400 "))
      #expect(seen.completions.map(\.status) == [200, 404, 400])
      #expect(seen.completions.map(\.route) == [1, nil, nil])
    }
  }
}

/// What the server has told of its requests.
final class Seen: @unchecked Sendable {
  private let lock = Lock()
  private var log: [UInt8] = []
  private var done: [Completion] = []

  func add(log bytes: [UInt8]) { lock.withLock { log += bytes } }
  func add(_ completion: Completion) { lock.withLock { done.append(completion) } }
  var lines: [Substring] { lock.withLock { String(decoding: log, as: UTF8.self).split(separator: "\n") } }
  var completions: [Completion] { lock.withLock { done } }
}
