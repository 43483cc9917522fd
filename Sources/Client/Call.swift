internal import HTTPClient
package import Wire

/// One request to a public route.
package struct Call: Sendable {
  /// The methods that the routes know.
  package enum Method: String, Sendable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
  }

  /// The method.
  package let method: Method
  private let path: [String]
  private var query: [(name: String, value: String)] = []
  private var headers: [(name: String, value: String)] = []
  private let body: [UInt8]?
  /// Whether Berth is to remember it, so that a repeat does nothing.
  private(set) var isRemembered: Bool

  /// Names a route by the unencoded segments of its path.
  package init(_ method: Method, _ path: [String], body: JSONValue? = nil) {
    self.init(method, path, bytes: body?.encoded())
  }

  /// Names a route, with a body that is JSON already.
  package init(_ method: Method, _ path: [String], bytes: [UInt8]?) {
    (self.method, self.path, body) = (method, path, bytes)
    isRemembered = method != .get
  }

  /// The same call with a query parameter; nil leaves it as it is.
  package func asking(_ name: String, _ value: String?) -> Call {
    guard let value else { return self }
    var call = self
    call.query.removeAll { $0.name == name && name != "label" }
    call.query.append((name, value))
    return call
  }

  /// The same call that only acts if the object still has this revision; nil leaves it as it is.
  package func ifRevision(_ revision: String?) -> Call {
    guard let revision else { return self }
    var call = self
    call.headers.append(("If-Match", "\"\(revision)\""))
    return call
  }

  /// The same call without an idempotency key: for what does no harm when it is done twice, and is sent all the time.
  package var unremembered: Call {
    var call = self
    call.isRemembered = false
    return call
  }

  /// The same call with a header field.
  package func with(header name: String, _ value: String) -> Call {
    var call = self
    call.headers.append((name, value))
    return call
  }

  /// Path and query as they go over the wire.
  package var target: String {
    let path = "/" + path.map(Self.escaped).joined(separator: "/")
    if query.isEmpty { return path }
    return path + "?" + query.map { Self.escaped($0.name) + "=" + Self.escaped($0.value) }.joined(separator: "&")
  }

  func request(key: String?, token: String?, timeout: Duration) -> ClientRequest {
    var headers = headers + [("Accept", "application/json, text/event-stream")]
    if let key { headers.append(("Idempotency-Key", key)) }
    if let token { headers.append(("Authorization", "Bearer \(token)")) }
    // A write is repeated by `Attempts`, which has to know of every try that may have been done.
    return ClientRequest(
      method.rawValue, target, headers: headers, body: body, timeout: timeout, mayRepeat: method == .get)
  }

  /// All but the unreserved characters of RFC 3986 as `%XX`.
  private static func escaped(_ text: String) -> String {
    var out = ""
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: out.append(Character(UnicodeScalar(byte)))
      default: out += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
      }
    }
    return out
  }
}

/// A list, read page by page.
package struct Pages {
  private let client: Client
  private var call: Call?

  /// Starts at the call's page; nothing is asked before `next`.
  package init(_ client: Client, _ call: Call) { (self.client, self.call) = (client, call) }

  /// The next page; nil after the last one.
  package mutating func next() throws(ClientFault) -> (answer: Answer, value: JSONValue)? {
    guard let asked = call else { return nil }
    let answer = try client.send(asked)
    let value = try answer.value()
    let cursor = value["next_cursor"]?.string
    call = cursor.map { asked.asking("cursor", $0) }
    // A server that sends the same cursor for ever would keep us here for ever.
    if let call, call.target == asked.target { throw .notBerth("the list does not go on at its own cursor") }
    return (answer, value)
  }
}
