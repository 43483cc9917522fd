/// An answer with its whole body.
package struct Response: Sendable {
  /// The status.
  package var status: Int
  /// The type of the body; nil when there is none.
  package var contentType: StaticString?
  /// Further headers.
  package var headers: [(String, String)]
  /// A header with a number, for what every answer carries: it needs no text of its own.
  package var stamp: Stamp?
  /// The body.
  package var body: [UInt8]
  /// Whether the connection ends with it, whatever its client wished.
  package var endsConnection = false

  /// A header whose value is a number.
  package struct Stamp: Sendable {
    let name: StaticString
    let value: UInt64

    /// Makes a header.
    package init(_ name: StaticString, _ value: UInt64) { (self.name, self.value) = (name, value) }
  }

  /// Makes an answer.
  package init(
    status: Int, contentType: StaticString? = "application/json", headers: [(String, String)] = [],
    stamp: Stamp? = nil, body: [UInt8] = []
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.stamp = stamp
    self.body = body
  }
}

/// The reason phrases that we send; an unknown status gets an empty one, which the RFC allows.
func reasonPhrase(_ status: Int) -> StaticString {
  switch status {
  case 200: "OK"
  case 201: "Created"
  case 202: "Accepted"
  case 204: "No Content"
  case 304: "Not Modified"
  case 400: "Bad Request"
  case 401: "Unauthorized"
  case 403: "Forbidden"
  case 404: "Not Found"
  case 405: "Method Not Allowed"
  case 408: "Request Timeout"
  case 409: "Conflict"
  case 410: "Gone"
  case 412: "Precondition Failed"
  case 413: "Content Too Large"
  case 414: "URI Too Long"
  case 415: "Unsupported Media Type"
  case 417: "Expectation Failed"
  case 421: "Misdirected Request"
  case 422: "Unprocessable Content"
  case 429: "Too Many Requests"
  case 431: "Request Header Fields Too Large"
  case 500: "Internal Server Error"
  case 501: "Not Implemented"
  case 503: "Service Unavailable"
  case 504: "Gateway Timeout"
  case 505: "HTTP Version Not Supported"
  default: ""
  }
}
