import Foundation
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

@Suite(
  "Three real nodes on three real members of etcd", .serialized, .timeLimit(.minutes(5)),
  .enabled(if: RealCluster.isPossible, "no etcd here"))
struct ClusterTests {
  private func allocate(_ cluster: RealCluster, _ index: Int, _ vm: String, key: String? = nil) throws -> Answer {
    try cluster.nodes[index].settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"\#(vm)"}"#, key: key)
  }

  @Test func s0_47_clientsOfEachNodeGetDifferentAddressesAndAllNodesAgree() throws {
    let cluster = try RealCluster()
    let nodes = Shared(cluster.nodes.map(\.client))
    let given = try together(12) { client -> [String] in
      try (0..<15).map { number in
        let body = Array(#"{"vm_id":"vm-\#(client)-\#(number)"}"#.utf8)
        let client = nodes.withLock { $0[client % 3] }
        return try Answer(client.send(ClientRequest("POST", "/api/v1/ip/allocate", body: body))).ip ?? "none"
      }
    }
    #expect(Set(given.joined()).count == 180 && !given.joined().contains("none"))
    for node in cluster.nodes {
      #expect(try node.get("/api/v1/ip/allocations")["count"]?.numberText == "180")
      #expect(try node.get("/readyz").status == 200)
    }
    #expect(cluster.agree([0, 1, 2]))
    let states = try cluster.nodes.map { try $0.state() }
    #expect(states[0] == states[1] && states[1] == states[2])
  }

  @Test func s0_25_aReadOnAFollowerSeesTheWriteBeforeIt() throws {
    let cluster = try RealCluster()
    let (leader, follower) = (try cluster.leader(), try cluster.follower())
    for number in 0..<50 {
      let given = try allocate(cluster, leader, "vm-\(number)")
      #expect(try cluster.nodes[follower].get("/api/v1/ip/vm-\(number)").ip == given.ip)
    }
  }

  @Test func s3_72_anotherNodeLeadsWhenTheLeaderIsKilledAndItComesBackWithEverything() throws {
    let cluster = try RealCluster()
    let leader = try cluster.leader()
    let others = cluster.nodes.indices.filter { $0 != leader }
    let before = try allocate(cluster, leader, "before", key: "k1")
    cluster.nodes[leader].crash()
    let after = try allocate(cluster, others[0], "after")
    #expect(after.status == 201 && after.ip != before.ip)
    let again = try allocate(cluster, others[1], "before", key: "k1")
    #expect(again.status == 201 && again.ip == before.ip, "a repeat at another node, after the change")
    try cluster.restart(leader)
    #expect(try cluster.nodes[leader].settled("GET", "/api/v1/ip/after").ip == after.ip)
    #expect(cluster.agree([0, 1, 2]))
  }

  @Test func aMemberOfEtcdMayBeKilledAndTwoMayNot() throws {
    let cluster = try RealCluster()
    cluster.members[0].kill(SIGKILL)
    _ = cluster.members[0].waitForExit()
    #expect(try allocate(cluster, 1, "one").status == 201)
    cluster.members[1].kill(SIGKILL)
    _ = cluster.members[1].waitForExit()
    let read = try cluster.nodes[0].get("/api/v1/ip/one")
    #expect(read.status == 503 && read.code == "not_caught_up")
    #expect(try cluster.nodes[0].get("/api/v1/ip/one?consistency=stale").status == 200)
    let write = try cluster.nodes[2].send("POST", "/api/v1/ip/allocate", #"{"vm_id":"two"}"#)
    #expect(write.status == 503 || write.status == 504)
    try cluster.restartMember(0)
    #expect(try cluster.nodes[0].settled("GET", "/api/v1/ip/one").status == 200)
    #expect(try allocate(cluster, 2, "two").status == 201 || allocate(cluster, 2, "two").status == 200)
  }

  @Test func theClusterIsShownAndItsLeaderMovedFromTheTerminal() throws {
    let cluster = try RealCluster()
    let leader = try cluster.leader()
    let server = ["--server", cluster.nodes[try cluster.follower()].url]
    var shown = ""
    #expect(
      try eventually {
        let ended = try Berth.run(["cluster", "status"] + server, environment: ["COLUMNS": "80"])
        shown = ended.output + ended.errors
        return ended.status == .exited(0) && shown.contains("node-0") && shown.contains("node-2")
          && shown.contains("etcd: 3.")
      }, "\(shown)")
    #expect(shown.contains("leader: node-\(leader), epoch"))
    let table: [Substring] = shown.split(separator: "\n", omittingEmptySubsequences: true)
    let widest = table.prefix(4).map(\.count).max() ?? 0
    #expect(widest <= 80)
    let gone = "http://127.0.0.1:1"
    let all = cluster.nodes.map(\.url) + [gone]
    let named = try Berth.run(["cluster", "status", "--server", all.joined(separator: ",")]).output
    #expect(all.filter { named.contains("not among them: \($0)") } == [gone], "\(named)")
    #expect(try Berth.run(["cluster", "depose"] + server).status == .exited(2), "nobody could be asked")
    #expect(try Berth.run(["cluster", "depose", "--yes"] + server).status == .exited(0))
    #expect(try allocate(cluster, 0, "vm").status == 201)
  }

  @Test func s0_42_poolsAreKeptFromTheTerminalOfAnyNode() throws {
    let cluster = try RealCluster()
    func berth(_ node: Int, _ line: String, ends status: Int32 = 0) throws -> String {
      let ended = try Berth.run(line.split(separator: " ").map(String.init) + ["--server", cluster.nodes[node].url])
      #expect(ended.status == .exited(status), "\(line) at node-\(node): \(ended)")
      return ended.output
    }
    for node in 0..<3 {
      _ = try berth(node, "pool create edge-\(node) --cidr 10.1.\(node).0/24")
      #expect(try berth((node + 1) % 3, "ip allocate vm-\(node) --pool edge-\(node)").contains("10.1.\(node).2"))
    }
    for node in 0..<3 {
      let pools = try berth(node, "pool list -o name").split(separator: "\n").map(String.init)
      #expect(["edge-0", "edge-1", "edge-2"].allSatisfy(pools.contains), "node-\(node): \(pools)")
      #expect(try berth(node, "pool show edge-\((node + 2) % 3)").contains("10.1.\((node + 2) % 3).0/24"))
    }
    _ = try berth(1, "pool delete edge-0 --yes", ends: 1)
    _ = try berth(2, "ip release vm-0 --pool edge-0")
    _ = try berth(1, "pool delete edge-0 --yes")
    #expect(try !berth(0, "pool list -o name").contains("edge-0"))
  }

  @Test func aNodeWithoutAnArchiveFetchesEverything() throws {
    let cluster = try RealCluster(["--snapshot-every", "20"])
    for number in 0..<60 { _ = try allocate(cluster, 0, "vm-\(number)") }
    let follower = try cluster.follower()
    cluster.nodes[follower].stop()
    let directory = cluster.nodes[follower].directory
    #expect(try Berth.run(["cluster", "rejoin", "--data-dir", directory]).status == .exited(2))
    let moved = try Berth.run(["cluster", "rejoin", "--data-dir", directory, "--yes"])
    #expect(moved.status == .exited(0) && moved.output.contains("aside-1"))
    try cluster.restart(follower)
    #expect(try cluster.nodes[follower].settled("GET", "/api/v1/ip/allocations")["count"]?.numberText == "60")
    #expect(cluster.agree([0, 1, 2]))
  }

  @Test func aNodeThatSleptUntilItsPlaceWasTrimmedBeginsAgainByItself() throws {
    let cluster = try RealCluster(["--snapshot-every", "20"])
    let (leader, sleeper) = (try cluster.leader(), try cluster.follower())
    cluster.nodes[sleeper].process.kill(SIGSTOP)
    for number in 0..<50 { _ = try allocate(cluster, leader, "vm-\(number)") }
    // Snapshots are made beside the writes: it sleeps until what it had next is trimmed.
    var count = 50
    #expect(
      eventually(deadline: .seconds(60)) {
        guard count < 240, count < 150 || (try? oldestBatch(cluster)) ?? 0 <= 100 else { return true }
        if (try? allocate(cluster, leader, "vm-\(count)")) != nil { count += 1 }
        return false
      })
    #expect(try oldestBatch(cluster) > 100, "\(count) writes and nothing was trimmed")
    cluster.nodes[sleeper].process.kill(SIGCONT)
    let node = cluster.nodes[sleeper]
    #expect(try node.settled("GET", "/api/v1/ip/allocations")["count"]?.numberText == "\(count)")
    let joined = node.errors.split(separator: "\n", omittingEmptySubsequences: true).filter {
      $0.contains("joining the cluster")
    }
    #expect(joined.count == 2, "the same process, begun again: \(node.errors)")
    #expect(node.process.poll() == nil && cluster.agree([0, 1, 2]))
    #expect(FileManager.default.fileExists(atPath: node.directory + "/aside-1"))
    #expect(try allocate(cluster, sleeper, "after").status == 201)
  }

  /// The first batch that etcd still has.
  private func oldestBatch(_ cluster: RealCluster) throws -> UInt64 {
    func coded(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
    let body = #"{"key":"\#(coded("/berth/log/"))","range_end":"\#(coded("/berth/log0"))","limit":1,"keys_only":true}"#
    let key = try cluster.etcd("/v3/kv/range", body)["kvs"]?.elements?.first?["key"]?.string
    let text = key.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
    return try #require(text.flatMap { UInt64($0.dropFirst(11)) })
  }

  @Test func aBerthMovesIntoEtcdAndBackWithTheSameStateHash() throws {
    let directory = TemporaryDirectory()
    let alone = try Berth(directory.file("alone"))
    for number in 0..<30 { _ = try alone.allocate("vm-\(number)") }
    _ = try alone.send("DELETE", "/api/v1/ip/release/vm-3")
    let state = try alone.state()
    let cluster = try RealCluster(nodes: 0, members: 1)
    let etcd = "etcd://" + cluster.etcdURLs[0].dropFirst(7)
    let into = ["cluster", "migrate", "--from", directory.file("alone"), "--to", etcd]
    let served = try Berth.run(into)
    #expect(served.status == .exited(70) && served.errors.contains("in use"), "a served directory is not moved")
    alone.stop()
    let moved = try Berth.run(into)
    #expect(moved.status == .exited(0), "\(moved.output)\(moved.errors)")
    let hashes = moved.output.split(separator: "\n").prefix(2).map { $0.split(separator: " ").last }
    #expect(hashes.count == 2 && hashes[0] == hashes[1])
    #expect(try Berth.run(into).status == .exited(70), "a target that is not empty is refused")
    let port = freePort()
    let node = try Berth(directory.file("node"), ["--etcd", cluster.etcdURLs[0], "--node", "n"], port: port)
    #expect(try node.state() == state)
    #expect(try node.settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"new"}"#).status == 201)
    let grown = try node.state()
    node.stop()
    let old = try Berth(
      directory.file("alone"), ["--etcd", cluster.etcdURLs[0], "--node", "old"], port: freePort())
    #expect(try old.settled("GET", "/api/v1/ip/new").status == 200)
    #expect(try old.get("/api/v1/history?owner=vm-3")["items"]?.elements?.count == 1, "its history came along")
    old.stop()
    let back = try Berth.run(["cluster", "migrate", "--from", etcd, "--to", directory.file("single")])
    #expect(back.status == .exited(0), "\(back.output)\(back.errors)")
    #expect(
      try Berth.run(["cluster", "migrate", "--from", etcd, "--to", directory.file("single")]).status == .exited(70))
    let single = try Berth(directory.file("single"))
    #expect(try single.state() == grown)
    #expect(try single.allocate("later").status == 201)
  }

  @Test func wrongSettingsOfANodeAreRefusedBeforeAnythingIsMade() throws {
    let directory = TemporaryDirectory()
    for (arguments, word) in [
      (["--etcd", "http://127.0.0.1:1"], "--node"), (["--node", "a"], "--etcd"),
      (["--etcd", "http://127.0.0.1:1", "--node", "a/b"], "name"),
      (["--etcd", "http://127.0.0.1:1", "--node", "a", "-p", "0"], "--advertise"),
      (["--etcd", "ftp://x", "--node", "a"], "--etcd")
    ] {
      let ended = try Berth.run(["serve", "--data-dir", directory.file("d")] + arguments)
      #expect(ended.status == .exited(2) && ended.errors.contains(word), "\(arguments): \(ended.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: directory.file("d")))
  }

  @Test func aNodeThatWaitsForEtcdStopsWhenItIsTold() throws {
    let directory = TemporaryDirectory()
    let port = freePort()
    let process = try ChildProcess(
      Berth.binary,
      [
        "serve", "--data-dir", directory.file("d"), "--etcd", "http://127.0.0.1:\(port)", "--node", "a", "-p",
        "\(freePort())"
      ])
    #expect(eventually { process.errors.contains("joining the cluster") })
    process.kill(SIGTERM)
    #expect(process.waitForExit() == .exited(0))
  }
}
