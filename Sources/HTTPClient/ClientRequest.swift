/// One request to an endpoint.
package struct ClientRequest: Sendable {
  /// The method in capitals.
  package var method: String
  /// Path and query, percent-encoded already.
  package var target: String
  /// Further header fields; Host, Content-Length and, with a body, Content-Type are added.
  package var headers: [(name: String, value: String)]
  /// The body, nil for none.
  package var body: [UInt8]?
  /// Time for everything from the wait for a connection to the last byte of the answer.
  package var timeout: Duration
  /// Whether the request may be sent twice when a reused connection turns out to be dead.
  package var mayRepeat: Bool

  /// Makes a request; it may repeat itself if its method is idempotent.
  package init(
    _ method: String, _ target: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
    timeout: Duration = .seconds(30), mayRepeat: Bool? = nil
  ) {
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
    self.timeout = timeout
    self.mayRepeat = mayRepeat ?? ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"].contains(method)
  }

  /// The request as bytes; text that would change the meaning of the head is refused.
  func encoded(host: String) throws(HTTPClientFault) -> [UInt8] {
    guard !method.isEmpty, method.utf8.allSatisfy({ $0 >= 0x41 && $0 <= 0x5A }) else {
      throw Self.invalid("the method \(method.debugDescription) is not a word in capitals")
    }
    guard target.utf8.first == 0x2F, target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x23 }) else {
      throw Self.invalid("the target \(target.debugDescription) is not a percent-encoded path")
    }
    var head = "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n"
    for (name, value) in headers {
      guard !name.isEmpty, name.utf8.allSatisfy(Self.isNameByte), !Self.reserved.contains(name.lowercased()) else {
        throw Self.invalid("\(name.debugDescription) is not the name of a header field that can be given")
      }
      guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
        throw Self.invalid("the header field \(name) contains a control character")
      }
      head += "\(name): \(value)\r\n"
    }
    if let body {
      if !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
        head += "Content-Type: application/json\r\n"
      }
      head += "Content-Length: \(body.count)\r\n"
    } else if ["POST", "PUT", "PATCH"].contains(method) {
      head += "Content-Length: 0\r\n"
    }
    return Array((head + "\r\n").utf8) + (body ?? [])
  }

  /// What decides where a message ends is the client's business alone.
  private static let reserved = ["host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"]

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
    default: false
    }
  }

  private static func invalid(_ sentence: String) -> HTTPClientFault {
    HTTPClientFault(.invalidRequest, wasSent: false, sentence)
  }
}

/// The answer to a request.
package struct ClientResponse: Sendable {
  /// The status.
  package let status: Int
  /// The header fields in order, names in lower case.
  package let headers: [(name: String, value: String)]
  /// The body; empty when it was streamed.
  package let body: [UInt8]

  init(_ head: AnswerHead, body: [UInt8]) {
    status = head.status
    headers = head.headers
    self.body = body
  }

  /// The first value of a header field, whose name is given in lower case.
  package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}
