import APITypes
import AgentHost
import CLI
import Client
import Domain
import HTTPClient
import Platform
import VMM
import VMMSimulated

/// `berth agent`: joins nodes, the backend and the process, and waits for the signal that ends them.
enum AgentCommand {
  static func run(_ options: AgentOptions, _ io: CommandIO) -> Int32 {
    // Before the first thread exists.
    let signals = TerminationSignals()
    var nodes: [HostedNode] = []
    for node in options.nodes {
      guard let name = NodeName(node.name) else {
        say("error: '\(node.name)' is no name for a node: \(NodeName.rule)", io)
        return 2
      }
      for level in [node.datacenter, node.zone, node.rack] {
        if let level, !Topology.accepts(level) {
          say("error: '\(level)' is no name for a place: \(Topology.rule)", io)
          return 2
        }
      }
      nodes.append(HostedNode(name, body(node, options)))
    }
    let times = SimulatedTimes(startDelay: options.startDelay)
    var faults = SimulatedFaults()
    (faults.startFailuresPerMillion, faults.crashesPerMillion) = (options.startFailures, options.crashes)
    let (seed, unchanging) = (options.seed, faults)
    var hosted = AgentHostOptions(nodes: nodes, threads: options.threads)
    do { hosted.distances = try distances(options) } catch {
      say("error: \(error.text)", io)
      return error.code
    }
    let load = SimulatedLoad(permille: options.load)
    let host = AgentHost(hosted, options.client) { name in
      let backend = SimulatedVMs(seed: mixed(seed, name), times: times, clock: agentClock)
      (backend.faults, backend.load) = (unchanging, load)
      return backend
    }
    let what = nodes.count == 1 ? "node \(nodes[0].name)" : "\(nodes.count) nodes"
    say("agent: \(what), simulated, reporting to \(options.client.placesText)", io)
    let teller = Teller(host, io)
    let wish = signals.wait()
    signals.unblock()
    teller.stop()
    let before = host.counts
    host.stop()
    say(
      "agent: \(wish.rawValue): \(before.machines) simulated VMs vanish with this process, and Berth will take its nodes "
        + "for lost", io)
    return 0
  }

  /// How far other datacenters are, as the flags say.
  private static func distances(_ options: AgentOptions) throws(Complaint) -> Distances {
    if let step = options.latencyStep {
      var names: [String] = []
      for node in options.nodes { if let name = node.datacenter, !names.contains(name) { names.append(name) } }
      return .pretended(names, step: step)
    }
    if options.latencyTo.isEmpty { return .unknown }
    let targets = try options.latencyTo.map { (target) throws(Complaint) in
      guard Topology.accepts(target.datacenter) else {
        throw Complaint("'\(target.datacenter)' is no name for a datacenter: \(Topology.rule)")
      }
      guard case .tcp(let host, let port) = target.address.endpoint else {
        throw Complaint("--latency-to takes DATACENTER=HOST:PORT")
      }
      return DistanceMeter.Target(datacenter: target.datacenter, host: host, port: port)
    }
    return .measured(DistanceMeter(targets))
  }

  private static func body(_ node: AgentOptions.Node, _ options: AgentOptions) -> NodeBody {
    var body = NodeBody(
      Resources(cpu: options.cpu, memory: options.memory, disk: options.disk, bandwidth: options.bandwidth))
    // What is not said stays as Berth knows it.
    let place = Topology(datacenter: node.datacenter, zone: node.zone, rack: node.rack)
    if place != Topology() { body.topology = place }
    body.backends = [SimulatedVMs.backendName]
    if let prices = options.prices { body.prices = Prices(Rates(cpu: prices.cpu, memory: prices.memory)) }
    return body
  }

  /// Another seed for each node, the same in each run.
  private static func mixed(_ seed: UInt64, _ name: NodeName) -> UInt64 {
    name.text.utf8.reduce(seed ^ 0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  private static func say(_ text: String, _ io: CommandIO) { io.err(Array("\(text)\n".utf8)) }
}

/// Says when nodes have come to Berth and when they have lost it, at most once a second.
// Unchecked because what changes is guarded by `lock`.
private final class Teller: @unchecked Sendable {
  private let lock = Lock()
  private let end = Condition()
  private var isOver = false
  private var thread: Thread?

  init(_ host: AgentHost, _ io: CommandIO) {
    thread = Thread(name: "agent status") { [self] in
      var told: AgentHostCounts?
      while true {
        let isDone = lock.withLock {
          if !isOver { _ = end.wait(lock, timeout: .seconds(1)) }
          return isOver
        }
        if isDone { return }
        let now = host.counts
        guard now.connected + now.silent > 0, now.silent != told?.silent else { continue }
        told = now
        let why = now.silent > 0 ? ", \(now.silent) not: \(now.trouble ?? "")" : ""
        io.err(Array("agent: \(now.connected) nodes in touch with Berth\(why)\n".utf8))
      }
    }
  }

  func stop() {
    lock.withLock {
      isOver = true
      end.signal()
    }
    thread?.join()
  }
}
