import API
import Domain
import Engine
import HTTPClient
import TestSupport
import Testing
import Wire

/// What agents measure: distances and use; and what is counted of VMs that give way.
@Suite("What agents measure") struct MeasuredTests {
  @Test func s3_12_whatAgentsMeasureIsShownAndDecidesWhereAVMMayBe() throws {
    let house = try House()
    try house.register("n1", datacenter: "fra")
    let epoch = try house.register("n2", datacenter: "ams")
    try house.post("/api/v1/nodes/n1/cordon", expect: 200)
    let near = #","interfaces":[],"locality":{"latency_from":"fra","max_latency_us":5000}"#
    let first = try house.vm("near", more: near)
    #expect(first["state"] == "pending" && first["why"]?.contains("ams not known") == true, "\(first.text)")
    #expect(try house.get("/api/v1/latencies").list("items").isEmpty)
    let body = #"{"epoch":\#(epoch),"latencies":[{"datacenter":"fra","microseconds":3000}]}"#
    try house.post("/api/v1/nodes/n2/report", body, expect: 200)
    let shown = try house.get("/api/v1/latencies")
    #expect(shown["items.0.from"] == "ams" && shown["items.0.to"] == "fra" && shown["items.0.microseconds"] == "3000")
    #expect(shown["items.0.reporters"] == "1" && shown["items.0.age_seconds"] == "0")
    #expect(try eventually { try house.look("near")["node"] == "n2" })
    let nearer = try house.vm("nearer", more: near.replacing("5000", with: "1000"))
    #expect(nearer["state"] == "pending" && nearer["why"]?.contains("ams 3000 us") == true, "\(nearer.text)")
    #expect(
      try house.get("/metrics").text.contains(#"berth_datacenter_latency_seconds{from="ams",to="fra"} 0.003"#))
  }

  @Test func s3_12_aFollowerTellsTheDistancesAndTheUseThatTheLeaderHears() throws {
    let town = try Town()
    let node = #"{"capacity":{"vcpus":16,"memory_mib":32768},"topology":{"datacenter":"ams"}}"#
    try town.call(town.follower, "PUT", "/api/v1/nodes/n1", node, expect: 201)
    let vm = #"{"name":"a","vcpus":1,"memory_mib":64,"interfaces":[]}"#
    let made = try town.call(town.follower, "POST", "/api/v1/vms", vm, expect: 201)
    let body =
      #"{"epoch":1,"latencies":[{"datacenter":"fra","microseconds":3000}],"usage":{"vms":[{"id":\#(made["id"] ?? ""),"vcpus":0.25,"memory_mib":7}]}}"#
    try town.call(town.follower, "POST", "/api/v1/nodes/n1/report", body, expect: 200)
    for node in town.nodes {
      #expect(try town.call(node, "GET", "/api/v1/latencies", expect: 200)["items.0.microseconds"] == "3000")
      let shown = try town.call(node, "GET", "/api/v1/vms/a?usage=true", expect: 200)
      #expect(shown["usage.vcpus"] == "0.25" && shown["usage.memory_mib"] == "7")
      #expect(try town.call(node, "GET", "/api/v1/vms/a", expect: 200).json?["usage"] == nil)
    }
  }

  @Test func whatANodeSaysOfOthersVMsIsNotBelievedAndWhatItSaidLastStays() throws {
    let house = try House()
    let epoch = try house.register("n1")
    try house.register("n2", datacenter: "ams")
    let (mine, other) = (try house.vm("mine", more: #","node":"n1""#), try house.vm("other", more: #","node":"n2""#))
    let each = [mine, other].map { #"{"id":\#($0["id"] ?? ""),"vcpus":0.5,"memory_mib":9}"# }.joined(separator: ",")
    let body = #"{"epoch":\#(epoch),"usage":{"vcpus":1.5,"memory_mib":7,"vms":[\#(each)]}}"#
    try house.post("/api/v1/nodes/n1/report", body, expect: 200)
    try house.report("n1", epoch)
    #expect(try house.get("/api/v1/vms/mine?usage=true")["usage.memory_mib"] == "9")
    #expect(try house.get("/api/v1/vms/other?usage=true").json?["usage"]?.isNull == true)
    #expect(try house.get("/api/v1/nodes/n1")["health.usage.vcpus"] == "1.5")
  }

  @Test func whatNobodyHasMeasuredIsNull() throws {
    let house = try House()
    try house.register("n1")
    try house.vm("a")
    #expect(try house.get("/api/v1/vms/a?usage=true").json?["usage"]?.isNull == true)
    #expect(try house.get("/api/v1/vms/a?usage=maybe", expect: 400)["code"] == "invalid_field")
  }

  @Test func s3_7_whoGivesWayIsCountedByHowAndForWhatAndHowLongItTook() throws {
    let house = try House()
    let epoch = try house.register("n1")
    let low = #","priority":1,"preemptible":true,"interfaces":[]"#
    let first = try house.vm("first", more: low)
    try house.report("n1", epoch, [(first, "running")])
    let big = #"{"name":"NAME","vcpus":14,"memory_mib":1024,"priority":900,"interfaces":[]FORCED}"#
    func count(_ labels: String) throws -> Bool {
      try house.get("/metrics").text.contains("berth_preemptions_total{\(labels)} 1\n")
    }
    let made = big.replacing("NAME", with: "big").replacing("FORCED", with: "")
    try house.post("/api/v1/vms?dry_run=true", made, expect: 200)
    #expect(try !count(#"type="graceful",reason="create""#), "what is only tried is not counted")
    try house.post("/api/v1/vms", made, expect: 201)
    #expect(try count(#"type="graceful",reason="create""#))
    #expect(try house.get("/metrics").text.contains("berth_preemption_seconds_count 0"))
    let gone = try house.look("first")
    #expect(gone["state"] == "preempted" && gone["leaving"] == "n1", "\(gone.text)")
    try house.report("n1", epoch, [(gone, "gone")])
    #expect(try house.get("/metrics").text.contains("berth_preemption_seconds_count 1"))
    // By force, and when one that waits finds its turn.
    try house.delete("/api/v1/vms/big", expect: 202)
    try house.report("n1", epoch, [(try house.look("big"), "gone")])
    #expect(try eventually { try house.look("first")["node"] == "n1" })
    try house.report("n1", epoch, [(try house.look("first"), "running")])
    try house.vm("second", more: low)
    let forced = big.replacing("NAME", with: "now").replacing("FORCED", with: #","forced":true"#)
    // The first rests after having given way, so the second goes.
    try house.post("/api/v1/vms", forced.replacing(#""vcpus":14"#, with: #""vcpus":12"#), expect: 201)
    #expect(try count(#"type="forced",reason="create""#))
  }

  @Test func eachPreemptionIsCountedOnceAndSoIsItsTime() throws {
    let clock = Shared<Int64>(1_700_000_000_000_000)
    let house = try House(
      clock: {
        let now = clock.withLock { $0 }
        return ClockReading(wall: now, boot: now)
      })
    // What is tried makes the engine look again, at a time that has moved on.
    let trial = #"{"name":"trial","vcpus":1,"memory_mib":64,"interfaces":[]}"#
    func becomes(_ condition: () throws -> Bool) throws -> Bool {
      try eventually {
        clock.withLock { $0 += 100_000 }
        try house.post("/api/v1/vms?dry_run=true", trial, expect: 200)
        return try condition()
      }
    }
    let epoch = try house.register("n1")
    let low = try house.vm("low", more: #","priority":1,"preemptible":true,"interfaces":[]"#)
    try house.report("n1", epoch, [(low, "running")])
    // Who waits for a node that takes nobody drives out as soon as it does.
    try house.post("/api/v1/nodes/n1/cordon", expect: 200)
    let big = #"{"name":"big","vcpus":14,"memory_mib":1024,"priority":900,"interfaces":[]}"#
    #expect(try house.post("/api/v1/vms", big, expect: 201)["state"] == "pending")
    try house.post("/api/v1/nodes/n1/uncordon", expect: 200)
    #expect(try becomes { try house.look("big")["node"] == "n1" })
    let gone = try house.look("low")
    #expect(gone["state"] == "preempted" && gone["leaving"] == "n1")
    clock.withLock { $0 += 40_000_000 }
    try house.report("n1", epoch, [(gone, "gone")])
    // What becomes of both afterwards is no further preemption.
    try house.report("n1", epoch, [(try house.look("big"), "running")])
    try house.delete("/api/v1/vms/big", expect: 202)
    try house.report("n1", epoch, [(try house.look("big"), "gone")])
    #expect(try becomes { try house.look("low")["node"] == "n1" })
    try house.report("n1", epoch, [(try house.look("low"), "running")])
    try house.post("/api/v1/vms/low/restart", expect: 200)
    let lines = try house.get("/metrics").text.split(separator: "\n").filter { $0.hasPrefix("berth_preemption") }
    #expect(
      lines.filter { $0.hasPrefix("berth_preemptions_total") } == [
        #"berth_preemptions_total{type="graceful",reason="waiting"} 1"#
      ])
    let sum = lines.first { $0.hasPrefix("berth_preemption_seconds_sum ") }?.split(separator: " ").last
    #expect(lines.contains("berth_preemption_seconds_count 1"))
    #expect((40..<50).contains(sum.flatMap { Double($0) } ?? 0), "\(lines)")
  }

  @Test func aTenantDrivesOutItsOwnVMsAndNobodyElses() throws {
    let house = try House()
    try house.register("n1")
    let admin = try house.key(.clusterAdmin)
    let acme = try house.key(.operator, .tenant(TenantName(trusted: "acme")))
    func make(_ body: String, key: String) throws -> Heard { try house.call("POST", "/api/v1/vms", body, key: key) }
    let low =
      #"{"name":"low","tenant":"rival","vcpus":10,"memory_mib":64,"priority":1,"preemptible":true,"interfaces":[]}"#
    #expect(try make(low, key: admin).status == 201)
    let urgent = #"{"name":"urgent","vcpus":10,"memory_mib":64,"priority":1000,"interfaces":[]MORE}"#
    for policy in ["", #","preemption":"lower""#, #","preemption":"cost","forced":true"#] {
      let body = urgent.replacing("MORE", with: policy).replacing("urgent", with: "urgent-\(policy.count)")
      let made = try make(body, key: acme)
      #expect(made["state"] == "pending" && made["preemption"] == "own", "\(made.text)")
    }
    // Nor by making important later what somebody else has made for it.
    let plain = urgent.replacing("MORE", with: "").replacing("urgent", with: "later").replacing("1000", with: "0")
    let later = try make(plain.replacing("{", with: #"{"tenant":"acme","#), key: admin)
    #expect(later["preemption"] == "lower")
    let raised = try house.call("PATCH", "/api/v1/vms/later", #"{"priority":1000}"#, key: acme, expect: 200)
    #expect(raised["preemption"] == "own")
    let seen = try house.call("GET", "/api/v1/vms/low?tenant=rival", key: admin)
    #expect(seen["preemptions"] == "0" && seen["node"] == "n1")
    // Its own may have to go, and an operator of all may say otherwise.
    let mine = #"{"name":"mine","vcpus":4,"memory_mib":64,"priority":1,"preemptible":true,"interfaces":[]}"#
    #expect(try make(mine, key: acme)["node"] == "n1")
    let small = urgent.replacing("MORE", with: "").replacing("urgent", with: "small").replacing("10,", with: "4,")
    #expect(try make(small, key: acme)["node"] == "n1")
    #expect(try house.call("GET", "/api/v1/vms/mine", key: acme)["preemptions"] == "1")
    let boss = urgent.replacing("MORE", with: "").replacing("urgent", with: "boss")
    #expect(try make(boss.replacing("{", with: #"{"tenant":"acme","#), key: admin)["node"] == "n1")
    #expect(try house.call("GET", "/api/v1/vms/low?tenant=rival", key: admin)["preemptions"] == "1")
  }
}
