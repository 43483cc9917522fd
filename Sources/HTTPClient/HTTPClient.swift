// HTTPClient: requests over pooled connections to one place, with an honest account of every failure.
//
// Calls block the caller's thread; whoever wants many requests at once uses many threads, and the pool's limit
// makes them wait in turn. It knows no resource and no retry policy but one: an idle connection may have been
// closed by the server a moment ago. If not one byte of an answer came from a connection that had served before,
// the request is sent once more on a fresh one, provided that it is safe: its method is idempotent, the caller
// said so, or the request never left completely.
//
// Invariants: every request has a deadline; heads, bodies, connections and waiting are bounded by name; at most
// one request is in flight per connection; a connection goes back to the pool only after a complete answer that
// allows it, with nothing left in its buffer. A fault says whether the request may have had an effect
// (`wasSent`), because that decides whether a caller may try again.
//
// Refused: pipelining (one lost answer would make all of them unknown), following redirects, cookies, guessing
// at malformed answers.
package import Platform
internal import Wire

/// A pool of connections to one endpoint and the requests that go over them; any thread may call it.
// Unchecked because the pool's state is touched only under its lock, and a connection only by the one caller
// that has taken it out.
package final class HTTPClient: @unchecked Sendable {
  /// Where requests go.
  package let endpoint: Endpoint
  let options: HTTPClientOptions
  private let tls: ClientTLS?
  private let names: NameLookup?
  private let pool: ConnectionPool

  /// Makes a client; nothing is connected before the first request. With `tls` connections over TCP are encrypted, and
  /// the certificate must carry the endpoint's host.
  package convenience init(
    _ endpoint: Endpoint, options: HTTPClientOptions = HTTPClientOptions(), tls: TLSContext? = nil
  ) {
    self.init(endpoint, options: options, renewing: tls.map(ClientTLS.init))
  }

  /// As the other one, with TLS of files that may change.
  package init(_ endpoint: Endpoint, options: HTTPClientOptions = HTTPClientOptions(), renewing tls: ClientTLS?) {
    self.endpoint = endpoint
    self.options = options
    self.tls = tls
    names = if case .tcp(let host, let port) = endpoint { NameLookup(host: host, port: port) } else { nil }
    pool = ConnectionPool(options)
  }

  /// What the pool has done and holds.
  package var metrics: HTTPClientMetrics { pool.metrics }

  /// Closes the connections that nobody uses.
  package func closeIdle() { pool.closeIdle() }

  /// Sends a request and waits for its whole answer.
  package func send(_ request: ClientRequest) throws(HTTPClientFault) -> ClientResponse {
    let limit = options.bodyLimit
    return try perform(request) { (connection, head, deadline) throws(HTTPClientFault) in
      var body: [UInt8] = []
      try connection.readBody(head, limit: limit, into: &body, until: { deadline }, each: { _ in true })
      return ClientResponse(head, body: body)
    }
  }

  /// Sends a request and hands on the body of its answer piece by piece, as it arrives, until it ends or `each`
  /// returns false. The request's timeout covers the head of the answer; after that the stream may be silent for
  /// `quiet` at most.
  package func stream(
    _ request: ClientRequest, quiet: Duration = .seconds(60), _ each: (ClientResponse, [UInt8]) -> Bool
  ) throws(HTTPClientFault) -> ClientResponse {
    try perform(request) { (connection, head, _) throws(HTTPClientFault) in
      let response = ClientResponse(head, body: [])
      var piece: [UInt8] = []
      try connection.readBody(
        head, limit: .max, into: &piece, until: { .now + quiet },
        each: { piece in
          defer { piece.removeAll(keepingCapacity: true) }
          return piece.isEmpty || each(response, piece)
        })
      return response
    }
  }

  private typealias Finish<T> = (ClientConnection, AnswerHead, MonotonicTime) throws(HTTPClientFault) -> T

  private func perform<T>(_ request: ClientRequest, _ finish: Finish<T>) throws(HTTPClientFault) -> T {
    let bytes = try request.encoded(host: endpoint.hostHeader)
    let deadline = MonotonicTime.now + request.timeout
    let way = tls?.way(at: .now)
    var connection = try pool.take(way?.generation ?? 0, until: deadline)
    do throws(HTTPClientFault) {
      let head = try exchange(bytes, request, on: &connection, way, until: deadline)
      let result = try finish(connection!, head, deadline)
      pool.giveBack(connection!.isReusable ? connection : nil)
      return result
    } catch {
      pool.giveBack(nil)
      throw error
    }
  }

  /// Sends the request and reads the head of its answer, connecting first when the pool had no connection.
  private func exchange(
    _ bytes: [UInt8], _ request: ClientRequest, on connection: inout ClientConnection?, _ way: ClientTLS.Way?,
    until deadline: MonotonicTime
  ) throws(HTTPClientFault) -> AnswerHead {
    var wasSent = false
    if let used = connection {
      do throws(HTTPClientFault) {
        return try used.exchange(bytes, isHead: request.method == "HEAD", until: deadline)
      } catch {
        let isSafe = request.mayRepeat || !error.wasSent
        guard used.isSilent, error.kind != .timedOut, isSafe else { throw error }
        pool.noteDead()
        wasSent = error.wasSent
      }
    }
    do throws(HTTPClientFault) {
      let fresh = try connect(way, until: deadline)
      connection = fresh
      return try fresh.exchange(bytes, isHead: request.method == "HEAD", until: deadline)
    } catch {
      // The first try may have been done all the same.
      throw wasSent ? error.afterSending : error
    }
  }

  private func connect(
    _ way: ClientTLS.Way?, until deadline: MonotonicTime
  ) throws(HTTPClientFault) -> ClientConnection {
    let deadline = min(deadline, .now + options.connectTimeout)
    var last = "\(endpoint) has no address"
    var trouble: TLSFault.Trouble?
    do throws(NetFault) {
      for address in try addresses(until: deadline) {
        let socket: Socket
        do throws(NetFault) { socket = try Socket.connect(to: address, until: deadline) } catch {
          last = error.sentence
          continue
        }
        do throws(TLSFault) { try secure(socket, way, until: deadline) } catch {
          last = "\(endpoint): \(error.sentence)"
          trouble = error.trouble
          continue
        }
        pool.noteCreated()
        return ClientConnection(socket, headLimit: options.headLimit, generation: way?.generation ?? 0)
      }
    } catch { last = error.sentence }
    throw HTTPClientFault(.notConnected, wasSent: false, last, tls: trouble)
  }

  private func addresses(until deadline: MonotonicTime) throws(NetFault) -> [SocketAddress] {
    if case .unix(let path) = endpoint { return [try SocketAddress.unix(path)] }
    return try names?.addresses(until: deadline) ?? []
  }

  private func secure(_ socket: Socket, _ way: ClientTLS.Way?, until deadline: MonotonicTime) throws(TLSFault) {
    guard let way, case .tcp(let host, _) = endpoint else { return }
    try socket.secure(way.context, server: host)
    try socket.handshake(until: deadline)
    try tls?.check(socket.peerCertificate)
  }
}
