internal import APITypes
internal import Cluster
internal import Domain
internal import Engine
internal import HTTPServer
internal import Log
internal import Wire

/// The cluster itself.
let clusterEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/cluster", id: "cluster", tag: "cluster", permission: .clusterRead,
    summary: "Who leads, which nodes there are and how far they are, and how etcd is; as the leader sees it.",
    answers: [.init(200, "The cluster.", Schemas.cluster)], refusals: [.init(404, "not_clustered"), .init(503, "busy")],
    isLocal: true, handler: showCluster),
  Endpoint(
    method: .post, pattern: "/api/v1/cluster/depose", id: "deposeLeader", tag: "cluster", permission: .clusterWrite,
    summary: "End the leadership of the node that leads; the nodes choose again at once.",
    answers: [.init(200, "It is ended.", Schemas.deposed)],
    refusals: [.init(404, "not_clustered"), .init(503, "no_leader", "not_caught_up")], isLocal: true,
    isBehindBarrier: true, handler: deposeLeader),
  Endpoint(
    method: .post, pattern: "/api/v1/cluster/nodes", id: "reportNode", tag: "cluster", permission: .clusterReport,
    summary: "What a node tells the leader of itself, once a second; for nodes alone.", body: Schemas.clusterNode,
    bodyLimit: 64 << 10, answers: [.init(200, "What the leader says of itself.", Schemas.clusterNode)],
    refusals: [
      .init(403, "forged_node"), .init(404, "not_clustered"), .init(409, "another_log", "stale_epoch"),
      .init(503, "no_leader")
    ], isLocal: true, handler: reportNode)
]

private func cluster(of call: Call) throws(Problem) -> ClusterNode {
  guard let cluster = call.api.cluster else {
    throw Problem(404, "not_clustered", "this server keeps its own log: it is no part of a cluster")
  }
  return cluster
}

@Sendable private func showCluster(_ call: Call) throws(Problem) {
  let cluster = try cluster(of: call)
  let api = call.api
  let own: @Sendable () -> Void = { call.send(cluster.view.encoded, revision: api.engine.status.revision) }
  guard case .following(.some) = api.engine.leadership, call.mayPassOn else { return own() }
  let asked = PassedRequest(
    method: "GET", target: "/api/v1/cluster", headers: call.peerHeaders, body: nil, changes: false, isOnce: true)
  let isTaken = cluster.pass(asked) { end in
    // A leader that does not answer is what this is looked at for.
    guard case .answered(let answer) = end, answer.status == 200 else { return own() }
    call.send(answer.body, revision: api.engine.status.revision)
  }
  if !isTaken { throw .busy }
}

@Sendable private func deposeLeader(_ call: Call) throws(Problem) {
  let cluster = try cluster(of: call)
  guard let leader = call.api.engine.sharedStatus?.leader, call.api.engine.depose() else {
    throw Problem(Unavailable.notLeading(nil))
  }
  cluster.log("leadership ended by hand: node \(leader.node), epoch \(leader.epoch)")
  var out = JSONWriter()
  out.object { out in
    out.field("node", leader.node)
    out.field("epoch", leader.epoch)
  }
  call.send(out.finish(), revision: call.api.engine.status.revision)
}

@Sendable private func reportNode(_ call: Call) throws(Problem) {
  let cluster = try cluster(of: call)
  let report: NodeReport
  do throws(Problem) {
    let read = try call.body { (body) throws(JSONFault) in NodeReport(try JSONValue(parsing: body)) }
    guard let read else { throw .invalid("", "is not what a node tells of itself") }
    report = read
  } catch {
    call.api.counts.refusedPeer(.malformed)
    throw error
  }
  if case .certificate(.node(let name)) = call.principal, name.text != report.node {
    call.api.counts.refusedPeer(.forgedNode)
    throw Problem(403, "forged_node", "the certificate is node \(name)'s, and the report node \(report.node)'s")
  }
  switch cluster.heard(report) {
  case .answered(let own): call.send(own.encoded, revision: call.api.engine.status.revision)
  case .notLeading: throw Problem(Unavailable.notLeading(nil))
  case .refused(let why, let detail):
    call.api.counts.refusedPeer(why)
    throw Problem(409, why.rawValue, detail)
  }
}
