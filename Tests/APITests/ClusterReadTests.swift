import HTTPClient
import Log
import LogMemory
import Platform
import Synchronization
import TestSupport
import Testing

@Suite("Reads in a cluster")
struct ClusterReadTests {
  @Test func aReadOnAFollowerKnowsWhatTheLeaderAcknowledged() throws {
    let town = try Town()
    for number in 0..<20 {
      let given = try town.allocate(town.leader, "vm-\(number)")
      #expect(try town.call(town.follower, "GET", "/api/v1/ip/vm-\(number)", expect: 200)["ip"] == given["ip"])
    }
  }

  @Test func aReadWaitsForWhatTheFollowerHasNotHeardYetAndAStaleOneDoesNot() throws {
    let town = try Town()
    town.follower.log.hold(true)
    try town.allocate(town.leader, "late")
    try town.call(town.follower, "GET", "/api/v1/ip/late?consistency=stale", expect: 404)
    let found = Collected<Int>()
    let reader = Thread(name: "reader") {
      _ = try? found.add(town.call(town.follower, "GET", "/api/v1/ip/late").status)
    }
    #expect(try town.call(town.follower, "GET", "/api/v1/ip/late?consistency=stale").status == 404)
    #expect(found.all.isEmpty, "it waits for its barrier")
    town.follower.log.hold(false)
    reader.join()
    #expect(found.all == [200])
  }

  @Test func minRevisionWaitsAndSaysWhenItTakesTooLong() throws {
    let town = try Town()
    town.follower.log.hold(true)
    let given = try town.allocate(town.leader, "late")
    let revision = try #require(given.header("berth-revision"))
    let target = "/api/v1/ip/late?consistency=stale&min_revision=\(revision)"
    let early = try town.call(town.follower, "GET", target, expect: 503)
    #expect(early["code"] == "not_caught_up" && early.header("retry-after") == "1")
    town.follower.log.hold(false)
    #expect(try town.call(town.follower, "GET", target, expect: 200).header("berth-revision") == revision)
    try town.call(town.follower, "GET", "/api/v1/ip/stats?min_revision=x", expect: 400)
    try town.call(town.follower, "GET", "/api/v1/ip/stats?consistency=maybe", expect: 400)
  }

  @Test func aReadWhoseBarrierFailsIsNotAnswered() throws {
    let town = try Town()
    town.follower.log.failBarriers(1)
    let answer = try town.call(town.follower, "GET", "/api/v1/ip/stats", expect: 503)
    #expect(answer["code"] == "not_caught_up" && answer.header("retry-after") == "1")
    try town.call(town.follower, "GET", "/api/v1/ip/stats", expect: 200)
  }

  @Test func historyAndEventsOfAFollowerKnowWhatWasAcknowledged() throws {
    let town = try Town()
    for number in 0..<10 {
      let given = try town.allocate(town.leader, "vm-\(number)")
      let past = try town.call(town.follower, "GET", "/api/v1/history?owner=vm-\(number)", expect: 200)
      #expect(past.column("ip") == [given["ip"] ?? ""])
    }
  }

  @Test func historyWaitsForTheArchive() throws {
    let town = try Town()
    town.follower.archive.memory?.setCapacity(0)
    try town.allocate(town.leader, "vm")
    #expect(try town.call(town.follower, "GET", "/api/v1/history?owner=vm", expect: 503)["code"] == "not_caught_up")
    try town.call(town.follower, "GET", "/api/v1/ip/vm", expect: 200)
    town.follower.archive.memory?.setCapacity(.max)
    #expect(
      try eventually { try town.call(town.follower, "GET", "/api/v1/history?owner=vm").list("items").count == 1 })
  }

  @Test func aReplayWaitsForTheArchiveInsteadOfForgettingTheKey() throws {
    let town = try Town()
    let key = [(name: "Idempotency-Key", value: "k")]
    town.leader.archive.memory?.setCapacity(0)
    let first = try town.allocate(town.leader, "vm", headers: key)
    #expect(try town.allocate(town.leader, "vm", headers: key, expect: 503)["code"] == "not_caught_up")
    town.leader.archive.memory?.setCapacity(.max)
    #expect(try eventually { try town.allocate(town.leader, "vm", headers: key, expect: nil).text == first.text })
  }

  @Test func aNodeWhoseLogLostHistoryServesNothing() throws {
    let town = try Town()
    town.follower.log.lose("etcd has lost history; restore it")
    #expect(eventually { !town.follower.engine.status.leadership.follows })
    for target in ["/api/v1/ip/stats", "/api/v1/ip/stats?consistency=stale", "/readyz"] {
      let answer = try town.call(town.follower, "GET", target, expect: 503)
      #expect(answer["code"] == "history_lost" && answer["detail"]?.contains("restore") == true)
    }
    #expect(try town.allocate(town.follower, "x", expect: 503)["code"] == "history_lost")
    let health = try town.call(town.follower, "GET", "/api/v1/health", expect: 200)
    #expect(health["status"] == "lost" && health["cluster.role"] == "lost")
  }

  @Test func aServerOfItsOwnTakesTheSameParameters() throws {
    let house = try House()
    try house.get("/api/v1/ip/stats?consistency=consistent")
    try house.get("/api/v1/ip/stats?consistency=stale&min_revision=1")
    #expect(try house.get("/api/v1/ip/stats?min_revision=99", expect: 503)["code"] == "not_caught_up")
    #expect(try house.get("/api/v1/cluster", expect: 404)["code"] == "not_clustered")
  }

  /// Asks a follower that hears nothing for now, and lets it hear once the question waits for its barrier.
  private func ask(_ town: Town, _ method: String, _ target: String, key: String? = nil) throws -> Int? {
    let log = town.follower.log
    let before = log.barriers
    let found = Collected<Int>()
    let headers = key.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
    let reader = Thread(name: "reader") {
      _ = try? found.add(town.call(town.follower, method, target, headers: headers).status)
    }
    let waited = eventually { log.barriers > before }
    log.hold(false)
    reader.join()
    #expect(waited, "it asked for a barrier")
    return found.all.first
  }

  /// A town that knows an administrator's token, and one that is revoked where the follower has not heard of it.
  private func revoked(_ role: String) throws -> (town: Town, key: String) {
    let town = try Town()
    let path = "/api/v1/tokens"
    let admin = try town.call(town.leader, "POST", path, #"{"role":"cluster-admin"}"#, expect: 201)["token"] ?? ""
    let asAdmin = [(name: "Authorization", value: "Bearer \(admin)")]
    let key =
      try town.call(
        town.leader, "POST", path, #"{"role":"\#(role)"}"#, headers: asAdmin, expect: 201)["token"] ?? ""
    let bearer = [(name: "Authorization", value: "Bearer \(key)")]
    try #require(eventually { town.follower.engine.status.revision == town.leader.engine.status.revision })
    try town.call(town.follower, "GET", "/api/v1/ip/stats", headers: bearer, expect: 200)
    town.follower.log.hold(true)
    try town.call(town.leader, "DELETE", "\(path)/\(publicHalf(key))", headers: asAdmin, expect: 200)
    try town.call(town.leader, "GET", "/api/v1/ip/stats", headers: bearer, expect: 401)
    try town.call(town.follower, "GET", "/api/v1/ip/stats?consistency=stale", headers: bearer, expect: 200)
    return (town, key)
  }

  @Test(arguments: ["/api/v1/ip/stats", "/api/v1/history?owner=vm", "/api/v1/events?since=0"])
  func aReadWhoseBarrierBringsTheEndOfItsTokenIsRefused(target: String) throws {
    let (town, key) = try revoked("viewer")
    #expect(try ask(town, "GET", target, key: key) == 401)
  }

  /// Nobody has guessed: its neighbours must not be shut out for it.
  @Test func theEndOfABusyTokenPausesNobody() throws {
    let (town, key) = try revoked("viewer")
    let (log, found) = (town.follower.log, Collected<Int>())
    var readers: [Thread] = []
    for number in 0..<24 {
      let before = log.barriers
      readers.append(
        Thread(name: "reader-\(number)") {
          let bearer = [(name: "Authorization", value: "Bearer \(key)")]
          _ = try? found.add(town.call(town.follower, "GET", "/api/v1/ip/stats", headers: bearer).status)
        })
      #expect(eventually { log.barriers > before }, "it waits")
    }
    log.hold(false)
    for reader in readers { reader.join() }
    #expect(found.all.count == 24 && found.all.allSatisfy { $0 == 401 }, "\(found.all)")
  }

  @Test func aReadWhoseBarrierBringsTheFirstTokenIsNotAnonymousAnyMore() throws {
    let town = try Town()
    town.follower.log.hold(true)
    try town.call(town.leader, "POST", "/api/v1/tokens", #"{"role":"cluster-admin"}"#, expect: 201)
    #expect(try ask(town, "GET", "/api/v1/ip/stats") == 401)
  }

  @Test func aReadThatWaitsForARevisionBehindTheEndOfItsTokenIsRefused() throws {
    let (town, key) = try revoked("viewer")
    let newest = town.leader.engine.status.revision
    let target = "/api/v1/ip/stats?consistency=stale&min_revision=\(newest)"
    let found = Collected<Int>()
    // So that a connection is the question's own, and shows that it has come.
    town.follower.client.closeIdle()
    try #require(eventually { town.follower.server.metrics.open == 0 })
    let reader = Thread(name: "reader") {
      let headers = [(name: "Authorization", value: "Bearer \(key)")]
      _ = try? found.add(town.call(town.follower, "GET", target, headers: headers).status)
    }
    #expect(eventually { town.follower.server.metrics.open == 1 })
    town.follower.log.hold(false)
    reader.join()
    #expect(found.all == [401])
  }

  @Test func whoseTokenIsRevokedDeposesNobodyAtANodeThatLags() throws {
    let (town, key) = try revoked("cluster-admin")
    #expect(try ask(town, "POST", "/api/v1/cluster/depose", key: key) == 401)
    #expect(town.leader.engine.leadership.decides && town.cluster.leading?.epoch == 1)
  }
}
