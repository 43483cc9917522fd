internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

private let gone = Endpoint.Refused(404, "node_not_found")

/// Nodes: the hosts that carry VMs.
let nodeEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/nodes", id: "listNodes", tag: "nodes", permission: .nodesRead,
    summary: "Nodes in the order of their names; in a cluster the leader answers, who hears their heartbeats.",
    query: [
      .limit, .cursor, .label, .init("state", "Only in this state.", Schemas.nodeState),
      .init("datacenter", "Only in this datacenter.", Schemas.level),
      .init("zone", "Only in this zone.", Schemas.level),
      .init("rack", "Only in this rack.", Schemas.level)
    ],
    answers: [.init(200, "A page of nodes.", .page(of: Schemas.fleetNode))], asksLeader: true, handler: listNodes),
  Endpoint(
    method: .get, pattern: "/api/v1/latencies", id: "listLatencies", tag: "nodes", permission: .nodesRead,
    summary: """
      How far datacenters are from each other: the median of what agents measured in the last ten minutes. In a cluster \
      the leader answers; a new leader begins to listen anew.
      """,
    answers: [.init(200, "All pairs that were measured, in order of the names.", Schemas.latencies)], asksLeader: true,
    handler: listLatencies),
  Endpoint(
    method: .get, pattern: "/api/v1/nodes/{node}", id: "getNode", tag: "nodes", permission: .nodesRead,
    summary: "A node, how full it is, and when it was last heard of.",
    answers: [.init(200, "The node.", Schemas.fleetNode)], refusals: [gone], asksLeader: true, handler: getNode),
  Endpoint(
    method: .put, pattern: "/api/v1/nodes/{node}", id: "registerNode", tag: "nodes", permission: .nodesRegister,
    summary: """
      Say what a node has. One that is known keeps its VMs, gets the next epoch, and keeps what is left out; a lost or \
      fenced one takes VMs again.
      """,
    body: Schemas.nodeRegister,
    answers: [
      .init(201, "A node that nobody knew.", Schemas.fleetNode),
      .init(200, "A known node, or what it would be (`dry_run`).", Schemas.fleetNode)
    ],
    refusals: [.init(409, "too_many_nodes", "node_in_use")], isCommand: true, handler: registerNode),
  Endpoint(
    method: .patch, pattern: "/api/v1/nodes/{node}", id: "updateNode", tag: "nodes", permission: .nodesWrite,
    summary: "Change what an operator decides about a node; what is left out stays.", matches: true,
    body: Schemas.nodePatch, answers: [.init(200, "The node.", Schemas.fleetNode)],
    refusals: [gone, .init(409, "node_in_use"), .init(412, "revision_mismatch")], isCommand: true,
    handler: updateNode),
  Endpoint(
    method: .delete, pattern: "/api/v1/nodes/{node}", id: "deleteNode", tag: "nodes", permission: .nodesWrite,
    summary: "Forget a node that carries nothing.", answers: [.init(200, "The node that is gone.", Schemas.fleetNode)],
    refusals: [gone, .init(409, "node_in_use")], isCommand: true, handler: deleteNode),
  action(
    pattern: "/api/v1/nodes/{node}/cordon", "cordonNode", "Let a node take no new VMs; it keeps those it has.",
    .cordoned),
  action(pattern: "/api/v1/nodes/{node}/uncordon", "uncordonNode", "Let a node take VMs again.", .ready),
  action(
    pattern: "/api/v1/nodes/{node}/drain", "drainNode", "Let a node take no new VMs, and send those it has elsewhere.",
    .draining),
  Endpoint(
    method: .post, pattern: "/api/v1/nodes/{node}/fence", id: "fenceNode", tag: "nodes", permission: .nodesWrite,
    summary: """
      Vouch that a node carries nothing any more, because it is off: its VMs start elsewhere, and an agent that comes \
      back has to register anew.
      """,
    answers: [.init(200, "The node.", Schemas.fleetNode)], refusals: [gone, .init(409, "node_state")], isCommand: true,
    handler: { (call) throws(Problem) in try call.submit(.fenceNode(try call.node()), render: rendered) })
]

private func action(pattern: String, _ id: String, _ summary: String, _ wish: NodeWish) -> Endpoint {
  Endpoint(
    method: .post, pattern: pattern, id: id, tag: "nodes", permission: .nodesWrite,
    summary: summary, answers: [.init(200, "The node.", Schemas.fleetNode)],
    refusals: [gone, .init(409, "node_state")], isCommand: true,
    handler: { (call) throws(Problem) in try call.submit(.setNode(try call.node(), wish), render: rendered) })
}

@Sendable private func rendered(_ outcome: FleetOutcome) -> Rendered {
  guard case .node(let node, let isNew) = outcome else { unexpected(.fleet(outcome)) }
  var answer = Rendered(revision: node.revision) { $0.node(NodeView(node)) }
  if isNew { answer.status = 201 }
  return answer
}

@Sendable private func listNodes(_ call: Call) throws(Problem) {
  let limit = try call.limit()
  let labels = try call.labelFilter()
  let state: NodeState? = try call.word("state") { $0.name }
  let wanted = Topology(
    datacenter: try call.place("datacenter"), zone: try call.place("zone"), rack: try call.place("rack"))
  let after = try call.cursor().map { (cursor) throws(Problem) in
    guard let name = NodeName(cursor.key) else { throw .badCursor }
    return name
  }
  var items: [NodeView] = []
  var goesOn = false
  let engine = call.api.engine
  let revision = forEachNode(engine, after: after) { node, tables in
    guard state == nil || node.state == state, node.topology.isIn(wanted), node.labels.includes(labels) else {
      return true
    }
    if items.count == limit {
      goesOn = true
      return false
    }
    items.append(tables.view(of: node))
    return true
  }
  for index in items.indices { items[index].addHealth(engine) }
  let page = Page(items, next: goesOn ? items.last.map { Cursor($0.node.name.text) } : nil)
  call.send(page.encoded { out, view in out.node(view) }, revision: revision)
}

@Sendable private func getNode(_ call: Call) throws(Problem) {
  let name = try call.node()
  let engine = call.api.engine
  let (found, revision) = engine.read { tables in (tables.node(name).map { tables.view(of: $0) }, tables.revision) }
  guard var view = found else { throw .noNode(name) }
  view.addHealth(engine)
  let answer = Rendered(revision: view.node.revision) { $0.node(view) }
  call.send(answer.body, revision: revision, headers: answer.headers)
}

@Sendable private func listLatencies(_ call: Call) throws(Problem) {
  let engine = call.api.engine
  var out = JSONWriter()
  out.object { out in
    out.key("items")
    out.array { out in
      for item in engine.latencies ?? [] {
        out.object { out in
          out.field("from", item.latency.from)
          out.field("to", item.latency.to)
          out.field("microseconds", item.latency.microseconds)
          out.field("reporters", item.reporters)
          out.field("age_seconds", item.age.components.seconds)
        }
      }
    }
  }
  call.send(out.finish(), revision: engine.read { $0.revision })
}

@Sendable private func registerNode(_ call: Call) throws(Problem) {
  let name: NodeName = try call.newName(0, "node")
  try call.checkAgent(of: name)
  let body = try call.body(NodeBody.init(decoding:))
  let known = call.api.engine.read { $0.node(name) }
  try call.submit(.registerNode(body.node(name, known: known))) { outcome in
    var answer = rendered(outcome)
    if answer.status == 201 { answer.headers.append(("Location", "/api/v1/nodes/\(name)")) }
    return answer
  }
}

@Sendable private func updateNode(_ call: Call) throws(Problem) {
  let patch = try call.body(decodeNodePatch)
  try call.submit(.updateNode(try call.node(), patch, ifMatch: try call.ifMatch()), render: rendered)
}

@Sendable private func deleteNode(_ call: Call) throws(Problem) {
  try call.submit(.deleteNode(try call.node())) { outcome in
    guard case .nodeDeleted(let node) = outcome else { unexpected(.fleet(outcome)) }
    return Rendered(revision: node.revision) { $0.node(NodeView(node)) }
  }
}

extension Topology {
  /// Whether it is at each level that `wanted` names.
  fileprivate func isIn(_ wanted: Topology) -> Bool {
    (wanted.datacenter == nil || datacenter == wanted.datacenter) && (wanted.zone == nil || zone == wanted.zone)
      && (wanted.rack == nil || rack == wanted.rack)
  }
}

extension Tables {
  fileprivate func view(of node: Node) -> NodeView {
    let (used, vms) = carried(by: node.name)
    return NodeView(node, NodeLoad(allocated: used, vms: vms))
  }
}

extension NodeView {
  /// Adds what the leader alone knows.
  fileprivate mutating func addHealth(_ engine: Engine) {
    guard let health = engine.health(of: node.name) else { return }
    load?.lastHeartbeatSeconds = Int(health.silent.components.seconds)
    load?.usage = health.usage?.used
  }
}

extension Call {
  /// An agent with a certificate speaks for its own node alone.
  func checkAgent(of node: NodeName) throws(Problem) {
    guard case .certificate(.agent(let own)) = principal, own != node else { return }
    throw .outsideScope("node", "this certificate is for node \(own) alone")
  }
}
