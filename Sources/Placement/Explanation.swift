package import Domain

/// Why a decision is as it is: which filters took how many nodes, and what the best few scored.
package struct Explanation: Sendable {
  /// Nodes that a filter took.
  package struct Removed: Hashable, Sendable {
    /// The filter.
    package let reason: Reason
    /// How many nodes.
    package let nodes: Int
  }

  /// A node that would do.
  package struct Candidate: Hashable, Sendable {
    /// The node.
    package let node: NodeName
    /// How bad the broken wishes are in sum; the least goes first.
    package let penalty: Int32
    /// What the strategy looks at; the least goes first.
    package let score: Int64
    /// What an hour costs there.
    package let price: Money
  }

  /// The node that lacks least, and what.
  package struct Nearest: Hashable, Sendable {
    /// The node.
    package let node: NodeName
    /// What it lacks.
    package let reason: Reason
    /// How much it has.
    package let has: Int32
    /// How much is wanted.
    package let wanted: Int32
  }

  /// Nodes in the fleet.
  package var nodes = 0
  /// Nodes that were looked at.
  package var examined = 0
  /// Whether every node was looked at.
  package var isExact = false
  /// Whether this "no" is that of an equal question asked before, since when nothing has become free.
  package var isRemembered = false
  /// What chose among those that would do.
  package var strategy = PlacementStrategy.pack
  /// Of the nodes looked at, those that will not do, in the filters' order.
  package var removed: [Removed] = []
  /// The best few, best first.
  package var candidates: [Candidate] = []
  /// What was nearly enough.
  package var nearest: Nearest?
  /// What schedulers outside said, a line for each.
  package var advice: [String] = []
  /// More, in sentences.
  package var notes: [String] = []
  /// Schedulers outside that have not been heard yet: nobody looked for room.
  package var awaited: [String] = []

  /// Looked at nothing yet.
  package init() {}

  /// Nobody looked for room, because these have not been heard.
  package init(awaiting names: [String]) { awaited = names }

  /// How many nodes a filter took.
  package func removed(by reason: Reason) -> Int { removed.first { $0.reason == reason }?.nodes ?? 0 }

  /// The explanation for people, in lines; at most `Limits.whyBytes` bytes.
  package var text: String {
    if !awaited.isEmpty { return "waits for what the schedulers outside say: \(awaited.joined(separator: ", "))" }
    var out = Lines()
    if let best = candidates.first {
      out.add(
        best.node.text, ": ", words(strategy), isExact ? ", of all " : ", of ", "\(isExact ? nodes : examined)",
        isExact ? " nodes" : " nodes looked at (\(nodes) in the fleet)", "; penalty ", "\(best.penalty)", ", score ",
        "\(best.score)")
      for other in candidates.dropFirst() {
        out.add(
          "  then ", other.node.text, ": penalty ", "\(other.penalty)", ", score ", "\(other.score)", ", ",
          "\(other.price)", " an hour")
      }
    } else {
      out.add("no node will do; there are ", "\(nodes)")
    }
    for line in advice { out.add("  ", line) }
    for item in removed { out.add("  ", "\(item.nodes)", " ", item.reason.text) }
    if let nearest {
      out.add(
        "  nearest: \(nearest.node) has \(nearest.has) of the \(nearest.wanted) wanted (\(nearest.reason))")
    }
    for note in notes { out.add("  ", note) }
    return out.text
  }

  private func words(_ strategy: PlacementStrategy) -> String {
    switch strategy {
    case .pack: "the fullest"
    case .spread: "the emptiest"
    case .local: "the nearest, then the fullest"
    case .domains: "fewest members of the group, then the fullest"
    case .cost: "the cheapest"
    case .balanced: "the most evenly used"
    case .bandwidth: "the most bandwidth left"
    case .manual: "the node that was named"
    }
  }
}

/// Lines of an explanation, as far as a row has room for them. Gathered as bytes: every new placement has some, and
/// putting texts together by interpolation takes three times as long.
private struct Lines {
  private var bytes: [UInt8] = []

  init() { bytes.reserveCapacity(512) }

  /// Adds a line of these pieces; a line that is too long is left out.
  mutating func add(_ pieces: String...) {
    guard bytes.count + pieces.reduce(0, { $0 + $1.utf8.count }) < Limits.whyBytes else { return }
    if !bytes.isEmpty { bytes.append(0x0A) }
    for var piece in pieces { piece.withUTF8 { unsafe bytes.append(contentsOf: $0) } }
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }
}
