internal import Wire

/// A request that the server itself turns down, before any handler or instead of one.
package struct Refusal: Sendable {
  /// The status.
  package let status: Int
  /// A stable word for programs.
  package let code: StaticString
  /// What is wrong and what to do, for people.
  package let detail: String
  /// Further headers, such as Allow.
  package var headers: [(String, String)] = []

  init(_ status: Int, _ code: StaticString, _ detail: String, headers: [(String, String)] = []) {
    self.status = status
    self.code = code
    self.detail = detail
    self.headers = headers
  }

  init(_ fault: HTTPFault) {
    let code: StaticString =
      switch fault.status {
      case 413: "body_too_large"
      case 414: "uri_too_long"
      case 417: "expectation_failed"
      case 431: "header_too_large"
      case 501: "not_implemented"
      case 505: "http_version_not_supported"
      default: "bad_request"
      }
    self.init(fault.status, code, fault.sentence)
  }

  /// The refusal as RFC 9457 has it; the one place where the server makes an error body.
  package static func problem(_ refusal: Refusal) -> Response {
    var body: [UInt8] = []
    body.append(#"{"type":"about:blank","title":"# as StaticString)
    body.append(jsonString: "\(reasonPhrase(refusal.status))")
    body.append(#","status":"# as StaticString)
    body.append(decimal: refusal.status)
    body.append(#","code":""# as StaticString)
    body.append(refusal.code)
    body.append(#"","detail":"# as StaticString)
    body.append(jsonString: refusal.detail)
    body.append(0x7D)
    return Response(
      status: refusal.status, contentType: "application/problem+json", headers: refusal.headers, body: body)
  }

  static let notFound = Refusal(404, "not_found", "There is nothing at this path.")
  static let unknownMethod = Refusal(501, "not_implemented", "This method is not known here.")
  static let headerTimeout = Refusal(408, "request_timeout", "The request's header did not arrive in time.")
  static let bodyTimeout = Refusal(408, "request_timeout", "The request's body arrives too slowly.")
  static let tooManyConnections = Refusal(
    503, "too_many_connections", "All connections are in use; try again shortly.", headers: [("Retry-After", "1")])
  static let tooManyBodies = Refusal(
    503, "too_many_bodies", "Too many large bodies are on their way; try again shortly.",
    headers: [("Retry-After", "1")])
  static let unsupportedMediaType = Refusal(
    415, "unsupported_media_type", "A request with a body needs 'Content-Type: application/json'.")
  static let foreignOrigin = Refusal(
    403, "foreign_origin", "A page of this origin may not change anything here; configure it as a CORS origin.")
  static let misdirected = Refusal(
    421, "misdirected_request",
    "While listening on loopback only, the Host must be a loopback name, an address or a configured name.")
  static let unansweredRead = Refusal(
    503, "timeout", "No answer could be given in time; try again.", headers: [("Retry-After", "1")])
  static let unansweredWrite = Refusal(
    504, "outcome_unknown", "No answer came in time and the change may or may not have happened; read before a retry.")

  static func notAllowed(_ allow: String) -> Refusal {
    Refusal(405, "method_not_allowed", "This path answers \(allow).", headers: [("Allow", allow)])
  }
}
