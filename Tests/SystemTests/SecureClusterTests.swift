import Foundation
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

@Suite(
  "Nodes and etcd over mutual TLS", .serialized, .timeLimit(.minutes(5)),
  .enabled(if: RealCluster.isPossible, "no etcd here"))
struct SecureClusterTests {
  private func allocate(_ cluster: RealCluster, _ index: Int, _ vm: String) throws -> Answer {
    try cluster.nodes[index].settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"\#(vm)"}"#)
  }

  /// A cluster whose administrator the tests are.
  private func cluster(_ papers: Papers? = nil, _ extra: [String] = []) throws -> RealCluster {
    let cluster = try RealCluster(["--auth", "required"] + extra, papers: papers ?? Papers())
    let admin = try cluster.token()
    for node in cluster.nodes { node.token = admin }
    return cluster
  }

  @Test func s3_55_theLeaderOfAClusterOverMutualTLSIsKilledAndItGoesOn() throws {
    let cluster = try cluster()
    for index in cluster.nodes.indices { #expect(try allocate(cluster, index, "vm-\(index)").status == 201) }
    let leader = try cluster.leader()
    let others = cluster.nodes.indices.filter { $0 != leader }
    // Every node tells the leader how it is, with nothing but its certificate.
    #expect(
      eventually {
        let seen = try? cluster.nodes[others[0]].get("/api/v1/cluster")["nodes"]?.elements
        return seen?.count == 3 && seen?.allSatisfy { $0["url"]?.string?.hasPrefix("https://") == true } == true
      })
    cluster.nodes[leader].crash()
    #expect(try allocate(cluster, others[0], "after").status == 201)
    #expect(try allocate(cluster, others[1], "vm-\(leader)").status == 200)
    try cluster.restart(leader)
    cluster.nodes[leader].token = cluster.nodes[others[0]].token
    #expect(try cluster.nodes[leader].settled("GET", "/api/v1/ip/allocations")["count"]?.numberText == "4")
    #expect(cluster.agree([0, 1, 2]))
    // Nobody without a certificate of the cluster's CA says a word, in whatever language.
    let bare = HTTPClient(.tcp(host: "127.0.0.1", port: cluster.nodes[leader].port))
    #expect(throws: HTTPClientFault.self) { try bare.send(ClientRequest("GET", "/healthz")) }
    let shown = try TLSContext.client(authorities: #require(cluster.papers).file("ca.pem"))
    let unknown = HTTPClient(.tcp(host: "127.0.0.1", port: cluster.nodes[leader].port), tls: shown)
    #expect(throws: HTTPClientFault.self) { try unknown.send(ClientRequest("GET", "/healthz")) }
  }

  @Test func whatIsPassedOnIsAllowedAsItsClientIsAndNotAsTheNode() throws {
    let cluster = try cluster()
    let (leader, follower) = (try cluster.leader(), try cluster.follower())
    let viewer = try cluster.token("viewer")
    let acme = try cluster.token("operator", "--tenant", "acme")
    let rival = try cluster.token("operator", "--tenant", "rival")
    func ask(_ index: Int, _ token: String, _ method: String, _ target: String, _ body: String? = nil) throws -> Answer
    {
      try cluster.nodes[index].send(
        method, target, body, headers: [(name: "Authorization", value: "Bearer \(token)")])
    }
    for index in [leader, follower] {
      let refused = try ask(index, viewer, "POST", "/api/v1/ip/allocate", #"{"vm_id":"v"}"#)
      #expect(refused.status == 403 && refused.code == "forbidden", "\(refused.text)")
    }
    #expect(try ask(follower, acme, "POST", "/api/v1/ip/allocate", #"{"vm_id":"ours"}"#).status == 201)
    #expect(try ask(follower, rival, "POST", "/api/v1/ip/allocate", #"{"vm_id":"theirs"}"#).status == 201)
    for index in cluster.nodes.indices {
      let seen = try ask(index, acme, "GET", "/api/v1/allocations")["items"]?.elements ?? []
      #expect(seen.map { $0["owner"]?.string } == ["ours"])
      #expect(try ask(index, acme, "DELETE", "/api/v1/ip/release/theirs").status == 404)
    }
    let events = try cluster.nodes[leader].get("/api/v1/history?owner=ours")
    #expect(events.status == 200)
  }

  @Test func aNodeNamesWhomItPassesOnAndWhoIsNobodyThereIsNobodyHere() throws {
    // Nobody needs a certificate or a token: they come as `anonymous`, and the node's own word would be a viewer's.
    let papers = try Papers(shown: nil)
    let cluster = try RealCluster(["--tls-clients", "optional"], papers: papers)
    let (leader, follower) = (try cluster.leader(), try cluster.follower())
    #expect(try allocate(cluster, follower, "vm").status == 201)
    // A node's word about an agent, and an agent's about a node.
    try papers.make("agent host-7")
    func whoami(_ name: String, _ claim: String) throws -> Answer {
      let client = HTTPClient(
        .tcp(host: "127.0.0.1", port: cluster.nodes[leader].port), tls: try papers.client(name))
      return try Answer(
        client.send(ClientRequest("GET", "/api/v1/whoami", headers: [(name: "Berth-Principal", value: claim)])))
    }
    #expect(try whoami(cluster.node(follower), "agent/host-7")["principal"]?.string == "agent/host-7")
    #expect(try whoami(cluster.node(follower), "anonymous")["principal"]?.string == "anonymous")
    let forged = try whoami("host-7", "node/node-0")
    #expect(forged.status == 403 && forged.code == "forged_principal")
    // The first token ends that everywhere.
    let made = try cluster.nodes[follower].settled("POST", "/api/v1/tokens", #"{"role":"cluster-admin"}"#)
    #expect(made.status == 201)
    #expect(try cluster.nodes[follower].settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"x"}"#).status == 401)
    #expect(try whoami(cluster.node(follower), "anonymous").status == 401)
  }

  @Test func s3_53_eachForgedPeerMessageIsRefusedAndCounted() throws {
    let (papers, foreign) = (try Papers(), try Papers(shown: nil))
    try foreign.make("node node-9 --ip 127.0.0.1")
    // Clients of two CAs are let in, nodes of one are believed.
    let both = [papers, foreign].map { Files.read($0.file("ca.pem")) ?? [] }
    Files.write(both[0] + both[1], to: papers.file("both.pem"))
    papers.clientAuthorities = "both.pem"
    let cluster = try cluster(papers, ["--node-ca", papers.file("ca.pem")])
    let (leader, follower) = (try cluster.leader(), try cluster.follower())
    let node = cluster.nodes[leader]
    let strange = try TLSContext.client(authorities: papers.file("ca.pem"), own: foreign.files("node-9"))
    func send(_ tls: TLSContext, _ body: String, _ header: (name: String, value: String)? = nil) throws -> Answer {
      let client = HTTPClient(.tcp(host: "127.0.0.1", port: node.port), tls: tls)
      return try Answer(
        client.send(
          ClientRequest(
            "POST", "/api/v1/cluster/nodes", headers: header.map { [$0] } ?? [], body: Array(body.utf8))))
    }
    func report(_ name: String, _ more: String = "") -> String {
      #"{"node":"\#(name)","url":"u","version":"v","role":"follower","revision":1,"sequence":0,"hash":""\#(more)}"#
    }
    let known = try papers.client(cluster.node(follower))
    let good = report(cluster.node(follower))
    #expect(try send(known, good).status == 200)
    let tried: [(reason: String, answer: Answer)] = [
      ("unknown_certificate", try send(strange, good)),
      ("unknown_certificate", try send(try papers.client(), good)),
      ("forged_principal", try send(try papers.client(), good, (name: "Berth-Principal", value: "node/node-0"))),
      ("forged_node", try send(known, report(cluster.node(leader)))),
      ("bad_token", try send(try papers.client(), good, (name: "Authorization", value: "Bearer nonsense"))),
      ("another_log", try send(known, report(cluster.node(follower), #","log_id":"0123""#))),
      ("another_log", try send(known, good, (name: "Berth-Log", value: "0123"))),
      ("stale_epoch", try send(known, report(cluster.node(follower), #","leader":{"node":"a","url":"u","epoch":0}"#))),
      ("malformed", try send(known, "{}")),
      ("malformed", try send(known, good, (name: "Berth-Principal", value: "root")))
    ]
    for (reason, answer) in tried { #expect((400...503).contains(answer.status), "\(reason): \(answer.text)") }
    let metrics = try node.get("/metrics").text
    for (reason, wanted) in Dictionary(grouping: tried, by: \.reason).mapValues(\.count) {
      let line = metrics.split(separator: "\n").first {
        $0.hasPrefix("berth_peer_refused_total{reason=\"\(reason)\"}")
      }
      // A node may have told the new leader of the old one when this began.
      let count = line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
      #expect(reason == "stale_epoch" ? count >= wanted : count == wanted, "\(reason): \(line ?? "no line")")
    }
  }
}

/// Agents that get their certificates from a cluster.
@Suite("Enrolment", .serialized, .timeLimit(.minutes(5)), .enabled(if: RealCluster.isPossible, "no etcd here"))
struct EnrolmentTests {
  @Test func s3_55_anAgentGetsItsCertificateOnceThroughAnyNodeAndTheNextLeaderKnowsIt() throws {
    let (papers, agents) = (try Papers(), try Papers(shown: nil))
    // Agents come from a CA of their own: whoever steals its key from a node can make agents, but no nodes.
    let both = [papers, agents].map { Files.read($0.file("ca.pem")) ?? [] }
    Files.write(both[0] + both[1], to: papers.file("both.pem"))
    papers.clientAuthorities = "both.pem"
    let cluster = try RealCluster(
      [
        "--auth", "required", "--tls-clients", "optional", "--node-ca", papers.file("ca.pem"), "--enrol-ca-cert",
        agents.file("ca.pem"), "--enrol-ca-key", agents.file("ca.key")
      ], papers: papers)
    let (leader, follower) = (try cluster.tokenThenLeader(), try cluster.follower())
    let place = TemporaryDirectory()
    func berth(_ index: Int, _ words: [String], token: String) throws -> Ended {
      try Berth.run(
        words + ["--server", cluster.nodes[index].url, "--ca", papers.file("ca.pem"), "--token-file", token])
    }
    let token = place.file("host-7.token")
    let made = try berth(follower, ["token", "create", "--enrol", "host-7", "--out", token], token: cluster.adminFile())
    #expect(made.status == .exited(0), "\(made)")
    let enrolled = try berth(follower, ["cert", "enrol", "--dir", place.file("a")], token: token)
    #expect(enrolled.status == .exited(0) && enrolled.errors.contains("berth://agent/host-7"), "\(enrolled)")
    #expect(try FileSystem.stamp(of: place.file("a/agent.key"))?.isReadByAll == false)
    let own = TLSFiles(certificate: place.file("a/agent.pem"), key: place.file("a/agent.key"))
    let known = HTTPClient(
      .tcp(host: "127.0.0.1", port: cluster.nodes[leader].port),
      tls: try .client(authorities: papers.file("ca.pem"), own: own))
    let me = try Answer(known.send(ClientRequest("GET", "/api/v1/whoami")))
    #expect(me["principal"]?.string == "agent/host-7" && me["role"]?.string == "agent", "\(me.text)")
    // The answer got lost, and with it the leader: the same key gets the same certificate, another one nothing.
    let first = Files.read(own.certificate)
    try FileSystem.remove(own.certificate)
    cluster.nodes[leader].crash()
    let others = cluster.nodes.indices.filter { $0 != leader }
    var again: Ended?
    #expect(
      eventually {
        again = try? berth(others[1], ["cert", "enrol", "--dir", place.file("a")], token: token)
        return again?.status == .exited(0)
      }, "\(String(describing: again))")
    #expect(Files.read(own.certificate) == first)
    for index in others {
      let thief = try berth(index, ["cert", "enrol", "--dir", place.file("b")], token: token)
      #expect(thief.status == .exited(1) && thief.errors.contains("with another key"), "\(thief)")
    }
    #expect(!Files.exists(place.file("b/agent.pem")))
  }
}

/// What keeps a node from etcd or from other nodes, and what it says of that.
@Suite(
  "Ways that stay shut", .serialized, .timeLimit(.minutes(5)), .enabled(if: RealCluster.isPossible, "no etcd here"))
struct ShutWayTests {
  private let papers: Papers
  private let foreign: Papers

  init() throws {
    papers = try Papers()
    foreign = try Papers()
    try papers.make("node a --ip 127.0.0.1")
    try papers.make("node other --ip 10.9.9.9")
    try foreign.make("node a --ip 127.0.0.1")
  }

  private func serve(_ arguments: [String]) throws -> Ended {
    let directory = TemporaryDirectory()
    let files = papers.files("a")
    return try Berth.run(
      [
        "serve", "--data-dir", directory.file("d"), "-p", "\(freePort())", "--node", "a", "--tls-cert",
        files.certificate, "--tls-key", files.key, "--tls-client-ca", papers.file("ca.pem")
      ] + arguments)
  }

  private func etcd(_ ca: String, _ own: TLSFiles?) -> [String] {
    ["--etcd-ca", ca] + (own.map { ["--etcd-cert", $0.certificate, "--etcd-key", $0.key] } ?? [])
  }

  @Test func s3_55_anEtcdThatCannotBeTrustedOrDoesNotTrustIsNamedWithWhatToDo() throws {
    let cluster = try RealCluster(nodes: 0, members: 1, papers: papers)
    let url = cluster.etcdURLs[0]
    let (ca, own) = (papers.file("ca.pem"), papers.files("a"))
    // It comes up in its own time, and a node that asks before waits.
    let probe = HTTPClient(
      .tcp(host: "127.0.0.1", port: UInt16(url.split(separator: ":").last!)!), tls: try papers.client("a"))
    #expect(eventually { (try? probe.send(ClientRequest("GET", "/version")))?.status == 200 })
    for (flags, word) in [
      (etcd(foreign.file("ca.pem"), own), "--etcd-ca"), (etcd(ca, nil), "--etcd-cert"),
      (etcd(ca, foreign.files("a")), "--trusted-ca-file")
    ] {
      let ended = try serve(["--etcd", url] + flags)
      #expect(ended.status == .exited(1) && ended.errors.contains(word), "\(flags): \(ended.errors)")
    }
    let named = url.replacing("127.0.0.1", with: "localhost")
    let wrong = try serve(["--etcd", named] + etcd(ca, own))
    #expect(wrong.status == .exited(1) && wrong.errors.contains("for other names"), "\(wrong.errors)")
    let moved = try Berth.run(
      ["cluster", "migrate", "--from", "etcds" + named.dropFirst(5), "--to", cluster.directory.file("x")]
        + etcd(ca, own))
    #expect(moved.status == .exited(1) && moved.errors.contains("for other names"), "\(moved.errors)")
    for (arguments, word) in [
      (["--etcd", url + ",http://127.0.0.1:1"], "https"), (["--etcd", "http://127.0.0.1:1"] + etcd(ca, nil), "https"),
      (["--etcd", url, "--etcd-cert", own.certificate], "--etcd-key"),
      (["--etcd", url, "--etcd-ca", papers.file("none.pem")], "none.pem")
    ] {
      let ended = try serve(arguments)
      #expect(ended.status == .exited(2) && ended.errors.contains(word), "\(arguments): \(ended.errors)")
    }
  }

  @Test func aGatewayThatCannotReachItsOwnEtcdIsSaidToBeSo() throws {
    let server = ["-addext", "extendedKeyUsage=serverAuth", "-addext", "subjectAltName=IP:127.0.0.1"]
    let made = try ChildProcess.run(
      "openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        papers.file("e.key"), "-out", papers.file("e.pem"), "-subj", "/CN=e", "-days", "2"
      ] + server)
    #expect(made.status == .exited(0), "\(made)")
    let ports = (freePort(), freePort())
    let (client, peer) = ("https://127.0.0.1:\(ports.0)", "http://127.0.0.1:\(ports.1)")
    let directory = TemporaryDirectory()
    let member = try ChildProcess(
      "etcd",
      [
        "--data-dir", directory.file("etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=\(peer)",
        "--client-cert-auth", "--trusted-ca-file", papers.file("ca.pem"), "--cert-file", papers.file("e.pem"),
        "--key-file", papers.file("e.key")
      ])
    defer {
      member.kill(SIGKILL)
      _ = member.waitForExit()
    }
    let files = papers.files("a")
    let node = try ChildProcess(
      Berth.binary,
      [
        "serve", "--data-dir", directory.file("d"), "-p", "\(freePort())", "--node", "a", "--tls-cert",
        files.certificate, "--tls-key", files.key, "--tls-client-ca", papers.file("ca.pem"), "--etcd", client
      ] + etcd(papers.file("e.pem"), files))
    #expect(eventually { node.errors.contains("clientAuth") }, "\(node.errors)")
    node.kill(SIGTERM)
    #expect(node.waitForExit() == .exited(0))
  }

  @Test func aNodesOwnCertificateMustBeOneThatTheOthersWillTake() throws {
    let (other, stranger) = (papers.files("other"), foreign.files("a"))
    let port = freePort()
    let base = ["serve", "--data-dir", papers.file("d"), "-p", "\(port)", "--etcd", "http://127.0.0.1:1"]
    func tls(_ files: TLSFiles) -> [String] {
      ["--tls-cert", files.certificate, "--tls-key", files.key, "--tls-client-ca", papers.file("ca.pem")]
    }
    let own = papers.files("a")
    for (arguments, word) in [
      (["--node", "b"] + tls(own), "berth://node/b"), (["--node", "a"] + tls(stranger), "signed by a CA"),
      (["--node", "other"] + tls(other), "does not carry 127.0.0.1"),
      (["--node", "a", "--advertise", "http://127.0.0.1:\(port)"] + tls(own), "https://"),
      (["--node", "a", "--advertise", "https://127.0.0.1:\(port)"], "--tls-cert"),
      (["--node", "a", "--node-ca", papers.file("ca.pem")], "--tls-cert"),
      (["--node", "a", "--tls-cert", own.certificate, "--tls-key", own.key], "--tls-client-ca")
    ] {
      let ended = try Berth.run(base + arguments)
      #expect(ended.status == .exited(2) && ended.errors.contains(word), "\(arguments): \(ended.errors)")
    }
  }

  @Test func aNodeWithTLSAmongNodesWithoutSaysSoInItsAnswersAndItsLog() throws {
    let cluster = try RealCluster(nodes: 1, members: 1)
    let files = papers.files("a")
    let node = try Berth(
      cluster.directory.file("a"),
      [
        "--etcd", cluster.etcdURLs[0], "--node", "a", "--tls-cert", files.certificate, "--tls-key", files.key,
        "--tls-client-ca", papers.file("ca.pem"), "--tls-clients", "optional"
      ], port: freePort(), tls: try papers.client())
    let refused = try node.send("POST", "/api/v1/pools", #"{"name":"p","cidr":"10.0.0.0/24"}"#)
    #expect(refused.status == 403, "an agent makes no pools")
    let bare = HTTPClient(
      .tcp(host: "127.0.0.1", port: node.port), tls: try TLSContext.client(authorities: papers.file("ca.pem")))
    let body = Array(#"{"vm_id":"vm"}"#.utf8)
    let answer = try Answer(bare.send(ClientRequest("POST", "/api/v1/ip/allocate", body: body)))
    #expect(answer.status == 503 && answer.code == "no_leader", "\(answer.text)")
    #expect(answer["detail"]?.string?.contains("must advertise https:// URLs, or none") == true, "\(answer.text)")
    #expect(eventually { node.errors.contains("ALARM: node node-0 leads at http://") })
    node.crash()
  }

  @Test func nodesWithoutTLSReportWithATokenOfAFile() throws {
    let cluster = try RealCluster(members: 1, ["--auth", "required"])
    let admin = try cluster.token()
    for node in cluster.nodes { node.token = admin }
    let follower = try cluster.follower()
    let leader = try cluster.leader()
    func seen() -> Int { (try? cluster.nodes[leader].get("/api/v1/cluster"))?["nodes"]?.elements?.count ?? 0 }
    #expect(
      eventually {
        (try? cluster.nodes[leader].get("/metrics"))?.text.contains(
          #"berth_peer_refused_total{reason="bad_token"} 0"#) == false
      }, "nodes without a token are refused, and that is counted")
    #expect(seen() == 1)
    let path = cluster.directory.file("peer.token")
    let made = try Berth.run(
      ["token", "create", "--role", "cluster-admin", "--server", cluster.nodes[leader].url, "--out", path],
      environment: ["BERTH_TOKEN_FILE": cluster.adminFile()])
    #expect(made.status == .exited(0), "\(made)")
    let token = String(decoding: Files.read(path) ?? [], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    cluster.extra += ["--peer-token-file", path]
    for index in cluster.nodes.indices where index != leader {
      cluster.nodes[index].stop()
      try cluster.restart(index)
    }
    for node in cluster.nodes { node.token = token }
    #expect(eventually { seen() == 3 })
    #expect(try cluster.nodes[follower].settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"vm"}"#).status == 201)
  }
}

extension RealCluster {
  /// Where the start has left the administrator's token.
  func adminFile() throws -> String {
    var found: String?
    _ = eventually {
      found = nodes.indices.map { directory.file("\(node($0))/admin.token") }.first(where: Files.exists)
      return found != nil
    }
    return try #require(found)
  }

  /// Shows the administrator's token from here on, and finds who leads.
  func tokenThenLeader() throws -> Int {
    let admin = try token()
    for node in nodes { node.token = admin }
    return try leader()
  }

  /// A token: the one that the start has left, or one of this role and for that.
  func token(_ role: String? = nil, _ more: String...) throws -> String {
    guard let role else {
      return String(decoding: Files.read(try adminFile()) ?? [], as: UTF8.self)
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
    var body = ["\"role\":\"\(role)\""]
    for place in stride(from: 0, to: more.count, by: 2) {
      body.append("\"\(more[place].dropFirst(2))\":\"\(more[place + 1])\"")
    }
    let made = try nodes[0].settled("POST", "/api/v1/tokens", "{\(body.joined(separator: ","))}")
    return try #require(made["token"]?.string, "\(made.text)")
  }
}
