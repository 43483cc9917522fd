import API
import Advisers
import APITypes
import Addressing
import Domain
import Engine
import HTTPClient
import HTTPServer
import Log
import LogMemory
import Platform
import Synchronization
import Testing
import Wire

/// A whole Berth over a log in memory, on a port of its own. Every answer it gives is checked against its OpenAPI document.
final class House: Sendable {
  let log: MemoryLog
  let engine: Engine
  let api: BerthAPI
  let server: Server
  let client: HTTPClient
  let contract: Contract
  /// What the scrub had to say.
  let alarms = Collected<String>()

  /// Starts a house; with `network` there is a pool `default`, made as `berth serve` makes it.
  init(
    network: String? = "172.16.0.0/24", log: MemoryLog = MemoryLog(), ring: Int = 8_192, scrub: Duration? = nil,
    security: Security = Security(), clock: (@Sendable () -> ClockReading)? = nil,
    schedulers: [SchedulerOptions] = [], bodyRoomEach: Int? = nil
  ) throws {
    self.log = log
    var options = EngineOptions()
    options.ringCapacity = ring
    if let clock { options.clock = clock }
    options.schedulers = schedulers.map(\.name)
    let engine = try Engine.open(log: log, snapshots: nil, options: options)
    self.engine = engine
    let alarms = alarms
    api = BerthAPI(
      engine: engine, history: MemoryHistory(), metrics: options.metrics, security: security,
      schedulers: schedulers, notice: { alarms.add($0) }, scrubEvery: scrub, alarm: { alarms.add($0) })
    var serverOptions = ServerOptions()
    serverOptions.onCompletion = api.onCompletion
    if let bodyRoomEach { serverOptions.bodyRoomEach = bodyRoomEach }
    server = try Server(serverOptions, api.router)
    api.watch(server)
    server.start()
    engine.start()
    var clientOptions = HTTPClientOptions()
    clientOptions.maxConnections = 64
    client = HTTPClient(.tcp(host: "127.0.0.1", port: server.port), options: clientOptions)
    contract = try Contract(document: JSONValue(parsing: client.send(ClientRequest("GET", "/openapi.json")).body))
    if let network { try post("/api/v1/pools", #"{"name":"default","cidr":"\#(network)"}"#, expect: 201) }
  }

  deinit {
    client.closeIdle()
    api.stop()
    server.drain()
    engine.stop()
  }

  /// One request, as `curl` would send it; its answer is checked against the document.
  @discardableResult
  func call(
    _ method: String, _ target: String, _ body: String? = nil, headers: [(name: String, value: String)] = [],
    expect status: Int? = nil, _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard {
    let request = ClientRequest(method, target, headers: headers, body: body.map { Array($0.utf8) })
    let answer = Heard(try client.send(request))
    if let status { #expect(answer.status == status, "\(method) \(target): \(answer.text)", sourceLocation: location) }
    for flaw in contract.flaws(of: answer, to: method, target) {
      Issue.record("\(method) \(target): \(flaw) in \(answer.text)", sourceLocation: location)
    }
    return answer
  }

  @discardableResult
  func get(_ target: String, expect status: Int = 200, _ location: SourceLocation = #_sourceLocation) throws -> Heard {
    try call("GET", target, expect: status, location)
  }

  @discardableResult
  func post(
    _ target: String, _ body: String? = nil, headers: [(name: String, value: String)] = [], expect status: Int,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard { try call("POST", target, body, headers: headers, expect: status, location) }

  @discardableResult
  func delete(
    _ target: String, headers: [(name: String, value: String)] = [], expect status: Int = 200,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Heard { try call("DELETE", target, headers: headers, expect: status, location) }
}

/// An answer with its body read.
struct Heard {
  let status: Int
  let text: String
  let json: JSONValue?
  private let response: ClientResponse

  init(_ response: ClientResponse) {
    self.response = response
    status = response.status
    text = String(decoding: response.body, as: UTF8.self)
    json = try? JSONValue(parsing: response.body)
  }

  func header(_ name: String) -> String? { response.header(name) }

  /// The member at a path such as `capacity.total`, as text.
  subscript(_ path: String) -> String? {
    var value = json
    for part in path.split(separator: ".") { value = Int(part).flatMap { value?[$0] } ?? value?[String(part)] }
    return value?.string ?? value?.numberText ?? value?.bool.map { "\($0)" }
  }

  func list(_ name: String) -> [JSONValue] { json?[name]?.elements ?? [] }

  /// One member of each item of a list.
  func column(_ member: String, of name: String = "items") -> [String] {
    list(name).map { $0[member]?.string ?? $0[member]?.numberText ?? "?" }
  }
}

/// Runs `body` for each number on `threads` threads.
func inParallel(_ count: Int, threads: Int = 16, _ body: @escaping @Sendable (Int) -> Void) {
  let next = Counter()
  let workers = (0..<threads).map { number in
    Thread(name: "test-\(number)") { while let turn = next.take(below: count) { body(turn) } }
  }
  for worker in workers { worker.join() }
}

final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  func take(below limit: Int) -> Int? {
    let turn = value.wrappingAdd(1, ordering: .relaxed).oldValue
    return turn < limit ? turn : nil
  }
}

/// Collects what threads find.
// Unchecked because `lock` guards `values`.
final class Collected<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private var values: [Value] = []

  func add(_ value: Value) { lock.withLock { values.append(value) } }

  var all: [Value] { lock.withLock { values } }
}
