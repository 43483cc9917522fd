package import Platform
internal import Wire

/// One request as a handler sees it; shares the connection's bytes and makes strings only when asked.
package struct Request: Sendable {
  /// What to do.
  package let method: Method
  /// The body, empty when there is none.
  package private(set) var body: [UInt8]
  /// What the body takes of the room for all of them, as long as anybody has the request.
  private var share: BodyShare?
  /// Who sent it, `address:port`.
  package let peer: String
  /// When its head was complete.
  package let receivedAt: MonotonicTime
  let identity: RequestID
  /// Who sent it, by the certificate that its connection began with.
  package let certificate: PeerCertificate?
  let bytes: [UInt8]
  let head: HTTPHead
  let parameters: ParameterPlaces

  init(
    _ method: Method, _ current: Connection.Current, body: consuming [UInt8] = [], share: consuming BodyShare? = nil,
    peer: String, certificate: PeerCertificate?, bytes: consuming [UInt8], head: consuming HTTPHead,
    parameters: ParameterPlaces
  ) {
    (self.method, self.peer, self.certificate) = (method, peer, certificate)
    (receivedAt, identity) = (current.receivedAt, current.identity)
    (self.body, self.share, self.bytes, self.head, self.parameters) = (body, share, bytes, head, parameters)
  }

  /// The same without its body, for who has read that and lives on for long.
  package var withoutBody: Request {
    var copy = self
    (copy.body, copy.share) = ([], nil)
    return copy
  }

  /// The raw path, without query.
  package var path: String { bytes.text(head.path) }

  /// Method, path, query as sent, and at most `limit` bytes of the body: what was asked, for a record.
  package func summary(bodyLimit limit: Int) -> String {
    let count = min(body.count, limit)
    var out: [UInt8] = []
    out.reserveCapacity(16 + head.target.count + count)
    out.append(method.name)
    out.append(0x20)
    out.append(contentsOf: bytes[head.path.indices])
    if let query = head.query {
      out.append(0x3F)
      out.append(contentsOf: bytes[query.indices])
    }
    if count > 0 {
      out.append(0x20)
      out.append(contentsOf: body[..<count])
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// The decoded path parameter `index`, in the order of the pattern.
  package func parameter(_ index: Int) -> String {
    let segment = Router.segment(parameters[index], of: head.path, in: bytes)
    // The router has decoded every segment before it chose the route.
    return (try? HTTPTarget.decodeSegment(bytes[segment.indices])) ?? ""
  }

  /// The query's parameters in order, repeated names included.
  package var queryItems: [(name: String, value: String)] {
    // A malformed query is refused before any handler sees the request.
    head.query.flatMap { try? HTTPTarget.parseQuery(bytes[$0.indices]) } ?? []
  }

  /// The first value of a query parameter.
  package func query(_ name: String) -> String? {
    head.query == nil ? nil : queryItems.first { $0.name == name }?.value
  }

  /// The first value of a header; `name` in lower case.
  package func header(_ name: String) -> String? { head.text(name, in: bytes) }

  /// The id that the client gave, or else ours.
  package var requestID: String { identity.text(in: bytes) }
}

/// Where a request's id comes from.
enum RequestID: Sendable {
  case generated(UInt64)
  case given(ByteRange)

  /// Most characters of a client's id.
  static let limit = 128

  /// The client's `X-Request-Id` or the trace id of its `traceparent`, when acceptable.
  init?(_ head: HTTPHead, in buffer: [UInt8]) {
    if let range = head.field("x-request-id", in: buffer), (1...Self.limit).contains(range.count),
      buffer[range.indices].allSatisfy(Self.isAcceptable)
    {
      self = .given(range)
    } else if let range = head.field("traceparent", in: buffer), range.count >= 55 {
      let trace = ByteRange(Int(range.start) + 3, Int(range.start) + 35)
      guard buffer[trace.indices].allSatisfy({ $0 &- 0x30 < 10 || $0 &- 0x61 < 6 }) else { return nil }
      self = .given(trace)
    } else {
      return nil
    }
  }

  private static func isAcceptable(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2E || byte == 0x5F || byte == 0x2D
  }

  func append(to out: inout OutputSpan<UInt8>, from buffer: [UInt8]) {
    switch self {
    case .generated(let number): out.append(hex: number, digits: 16)
    case .given(let range): out.append(buffer, range.indices)
    }
  }

  func text(in buffer: [UInt8]) -> String {
    switch self {
    case .given(let range): buffer.text(range)
    case .generated(let number):
      unsafe String(unsafeUninitializedCapacity: 16) { text in
        var out = unsafe OutputSpan(buffer: text, initializedCount: 0)
        out.append(hex: number, digits: 16)
        return unsafe out.finalize(for: text)
      }
    }
  }
}
