import API
import Advisers
import Cluster
import Engine
import HTTPClient
import HTTPServer
import Log
import LogMemory
import Platform
import Telemetry
import TestSupport
import Testing
import Wire

/// Some nodes over one log in memory, each with a server of its own; the first one leads.
final class Town: Sendable {
  let cluster = MemoryCluster()
  let nodes: [Resident]
  let contract: Contract

  var leader: Resident { nodes[0] }
  var follower: Resident { nodes[1] }

  init(_ count: Int = 2, patience: Duration = .seconds(8), schedulers: [SchedulerOptions] = []) throws {
    let cluster = cluster
    nodes = try (0..<count).map { try Resident(cluster, "node-\($0)", isFirst: $0 == 0, patience, schedulers) }
    let document = try nodes[0].client.send(ClientRequest("GET", "/openapi.json")).body
    contract = Contract(document: try JSONValue(parsing: document))
    let first = nodes[0]
    try #require(eventually { first.engine.leadership.decides })
    try call(first, "POST", "/api/v1/pools", #"{"name":"default","cidr":"172.16.0.0/24"}"#, expect: 201)
    for node in nodes {
      try #require(eventually { node.engine.status.revision == 1 && node.engine.sharedStatus?.leader != nil })
      node.log.allow(toLead: true)
    }
  }

  /// One request to one node; its answer is checked against the document.
  @discardableResult
  func call(
    _ node: Resident, _ method: String, _ target: String, _ body: String? = nil,
    headers: [(name: String, value: String)] = [], expect status: Int? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard {
    let request = ClientRequest(method, target, headers: headers, body: body.map { Array($0.utf8) })
    let answer = Heard(try node.client.send(request))
    if let status { #expect(answer.status == status, "\(method) \(target): \(answer.text)", sourceLocation: location) }
    for flaw in contract.flaws(of: answer, to: method, target) {
      Issue.record("\(method) \(target): \(flaw) in \(answer.text)", sourceLocation: location)
    }
    return answer
  }

  @discardableResult
  func allocate(
    _ node: Resident, _ vm: String, headers: [(name: String, value: String)] = [], expect status: Int? = 201,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard {
    try call(
      node, "POST", "/api/v1/ip/allocate", #"{"vm_id":"\#(vm)"}"#, headers: headers, expect: status, location)
  }
}

/// One node.
final class Resident: Sendable {
  let log: MemorySharedLog
  let archive = MemoryArchive()
  let engine: Engine
  let cluster: ClusterNode
  let api: BerthAPI
  let server: Server
  let client: HTTPClient
  let alarms = Collected<String>()

  init(
    _ shared: MemoryCluster, _ name: String, isFirst: Bool, _ patience: Duration, _ schedulers: [SchedulerOptions]
  ) throws {
    let port = freePort()
    log = shared.node(name, url: "http://127.0.0.1:\(port)")
    log.allow(toLead: isFirst)
    var options = EngineOptions()
    options.schedulers = schedulers.map(\.name)
    engine = try Engine.join(log, archive, options: options)
    var part = ClusterOptions(node: name, url: log.url, version: "test")
    part.patience = patience
    part.attempt = .seconds(2)
    part.beat = .milliseconds(20)
    let alarms = alarms
    part.log = { alarms.add($0) }
    cluster = ClusterNode(engine, part, options.metrics)
    api = BerthAPI(
      engine: engine, history: MemoryHistory(), metrics: options.metrics, cluster: cluster, schedulers: schedulers)
    var serverOptions = ServerOptions()
    serverOptions.port = port
    serverOptions.onCompletion = api.onCompletion
    server = try Server(serverOptions, api.router)
    server.start()
    engine.start()
    cluster.start()
    var clientOptions = HTTPClientOptions()
    clientOptions.maxConnections = 64
    client = HTTPClient(.tcp(host: "127.0.0.1", port: port), options: clientOptions)
  }

  deinit {
    log.hold(false)
    client.closeIdle()
    cluster.stop()
    api.stop()
    server.drain()
    engine.stop()
  }
}
