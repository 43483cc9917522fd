/// Why something that claims to come from a node was turned away. A node may crash, hang and be cut off; one that lies on
/// purpose with a certificate of the cluster's own CA is beyond what this guards against.
package enum PeerRefusal: String, Hashable, Sendable, CaseIterable {
  /// `Berth-Principal` from somebody who is no node.
  case forgedPrincipal = "forged_principal"
  /// A report in the name of another node than the certificate's.
  case forgedNode = "forged_node"
  /// A certificate that is no node's, or a node's of a CA that signs none here.
  case unknownCertificate = "unknown_certificate"
  /// No token, a wrong one, or one that may not, where nodes report.
  case badToken = "bad_token"
  /// From a node whose log is another one.
  case anotherLog = "another_log"
  /// From a node that has not heard yet who leads now.
  case staleEpoch = "stale_epoch"
  /// Not what a node writes.
  case malformed
}

/// What became of a node's report.
package enum Hearing: Sendable {
  /// Taken; what this node says of itself.
  case answered(NodeReport)
  /// This node does not lead.
  case notLeading
  /// Turned away, and what the other node should know.
  case refused(PeerRefusal, String)
}
