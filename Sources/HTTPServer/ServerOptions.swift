package import Wire

/// What a server is told at its start; every number is a limit or a time that has passed its use.
package struct ServerOptions: Sendable {
  /// Address or name to listen on.
  package var host = "127.0.0.1"
  /// Port; 0 = any free one.
  package var port: UInt16 = 0
  /// Threads that serve connections.
  package var loops = 2
  /// Connections served at a time; the next ones are told 503.
  package var maxConnections = 10_000
  /// Limits of a request's head.
  package var head = HTTPHeadParser.Limits()
  /// From the first byte of a head to its end.
  package var headerTimeout: Duration = .seconds(5)
  /// A body must arrive at this many bytes a second, after a start of `headerTimeout`, and an answer be taken, after one
  /// of `writeTimeout`.
  package var minimumRate = 1024
  /// Bytes of bodies in memory at a time, those of up to `BodyShare.free` not counted; then 503. Over half of it the slowest
  /// are given up.
  package var bodyRoom = 256 << 20
  /// Of those, at most so many of one sender, where a route knows who that is; then 503.
  package var bodyRoomEach = 64 << 20
  /// Bytes of answers that wait for their readers at a time; beyond them the slowest of those are dropped who have had
  /// `outputPatience`.
  package var outputRoom = 256 << 20
  /// How long whoever begins to read is not taken for slow.
  package var outputPatience: Duration = .seconds(1)
  /// How long a connection may wait between requests.
  package var idleTimeout: Duration = .seconds(60)
  /// How long a handler may take.
  package var requestTimeout: Duration = .seconds(30)
  /// How long a peer may take no byte of what we send.
  package var writeTimeout: Duration = .seconds(30)
  /// How long `drain` waits for answers in flight.
  package var drainTimeout: Duration = .seconds(10)
  /// Origins whose pages may read and write; empty = no CORS.
  package var corsOrigins: [String] = []
  /// Host names accepted while listening on loopback, beside loopback names and addresses.
  package var allowedHosts: [String] = []
  /// How connections are encrypted; nil = not at all.
  package var tls: ServerTLS?
  /// How long a TLS handshake may take.
  package var handshakeTimeout: Duration = .seconds(5)
  /// Handshakes in progress on one loop, each of which costs as much as many requests; further connections wait.
  package var maxHandshakes = 256
  /// Told of what an operator should know, on a loop's thread.
  package var notice: @Sendable (String) -> Void = { _ in }
  /// Takes finished log lines, many at a time, on a loop's thread; nil = no log.
  package var accessLog: (@Sendable ([UInt8]) -> Void)?
  /// Told of every answered request on a loop's thread.
  package var onCompletion: (@Sendable (Completion) -> Void)?
  /// Turns a refusal of the server's own into an answer.
  package var renderRefusal: @Sendable (Refusal) -> Response = { Refusal.problem($0) }

  /// The defaults: loopback, any port.
  package init() {}
}

/// One answered request, for metrics.
package struct Completion: Sendable {
  /// Index in the route table; nil when no route was reached.
  package let route: Int?
  /// The method; nil when it was unknown or unreadable.
  package let method: Method?
  /// The status sent.
  package let status: Int
  /// From complete head to answer written.
  package let nanoseconds: Int64
}

/// How a server is doing: counts since the start, but for what is now.
package struct ServerMetrics: Sendable, Equatable {
  /// Connections open now.
  package var open = 0
  /// Bytes that bodies take now of the room for all of them.
  package var bodyBytes = 0
  /// Bytes of answers that wait for their readers now.
  package var unreadBytes = 0
  /// Connections accepted.
  package var accepted = 0
  /// Requests answered.
  package var requests = 0
  /// Requests refused by the server itself.
  package var refused = 0
  /// TLS handshakes that came to nothing.
  package var failedHandshakes = 0
  /// Connections dropped because the peer did not read or ran out of time.
  package var dropped = 0
}
