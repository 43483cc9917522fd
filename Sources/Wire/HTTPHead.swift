/// One header line: where its name and value stand in the buffer.
package struct HTTPField: Hashable, Sendable {
  /// The name as sent.
  package let name: ByteRange
  /// The value without the white space around it.
  package let value: ByteRange
}

/// How the end of a body is found.
package enum HTTPBodyFraming: Hashable, Sendable {
  case none
  case length(Int)
  case chunked
  /// The body of a response ends with the connection.
  case untilClose
}

/// What a head says, as offsets into the buffer it was parsed from; holds no copy of the bytes.
package struct HTTPHead: Sendable {
  /// The request's method token.
  package internal(set) var method = ByteRange(0, 0)
  /// The request target as sent.
  package internal(set) var target = ByteRange(0, 0)
  /// The path of the target, without query.
  package internal(set) var path = ByteRange(0, 0)
  /// The query after the question mark, or nil without one.
  package internal(set) var query: ByteRange?
  /// Host and port of an absolute target.
  package internal(set) var authority: ByteRange?
  /// The response's status.
  package internal(set) var status = 0
  /// The response's reason phrase.
  package internal(set) var reason = ByteRange(0, 0)
  /// HTTP/1.1 or later (not 1.0).
  package internal(set) var isHTTP11 = true
  /// All header lines in order.
  package internal(set) var fields: [HTTPField] = []
  /// The Host header.
  package internal(set) var host: ByteRange?
  /// The Host header without its port.
  package internal(set) var hostName: ByteRange?
  /// The Content-Type header.
  package internal(set) var contentType: ByteRange?
  /// The Origin header.
  package internal(set) var origin: ByteRange?
  /// Content-Length, if present.
  package internal(set) var contentLength: Int?
  /// Whether the body is chunked.
  package internal(set) var isChunked = false
  /// Whether `Expect: 100-continue` was sent.
  package internal(set) var expectsContinue = false
  /// `Connection: close`.
  package internal(set) var saysClose = false
  /// `Connection: keep-alive`.
  package internal(set) var saysKeepAlive = false
  /// Offset after the blank line.
  package internal(set) var end = 0

  /// Whether the sender is willing to use the connection again.
  package var keepsAlive: Bool { !saysClose && (isHTTP11 || saysKeepAlive) }

  /// The value of the first field called `name` (lower-case).
  package func field(_ name: StaticString, in buffer: [UInt8]) -> ByteRange? {
    let bytes = buffer.span
    for field in fields where bytes.matches(field.name, name) { return field.value }
    return nil
  }

  /// The value of the first field called `name` (lower-case), as text.
  package func text(_ name: String, in buffer: [UInt8]) -> String? {
    for field in fields
    where field.name.count == name.utf8.count
      && zip(buffer[field.name.indices], name.utf8).allSatisfy({ HTTPByte.lowercased($0) == $1 })
    { return buffer.text(field.value) }
    return nil
  }

  /// How a request's body ends.
  package var requestFraming: HTTPBodyFraming {
    if isChunked { return .chunked }
    return contentLength.map { $0 == 0 ? .none : .length($0) } ?? .none
  }

  /// How a response's body ends, which depends on what was asked.
  package func responseFraming(toHead: Bool) -> HTTPBodyFraming {
    if toHead || status < 200 || status == 204 || status == 304 { return .none }
    if isChunked { return .chunked }
    return contentLength.map { $0 == 0 ? .none : .length($0) } ?? .untilClose
  }

  /// Forgets everything but the memory of the table of fields; member by member, since this runs for every request.
  mutating func reset() {
    fields.removeAll(keepingCapacity: true)
    end = 0
    query = nil
    authority = nil
    status = 0
    host = nil
    hostName = nil
    contentType = nil
    origin = nil
    contentLength = nil
    isChunked = false
    expectsContinue = false
    saysClose = false
    saysKeepAlive = false
    isHTTP11 = true
  }
}
