import APITypes
import Domain
import Engine
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

@Suite("Events and metrics of nodes and VMs") struct FleetEventTests {
  /// The data of all events from the first entry on, up to the one in which `last` stands.
  private func events(_ house: House, _ query: String, key: String? = nil, until last: String) throws -> [JSONValue] {
    let heard = Shared<String>("")
    let headers = key.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
    let request = ClientRequest("GET", "/api/v1/events?since=0&\(query)", headers: headers, body: nil)
    let listener = Thread(name: "events") {
      _ = try? house.client.stream(request) { _, piece in
        heard.withLock { $0 += String(decoding: piece, as: UTF8.self) }
        // Whole events alone.
        return heard.withLock { text in
          text.part(after: last)?.contains("\n\n") != true
        }
      }
    }
    listener.join()
    return try heard.withLock { $0 }.split(separator: "\n").filter { $0.hasPrefix("data: ") }
      .map { try JSONValue(parsing: Array($0.dropFirst(6).utf8)) }
  }

  private func changes(_ event: JSONValue) -> [String] {
    (event["changes"]?.elements ?? []).map { change in
      "\(change["type"]?.string ?? "?") \(change["key"]?.string ?? "?")"
    }
  }

  @Test func s3_58_everyEntryAboutVMsIsAnEventWithItsRows() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let vm = try house.vm("a")
    try house.vm("b", more: #","tenant":"acme","interfaces":[]"#)
    try house.report("n1", epoch, [(vm, "running")])
    try house.call("PUT", "/api/v1/tenants/acme/quota", #"{"limits":{"vms":3}}"#, expect: 200)
    try house.post("/api/v1/capacity", #"{"name":"k","node":"n1","tenant":"acme","vcpus":1}"#, expect: 201)
    try house.delete("/api/v1/vms/a", expect: 202)
    try house.report("n1", epoch, [(vm, "gone")])
    try house.vm("idle", more: #","start":false,"interfaces":[]"#)
    try house.delete("/api/v1/vms/idle")
    let all = try events(house, "", until: "id: \(house.engine.status.revision)\n")
    let kinds = all.compactMap { $0["kind"]?.string }
    for kind in [
      "node_registered", "vm_created", "vm_reported", "quota_set", "capacity_reserved", "vm_deleted"
    ] { #expect(kinds.contains(kind), "\(kind)") }
    let created = try #require(all.first { $0["kind"]?.string == "vm_created" })
    let row = try #require(created["changes"]?.elements?.first { $0["type"]?.string == "vm" })
    #expect(row["key"]?.string == "default/a" && row["after"]?["state"]?.string == "placed")
    #expect(changes(created).contains { $0.hasPrefix("allocation default/") })
    // The last event of a VM has what it was.
    let ended = try #require(all.last { changes($0).contains("vm default/a") })
    #expect(ended["changes"]?.elements?.contains { $0["before"]?["name"]?.string == "a" } == true)
    // Filters: by VM, by tenant, by node, by kind.
    let ofA = try events(house, "vm=a&kind=vm_created", until: "default/a")
    #expect(ofA.count == 1 && changes(ofA[0]).contains("vm default/a"))
    let ofAcme = try events(house, "tenant=acme", until: #""capacity""#).flatMap(changes)
    #expect(ofAcme.contains("vm acme/b") && ofAcme.contains("quota acme") && ofAcme.contains("capacity k"))
    #expect(!ofAcme.contains("vm default/a") && !ofAcme.contains("node n1"))
    #expect(try events(house, "node=n1", until: #""node""#).flatMap(changes).contains("node n1"))
    try house.register("n2")
    #expect(try events(house, "node=n2", until: #""node""#).flatMap(changes) == ["node n2"])
    // A tenant hears of its own alone.
    let admin = try house.key(.clusterAdmin)
    let acme = try house.key(.viewer, .tenant(.acme))
    _ = try house.call("GET", "/api/v1/health", key: admin, expect: 200)
    let own = try events(house, "", key: acme, until: "acme/b").flatMap(changes)
    #expect(own.contains("vm acme/b") && !own.contains { $0.hasPrefix("node") || $0.hasPrefix("vm default") })
  }

  @Test func whoListensForANodeHearsOfWhatLeavesIt() throws {
    let house = try House()
    let epoch = try house.register("n1")
    try house.report("n1", epoch, [(try house.vm("a", more: #","interfaces":[]"#), "running")])
    try house.register("n2")
    try house.post("/api/v1/vms/a/migrate", expect: 200)
    try house.post("/api/v1/nodes/n1/cordon", expect: 200)
    let heard = try events(house, "node=n1", until: "id: \(house.engine.status.revision)\n")
    let kinds = heard.compactMap { $0["kind"]?.string }
    #expect(kinds.contains("vm_moved"), "\(kinds)")
  }

  @Test func s3_23_aThresholdOfABudgetIsInTheEventsOnceForEachCrossing() throws {
    let house = try House()
    try house.register("n1", more: #","prices":{"off_peak":{"vcpu_micros":1000}}"#)
    try house.call("PUT", "/api/v1/tenants/acme/quota", #"{"limits":{"monthly_micros":7300000}}"#, expect: 200)
    for (name, cpus) in [("a", 7), ("b", 1), ("c", 1), ("d", 1)] {
      let body = #"{"name":"\#(name)","tenant":"acme","vcpus":\#(cpus),"memory_mib":64,"interfaces":[]}"#
      try house.post("/api/v1/vms", body, expect: 201)
    }
    let all = try events(house, "tenant=acme", until: "id: \(house.engine.status.revision)\n")
    let crossings = all.flatMap { event -> [String] in
      (event["changes"]?.elements ?? []).compactMap { change in
        guard change["type"]?.string == "quota", event["kind"]?.string != "quota_set" else { return nil }
        let (before, after) = (change["before"]?["budget_alert_percent"], change["after"]?["budget_alert_percent"])
        return "\(before?.numberText ?? "none") to \(after?.numberText ?? "none")"
      }
    }
    #expect(crossings == ["none to 80", "80 to 100"] || crossings == ["none to 80", "none to 100"], "\(crossings)")
    #expect(crossings.count == 2)
  }

  @Test func s3_5_whoIsForcedOutIsFlaggedInTheEventAndWhoIsNotIsNot() throws {
    let house = try House()
    try house.register("n1")
    for (name, node) in [("soft", 7), ("hard", 7)] {
      let body =
        #"{"name":"\#(name)","vcpus":\#(node),"memory_mib":64,"preemptible":true,"priority":100,"interfaces":[]}"#
      try house.post("/api/v1/vms", body, expect: 201)
    }
    let boss = #","memory_mib":64,"interfaces":[],"vcpus":7"#
    try house.post("/api/v1/vms", #"{"name":"one","priority":900\#(boss)}"#, expect: 201)
    try house.post("/api/v1/vms", #"{"name":"two","priority":900,"forced":true\#(boss)}"#, expect: 201)
    let all = try events(house, "kind=vm_created", until: "default/two")
    let flags = all.flatMap { event in
      (event["changes"]?.elements ?? []).compactMap { change -> String? in
        guard change["after"]?["state"]?.string == "preempted" else { return nil }
        return "\(change["after"]?["hurried"]?.bool ?? false)"
      }
    }
    #expect(flags == ["false", "true"], "\(flags)")
  }

  @Test func anAgentHearsOfNodesAndVMsAndOfNothingElse() throws {
    let house = try House()
    try house.register("n1")
    try house.call("PUT", "/api/v1/tenants/default/quota", #"{"limits":{"vms":3}}"#, expect: 200)
    try house.vm("a")
    _ = try house.key(.clusterAdmin)
    let agent = try house.key(.agent)
    let heard = try events(house, "", key: agent, until: "default/a").flatMap(changes)
    #expect(heard.contains("node n1") && heard.contains("vm default/a"))
    #expect(heard.allSatisfy { $0.hasPrefix("node ") || $0.hasPrefix("vm ") || $0.hasPrefix("pool ") }, "\(heard)")
  }

  @Test func theFleetsStatesAndPlacementsAreCounted() throws {
    let house = try House()
    try house.vm("waits")
    try house.register("n1")
    try house.vm("a")
    try house.vm("down", more: #","start":false"#)
    // A trial places nobody.
    try house.post("/api/v1/vms?dry_run=true", #"{"name":"trial","vcpus":1,"memory_mib":64}"#, expect: 200)
    try house.vm("big", more: #","vcpus2":1"#, expect: 400)
    // The one that waited finds room by itself.
    #expect(eventually { (try? house.look("waits")["state"]) == "placed" })
    let metrics = try house.get("/metrics").text
    for line in [
      #"berth_nodes{state="ready"} 1"#, #"berth_nodes{state="lost"} 0"#, #"berth_vms{state="stopped"} 1"#,
      #"berth_vms{state="placed"} 2"#, "berth_pending_vms 0",
      "berth_placement_seconds_count 3", #"berth_placements_total{result="placed"} 1"#
    ] { #expect(metrics.contains(line), "\(line)") }
  }
}

extension String {
  /// What stands behind the first `text`; nil without it.
  fileprivate func part(after text: String) -> Substring? {
    let (whole, wanted) = (Array(utf8), Array(text.utf8))
    guard whole.count >= wanted.count else { return nil }
    for start in 0...(whole.count - wanted.count) where whole[start...].starts(with: wanted) {
      return Substring(decoding: whole[(start + wanted.count)...], as: UTF8.self)
    }
    return nil
  }
}
