import API
import APITypes
import Domain
import Engine
import HTTPClient
import Ledger
import Platform
import TestSupport
import Testing
import Wire

@Suite("What agents say and are told") struct AgentTests {
  @Test func aReportWithoutNewsLeavesNoEntry() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let vm = try house.vm("a")
    try house.report("n1", epoch, [(vm, "running")])
    let before = try house.get("/api/v1/health")["revision"]
    let told = try house.report("n1", epoch, [(vm, "running")])
    #expect(told["revision"] == before)
    let quiet = try house.report("n1", epoch, seen: told["revision"] ?? "", [(vm, "running")])
    #expect(quiet.json?["desired"]?.isNull == true)
    #expect(try house.get("/api/v1/health")["revision"] == before)
    #expect(try house.get("/api/v1/nodes/n1")["health.last_heartbeat_seconds"] == "0")
  }

  /// A node may hear of a batch from a follower before the leader has heard that it is durable.
  @Test func whatANodeSaysOfABatchThatTheLeaderDoesNotKnowYetIsNews() {
    let tables = Tables(seed: 1)
    let report = VMReport(id: VMID(revision: 7), epoch: 1, fact: .gone)
    let node = NodeName(trusted: "n1")
    #expect(tables.news(among: [report], of: node, seen: 0).isEmpty)
    #expect(tables.news(among: [report], of: node, seen: 7) == [report])
  }

  @Test func anOldEpochIsNotBelieved() throws {
    let house = try House()
    let first = try house.register("n1")
    let vm = try house.vm("a")
    let second = try house.register("n1", expect: 200)
    let stale = try house.report("n1", first, [(vm, "running")], expect: 409)
    #expect(stale["code"] == "stale_epoch" && stale["facts.epoch"] == "\(second)")
    #expect(try house.look("a")["state"] == "placed")
    #expect(try house.report("n9", 1, expect: 404)["code"] == "node_not_found")
    let dry = try house.post("/api/v1/nodes/n1/report?dry_run=true", #"{"epoch":\#(first)}"#, expect: 409)
    #expect(dry["code"] == "stale_epoch")
    // Of a VM at another epoch nothing is believed either.
    let body = #"{"epoch":\#(second),"vms":[{"id":\#(vm["id"] ?? ""),"epoch":7,"state":"gone"}]}"#
    try house.post("/api/v1/nodes/n1/report", body, expect: 200)
    #expect(try house.look("a")["state"] == "placed")
  }

  @Test func aLeaseDoesNotHangOnRoomInTheLog() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let vm = try house.vm("a")
    house.log.setCapacity(0)
    let told = try house.report("n1", epoch, [(vm, "running")])
    #expect(told["lease_ms"].flatMap(Int.init) ?? 0 > 0, "\(told.text)")
    let notice = #"{"epoch":\#(epoch),"reclaim_seconds":600}"#
    #expect(try house.post("/api/v1/nodes/n1/report", notice, expect: 200)["lease_ms"] == told["lease_ms"])
    house.log.setCapacity(.max)
    try house.report("n1", epoch, [(vm, "running")])
    #expect(try house.look("a")["state"] == "running")
  }

  @Test func aFencedNodeHasToRegisterAnew() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let vm = try house.vm("a")
    try house.report("n1", epoch, [(vm, "running")])
    #expect(try house.post("/api/v1/nodes/n1/fence", expect: 200)["state"] == "fenced")
    try house.report("n1", epoch, expect: 409)
    #expect(try house.look("a")["state"] == "pending")
    let again = try house.register("n1", expect: 200)
    #expect(again > epoch)
    #expect(try house.look("a")["addresses.0.ip"] == vm["addresses.0.ip"])
  }

  @Test func aHeldAnswerComesWhenSomethingOfTheNodeChangesAndNotBefore() throws {
    let house = try House()
    let one = try house.register("n1")
    let two = try house.register("n2", datacenter: "ams")
    let seen = try house.report("n1", one)["revision"] ?? ""
    let seenTwo = try house.report("n2", two)["revision"] ?? ""
    let told = Shared<[String: Heard]>([:])
    let waiting = [("n1", one, seen, 20_000), ("n2", two, seenTwo, 1_500)].map { node, epoch, seen, wait in
      Thread(name: node) {
        guard let answer = try? house.report(node, epoch, seen: seen, wait: wait) else { return }
        told.withLock { $0[node] = answer }
      }
    }
    #expect(eventually { house.api.waitingAgents == 2 })
    // Addresses are nobody's business here.
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"x"}"#, expect: 201)
    try house.vm("a", more: #","node":"n1""#)
    #expect(eventually { told.withLock { $0["n1"] != nil } })
    #expect(told.withLock { $0["n1"]?["desired.0.name"] } == "a")
    #expect(told.withLock { $0["n2"] == nil }, "only the node that changed is woken")
    for thread in waiting { thread.join() }
    let quiet = try #require(told.withLock { $0["n2"] })
    #expect(quiet.status == 200 && quiet.json?["desired"]?.isNull == true)
    #expect(house.api.waitingAgents == 0)
    try house.report("n1", one, wait: 30_001, expect: 400)
  }

  @Test func aVMThatIsTakenAwayWakesTheNodeThatHadIt() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let vm = try house.vm("a")
    let seen = try house.report("n1", epoch)["revision"] ?? ""
    let told = Shared<[Heard]>([])
    let thread = Thread(name: "n1") {
      guard let answer = try? house.report("n1", epoch, seen: seen, wait: 20_000) else { return }
      told.withLock { $0.append(answer) }
    }
    #expect(eventually { house.api.waitingAgents == 1 })
    try house.report("n1", epoch, [(vm, "failed")])
    thread.join()
    #expect(told.withLock { $0.first?.list("desired").count } != nil)
    #expect(try house.look("a")["node"] == nil || house.look("a")["epoch"] != vm["epoch"])
  }

  @Test func anAgentsRoleReachesNoFurtherThanItsWork() throws {
    let house = try House()
    let admin = try house.key(.clusterAdmin)
    let agent = try house.key(.agent)
    let body = #"{"capacity":{"vcpus":4,"memory_mib":4096}}"#
    try house.call("PUT", "/api/v1/nodes/n1", body, key: agent, expect: 201)
    try house.call("POST", "/api/v1/nodes/n1/report", #"{"epoch":1}"#, key: agent, expect: 200)
    for (method, path) in [
      ("DELETE", "/api/v1/nodes/n1"), ("POST", "/api/v1/nodes/n1/fence"), ("GET", "/api/v1/vms"),
      ("GET", "/api/v1/cost"), ("GET", "/api/v1/allocations"), ("GET", "/api/v1/addresses/172.16.0.2"),
      ("POST", "/api/v1/nodes/n1/drain")
    ] {
      try house.call(method, path, key: agent, expect: 403)
    }
    // Of who has which address it learns nothing, in whatever way it asks.
    try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"secret"}"#, key: admin, expect: 201)
    try house.call("GET", "/api/v1/history?owner=secret", key: agent, expect: 403)
    let viewer = try house.key(.viewer)
    try house.call("POST", "/api/v1/nodes/n1/report", #"{"epoch":1}"#, key: viewer, expect: 403)
    try house.call("GET", "/api/v1/nodes/n1", key: admin, expect: 200)
  }

  @Test func theLargestBodiesAreRefusedAndNothingRunsOver() throws {
    let house = try House()
    let part = #"{"cpus":"","memory_mib":268435456}"#
    let parts = [String](repeating: part, count: 16).joined(separator: ",")
    let capacity = #""capacity":{"vcpus":1,"memory_mib":1}"#
    try house.call("PUT", "/api/v1/nodes/n1", "{\(capacity),\"numa\":[\(parts)]}", expect: 400)
    try house.call("POST", "/api/v1/plan", "{\"add\":{\(capacity),\"numa\":[\(parts)],\"count\":1}}", expect: 400)
    let large = #""capacity":{"vcpus":200000,"memory_mib":268435456,"disk_mib":268435456}"#
    let price = #""prices":{"off_peak":{"vcpu_micros":8589934592,"disk_gib_micros":8589934592}}"#
    try house.call("PUT", "/api/v1/nodes/n1", "{\(large),\(price)}", expect: 400)
    for end in ["9223372036854775807 ", "-1 ", "99999999999999999 x"] {
      try house.call("GET", "/api/v1/cost?cursor=\(Cursor(end).text)", expect: 400)
    }
    try house.call("GET", "/api/v1/health", expect: 200)
  }

  @Test(arguments: [
    ("PUT", "nodes/%C3%97", #"{"capacity":{"vcpus":1,"memory_mib":1}}"#, "node"),
    ("PUT", "nodes/n1", #"{}"#, "capacity"), ("PUT", "nodes/n1", #"{"capacity":{"cores":1}}"#, "capacity.cores"),
    ("PUT", "nodes/n1", #"{"capacity":{"vcpus":"1e3","memory_mib":1}}"#, "capacity.vcpus"),
    (
      "PUT", "nodes/n1", #"{"capacity":{"vcpus":1,"memory_mib":1},"numa":[{"cpus":"0-x","memory_mib":1}]}"#,
      "numa[0].cpus"
    ),
    ("PUT", "nodes/n1", #"{"capacity":{"vcpus":1,"memory_mib":1},"prices":{"peak_from":24}}"#, "prices.peak_from"),
    ("PUT", "nodes/n1", #"{"capacity":{"vcpus":1,"memory_mib":1},"profile":"reckless"}"#, "profile"),
    ("POST", "nodes/n1/report", #"{"vms":[]}"#, "epoch"),
    ("POST", "nodes/n1/report", #"{"epoch":1,"vms":[{"id":1,"epoch":1,"state":"happy"}]}"#, "vms[0].state"),
    ("POST", "nodes/n1/report", #"{"epoch":-1}"#, "epoch"),
    ("POST", "nodes/n1/report", #"{"epoch":1,"reclaim_seconds":0}"#, "reclaim_seconds"),
    ("POST", "nodes/n1/reclaim", #"{}"#, "notice_seconds"),
    ("POST", "nodes/n1/reclaim", #"{"notice_seconds":604801}"#, "notice_seconds"),
    ("PUT", "tenants/acme/quota", #"{"limits":{},"alert_percents":[0]}"#, "alert_percents[0]"),
    ("PUT", "tenants/acme/quota", #"{"limits":{},"alert_percents":[90,80]}"#, "alert_percents"),
    ("POST", "nodes/n1/report", #"{"epoch":1,"usage":{"vms":[{"vcpus":1}]}}"#, "usage.vms[0].id"),
    ("POST", "vms", #"{"vcpus":1,"memory_mib":1}"#, "name"), ("POST", "vms", #"{"name":"a","memory_mib":1}"#, "vcpus"),
    ("POST", "vms", #"{"name":"a b","vcpus":1,"memory_mib":1}"#, "name"),
    ("POST", "vms", #"{"name":"a","vcpus":1.2345,"memory_mib":1}"#, "vcpus"),
    ("POST", "vms", #"{"name":"a","vcpus":1,"memory_mib":1,"colour":"red"}"#, "colour"),
    (
      "POST", "vms", #"{"name":"a","vcpus":1,"memory_mib":1,"interfaces":[{"pool":"p","families":["ipv4"]}]}"#,
      "interfaces[0]"
    ),
    ("POST", "vms", #"{"name":"a","vcpus":1,"memory_mib":1,"affinity":[{"group":"g","most":2}]}"#, "affinity[0].most"),
    (
      "POST", "vms", #"{"name":"a","vcpus":1,"memory_mib":1,"locality":{"spread":{"scope":"zone"}}}"#,
      "locality.spread.group"
    ),
    ("POST", "vms", #"{"name":"a","vcpus":1,"memory_mib":1,"priority":1001}"#, "priority"),
    ("POST", "vms", #"{"name":"a","vcpus":1,"memory_mib":1,"pinned":"yes"}"#, "pinned"),
    ("POST", "vms", #"{"name":"a","vcpus":1,"memory_mib":1,"strategy":"clever"}"#, "strategy"),
    ("PATCH", "vms/a", #"{"vcpus":2}"#, "vcpus"), ("POST", "vms/a/migrate", #"{"to":"n2"}"#, "to"),
    ("PUT", "tenants/acme/quota", #"{"limits":{"cpus":1}}"#, "limits.cpus"),
    ("PUT", "tenants/acme/quota", #"{"burst_percent":5}"#, "limits"),
    ("POST", "capacity", #"{"name":"k","vcpus":1}"#, "node"), ("POST", "plan", #"{"lose":"a b"}"#, "lose"),
    ("POST", "plan", #"{"fit":{"name":"a","vcpus":1}}"#, "fit.memory_mib")
  ])
  func aBadBodyIs400AndNamesTheField(method: String, path: String, body: String, field: String) throws {
    let house = try House()
    let answer = try house.call(method, "/api/v1/\(path)", body, expect: 400)
    #expect(answer["code"] == "invalid_field", "\(answer.text)")
    #expect(answer.list("errors").first?["field"]?.string == field, "\(answer.text)")
    let twice = body.dropLast() + (body.count > 2 ? "," : "") + #""x":1,"x":2}"#
    #expect(try house.call(method, "/api/v1/\(path)", String(twice), expect: 400).status == 400)
  }
}
