package import Platform

/// Why a request has no answer, and whether it may have had an effect all the same.
package struct HTTPClientFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reasons.
  package enum Kind: String, Hashable, Sendable {
    /// The request cannot be written as HTTP; nothing was tried.
    case invalidRequest
    /// All connections stayed in use until the deadline.
    case busy
    /// No connection could be made.
    case notConnected
    /// The connection ended before the whole answer was there.
    case connectionLost
    /// The deadline passed.
    case timedOut
    /// What came back is not HTTP/1.1 as we accept it.
    case malformedAnswer
    /// The answer is larger than the client's limits.
    case answerTooLarge
  }

  /// The reason.
  package let kind: Kind
  /// Whether all of the request had left before the failure, so that its outcome is unknown.
  package let wasSent: Bool
  /// One sentence.
  package let sentence: String
  /// What of TLS was in the way, if that was it.
  package let tls: TLSFault.Trouble?

  init(_ kind: Kind, wasSent: Bool, _ sentence: String, tls: TLSFault.Trouble? = nil) {
    self.tls = tls
    self.kind = kind
    self.wasSent = wasSent
    self.sentence = sentence
  }

  /// The same of a request that had left on another connection before.
  var afterSending: HTTPClientFault { HTTPClientFault(kind, wasSent: true, sentence, tls: tls) }

  /// The sentence, and whether the request may have had an effect.
  package var description: String {
    "\(sentence)\(wasSent ? "; the request was sent, its outcome is unknown" : "; the request was not sent")"
  }
}
