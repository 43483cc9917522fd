import HTTPServer
import Platform
import Testing
import Wire

/// An answer as it came over the wire.
struct RawResponse {
  let status: Int
  let headers: [(name: String, value: String)]
  let body: String

  func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }
}

/// A client that sends exactly the bytes it is told to, and gives up after a deadline.
final class RawClient {
  static let patience = Duration.seconds(10)

  let socket: Socket
  private var buffer = [UInt8](repeating: 0, count: 4 << 20)
  private var start = 0
  private var filled = 0

  init(port: UInt16, receiveBuffer: Int32? = nil) throws {
    let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
    socket = try Socket.connect(to: address, until: .now + Self.patience)
    if let receiveBuffer { socket.limitReceiveBuffer(receiveBuffer) }
  }

  /// Sends all of it; false when the server has closed.
  @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  @discardableResult func send(_ bytes: [UInt8]) -> Bool {
    let deadline = MonotonicTime.now + Self.patience
    var offset = 0
    while offset < bytes.count {
      switch socket.send(bytes, from: offset) {
      case .bytes(let count): offset += count
      case .wouldBlock: guard socket.wait(toSend: true, until: deadline) else { return false }
      case .ended, .failed: return false
      }
    }
    return true
  }

  /// The next answer; nil when the server closes instead.
  func response(toHead: Bool = false) throws -> RawResponse? {
    var parser = HTTPHeadParser(.response)
    parser.begin(at: start)
    while try !parser.parse(buffer, upTo: filled) { guard try receive() else { return nil } }
    let head = parser.head
    start = head.end
    var body: [UInt8] = []
    switch head.responseFraming(toHead: toHead) {
    case .none: break
    case .length(let count):
      while filled - start < count { guard try receive() else { return nil } }
      body = Array(buffer[start..<start + count])
      start += count
    case .chunked:
      var decoder = HTTPChunkedDecoder()
      while try !decoder.decode(buffer, from: &start, upTo: filled, into: &body, limit: 1 << 30) {
        guard try receive() else { return nil }
      }
    case .untilClose:
      while try receive() {}
      body = Array(buffer[start..<filled])
      start = filled
    }
    let headers = head.fields.map { (name: buffer.text($0.name), value: buffer.text($0.value)) }
    return RawResponse(status: head.status, headers: headers, body: String(decoding: body, as: UTF8.self))
  }

  /// Whether the server has closed its side, with nothing left to read.
  func isClosed() throws -> Bool { try start == filled && !receive() }

  /// Whether the server says that nothing more comes, instead of only cutting the connection.
  func endsInGoodOrder() throws -> Bool {
    let deadline = MonotonicTime.now + Self.patience
    while true {
      switch socket.receive(into: &buffer, at: filled) {
      case .wouldBlock: try #require(socket.wait(until: deadline), "the server did not close in time")
      case .ended: return true
      case .bytes, .failed: return false
      }
    }
  }

  /// Receives more; false at the end of the connection.
  private func receive() throws -> Bool {
    let deadline = MonotonicTime.now + Self.patience
    while true {
      switch socket.receive(into: &buffer, at: filled) {
      case .bytes(let count):
        filled += count
        return true
      case .wouldBlock: try #require(socket.wait(until: deadline), "the server did not answer in time")
      case .ended, .failed: return false
      }
    }
  }

  /// What waits to be read now, as text, waiting until it has `count` bytes.
  func text(_ count: Int) throws -> String {
    while filled - start < count { guard try receive() else { break } }
    defer { start = filled }
    return String(decoding: buffer[start..<filled], as: UTF8.self)
  }
}

/// Replies kept by a handler until the test lets them go.
final class Parked: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var replies: [(path: String, reply: Reply)] = []

  func keep(_ request: Request, _ reply: Reply) {
    lock.withLock {
      replies.append((request.path, reply))
      changed.broadcast()
    }
  }

  /// Takes the oldest reply, waiting for it.
  func next() throws -> (path: String, reply: Reply) {
    let found = lock.withLock { () -> (path: String, reply: Reply)? in
      let deadline = MonotonicTime.now + RawClient.patience
      while replies.isEmpty, MonotonicTime.now < deadline { _ = changed.wait(lock, timeout: .seconds(1)) }
      return replies.isEmpty ? nil : replies.removeFirst()
    }
    return try #require(found, "no request reached the handler")
  }

  var count: Int { lock.withLock { replies.count } }
}

/// Waits until `condition` holds.
func eventually(_ what: String, _ condition: () -> Bool) {
  let deadline = MonotonicTime.now + RawClient.patience
  let lock = Lock()
  let never = Condition()
  while !condition() {
    guard MonotonicTime.now < deadline else {
      Issue.record("never happened: \(what)")
      return
    }
    lock.withLock { _ = never.wait(lock, timeout: .milliseconds(2)) }
  }
}

func text(_ body: String, status: Int = 200) -> Response { Response(status: status, body: Array(body.utf8)) }

/// The routes that most tests use.
func testRoutes(_ parked: Parked = Parked()) -> [Route] {
  [
    Route(.get, "/hello") { request, reply in reply.send(text("hello \(request.query("name") ?? "you")")) },
    Route(.get, "/things/{id}") { request, reply in reply.send(text("thing \(request.parameter(0))")) },
    Route(.get, "/things/special") { _, reply in reply.send(text("special")) },
    Route(.delete, "/things/{id}") { request, reply in reply.send(text("gone \(request.parameter(0))")) },
    Route(.get, "/pools/{pool}/allocations/{ip}") { request, reply in
      reply.send(text("\(request.parameter(0)) \(request.parameter(1))"))
    },
    Route(.post, "/echo", bodyLimit: 1 << 20) { request, reply in
      reply.send(text(String(decoding: request.body, as: UTF8.self)))
    },
    Route(.post, "/small", bodyLimit: 16) { request, reply in reply.send(text("\(request.body.count)")) },
    Route(.get, "/empty") { _, reply in reply.send(Response(status: 204, contentType: nil)) },
    Route(.get, "/id") { request, reply in reply.send(text("\(request.requestID) \(request.header("x-a") ?? "-")")) },
    Route(.get, "/park/{n}") { request, reply in parked.keep(request, reply) },
    Route(.post, "/park") { request, reply in parked.keep(request, reply) }
  ]
}

/// Runs `body` against a started server and drains it after.
func withServer(
  _ routes: [Route] = testRoutes(), configure: (inout ServerOptions) -> Void = { _ in },
  _ body: (Server) throws -> Void
) throws {
  var options = ServerOptions()
  configure(&options)
  let server = try Server(options, Router(routes))
  server.start()
  defer { server.drain() }
  try body(server)
}
