import APITypes
import Domain
import TestSupport
import Testing
import Wire

@Suite("Spot nodes and budgets over the API") struct SpotTests {
  @Test func s3_20_aNodeIsTakenBackByAnOperatorOrByWhatItsAgentSays() throws {
    let house = try House()
    let epoch = try house.register("n1", more: #","spot":true"#)
    let vm = try house.vm("a", more: #","spot":"allowed","grace_seconds":3600"#)
    try house.report("n1", epoch, [(vm, "running")])
    #expect(try house.get("/api/v1/nodes/n1")["reclaim_at"] == nil)
    let answer = try house.post("/api/v1/nodes/n1/report", #"{"epoch":\#(epoch),"reclaim_seconds":300}"#, expect: 200)
    #expect(answer["epoch"] == "\(epoch)")
    let node = try house.get("/api/v1/nodes/n1")
    #expect(node["state"] == "draining" && node["reclaim_at"] != nil)
    // Said again it changes nothing; an operator may know better.
    let before = node["revision"]
    try house.post("/api/v1/nodes/n1/report", #"{"epoch":\#(epoch),"reclaim_seconds":299}"#, expect: 200)
    #expect(try house.get("/api/v1/nodes/n1")["revision"] == before)
    #expect(try house.post("/api/v1/nodes/n1/reclaim", #"{"notice_seconds":120}"#, expect: 200)["state"] == "draining")
    #expect(try house.get("/api/v1/nodes/n1")["reclaim_at"] != node["reclaim_at"])
    // It finds no room elsewhere and its grace is longer than the notice: it goes at once, and has what is left.
    #expect(eventually { (try? house.look("a")["state"]) == "preempted" })
    let told = try house.report("n1", epoch)
    #expect(told["desired.0.action"] == "stop")
    #expect((90...120).contains(Int(told["desired.0.grace_seconds"] ?? "") ?? 0), "\(told.text)")
    #expect(try house.look("a")["addresses.0.ip"] == vm["addresses.0.ip"])
    #expect(try house.post("/api/v1/nodes/n1/uncordon", expect: 200)["reclaim_at"] == nil)
  }

  @Test func s3_23_anAlertIsInTheTenantsRowInTheEventsOfItsEntriesAndInTheMetrics() throws {
    let house = try House()
    try house.register("n1", more: #","prices":{"off_peak":{"vcpu_micros":1000}}"#)
    let set = try house.call(
      "PUT", "/api/v1/tenants/acme/quota", #"{"limits":{"monthly_micros":7300000}}"#, expect: 200)
    #expect(set["alert_percents.0"] == "80" && set["alert_percents.1"] == "100" && set["budget_alert_percent"] == nil)
    func make(_ name: String, _ cpus: Int) throws {
      try house.post(
        "/api/v1/vms",
        #"{"name":"\#(name)","tenant":"acme","vcpus":\#(cpus),"memory_mib":64,"interfaces":[]}"#, expect: 201)
    }
    try make("a", 7)
    #expect(try house.get("/api/v1/tenants/acme/quota")["budget_alert_percent"] == nil)
    try make("b", 1)
    try make("c", 1)
    let quota = try house.get("/api/v1/tenants/acme/quota")
    #expect(quota["budget_alert_percent"] == "80" && quota["budget_used_percent"] == "90")
    #expect(try house.get("/metrics").text.contains(#"berth_budget_alert_percent{tenant="acme"} 80"#))
  }

  /// The budget of a VM is a constraint like any other: no node over it, and it goes where one is under it.
  @Test func s3_73_aVMGoesNowhereThatCostsMoreThanItsBudget() throws {
    let house = try House()
    try house.register("dear", more: #","prices":{"off_peak":{"vcpu_micros":30000}}"#)
    let waits = try house.vm("a", more: #","budget_hourly_micros":59999"#)
    #expect(waits["state"] == "pending" && waits["why"]?.contains("cost more than the budget") == true, "\(waits.text)")
    #expect(
      try house.vm("must", more: #","budget_hourly_micros":59999,"must_place":true"#, expect: 409)["code"]
        == "no_placement")
    #expect(try house.vm("b", more: #","budget_hourly_micros":60000"#)["node"] == "dear")
    try house.register("cheap", more: #","prices":{"off_peak":{"vcpu_micros":29999}}"#)
    #expect(eventually { (try? house.look("a")["node"]) == "cheap" })
    #expect(try house.look("a")["hourly_price_micros"] == "59998")
  }

  /// A report whose rows are more than an entry takes is taken in several.
  @Test func aReportOfManyLargeRowsIsTakenInAsManyEntriesAsItNeeds() throws {
    let house = try House()
    let labels = (0..<32).map { #""label-\#($0)":"\#(String(repeating: "v", count: 120))""# }.joined(separator: ",")
    let epoch = try house.register("n1", more: #","labels":{\#(labels)}"#)
    let large = #","labels":{\#(labels)},"node_labels":{\#(labels)},"interfaces":[]"#
    let names = String(repeating: "n", count: 1_000)
    var vms: [Heard] = []
    for number in 0..<56 {
      let body =
        #"{"name":"v\#(number)","vcpus":0.1,"memory_mib":64,"image":"\#(names)","kernel":"\#(names)"\#(large)}"#
      vms.append(try house.post("/api/v1/vms", body, expect: 201))
    }
    let before = house.engine.status.revision
    try house.report("n1", epoch, vms.map { ($0, "running") })
    #expect(house.engine.status.revision > before + 1, "it was more than one entry")
    for number in 0..<56 { #expect(try house.look("v\(number)")["state"] == "running") }
  }
}
