package import HTTPClient

/// A scheduler outside, as it was configured.
package struct SchedulerOptions: Hashable, Sendable {
  /// The most there are: each has a line in every explanation.
  package static let most = 4
  /// Its name in explanations and metrics.
  package let name: String
  /// Where it answers.
  package let endpoint: Endpoint
  /// Whether connections are encrypted, and its certificate is one of the system's CAs.
  package let isEncrypted: Bool
  /// The path that is asked.
  package let path: String
  /// What its scores count.
  package var weight = 1
  /// How long it may take.
  package var timeout = Duration.milliseconds(200)
  /// Whether it may refuse nodes.
  package var filters = true
  /// Whether its scores count.
  package var scores = true
  /// Nodes that it is asked about at once.
  package static let nodesMax = 1_024
  /// Bytes of an answer.
  package static let answerBytes = 1 << 20

  /// Names it and its place, and all else as usual.
  package init(_ name: String, _ endpoint: Endpoint, isEncrypted: Bool = false, path: String = "/") {
    (self.name, self.endpoint, self.isEncrypted, self.path) = (name, endpoint, isEncrypted, path)
  }
}
