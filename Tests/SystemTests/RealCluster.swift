import Foundation
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// Three members of etcd and three nodes of Berth on loopback, all real.
final class RealCluster {
  /// Why there can be none here; nil when there can.
  static let isPossible: Bool = {
    guard let found = try? ChildProcess.run("etcd", ["--version"]), found.status == .exited(0) else {
      print("skipped: no etcd here (apt-get install etcd-server)")
      return false
    }
    return true
  }()

  let directory = TemporaryDirectory()
  private(set) var members: [ChildProcess] = []
  private(set) var nodes: [Berth] = []
  let etcdURLs: [String]
  /// Mutual TLS between all of them; nil = none.
  let papers: Papers?
  private let memberArguments: [[String]]
  private let ports: [UInt16]
  /// What each node is told beside its place in the cluster; counts from its next start on.
  var extra: [String]

  /// Starts everything; `extra` goes to each node, members have room for `quota` bytes.
  init(
    nodes count: Int = 3, members: Int = 3, quota: Int? = nil, _ extra: [String] = [], papers: Papers? = nil
  ) throws {
    let (client, peer) = ((0..<members).map { _ in freePort() }, (0..<members).map { _ in freePort() })
    let scheme = papers == nil ? "http" : "https"
    let peerURLs = peer.map { "\(scheme)://127.0.0.1:\($0)" }
    let peers = peer.indices.map { "e\($0)=\(peerURLs[$0])" }.joined(separator: ",")
    etcdURLs = client.map { "\(scheme)://127.0.0.1:\($0)" }
    ports = (0..<count).map { _ in freePort() }
    self.extra = extra
    self.papers = papers
    memberArguments = try client.indices.map { [urls = etcdURLs, directory] index in
      [
        "--name", "e\(index)", "--data-dir", directory.file("etcd-\(index)"), "--listen-client-urls", urls[index],
        "--advertise-client-urls", urls[index], "--listen-peer-urls", peerURLs[index],
        "--initial-advertise-peer-urls", peerURLs[index], "--initial-cluster", peers,
        "--election-timeout", "500", "--heartbeat-interval", "50", "--pre-vote", "--logger", "zap", "--log-level",
        "error"
      ] + (quota.map { ["--quota-backend-bytes", "\($0)"] } ?? []) + (try papers?.member("etcd-\(index)") ?? [])
    }
    self.members = try memberArguments.map { try ChildProcess("etcd", $0) }
    // Nodes that start together join together, the first two while the third is not there yet.
    for index in 0..<count { nodes.append(try startNode(index)) }
  }

  deinit {
    for node in nodes { node.crash() }
    for member in members {
      member.kill(SIGKILL)
      _ = member.waitForExit()
    }
  }

  func node(_ index: Int) -> String { "node-\(index)" }

  /// Asks the first member of etcd itself, past Berth.
  func etcd(_ path: String, _ body: String) throws -> Answer {
    let port = try #require(etcdURLs[0].split(separator: ":").last.flatMap { UInt16($0) })
    let client = HTTPClient(.tcp(host: "127.0.0.1", port: port), options: HTTPClientOptions())
    defer { client.closeIdle() }
    return try Answer(client.send(ClientRequest("POST", path, body: Array(body.utf8))))
  }

  private func startNode(_ index: Int) throws -> Berth {
    let name = node(index)
    return try Berth(
      directory.file(name),
      ["--etcd", etcdURLs.joined(separator: ","), "--node", name] + (try papers?.node(name) ?? []) + extra,
      port: ports[index], tls: try papers?.client())
  }

  func restart(_ index: Int) throws { nodes[index] = try startNode(index) }

  func restartMember(_ index: Int) throws { members[index] = try ChildProcess("etcd", memberArguments[index]) }

  /// The node that leads, by its own word; waits for one.
  func leader() throws -> Int {
    var found: Int?
    _ = eventually {
      found = nodes.firstIndex { (try? $0.get("/api/v1/health"))?["cluster"]?["role"]?.string == "leader" }
      return found != nil
    }
    return try #require(found)
  }

  /// A node that does not lead.
  func follower() throws -> Int {
    let leader = try leader()
    return try #require(nodes.indices.first { $0 != leader })
  }

  /// Batch and hash that a node has reached, once all nodes that are asked agree on them.
  func agree(_ indices: [Int]) -> Bool {
    eventually {
      let marks = indices.map { index -> String in
        let part = (try? nodes[index].get("/api/v1/health"))?["cluster"]
        return "\(part?["sequence"]?.numberText ?? "?\(index)") \(part?["hash"]?.string ?? "")"
      }
      return Set(marks).count == 1
    }
  }
}

extension Berth {
  /// Asks until there is an answer that is none of a cluster in between leaders.
  func settled(_ method: String, _ target: String, _ body: String? = nil, key: String? = nil) throws -> Answer {
    var answer: Answer?
    let headers = key.map { [(name: "Idempotency-Key", value: $0)] } ?? []
    _ = eventually {
      answer = try? send(method, target, body, headers: headers)
      return answer.map { $0.status != 503 && $0.status != 504 } ?? false
    }
    return try #require(answer)
  }
}
