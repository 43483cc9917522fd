import Foundation
import Glibc
import TestSupport
import Testing
import Wire

/// Three real nodes, three members of etcd, and agents that speak for simulated nodes at each of them.
private final class FleetCluster {
  let cluster: RealCluster
  private(set) var agents: [ChildProcess] = []

  /// Each agent process speaks for two nodes and asks another node of Berth first.
  init(_ extra: [String] = []) throws {
    cluster = try RealCluster(extra)
    let urls = cluster.nodes.map(\.url)
    for number in urls.indices {
      let servers = (urls[number...] + urls[..<number]).joined(separator: ",")
      agents.append(
        try ChildProcess(
          Berth.binary,
          [
            "agent", "--server", servers, "--nodes", "2", "--prefix", "sim-\(number)", "--start-delay", "50ms",
            "--datacenter", "dc-\(number)", "--seed", "\(number)"
          ]))
    }
    _ = try cluster.leader()
    let pool = try cluster.nodes[0].settled("POST", "/api/v1/pools", #"{"name":"edge","cidr":"10.1.0.0/16"}"#)
    guard pool.status == 201 else { throw Unexpected("no pool: \(pool.text)") }
    guard eventually({ self.ready == 6 }) else { throw Unexpected("\(ready) nodes came: \(agents.map(\.errors))") }
  }

  deinit {
    for agent in agents { agent.kill(SIGKILL) }
    for agent in agents { _ = agent.waitForExit() }
  }

  /// Nodes in touch, as a node of Berth that answers sees it.
  var ready: Int {
    for node in cluster.nodes {
      if let answer = try? node.get("/api/v1/nodes?state=ready&limit=1000"), answer.status == 200 {
        return answer["items"]?.elements?.count ?? 0
      }
    }
    return 0
  }

  /// Asks node `index` for VMs of these names and waits until they run.
  func make(_ names: [String], vcpus: Int = 1, at index: Int) throws {
    let berth = cluster.nodes[index]
    for name in names {
      let body = """
        {"name":"\(name)","vcpus":\(vcpus),"memory_mib":1024,"failover":"restart","interfaces":[{"pool":"edge"}]}
        """
      let made = try berth.settled("POST", "/api/v1/vms", body, key: "make-\(name)")
      guard made.status == 201 || made.status == 200 else { throw Unexpected("\(name): \(made.status) \(made.text)") }
    }
    let runs = try eventually(deadline: .seconds(60)) {
      try names.allSatisfy { try berth.settled("GET", "/api/v1/vms/\($0)")["state"]?.string == "running" }
    }
    guard runs else { throw Unexpected("not all run: \(try berth.settled("GET", "/api/v1/vms").text)") }
  }

  /// What each VM is: a VM of which this stays the same was neither moved nor started again.
  func lives(at index: Int) throws -> [String: String] {
    let items = try cluster.nodes[index].settled("GET", "/api/v1/vms?limit=1000")["items"]?.elements ?? []
    var lives: [String: String] = [:]
    for vm in items {
      let words = ["state", "node", "epoch", "revision"].map { key in
        vm[key].map { String(decoding: $0.encoded(), as: UTF8.self) } ?? "?"
      }
      lives[vm["name"]?.string ?? "?"] = words.joined(separator: " ")
    }
    return lives
  }

  /// Every VM has one address, which the pool says is its own, and all nodes of Berth say the same.
  func expectAgreement(_ count: Int) throws {
    #expect(cluster.agree([0, 1, 2]))
    let states = try cluster.nodes.map { try $0.state() }
    #expect(states[0] == states[1] && states[1] == states[2])
    let vms = try cluster.nodes[0].get("/api/v1/vms?limit=1000")["items"]?.elements ?? []
    let owned = vms.flatMap { $0["addresses"]?.elements ?? [] }.compactMap { $0["ip"]?.string }
    let held = (states[0]["allocations"]?.elements ?? []).compactMap { $0["ip"]?.string }
    #expect(vms.count == count && owned.count == count && Set(owned).count == count)
    #expect(Set(owned) == Set(held) && held.count == count)
  }
}

/// The fleet's life when the nodes of Berth do not all live.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: RealCluster.isPossible, "no etcd here"))
struct FleetClusterTests {
  private func names(_ prefix: String, _ count: Int) -> [String] { (1...count).map { "\(prefix)-\($0)" } }

  @Test func whoeverLeadsTheFleetIsTheSameAndNoVMStartsAgain() throws {
    let fleet = try FleetCluster()
    let cluster = fleet.cluster
    try fleet.make(names("first", 9), at: 0)
    let before = try fleet.lives(at: 0)
    #expect(before.count == 9)

    // Killed: an agent whose own node this was goes on with another one.
    let killed = try cluster.leader()
    let other = (killed + 1) % 3
    cluster.nodes[killed].crash()
    try fleet.make(names("second", 6), at: other)
    #expect(eventually { fleet.ready == 6 }, "\(fleet.ready) in touch; \(fleet.agents[killed].errors)")
    let between = try fleet.lives(at: other)
    for (name, life) in before { #expect(between[name] == life, "\(name) was \(life)") }
    try cluster.restart(killed)

    // Paused: it believes that it leads until it asks etcd.
    let paused = try cluster.leader()
    cluster.nodes[paused].process.kill(SIGSTOP)
    try fleet.make(names("third", 6), at: (paused + 1) % 3)
    cluster.nodes[paused].process.kill(SIGCONT)
    #expect(eventually { fleet.ready == 6 })
    let after = try fleet.lives(at: paused)
    for (name, life) in between { #expect(after[name] == life, "\(name) was \(life)") }
    #expect(after.count == 21 && after.values.allSatisfy { $0.contains("running") })
    try fleet.expectAgreement(21)
  }

  @Test func aNodeThatDiesWithTheLeaderIsStillFoundLostAndItsVMsRunElsewhere() throws {
    let fleet = try FleetCluster(["--node-lease-seconds", "3"])
    let cluster = fleet.cluster
    // One for a node, so that they are at four of six nodes, and four nodes are enough for all of them.
    try fleet.make(names("vm", 4), vcpus: 10, at: 0)
    let before = try fleet.lives(at: 0)
    let leader = try cluster.leader()
    let victim = try #require((0..<3).first { number in before.values.contains { $0.contains("sim-\(number)-") } })
    let lost = "sim-\(victim)-"
    fleet.agents[victim].kill(SIGKILL)
    cluster.nodes[leader].crash()
    let other = (leader + 1) % 3
    var after: [String: String] = [:]
    #expect(
      try eventually(deadline: .seconds(90)) {
        after = try fleet.lives(at: other)
        return after.values.allSatisfy { $0.contains("running") && !$0.contains(lost) }
      }, "\(after)")
    // The agents of the other nodes were without a leader for a while: that alone starts nothing again.
    for (name, life) in before where !life.contains(lost) { #expect(after[name] == life, "\(name) was \(life)") }
    try cluster.restart(leader)
    try fleet.expectAgreement(4)
  }

  /// `make cluster FLEET=1`, as a new user tries it.
  @Test func s3_45_theClusterOfTheFirstTryBringsAFleetAndLeavesNoProcess() throws {
    let place = TemporaryDirectory()
    let base = freeClusterPort()
    let marks = [place.path, "127.0.0.1:\(base)"]
    func processes() -> [String] {
      Files.names(in: "/proc").filter { name in
        guard UInt32(name) != nil, let words = Files.read("/proc/\(name)/cmdline") else { return false }
        let text = String(decoding: words, as: UTF8.self)
        return marks.contains { text.contains($0) }
      }
    }
    defer { for name in processes() { _ = Int32(name).map { kill($0, SIGKILL) } } }
    let script = try ChildProcess(
      "bash", ["\(Repository.root)/Tests/scripts/cluster.sh", Berth.binary],
      environment: [
        "CLUSTER_DIRECTORY": place.file("cluster"), "CLUSTER_PORT": "\(base)", "FLEET": "1", "FLEET_NODES": "2"
      ])
    #expect(
      eventually(deadline: .seconds(60)) { script.output.contains("Ctrl-C stops") || script.poll() != nil },
      "\(script.output)\(script.errors)")
    #expect(script.output.contains("6 simulated nodes"), "\(script.output)\(script.errors)")
    #expect(processes().count == 9, "three members, three nodes, three agents")
    let made = try Berth.run([
      "vm", "create", "web-1", "--vcpus", "2", "--memory", "4G", "--ip-pool", "edge", "--wait", "--server",
      "http://127.0.0.1:\(base + 2)"
    ])
    #expect(made.status == .exited(0) && made.output.contains("10.1.0."), "\(made.output)\(made.errors)")
    script.kill(SIGINT)
    #expect(script.waitForExit() == .exited(130), "\(script.output)\(script.errors)")
    #expect(script.output.contains("all stopped"))
    #expect(processes().isEmpty, "no process is left")
  }
}
