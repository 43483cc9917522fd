package import Domain
package import Wire

/// What a scheduler outside is asked: about one VM, and nodes that might have it, as of one published revision.
package struct SchedulerQuestion: Sendable {
  /// A node that might have it.
  package struct Candidate: Sendable {
    /// The node.
    package let node: Node
    /// What its VMs take of what it may promise.
    package let allocated: Resources
    /// How many VMs it has.
    package let vms: Int

    /// Joins what is known.
    package init(_ node: Node, allocated: Resources, vms: Int) {
      (self.node, self.allocated, self.vms) = (node, allocated, vms)
    }
  }

  /// As of which revision the nodes are.
  package var revision: Revision
  /// Whose VM, and its name.
  package var key: VMKey
  /// What it is to be.
  package var spec: VMSpec
  /// Nodes that might have it.
  package var candidates: [Candidate]
  /// How many nodes might have it in all.
  package var total: Int

  /// Names all of it.
  package init(revision: Revision, key: VMKey, spec: VMSpec, candidates: [Candidate], total: Int) {
    (self.revision, self.key, self.spec) = (revision, key, spec)
    (self.candidates, self.total) = (candidates, total)
  }

  /// The version of the contract.
  package static let version = 1

  /// The question as a document.
  package var encoded: [UInt8] {
    var out = JSONWriter(capacity: 2_048 + 512 * candidates.count)
    out.object { out in
      out.field("version", SchedulerQuestion.version)
      out.field("revision", revision)
      out.key("vm")
      out.object { out in
        out.field("tenant", key.tenant)
        out.field("name", key.name)
        out.spec(spec)
      }
      out.key("nodes")
      out.array { out in for item in candidates { out.candidate(item) } }
      out.field("nodes_total", total)
    }
    return out.finish()
  }
}

/// What a scheduler outside says.
package struct SchedulerAnswer: Hashable, Sendable {
  /// A node that it refuses.
  package struct Veto: Hashable, Sendable {
    /// The node.
    package let node: NodeName
    /// Why, in a line.
    package let reason: String
  }

  /// What it thinks of a node.
  package struct Score: Hashable, Sendable {
    /// The node.
    package let node: NodeName
    /// 0...100; the more the better.
    package let score: UInt16
  }

  /// Nodes that it refuses.
  package var vetoes: [Veto] = []
  /// What it thinks of nodes; of those that are not among them nothing.
  package var scores: [Score] = []

  /// The highest score.
  package static let scoreMax: UInt16 = 100
  /// Bytes of a reason.
  package static let reasonBytes = 120

  /// Has nothing against any node.
  package init() {}

  /// Reads an answer; only nodes that were asked about may be in it, each once in each list.
  package init(decoding body: [UInt8], asked: Set<NodeName>) throws(JSONFault) {
    var reader = JSONReader(body)
    var read = SchedulerAnswer()
    try reader.object { (key, reader) throws(JSONFault) in
      var seen: Set<NodeName> = []
      func node(_ reader: inout JSONReader) throws(JSONFault) -> NodeName {
        let name: NodeName = try reader.name()
        guard asked.contains(name) else { throw reader.invalid("must be a node that was asked about") }
        guard seen.insert(name).inserted else { throw reader.invalid("names a node twice") }
        return name
      }
      switch key {
      case "vetoes":
        read.vetoes = try reader.list { (reader) throws(JSONFault) in
          var (name, reason): (NodeName?, String) = (nil, "")
          try reader.object { (key, reader) throws(JSONFault) in
            switch key {
            case "node": name = try node(&reader)
            case "reason": reason = try reader.lineOrNull(SchedulerAnswer.reasonBytes)
            default: throw reader.unknownField(key)
            }
          }
          guard let name else { throw reader.missing("node") }
          return Veto(node: name, reason: reason)
        }
      case "scores":
        read.scores = try reader.list { (reader) throws(JSONFault) in
          var (name, score): (NodeName?, UInt16?) = (nil, nil)
          try reader.object { (key, reader) throws(JSONFault) in
            switch key {
            case "node": name = try node(&reader)
            case "score": score = try reader.whole(0...SchedulerAnswer.scoreMax)
            default: throw reader.unknownField(key)
            }
          }
          guard let name else { throw reader.missing("node") }
          guard let score else { throw reader.missing("score") }
          return Score(node: name, score: score)
        }
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    self = read
  }
}

extension JSONWriter {
  fileprivate mutating func candidate(_ item: SchedulerQuestion.Candidate) {
    let node = item.node
    object { out in
      out.field("name", node.name)
      out.field("capacity", node.physical)
      out.field("effective", node.effective)
      out.field("allocated", item.allocated)
      out.field("vms", item.vms)
      out.field("topology", node.topology)
      out.field("backends", node.backends.map(\.text))
      out.field("prices", node.prices)
      out.field("spot", node.isSpot)
      out.field("custom", node.custom)
      out.field("labels", node.labels)
    }
  }
}
