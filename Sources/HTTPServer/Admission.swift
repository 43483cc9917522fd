internal import Wire

/// Rules that hold for every route, judged by the head alone: host, origin, and what CORS adds to an answer.
///
/// A browser is the one client that others can make send requests. So no page of a foreign origin may write, and
/// while we listen on loopback (where there may be no tokens) the Host must not be a name that an attacker's DNS
/// can point at us.
struct Admission: Sendable {
  private let corsOrigins: [[UInt8]]
  private let allowedHosts: [String]
  private let isLoopback: Bool
  private let ownOrigin: [UInt8]

  init(_ options: ServerOptions, isLoopback: Bool) {
    corsOrigins = options.corsOrigins.map { Array($0.utf8) }
    allowedHosts = options.allowedHosts.map { $0.lowercased() }
    self.isLoopback = isLoopback
    ownOrigin = Array((options.tls == nil ? "http://" : "https://").utf8)
  }

  /// Whether answers need CORS headers at all.
  var hasCORS: Bool { !corsOrigins.isEmpty }

  /// Why the request may not pass, if so.
  func refusal(_ method: Method, _ head: HTTPHead, _ bytes: [UInt8]) -> Refusal? {
    if isLoopback, let name = head.hostName, !isLocal(name, bytes) { return .misdirected }
    if let origin = head.origin, method.isWrite, !isOwn(origin, head.host, bytes), !isConfigured(origin, bytes) {
      return .foreignOrigin
    }
    return nil
  }

  private func isLocal(_ range: ByteRange, _ bytes: [UInt8]) -> Bool {
    if HTTPHost.isAddress(range, in: bytes) || bytes.matches(range, "localhost") { return true }
    let name = bytes.text(range).lowercased()
    return name.hasSuffix(".localhost") || allowedHosts.contains(name)
  }

  private func isOwn(_ origin: ByteRange, _ host: ByteRange?, _ bytes: [UInt8]) -> Bool {
    guard let host, origin.count == ownOrigin.count + host.count else { return false }
    let split = Int(origin.start) + ownOrigin.count
    return bytes[Int(origin.start)..<split].elementsEqual(ownOrigin)
      && bytes.sameText(ByteRange(split, Int(origin.end)), host)
  }

  private func isConfigured(_ origin: ByteRange, _ bytes: [UInt8]) -> Bool {
    corsOrigins.contains { $0.elementsEqual(bytes[origin.indices]) }
  }

  /// The headers that let the page of a configured origin read an answer.
  func appendCORS(_ head: HTTPHead, _ bytes: [UInt8], to out: inout [UInt8]) {
    out.append("\r\nVary: Origin" as StaticString)
    guard let origin = head.origin, isConfigured(origin, bytes) else { return }
    out.append("\r\nAccess-Control-Allow-Origin: " as StaticString)
    out.append(contentsOf: bytes[origin.indices])
    out.append("\r\nAccess-Control-Expose-Headers: " as StaticString)
    out.append("ETag, Location, Retry-After, X-Request-Id, Idempotency-Replayed, " as StaticString)
    out.append("Berth-Revision, Berth-Unchanged" as StaticString)
  }

  /// The answer to OPTIONS at a path that has these methods.
  func optionsAnswer(allow: String, _ head: HTTPHead, _ bytes: [UInt8]) -> Response {
    var headers = [("Allow", allow)]
    if let origin = head.origin, isConfigured(origin, bytes),
      head.field("access-control-request-method", in: bytes) != nil
    {
      headers += [
        ("Access-Control-Allow-Methods", allow),
        (
          "Access-Control-Allow-Headers",
          "Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id, Last-Event-ID, traceparent"
        ),
        ("Access-Control-Max-Age", "600")
      ]
    }
    return Response(status: 204, contentType: nil, headers: headers)
  }

  /// Whether the Content-Type is JSON, with or without parameters.
  static func isJSON(_ type: ByteRange?, _ bytes: [UInt8]) -> Bool {
    guard let type else { return false }
    let end = bytes[type.indices].firstIndex { $0 == 0x3B || $0 == 0x20 || $0 == 0x09 } ?? Int(type.end)
    return bytes.matches(ByteRange(Int(type.start), end), "application/json")
  }
}
