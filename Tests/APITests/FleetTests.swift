import APITypes
import Domain
import HTTPClient
import Testing
import Wire

@Suite("Nodes and VMs") struct FleetTests {
  @Test func s3_14_aNodeRegistersWithItsPlaceAndIsFoundByIt() throws {
    let house = try House()
    #expect(try house.register("n1", datacenter: "fra") == 1)
    try house.register("n2", datacenter: "ams", more: #","profile":"aggressive","labels":{"ssd":"yes"}"#)
    #expect(try house.get("/api/v1/nodes?datacenter=ams").column("name") == ["n2"])
    #expect(try house.get("/api/v1/nodes?rack=n1&zone=a").column("name") == ["n1"])
    #expect(try house.get("/api/v1/nodes?label=ssd%3Dyes").column("name") == ["n2"])
    #expect(try house.get("/api/v1/nodes?state=lost").column("name").isEmpty)
    for place in ["datacenter", "zone", "rack"] {
      #expect(try house.get("/api/v1/nodes?\(place)=a%20b", expect: 400)["code"] == "invalid_field")
    }
    let node = try house.get("/api/v1/nodes/n1")
    #expect(node["state"] == "ready" && node["topology.datacenter"] == "fra" && node["capacity.vcpus"] == "16")
    #expect(node["effective.vcpus"] == "14.4" && node["free.memory_mib"] == "29491" && node["vms"] == "0")
    #expect(node.header("etag") == "\"\(node["revision"] ?? "")\"")
    // Registered again: the next epoch, and what was not said stays.
    #expect(try house.register("n2", datacenter: "ams", expect: 200) == 2)
    #expect(try house.get("/api/v1/nodes/n2")["labels.ssd"] == "yes")
    let bare = #"{"capacity":{"vcpus":16,"memory_mib":32768}}"#
    #expect(try house.call("PUT", "/api/v1/nodes/n2", bare, expect: 200)["topology.datacenter"] == "ams")
    let page = try house.get("/api/v1/nodes?limit=1")
    #expect(page.column("name") == ["n1"])
    #expect(try house.get("/api/v1/nodes?limit=1&cursor=\(page["next_cursor"] ?? "")").column("name") == ["n2"])
    #expect(try house.get("/api/v1/nodes/n9", expect: 404)["code"] == "node_not_found")
  }

  @Test func anOperatorChangesCordonsAndDeletesANode() throws {
    let house = try House()
    try house.register("n1")
    let node = try house.get("/api/v1/nodes/n1")
    let stale = [(name: "If-Match", value: "\"1\"")]
    let patch = #"{"spot":true,"prices":{"off_peak":{"vcpu_micros":7}}}"#
    try house.call("PATCH", "/api/v1/nodes/n1", patch, headers: stale, expect: 412)
    let fresh = [(name: "If-Match", value: node.header("etag") ?? "")]
    let changed = try house.call("PATCH", "/api/v1/nodes/n1", patch, headers: fresh, expect: 200)
    #expect(changed["spot"] == "true" && changed["prices.peak.vcpu_micros"] == "7")
    #expect(try house.post("/api/v1/nodes/n1/cordon", expect: 200)["state"] == "cordoned")
    #expect(try house.vm("a")["state"] == "pending")
    #expect(try house.post("/api/v1/nodes/n1/uncordon", expect: 200)["state"] == "ready")
    #expect(try house.post("/api/v1/nodes/n1/drain?dry_run=true", expect: 200)["state"] == "draining")
    #expect(try house.get("/api/v1/nodes/n1")["state"] == "ready")
    try house.call("DELETE", "/api/v1/vms/a", expect: nil)
    try house.register("n2")
    #expect(try house.delete("/api/v1/nodes/n2")["name"] == "n2")
    try house.get("/api/v1/nodes/n2", expect: 404)
  }

  @Test func s0_43_and_s0_44_and_s0_45_aVMHasItsAddressFromTheFirstAnswerOn() throws {
    let house = try House()
    try house.register("n1")
    try house.post("/api/v1/pools", #"{"name":"edge","cidr":"10.1.0.0/24","vlan":7}"#, expect: 201)
    let first = try house.vm("web-1", more: #","interfaces":[{"pool":"edge","ip":"10.1.0.9"}]"#)
    #expect(first["state"] == "placed" && first["node"] == "n1" && first["epoch"] == "1")
    #expect(first["addresses.0.ip"] == "10.1.0.9" && first["addresses.0.pool"] == "edge")
    #expect(first["addresses.0.gateway"] == "10.1.0.1" && first["addresses.0.mac"]?.count == 17)
    #expect(first.header("location") == "/api/v1/vms/web-1?tenant=default")
    let taken = try house.vm("web-2", more: #","interfaces":[{"pool":"edge","ip":"10.1.0.9"}]"#, expect: 409)
    #expect(taken["code"] == "address_in_use" && taken["detail"]?.contains("web-1") == true)
    let outside = try house.vm("web-2", more: #","interfaces":[{"pool":"edge","ip":"10.2.0.9"}]"#, expect: 400)
    #expect(outside["code"] == "address_outside_pool")
    try house.look("web-2", expect: 404)
    // Without a word about interfaces: eth0 with an address of whichever pool serves.
    #expect(try house.vm("web-3")["addresses.0.interface"] == "eth0")
    #expect(try house.vm("bare", more: #","interfaces":[]"#).json?["addresses"]?.elements?.isEmpty == true)
    let list = try house.get("/api/v1/vms")
    #expect(list.column("name") == ["bare", "web-1", "web-3"])
    #expect(list.list("items")[1]["addresses"]?[0]?["ip"]?.string == "10.1.0.9")
    // It is the VM's: nobody else takes it back.
    #expect(try house.delete("/api/v1/pools/edge/allocations/10.1.0.9", expect: 409)["code"] == "managed_by_vm")
    // The same again is the same; another body under the name is not.
    let again = try house.vm("web-1", more: #","interfaces":[{"pool":"edge","ip":"10.1.0.9"}]"#, expect: 200)
    #expect(again["id"] == first["id"])
    #expect(try house.vm("web-1", more: #","priority":7"#, expect: 409)["code"] == "vm_exists")
  }

  @Test func aVMLivesFromCreationToItsEnd() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let made = try house.vm("a")
    let ip = try #require(made["addresses.0.ip"])
    let told = try house.report("n1", epoch)
    #expect(told.list("desired").count == 1 && told["desired.0.action"] == "run" && told["desired.0.name"] == "a")
    #expect(told["desired.0.interfaces.0.addresses.0.ip"] == ip)
    #expect(told["desired.0.interfaces.0.addresses.0.prefix_length"] == "24")
    #expect(told["desired.0.interfaces.0.mac"] == made["addresses.0.mac"])
    #expect(told["lease_ms"].flatMap { Int($0) } ?? 0 > 0)
    try house.report("n1", epoch, [(made, "starting")])
    #expect(try house.look("a")["state"] == "starting")
    try house.report("n1", epoch, [(made, "running")])
    let running = try house.look("a")
    #expect(running["state"] == "running" && running["hourly_price_micros"] == "0")
    #expect(try house.get("/api/v1/nodes/n1")["allocated.vcpus"] == "2")
    // Down and up again: the address stays, the room does not.
    #expect(try house.post("/api/v1/vms/a/stop", expect: 200)["state"] == "stopping")
    #expect(try house.report("n1", epoch)["desired.0.action"] == "stop")
    try house.report("n1", epoch, [(running, "gone")])
    let stopped = try house.look("a")
    #expect(stopped["state"] == "stopped" && stopped["node"] == nil && stopped["addresses.0.ip"] == ip)
    #expect(try house.get("/api/v1/nodes/n1")["allocated.vcpus"] == "0")
    let started = try house.post("/api/v1/vms/a/start", expect: 200)
    #expect(started["state"] == "placed" && started["epoch"] == "2" && started["addresses.0.ip"] == ip)
    try house.report("n1", epoch, [(started, "running")])
    // Elsewhere: the address goes with it.
    let other = try house.register("n2")
    let moving = try house.post("/api/v1/vms/a/migrate", #"{"node":"n2"}"#, expect: 200)
    #expect(moving["state"] == "migrating" && moving["node"] == "n2" && moving["leaving"] == "n1")
    for node in ["n1", "n2"] { #expect(try house.get("/api/v1/vms?node=\(node)").column("name") == ["a"]) }
    #expect(try house.report("n2", other)["desired.0.incoming"] == "true")
    try house.report("n2", other, [(moving, "running")])
    let moved = try house.look("a")
    #expect(moved["state"] == "running" && moved["leaving"] == nil && moved["addresses.0.ip"] == ip)
    #expect(try house.report("n1", epoch).list("desired").isEmpty)
    // The end: first down, then gone with its address.
    let ending = try house.delete("/api/v1/vms/a", expect: 202)
    #expect(ending["ending"] == "true" && ending["state"] == "stopping")
    try house.get("/api/v1/pools/default/allocations/\(ip)")
    try house.report("n2", other, [(moved, "gone")])
    try house.look("a", expect: 404)
    try house.get("/api/v1/pools/default/allocations/\(ip)", expect: 404)
    // One without a node is gone at once.
    let idle = try house.vm("idle", more: #","start":false"#)
    #expect(idle["state"] == "stopped")
    #expect(try house.delete("/api/v1/vms/idle")["addresses.0.ip"] == idle["addresses.0.ip"])
  }

  @Test func aVMMovesToTheNodeThatIsNamedAndNotToTheBestOne() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let vm = try house.vm("a")
    try house.report("n1", epoch, [(vm, "running")])
    for name in ["n2", "n3"] { try house.register(name) }
    #expect(try house.vm("b", more: #","node":"n2""#)["node"] == "n2")
    #expect(try house.post("/api/v1/vms/a/migrate?dry_run=true", "{}", expect: 200)["node"] == "n2", "the fuller one")
    #expect(try house.post("/api/v1/vms/a/migrate", #"{"node":"n3"}"#, expect: 200)["node"] == "n3")
  }

  @Test func severalVMsAreMadeTogetherOrNotAtAll() throws {
    let house = try House()
    try house.register("n1")
    let made = try house.vm("web", more: #","count":3"#)
    #expect(made.column("name", of: "vms") == ["web-1", "web-2", "web-3"])
    #expect(Set(made.list("vms").compactMap { $0["addresses"]?[0]?["ip"]?.string }).count == 3)
    let full = try house.vm("big", more: #","count":9,"must_place":true"#, expect: 409)
    #expect(full["code"] == "no_placement")
    #expect(try house.get("/api/v1/vms").column("name") == ["web-1", "web-2", "web-3"])
    try house.vm("big", more: #","count":0"#, expect: 400)
    try house.vm("big", more: #","count":1025"#, expect: 400)
  }

  @Test func aVMThatWaitsSaysWhyAndWhatStandsInItsWayNow() throws {
    let house = try House()
    let waits = try house.vm("a")
    #expect(waits["state"] == "pending" && waits["why"]?.isEmpty == false)
    let before = try house.get("/api/v1/vms/a/why")
    #expect(before["now.fitting"] == "0" && before["state"] == "pending")
    try house.register("n1", more: #","labels":{"ssd":"no"}"#)
    let placed = try house.vm("b")
    let why = try house.get("/api/v1/vms/b/why")
    #expect(why["node"] == "n1" && why["why"] == placed["why"] && why.json?["now"]?.isNull == true)
    let picky = try house.vm("c", more: #","node_labels":{"ssd":"yes"}"#)
    #expect(picky["state"] == "pending")
    let reason = try house.get("/api/v1/vms/c/why")
    #expect(reason["now.fitting"] == "0" && !(reason.json?["now"]?["notes"]?.elements ?? []).isEmpty, "\(reason.text)")
    #expect(try house.get("/api/v1/vms/none/why", expect: 404)["code"] == "vm_not_found")
  }

  @Test func listsAreFilteredAndPaged() throws {
    let house = try House()
    try house.register("n1")
    try house.register("n2", datacenter: "ams")
    try house.vm("a", more: #","groups":["db"],"labels":{"k":"v"},"node":"n1""#)
    try house.vm("b", more: #","groups":["db","web"],"node":"n2""#)
    try house.vm("c", more: #","tenant":"acme","node_labels":{"no":"where"}"#)
    try house.vm("d", more: #","tenant":"acme","start":false"#)
    func names(_ query: String) throws -> [String] { try house.get("/api/v1/vms?\(query)").column("name") }
    #expect(try names("node=n1") == ["a"])
    #expect(try names("node=n2") == ["b"])
    #expect(try names("group=db") == ["a", "b"])
    #expect(try names("group=web") == ["b"])
    #expect(try names("label=k%3Dv") == ["a"])
    #expect(try names("tenant=acme") == ["c", "d"])
    #expect(try names("state=pending") == ["c"])
    #expect(try names("state=stopped&tenant=acme") == ["d"])
    var seen: [String] = []
    var cursor: String?
    repeat {
      let page = try house.get("/api/v1/vms?limit=1" + (cursor.map { "&cursor=\($0)" } ?? ""))
      seen += page.column("name")
      cursor = page["next_cursor"]
    } while cursor != nil
    #expect(seen == ["c", "d", "a", "b"])
    try house.get("/api/v1/vms?state=asleep", expect: 400)
    try house.get("/api/v1/vms?cursor=00", expect: 400)
    try house.get("/api/v1/vms?node=a%20b", expect: 400)
  }

  @Test func dryRunsAndQuestionsChangeNothing() throws {
    let house = try House()
    let epoch = try house.register("n1")
    try house.register("n2", datacenter: "ams")
    let vm = try house.vm("a")
    try house.report("n1", epoch, [(vm, "running")])
    try house.post("/api/v1/capacity", #"{"name":"k","node":"n2","vcpus":1}"#, expect: 201)
    try house.call("PUT", "/api/v1/tenants/acme/quota", #"{"limits":{"vms":3}}"#, expect: 200)
    let before = try house.get("/api/v1/health")["revision"]
    let create = #"{"name":"new","vcpus":1,"memory_mib":64}"#
    let node = #"{"capacity":{"vcpus":1,"memory_mib":1024}}"#
    for (method, path, body) in [
      ("POST", "vms", create), ("PATCH", "vms/a", #"{"priority":1}"#), ("POST", "vms/a/stop", nil),
      ("POST", "vms/a/restart", nil), ("POST", "vms/a/migrate", "{}"), ("DELETE", "vms/a", nil),
      ("PUT", "nodes/n3", node), ("PATCH", "nodes/n1", #"{"spot":true}"#), ("POST", "nodes/n1/cordon", nil),
      ("POST", "nodes/n1/fence", nil), ("DELETE", "nodes/n2", nil),
      ("POST", "nodes/n1/reclaim", #"{"notice_seconds":60}"#),
      ("POST", "nodes/n1/report", #"{"epoch":1,"vms":[]}"#), ("DELETE", "capacity/k", nil),
      ("POST", "capacity", #"{"name":"l","node":"n2","vcpus":1}"#), ("DELETE", "tenants/acme/quota", nil),
      ("PUT", "tenants/acme/quota", #"{"limits":{"vms":1}}"#)
    ] as [(String, String, String?)] {
      let answer = try house.call(method, "/api/v1/\(path)?dry_run=true", body)
      #expect([200, 202, 409].contains(answer.status), "\(method) \(path): \(answer.text)")
    }
    let would = try house.post("/api/v1/placements", create, expect: 200)
    #expect(would["vms.0.state"] == "placed" && would["vms.0.addresses.0.ip"] != nil)
    for question in [
      #"{"drain":"n1"}"#, #"{"lose":"fra"}"#, #"{"cheaper":{}}"#, #"{"fit":{"name":"x","vcpus":1,"memory_mib":64}}"#,
      #"{"add":{"capacity":{"vcpus":8,"memory_mib":8192},"count":10}}"#
    ] {
      try house.post("/api/v1/plan", question, expect: 200)
    }
    #expect(try house.get("/api/v1/health")["revision"] == before)
    #expect(try house.look("a")["state"] == "running")
  }

  @Test func aPlanTellsWhereVMsWouldGo() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let vm = try house.vm("a")
    try house.report("n1", epoch, [(vm, "running")])
    let alone = try house.post("/api/v1/plan", #"{"drain":"n1"}"#, expect: 200)
    #expect(alone["unplaced"] == "1" && alone["moves.0.vm.name"] == "a" && alone["moves.0.to"] == nil)
    try house.register("n2", datacenter: "ams")
    let drained = try house.post("/api/v1/plan", #"{"drain":"n1"}"#, expect: 200)
    #expect(drained["unplaced"] == "0" && drained["moves.0.to"] == "n2")
    #expect(try house.post("/api/v1/plan", #"{"lose":"fra"}"#, expect: 200)["moves.0.to"] == "n2")
    let fit = try house.post(
      "/api/v1/plan", #"{"fit":{"name":"x","vcpus":2,"memory_mib":1024,"interfaces":[]}}"#, expect: 200)
    #expect(fit["fitting"] == "13", "\(fit.text)")
    try house.post("/api/v1/plan", #"{"drain":"n9"}"#, expect: 404)
    try house.post("/api/v1/plan", "{}", expect: 400)
    try house.post("/api/v1/plan", #"{"drain":"n1","lose":"fra"}"#, expect: 400)
  }

  @Test func theSameKeyMakesOneVM() throws {
    let house = try House()
    try house.register("n1")
    let body = #"{"name":"web","count":2,"vcpus":1,"memory_mib":64}"#
    let key = [(name: "Idempotency-Key", value: "k1")]
    let first = try house.post("/api/v1/vms", body, headers: key, expect: 201)
    try house.post("/api/v1/vms/web-1/stop", expect: 200)
    let again = try house.post("/api/v1/vms", body, headers: key, expect: 201)
    #expect(again.text == first.text && again.header("idempotency-replayed") == "true")
    let other = body.replacing("64", with: "65")
    #expect(try house.post("/api/v1/vms", other, headers: key, expect: 422)["code"] == "idempotency_key_reused")
    #expect(try house.get("/api/v1/vms").list("items").count == 2)
  }

  @Test func aPatchChangesWhatItNamesIfNobodyElseDid() throws {
    let house = try House()
    let vm = try house.vm("a", more: #","start":false,"labels":{"a":"b"}"#)
    let match = [(name: "If-Match", value: vm.header("etag") ?? "")]
    let body = #"{"priority":900,"failover":"restart","budget_hourly_micros":5}"#
    let changed = try house.call("PATCH", "/api/v1/vms/a", body, headers: match, expect: 200)
    #expect(changed["priority"] == "900" && changed["labels.a"] == "b" && changed["budget_hourly_micros"] == "5")
    #expect(try house.call("PATCH", "/api/v1/vms/a", body, headers: match, expect: 412)["code"] == "revision_mismatch")
    let none = try house.call("PATCH", "/api/v1/vms/a", #"{"budget_hourly_micros":null}"#, expect: 200)
    #expect(none.json?["budget_hourly_micros"]?.isNull == true && none["priority"] == "900")
    let whatever = [(name: "If-Match", value: "*")]
    let any = try house.call("PATCH", "/api/v1/vms/a", #"{"priority":1}"#, headers: whatever, expect: 200)
    #expect(any["priority"] == "1")
  }
}
