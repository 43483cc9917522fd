import HTTPServer
import Platform
import Testing

/// One row: what is sent, the status that must come, and whether the connection lives on.
struct Exchange: CustomTestStringConvertible, Sendable {
  let name: String
  let bytes: String
  let status: Int
  let keeps: Bool
  let contains: String

  init(_ name: String, _ bytes: String, _ status: Int, keeps: Bool = false, contains: String = "") {
    self.name = name
    self.bytes = bytes
    self.status = status
    self.keeps = keeps
    self.contains = contains
  }

  var testDescription: String { name }
}

private let host = "Host: localhost\r\n"
private let json = "Content-Type: application/json\r\n"
private func fields(_ count: Int) -> String { (0..<count).map { "X-\($0): 1\r\n" }.joined() }

private let accepted: [Exchange] = [
  Exchange("plain GET", "GET /hello HTTP/1.1\r\n\(host)\r\n", 200, keeps: true, contains: "hello you"),
  Exchange("empty line first", "\r\nGET /hello HTTP/1.1\r\n\(host)\r\n", 200, keeps: true),
  Exchange("query", "GET /hello?name=a%20b+c&x HTTP/1.1\r\n\(host)\r\n", 200, keeps: true, contains: "hello a b c"),
  Exchange("path parameter", "GET /things/7 HTTP/1.1\r\n\(host)\r\n", 200, keeps: true, contains: "thing 7"),
  Exchange("literal wins", "GET /things/special HTTP/1.1\r\n\(host)\r\n", 200, keeps: true, contains: "special"),
  Exchange("escaped literal", "GET /%68ello HTTP/1.1\r\n\(host)\r\n", 200, keeps: true, contains: "hello"),
  Exchange("escaped slash", "GET /things/a%2Fb HTTP/1.1\r\n\(host)\r\n", 200, keeps: true, contains: "thing a/b"),
  Exchange("escaped UTF-8", "GET /things/%C3%A9 HTTP/1.1\r\n\(host)\r\n", 200, keeps: true, contains: "thing é"),
  Exchange(
    "two parameters", "GET /pools/edge/allocations/10.0.0.1 HTTP/1.1\r\n\(host)\r\n", 200, keeps: true,
    contains: "edge 10.0.0.1"),
  Exchange("absolute form", "GET http://localhost/hello HTTP/1.1\r\n\(host)\r\n", 200, keeps: true),
  Exchange("value in white space", "GET /id HTTP/1.1\r\nX-A: \t v \t\r\n\(host)\r\n", 200, keeps: true, contains: " v"),
  Exchange("64 headers", "GET /hello HTTP/1.1\r\n\(host)\(fields(63))\r\n", 200, keeps: true),
  Exchange("close asked", "GET /hello HTTP/1.1\r\n\(host)Connection: foo, Close\r\n\r\n", 200),
  Exchange("HTTP/1.0 closes", "GET /hello HTTP/1.0\r\n\r\n", 200),
  Exchange("HTTP/1.0 keep-alive", "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, keeps: true),
  Exchange("no content", "GET /empty HTTP/1.1\r\n\(host)\r\n", 204, keeps: true),
  Exchange(
    "body", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 2\r\n\r\n{}", 200, keeps: true, contains: "{}"),
  Exchange("no body, no type", "POST /echo HTTP/1.1\r\n\(host)\r\n", 200, keeps: true),
  Exchange("length 0, no type", "POST /echo HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n", 200, keeps: true),
  Exchange(
    "type with charset",
    "POST /echo HTTP/1.1\r\n\(host)Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}", 200,
    keeps: true),
  Exchange(
    "chunked body",
    "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\nA\r\npedia 1234\r\n0\r\n\r\n",
    200,
    keeps: true, contains: "Wikipedia 1234"),
  Exchange(
    "chunked with trailer",
    "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n", 200,
    keeps: true, contains: "a")
]

private let refused: [Exchange] = [
  Exchange("garbage", "\u{16}\u{3}\u{1}\r\n\r\n", 400),
  Exchange("HTTP/0.9", "GET /hello\r\n", 400),
  Exchange("two empty lines", "\r\n\r\nGET /hello HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
  Exchange("HTTP/1.2", "GET /hello HTTP/1.2\r\n\(host)\r\n", 505),
  Exchange("version in lower case", "GET /hello http/1.1\r\n\(host)\r\n", 400),
  Exchange("two spaces", "GET  /hello HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("space after version", "GET /hello HTTP/1.1 \r\n\(host)\r\n", 400),
  Exchange("tab for space", "GET\t/hello HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("relative target", "GET hello HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("fragment", "GET /hello#a HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("raw UTF-8 in target", "GET /é HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("bare LF", "GET /hello HTTP/1.1\n\(host)\r\n", 400),
  Exchange("bare LF in header", "GET /hello HTTP/1.1\r\nHost: localhost\n\r\n", 400),
  Exchange("bare CR", "GET /hello HTTP/1.1\r\nX: a\rb\r\n\(host)\r\n", 400),
  Exchange("NUL in value", "GET /hello HTTP/1.1\r\nX: a\0b\r\n\(host)\r\n", 400),
  Exchange("NUL in target", "GET /a\0b HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("folded header", "GET /hello HTTP/1.1\r\nX: a\r\n b\r\n\(host)\r\n", 400),
  Exchange("space before colon", "GET /hello HTTP/1.1\r\nX : a\r\n\(host)\r\n", 400),
  Exchange("empty name", "GET /hello HTTP/1.1\r\n: a\r\n\(host)\r\n", 400),
  Exchange("no colon", "GET /hello HTTP/1.1\r\nX\r\n\(host)\r\n", 400),
  Exchange("name is no token", "GET /hello HTTP/1.1\r\nX(y): a\r\n\(host)\r\n", 400),
  Exchange("no host", "GET /hello HTTP/1.1\r\n\r\n", 400),
  Exchange("empty host", "GET /hello HTTP/1.1\r\nHost:\r\n\r\n", 400),
  Exchange("two hosts", "GET /hello HTTP/1.1\r\n\(host)\(host)\r\n", 400),
  Exchange("host with path", "GET /hello HTTP/1.1\r\nHost: localhost/a\r\n\r\n", 400),
  Exchange("host with user", "GET /hello HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400),
  Exchange("host with bad port", "GET /hello HTTP/1.1\r\nHost: localhost:8x\r\n\r\n", 400),
  Exchange("absolute form, other host", "GET http://127.0.0.1/hello HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange(
    "length twice", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
  Exchange("length list", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 2, 2\r\n\r\n{}", 400),
  Exchange("length with plus", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: +2\r\n\r\n{}", 400),
  Exchange("length with minus", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: -2\r\n\r\n{}", 400),
  Exchange("hex length", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 0x2\r\n\r\n{}", 400),
  Exchange("empty length", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length:\r\n\r\n{}", 400),
  Exchange(
    "length overflows", "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 18446744073709551618\r\n\r\n{}", 400),
  Exchange(
    "length and encoding",
    "POST /echo HTTP/1.1\r\n\(host)\(json)Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
  Exchange(
    "encoding twice",
    "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400),
  Exchange("gzip, chunked", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
  Exchange("identity", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: identity\r\n\r\n", 501),
  Exchange("encoding in 1.0", "POST /echo HTTP/1.0\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
  Exchange(
    "chunk extension", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
    400),
  Exchange(
    "chunk size is no number", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
  Exchange("chunk size empty", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n\r\n", 400),
  Exchange(
    "chunk size overflows", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n1FFFFFFFF\r\n", 400),
  Exchange(
    "chunk ends in LF", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", 400),
  Exchange(
    "chunk is longer", "POST /echo HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
    400),
  Exchange(
    "chunked beyond limit", "POST /small HTTP/1.1\r\n\(host)\(json)Transfer-Encoding: chunked\r\n\r\n11\r\n", 413),
  Exchange("long request line", "GET /\(String(repeating: "a", count: 8192)) HTTP/1.1\r\n\(host)\r\n", 414),
  Exchange("endless request line", String(repeating: "a", count: 9000), 414),
  Exchange("65 headers", "GET /hello HTTP/1.1\r\n\(host)\(fields(64))\r\n", 431),
  Exchange(
    "large head",
    "GET /hello HTTP/1.1\r\n\(host)X: \(String(repeating: "a", count: 10_000))\r\nY: "
      + String(repeating: "a", count: 7000) + "\r\n\r\n", 431),
  Exchange("endless header", "GET /hello HTTP/1.1\r\nX: \(String(repeating: "a", count: 17_000))", 431),
  Exchange("bad escape", "GET /things/%zz HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("cut escape", "GET /things/%4 HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("escaped NUL", "GET /things/%00 HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("escape is not UTF-8", "GET /things/%FF HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange("bad escape in query", "GET /hello?name=%zz HTTP/1.1\r\n\(host)\r\n", 400),
  Exchange(
    "unknown expectation", "POST /echo HTTP/1.1\r\n\(host)\(json)Expect: tea\r\nContent-Length: 2\r\n\r\n{}", 417),
  Exchange("content type twice", "POST /echo HTTP/1.1\r\n\(host)\(json)\(json)Content-Length: 2\r\n\r\n{}", 400)
]

private let turnedDown: [Exchange] = [
  Exchange("no such path", "GET /nope HTTP/1.1\r\n\(host)\r\n", 404, keeps: true, contains: "\"not_found\""),
  Exchange("trailing slash", "GET /hello/ HTTP/1.1\r\n\(host)\r\n", 404, keeps: true),
  Exchange("empty parameter", "GET /things/ HTTP/1.1\r\n\(host)\r\n", 404, keeps: true),
  Exchange("404 with body", "POST /nope HTTP/1.1\r\n\(host)Content-Length: 2\r\n\r\n{}", 404, keeps: true),
  Exchange("wrong method", "PUT /hello HTTP/1.1\r\n\(host)\r\n", 405, keeps: true, contains: "method_not_allowed"),
  Exchange("another known method that no route has", "QUERY /hello HTTP/1.1\r\n\(host)\r\n", 405, keeps: true),
  Exchange("a known method that no route has", "TRACE /hello HTTP/1.1\r\n\(host)\r\n", 405, keeps: true),
  Exchange("unknown method", "BREW /hello HTTP/1.1\r\n\(host)\r\n", 501, keeps: true),
  Exchange("method in lower case", "get /hello HTTP/1.1\r\n\(host)\r\n", 501, keeps: true),
  Exchange("body of no type", "POST /echo HTTP/1.1\r\n\(host)Content-Length: 2\r\n\r\n{}", 415, keeps: true),
  Exchange(
    "form", "POST /echo HTTP/1.1\r\n\(host)Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415, keeps: true,
    contains: "unsupported_media_type"),
  Exchange(
    "type that only begins so",
    "POST /echo HTTP/1.1\r\n\(host)Content-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}",
    415, keeps: true),
  Exchange(
    "too long for the route", "POST /small HTTP/1.1\r\n\(host)\(json)Content-Length: 17\r\n\r\n12345678901234567", 413,
    keeps: true, contains: "body_too_large"),
  Exchange("far too long", "POST /small HTTP/1.1\r\n\(host)\(json)Content-Length: 99999999\r\n\r\n", 413),
  Exchange(
    "foreign origin", "POST /echo HTTP/1.1\r\n\(host)Origin: http://evil.example\r\n\r\n", 403, keeps: true,
    contains: "foreign_origin"),
  Exchange("opaque origin", "DELETE /things/1 HTTP/1.1\r\n\(host)Origin: null\r\n\r\n", 403, keeps: true),
  Exchange("own origin", "DELETE /things/1 HTTP/1.1\r\n\(host)Origin: http://localhost\r\n\r\n", 200, keeps: true),
  Exchange("reading is free", "GET /hello HTTP/1.1\r\n\(host)Origin: http://evil.example\r\n\r\n", 200, keeps: true),
  Exchange(
    "rebound name", "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, keeps: true, contains: "misdirected"),
  Exchange("almost an address", "GET /hello HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 421, keeps: true),
  Exchange("address as host", "GET /hello HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n", 200, keeps: true),
  Exchange("IPv6 host", "GET /hello HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200, keeps: true),
  Exchange("loopback name", "GET /hello HTTP/1.1\r\nHost: berth.LOCALHOST\r\n\r\n", 200, keeps: true),
  Exchange("configured name", "GET /hello HTTP/1.1\r\nHost: Berth.Example:8080\r\n\r\n", 200, keeps: true)
]

@Suite struct ServerConformanceTests {
  @Test(arguments: accepted + refused + turnedDown)
  func rawBytesGetTheirStatus(_ exchange: Exchange) throws {
    try withServer(configure: { $0.allowedHosts = ["berth.example"] }) { server in
      let client = try RawClient(port: server.port)
      client.send(exchange.bytes)
      try expect(exchange, client)
    }
  }

  @Test(arguments: accepted + turnedDown)
  func cuttingTheBytesAnywhereChangesNothing(_ exchange: Exchange) throws {
    try withServer(configure: { $0.allowedHosts = ["berth.example"] }) { server in
      let client = try RawClient(port: server.port)
      for byte in exchange.bytes.utf8 { client.send([byte]) }
      try expect(exchange, client)
    }
  }

  private func expect(_ exchange: Exchange, _ client: RawClient) throws {
    let response = try #require(try client.response())
    #expect(response.status == exchange.status)
    #expect(response.body.contains(exchange.contains))
    #expect(response.header("x-request-id")?.count == 16)
    #expect(response.header("date")?.hasSuffix(" GMT") == true)
    if response.status >= 400 {
      #expect(response.header("content-type") == "application/problem+json")
      #expect(response.body.contains(#""status":\#(exchange.status),"code":""#))
    }
    if exchange.keeps {
      client.send("GET /hello?name=again HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try client.response()?.body == "hello again")
    } else {
      #expect(response.header("connection") == "close")
      #expect(try client.isClosed())
    }
  }
}
