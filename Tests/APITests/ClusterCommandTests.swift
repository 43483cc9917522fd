import Domain
import Engine
import HTTPClient
import Log
import LogMemory
import Platform
import TestSupport
import Testing
import Wire

extension Leadership {
  var follows: Bool { if case .following = self { true } else { false } }
}

@Suite("Commands in a cluster")
struct ClusterCommandTests {
  @Test func anyNodeTakesACommandAndTellsTheLeadersAnswer() throws {
    let town = try Town(3)
    let trace = [(name: "X-Request-Id", value: "trace-1")]
    let given = try town.allocate(town.nodes[1], "a", headers: trace)
    #expect(given["ip"] == "172.16.0.2" && given.header("x-request-id") == "trace-1")
    #expect(try town.allocate(town.nodes[2], "a", expect: 200).text == given.text)
    let pool = try town.call(town.nodes[2], "POST", "/api/v1/pools", #"{"name":"p","cidr":"10.0.0.0/8"}"#, expect: 201)
    #expect(pool.header("etag") != nil && pool.header("location") == "/api/v1/pools/p")
    let wrong = try town.call(
      town.nodes[1], "PATCH", "/api/v1/pools/p", #"{"mtu":9000}"#, headers: [("If-Match", "\"1\"")], expect: 412)
    #expect(wrong["code"] == "revision_mismatch")
    #expect(try town.call(town.nodes[1], "GET", "/api/v1/pools/p/suggestion", expect: 200)["ip"] == "10.0.0.2")
    let dry = try town.call(town.nodes[1], "DELETE", "/api/v1/ip/release/a?dry_run=true", expect: 200)
    #expect(dry.header("berth-dry-run") == "true")
    try town.call(town.nodes[1], "DELETE", "/api/v1/ip/release/a", expect: 200)
    try town.call(town.nodes[2], "GET", "/api/v1/ip/a", expect: 404)
    try town.call(town.nodes[1], "POST", "/api/v1/clock/confirm", expect: 200)
    try town.call(town.nodes[1], "POST", "/api/v1/ip/allocate", "{", expect: 400)
  }

  @Test func aKeyIsTheClientsWhicheverNodeItComesTo() throws {
    let town = try Town(3)
    let key = [(name: "Idempotency-Key", value: "order")]
    let first = try town.allocate(town.nodes[1], "a", headers: key)
    try town.call(town.leader, "DELETE", "/api/v1/ip/release/a", expect: 200)
    let again = try town.allocate(town.nodes[2], "a", headers: key)
    #expect(again.text == first.text && again.header("idempotency-replayed") == "true")
    #expect(try town.allocate(town.nodes[2], "b", headers: key, expect: 422)["code"] == "idempotency_key_reused")
  }

  @Test func aMarkedRequestIsNeverPassedOn() throws {
    let town = try Town()
    let answer = try town.allocate(town.follower, "a", headers: [("Berth-Forwarded", "x")], expect: 503)
    #expect(answer["code"] == "no_leader" && answer.header("retry-after") == "1")
    try town.allocate(town.leader, "a", headers: [("Berth-Forwarded", "x")])
  }

  /// It decides nothing any more, and whoever could must not wait for it.
  @Test func aNodeThatIsLostByItselfDoesNotLead() throws {
    let town = try Town(2)
    town.leader.log.lose("its archive cannot keep up")
    try #require(eventually { if case .lost = town.leader.engine.leadership { true } else { false } })
    town.follower.log.allow(toLead: false)
    town.cluster.depose(epoch: try #require(town.cluster.leading?.epoch))
    // A read is answered in a step of the engine, and the step after it takes the epoch that nobody has.
    for _ in 0..<3 {
      let ends = Collected<BarrierEnd>()
      town.leader.engine.barrier { ends.add($0) }
      #expect(eventually { !ends.all.isEmpty } && ends.all != [.passed(sequence: 1)])
    }
    #expect(town.cluster.leading == nil)
    town.follower.log.allow(toLead: true)
    #expect(eventually { town.cluster.leading?.node == "node-1" })
    try town.allocate(town.follower, "a")
  }

  @Test func withoutALeaderACommandWaitsAndThenSaysSo() throws {
    let town = try Town(2, patience: .milliseconds(300))
    for node in town.nodes { node.log.allow(toLead: false) }
    town.cluster.depose(epoch: 1)
    for node in town.nodes {
      let answer = try town.allocate(node, "a", expect: 503)
      #expect(answer["code"] == "no_leader" && answer.header("retry-after") == "1")
      #expect(try town.call(node, "GET", "/readyz", expect: 503)["code"] == "no_leader")
      try town.call(node, "GET", "/api/v1/ip/stats", expect: 200)
    }
    town.follower.log.allow(toLead: true)
    try #require(eventually { town.follower.engine.leadership.decides })
    try town.allocate(town.leader, "a")
  }

  @Test func requestsDuringAChangeOfLeadersAreAnsweredByTheNext() throws {
    let town = try Town(3)
    let refused = Collected<String>()
    inParallel(60, threads: 12) { number in
      if number % 20 == 10 {
        _ = try? town.call(town.nodes[number % 3], "POST", "/api/v1/cluster/depose")
      } else if (0..<50).contains(where: { _ in
        // As a client does: who leads may change again before a request has reached the next one, and 503 says so.
        let answer = try? town.allocate(town.nodes[number % 3], "vm-\(number)", expect: nil)
        return answer?.status == 201 || answer?.status == 200
      }) {
        return
      } else {
        refused.add("\(number)")
      }
    }
    #expect(refused.all.isEmpty)
    let list = try town.call(town.nodes[2], "GET", "/api/v1/ip/allocations", expect: 200)
    #expect(Set(list.column("ip", of: "allocations")).count == 57)
    let hashes = town.nodes.map { node in
      _ = try? town.call(node, "GET", "/api/v1/ip/stats")
      return node.engine.read { $0.stateHash }
    }
    #expect(Set(hashes).count == 1)
  }

  @Test func anOutcomeThatTheLeaderDoesNotKnowIsFoundOutByTheFollower() throws {
    for isStored in [true, false] {
      let town = try Town()
      town.leader.log.inject(.unknown(stored: isStored))
      #expect(try town.allocate(town.follower, "a")["ip"] == "172.16.0.2")
      let list = try town.call(town.follower, "GET", "/api/v1/ip/allocations", expect: 200)
      #expect(list["count"] == "1")
    }
  }

  @Test func aLeaderThatWasFencedPassesOnWhatItCouldNotKeep() throws {
    let town = try Town()
    town.leader.log.inject(.fenced)
    town.leader.log.allow(toLead: false)
    #expect(try town.allocate(town.leader, "a")["ip"] == "172.16.0.2")
    #expect(town.follower.engine.leadership.decides)
  }

  @Test func theClusterIsSeenFromAnyNode() throws {
    let town = try Town(3)
    for node in town.nodes {
      #expect(
        try eventually {
          let answer = try town.call(node, "GET", "/api/v1/cluster", expect: 200)
          return answer["answered_by"] == "node-0"
            && answer.column("node", of: "nodes") == ["node-0", "node-1", "node-2"]
            && answer.column("role", of: "nodes") == ["leader", "follower", "follower"]
            && answer.column("lag", of: "nodes") == ["0", "0", "0"]
        })
      let health = try town.call(node, "GET", "/api/v1/health", expect: 200)
      #expect(health["cluster.leader.node"] == "node-0" && health["cluster.revision"] == "1")
      try town.call(node, "GET", "/readyz", expect: 200)
    }
  }

  @Test func aPersonEndsALeadershipFromAnyNode() throws {
    let town = try Town()
    town.leader.log.allow(toLead: false)
    #expect(try town.call(town.follower, "POST", "/api/v1/cluster/depose", expect: 200)["node"] == "node-0")
    #expect(eventually { town.follower.engine.leadership.decides })
    #expect(eventually { town.leader.engine.sharedStatus?.leader?.node == "node-1" })
  }

  @Test func twoHistoriesUnderOneNumberRaiseAnAlarmOnBothSides() throws {
    let town = try Town()
    try town.allocate(town.leader, "a")
    let other = #"""
      {"node":"node-1","url":"u","version":"1","role":"follower","leader":null,"revision":1,"sequence":2,
      "hash":"00","archived_revision":1,"lag":null,"etcd":{"version":"","silent_ms":null,"warnings":[],"counters":{}},
      "alarms":[]}
      """#
    town.follower.cluster.stop()
    // As a node does, it says so again and again: of each node one claim waits to be looked at.
    #expect(
      try eventually {
        try town.call(town.leader, "POST", "/api/v1/cluster/nodes", other, expect: 200)
        return town.leader.alarms.all.contains { $0.contains("node-1 has another batch 2") }
      })
    let view = try town.call(town.leader, "GET", "/api/v1/cluster", expect: 200)
    #expect(view.list("alarms").count == 1)
    // What it says to every node from now on makes them say it too.
    let told = try town.call(town.leader, "POST", "/api/v1/cluster/nodes", other, expect: 200)
    #expect(told.list("alarms").count == 1)
    #expect(try town.call(town.follower, "POST", "/api/v1/cluster/nodes", other, expect: 503)["code"] == "no_leader")
    #expect(try town.call(town.leader, "POST", "/api/v1/cluster/nodes", "{}", expect: 400).status == 400)
  }

  @Test func whatANodeCannotReadWaitsUntilItIsUpgraded() throws {
    let town = try Town()
    func report(_ reads: Int) -> String {
      #"""
      {"node":"old","url":"u","version":"1","role":"follower","leader":null,"revision":1,"sequence":0,"hash":"",
      "archived_revision":1,"reads":\#(reads),"lag":null,"etcd":{"version":"","silent_ms":null,"warnings":[],
      "counters":{}},"alarms":[]}
      """#
    }
    try town.call(town.leader, "POST", "/api/v1/cluster/nodes", report(0), expect: 200)
    #expect(eventually { town.leader.engine.gate.level == EntryLevel(0) })
    let held = try town.allocate(town.leader, "a", expect: 503)
    #expect(held["code"] == "log_refused" && held.text.contains("node old reads no more than 0"))
    try town.call(town.leader, "POST", "/api/v1/cluster/nodes", report(1), expect: 200)
    // What is let pass again waits until every node had the time to say what it reads.
    #expect(eventually(deadline: .seconds(20)) { town.leader.engine.gate.level == .known })
    try town.allocate(town.leader, "a")
    // Another node that begins to lead goes on with what it was told.
    #expect(eventually { town.follower.engine.gate.level == .known })
  }
}
