package import Wire

/// What Berth said to a call.
package struct Answer: Sendable {
  /// The HTTP status.
  package let status: Int
  /// The body exactly as it came.
  package let bytes: [UInt8]
  private let headers: [(name: String, value: String)]

  init(_ status: Int, _ headers: [(name: String, value: String)], _ bytes: [UInt8]) {
    (self.status, self.headers, self.bytes) = (status, headers, bytes)
  }

  /// The body as a tree; `null` when there is none.
  package func value() throws(ClientFault) -> JSONValue {
    if bytes.isEmpty { return .null }
    do throws(JSONFault) {
      return try JSONValue(parsing: bytes)
    } catch { throw .notBerth("the answer is no JSON: \(error)") }
  }

  /// The first value of a header field, whose name is given in lower case.
  package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// Seconds after which the server wants to be asked again.
  var retryAfter: Int? { header("retry-after").flatMap { Int($0) }.flatMap { $0 >= 0 ? min($0, 3_600) : nil } }

  /// The answer if it is a success.
  func accepted() throws(ClientFault) -> Answer {
    guard (200..<300).contains(status) else { throw .refused(Refusal(self)) }
    return self
  }
}

/// Why there is no answer to be used.
package enum ClientFault: Error, Hashable, Sendable {
  /// Berth answered, and the answer is no.
  case refused(Refusal)
  /// Nobody could be asked; nothing has changed.
  case noServer(String)
  /// The request was sent and may have had an effect.
  case outcomeUnknown(String)
  /// What answers is not Berth.
  case notBerth(String)
  /// A stream ended in the middle.
  case cutOff(String)
  /// The request cannot be sent at all.
  case invalid(String)
}

/// An answer that says no: what `application/problem+json` holds.
package struct Refusal: Hashable, Sendable {
  /// A field of the request and the rule that it breaks.
  package struct Field: Hashable, Sendable {
    /// The field's path; empty for the whole.
    package let name: String
    /// The rule.
    package let message: String
  }

  /// No more of a refusal is read.
  static let bytesMax = 1 << 20

  /// The HTTP status.
  package let status: Int
  /// The stable code; `http_STATUS` when the answer has none.
  package let code: String
  /// What is wrong and what to do.
  package let detail: String
  /// The fields concerned.
  package let fields: [Field]
  /// The whole document.
  package let document: JSONValue
  /// Whether the server said when it may be asked again.
  package let isTemporary: Bool
  /// The number under which the server's log has the request.
  package let requestID: String?

  init(_ answer: Answer) {
    status = answer.status
    isTemporary = answer.status == 503 && answer.retryAfter != nil
    requestID = answer.header("x-request-id")
    document = (try? JSONValue(parsing: answer.bytes)) ?? .null
    code = document["code"]?.string ?? "http_\(answer.status)"
    detail = document["detail"]?.string ?? "the server answered \(answer.status) without a reason"
    fields = (document["errors"]?.elements ?? []).map {
      Field(name: $0["field"]?.string ?? "", message: $0["message"]?.string ?? "")
    }
  }
}
