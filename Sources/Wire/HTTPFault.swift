/// Why bytes are not an HTTP/1.1 message that we accept; each case is a refusal, never repaired.
package enum HTTPFault: Error, Equatable, Sendable, CaseIterable {
  case requestLineTooLong, headTooLarge, tooManyFields
  case malformedRequestLine, malformedStatusLine, unsupportedVersion
  case malformedTarget, targetMismatch, malformedEscape, malformedQuery
  case bareLineFeed, controlCharacter, foldedField, malformedField, repeatedField
  case missingHost, repeatedHost, malformedHost
  case malformedLength, repeatedLength, lengthAndEncoding
  case unsupportedEncoding, repeatedEncoding, encodingBeforeHTTP11
  case malformedChunk, chunkExtension, trailerTooLarge, bodyTooLarge
  case unsupportedExpectation

  /// The status a server answers with.
  package var status: Int {
    switch self {
    case .requestLineTooLong: 414
    case .headTooLarge, .tooManyFields, .trailerTooLarge: 431
    case .unsupportedVersion: 505
    case .unsupportedEncoding: 501
    case .bodyTooLarge: 413
    case .unsupportedExpectation: 417
    default: 400
    }
  }

  /// One sentence for the person who has to repair the sender.
  package var sentence: String {
    switch self {
    case .requestLineTooLong: "The request line is too long."
    case .headTooLarge: "The header is too large."
    case .tooManyFields: "The header has too many fields."
    case .malformedRequestLine: "The request line is not 'METHOD target HTTP/1.1'."
    case .malformedStatusLine: "The status line is not 'HTTP/1.1 code reason'."
    case .unsupportedVersion: "Only HTTP/1.1 and HTTP/1.0 are spoken here."
    case .malformedTarget: "The request target is neither a path nor an absolute URL in printable ASCII."
    case .targetMismatch: "The host of the request target is not the Host header."
    case .malformedEscape: "A percent escape in the path or query is malformed, or does not give UTF-8 without NUL."
    case .malformedQuery: "The query string has too many parameters."
    case .bareLineFeed: "A header line ends in a bare line feed."
    case .controlCharacter: "The header contains a control character."
    case .foldedField: "A header field is folded over two lines."
    case .malformedField: "A header line is not 'Name: value' with a token for a name."
    case .repeatedField: "A header field that may stand once stands twice."
    case .missingHost: "HTTP/1.1 requires a Host header."
    case .repeatedHost: "There are two Host headers."
    case .malformedHost: "The Host header is empty or is not host or host:port."
    case .malformedLength: "Content-Length is not a plain decimal number in range."
    case .repeatedLength: "There is more than one Content-Length."
    case .lengthAndEncoding: "Content-Length and Transfer-Encoding exclude one another."
    case .unsupportedEncoding: "The only transfer encoding spoken here is 'chunked'."
    case .repeatedEncoding: "There is more than one Transfer-Encoding header."
    case .encodingBeforeHTTP11: "HTTP/1.0 has no transfer encodings."
    case .malformedChunk: "The chunked body is malformed."
    case .chunkExtension: "Chunk extensions are not accepted."
    case .trailerTooLarge: "The trailer of the chunked body is too large."
    case .bodyTooLarge: "The body is larger than this route accepts."
    case .unsupportedExpectation: "The only expectation met here is '100-continue'."
    }
  }
}
