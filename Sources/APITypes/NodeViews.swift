package import Domain
package import Wire

/// A node as the API shows it: what is stored, and in answers to GET how full it is and how it does.
package struct NodeView: Hashable, Sendable {
  /// The node.
  package let node: Node
  /// What changes without an entry about the node; nil in answers to writes and in events.
  package var load: NodeLoad?

  /// Joins the two.
  package init(_ node: Node, _ load: NodeLoad? = nil) { (self.node, self.load) = (node, load) }
}

/// How full a node is, and how it does.
package struct NodeLoad: Hashable, Sendable {
  /// What its VMs take of what it may promise.
  package var allocated: Resources
  /// How many VMs have it.
  package var vms: Int
  /// Seconds since its last heartbeat; nil = the leader has heard none.
  package var lastHeartbeatSeconds: Int?
  /// What is really in use, as its agent measured.
  package var usage: Resources?

  /// Joins what is known.
  package init(allocated: Resources, vms: Int, lastHeartbeatSeconds: Int? = nil, usage: Resources? = nil) {
    (self.allocated, self.vms) = (allocated, vms)
    (self.lastHeartbeatSeconds, self.usage) = (lastHeartbeatSeconds, usage)
  }
}

extension JSONWriter {
  /// Writes a node.
  package mutating func node(_ view: NodeView) {
    let node = view.node
    object { out in
      out.field("name", node.name)
      out.field("state", node.state.name)
      out.field("epoch", node.epoch)
      out.field("capacity", node.physical)
      out.field("effective", node.effective)
      out.field("custom", node.custom)
      out.devices(node.devices)
      out.numa(node.numa)
      out.field("topology", node.topology)
      out.field("backends", node.backends.map(\.text))
      out.field("prices", node.prices)
      out.field("spot", node.isSpot)
      out.field("profile", node.profile.name)
      out.field("labels", node.labels)
      out.field("reclaim_at", time: node.reclaimAt)
      if let load = view.load { out.load(load, node) }
      out.field("created_at", time: node.createdAt)
      out.field("revision", node.revision)
    }
  }

  private mutating func load(_ load: NodeLoad, _ node: Node) {
    field("allocated", load.allocated)
    field("free", node.effective - load.allocated, atLeastZero: true)
    field("vms", load.vms)
    key("health")
    object { out in
      out.field("last_heartbeat_seconds", load.lastHeartbeatSeconds)
      if let usage = load.usage { out.field("usage", usage) } else { out.fieldNull("usage") }
    }
  }

  private mutating func field(_ key: StaticString, _ amounts: Resources, atLeastZero: Bool) {
    // A node that was registered anew with less than it carries has nothing free.
    field(
      key,
      Resources(
        cpu: max(0, amounts.cpu), memory: max(0, amounts.memory), disk: max(0, amounts.disk),
        bandwidth: max(0, amounts.bandwidth)))
  }
}

extension JSONReader {
  /// Reads a node from an answer.
  package mutating func nodeView() throws(JSONFault) -> NodeView {
    var body = NodeBody(.none)
    var name: NodeName?
    var state = NodeState.ready
    var epoch: UInt64 = 0
    var createdAt: LogTime = 0
    var revision: Revision = 0
    var load: NodeLoad?
    var reclaimAt: LogTime?
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "name": name = try reader.name()
      case "state": state = try reader.word { (state: NodeState) in state.name }
      case "epoch": epoch = try reader.integer()
      case "reclaim_at": reclaimAt = try reader.null() ? nil : try reader.time()
      case "effective", "free": _ = try reader.amounts()
      case "allocated": load = NodeLoad(allocated: try reader.amounts(), vms: 0)
      case "vms": load?.vms = try reader.integer()
      case "health": try load?.readHealth(&reader)
      case "created_at": createdAt = try reader.time()
      case "revision": revision = try reader.integer()
      default: if try !body.read(key, &reader) { throw reader.unknownField(key) }
      }
    }
    guard let name else { throw missing("name") }
    let read = body.node(name)
    let node = Node(
      name: name, physical: read.physical, custom: read.custom, devices: read.devices, numa: read.numa,
      topology: read.topology, backends: read.backends, prices: read.prices, isSpot: read.isSpot,
      profile: read.profile, labels: read.labels, state: state, epoch: epoch, reclaimAt: reclaimAt,
      createdAt: createdAt,
      revision: revision)
    return NodeView(node, load)
  }
}

extension NodeLoad {
  fileprivate mutating func readHealth(_ reader: inout JSONReader) throws(JSONFault) {
    var (seconds, usage): (Int?, Resources?) = (nil, nil)
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "last_heartbeat_seconds": seconds = try reader.null() ? nil : try reader.integer()
      case "usage": usage = try reader.null() ? nil : try reader.amounts()
      default: throw reader.unknownField(key)
      }
    }
    (lastHeartbeatSeconds, self.usage) = (seconds, usage)
  }
}
