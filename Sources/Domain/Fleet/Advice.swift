/// What filters and scorers outside said of a VM that is to be placed. It is never logged: what comes of it is.
package struct Advice: Hashable, Sendable {
  /// What a scorer thinks of a node.
  package struct Hint: Hashable, Sendable {
    /// The node.
    package let node: NodeName
    /// 0...1000; the more the better.
    package let score: UInt16

    /// Joins the two.
    package init(_ node: NodeName, _ score: UInt16) { (self.node, self.score) = (node, score) }
  }

  /// What scorers think of nodes that will do; one that is not among them has 0.
  package var hints: [Hint] = []
  /// Nodes that filters refuse.
  package var vetoes: [NodeName] = []
  /// The nodes that filters were asked about: no other will do. nil = there are no filters, or none answered.
  package var among: [NodeName]?
  /// A line for each of them, in the explanation.
  package var notes: [String] = []
  /// As of which revision they were asked: of a node that takes VMs only since then they have said nothing.
  package var revision: Revision = 0

  /// Nobody said anything.
  package init() {}
}

/// A delay between two datacenters as it was measured, the same both ways.
package struct Latency: Hashable, Sendable {
  /// One, by name.
  package let from: String
  /// The other.
  package let to: String
  /// There and back.
  package let microseconds: UInt32

  /// Makes a measurement as it is.
  package init(from: String, to: String, microseconds: UInt32) {
    (self.from, self.to, self.microseconds) = (from, to, microseconds)
  }
}
