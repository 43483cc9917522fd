import APITypes
import Domain
import HTTPClient
import Testing
import Wire

@Suite("Tenants of the fleet") struct FleetTenantTests {
  @Test func s3_25_overQuotaSaysLimitUsedAndAsked() throws {
    let house = try House()
    try house.register("n1")
    let set = #"{"limits":{"vms":2,"vcpus":"4.5","memory_mib":null},"burst_percent":0}"#
    #expect(try house.call("PUT", "/api/v1/tenants/acme/quota", set, expect: 200)["limits.vcpus"] == "4.5")
    try house.vm("a", more: #","tenant":"acme""#)
    try house.vm("b", more: #","tenant":"acme""#)
    let third = try house.vm("c", more: #","tenant":"acme""#, expect: 409)
    #expect(third["code"] == "quota_exceeded")
    #expect(third["facts.item"] == "vms" && third["facts.limit"] == "2" && third["facts.used"] == "2")
    #expect(third["facts.asked"] == "1")
    let quota = try house.get("/api/v1/tenants/acme/quota")
    #expect(quota["usage.vms"] == "2" && quota["usage.vcpus"] == "4" && quota["usage.addresses"] == "2")
    #expect(quota.json?["limits"]?["memory_mib"]?.isNull == true)
    // Others are not limited by it.
    try house.vm("c")
    #expect(try house.get("/metrics").text.contains("berth_quota_refusals_total 1"))
    #expect(try house.get("/api/v1/tenants").column("tenant") == ["acme", "default"])
    #expect(try house.delete("/api/v1/tenants/acme/quota")["limits.vms"] == "2")
    try house.delete("/api/v1/tenants/acme/quota", expect: 404)
    try house.vm("c", more: #","tenant":"acme""#)
  }

  @Test func s3_23_aBudgetShowsHowMuchOfItAMonthOfWhatRunsTakes() throws {
    let house = try House()
    try house.register("n1", more: #","prices":{"off_peak":{"vcpu_micros":1000}}"#)
    try house.vm("a")
    let month = try #require(try house.get("/api/v1/tenants/default/quota")["usage.monthly_micros"].flatMap { Int($0) })
    #expect(month > 0)
    try house.call(
      "PUT", "/api/v1/tenants/default/quota", #"{"limits":{"monthly_micros":\#(month * 5 / 4)}}"#, expect: 200)
    #expect(try house.get("/api/v1/tenants/default/quota")["budget_used_percent"] == "80")
    #expect(try house.get("/metrics").text.contains(#"berth_budget_used_percent{tenant="default"} 80"#))
    let over = try house.vm("b", expect: 409)
    #expect(over["code"] == "quota_exceeded" && over["facts.item"] == "money", "\(over.text)")
  }

  @Test func anotherTenantsVMIsAsIfNotThere() throws {
    let house = try House()
    try house.register("n1")
    let admin = try house.key(.clusterAdmin)
    let acme = try house.key(.operator, .tenant(.acme))
    let body = #"{"name":"secret","vcpus":1,"memory_mib":64,"tenant":"rival","node":"n1"}"#
    try house.call("POST", "/api/v1/vms", body, key: admin, expect: 201)
    let own = try house.call(
      "POST", "/api/v1/vms", #"{"name":"mine","vcpus":1,"memory_mib":64}"#, key: acme, expect: 201)
    #expect(own["tenant"] == "acme")
    let foreign = try house.call("POST", "/api/v1/vms", body, key: acme, expect: 403)
    #expect(foreign["code"] == "outside_scope")
    for (method, path, body) in [
      ("GET", "", nil), ("GET", "/why", nil), ("GET", "/network", nil), ("PATCH", "", #"{"priority":1}"#),
      ("DELETE", "", nil),
      ("POST", "/stop", nil), ("POST", "/start", nil), ("POST", "/restart", nil), ("POST", "/migrate", "{}")
    ] as [(String, String, String?)] {
      for query in ["", "?tenant=rival"] {
        let answer = try house.call(method, "/api/v1/vms/secret\(path)\(query)", body, key: acme, expect: 404)
        #expect(answer["code"] == "vm_not_found", "\(method) \(path)")
      }
    }
    #expect(try house.call("GET", "/api/v1/vms", key: acme, expect: 200).column("name") == ["mine"])
    #expect(try house.call("GET", "/api/v1/vms?limit=1", key: acme)["next_cursor"] == nil)
    #expect(try house.call("GET", "/api/v1/vms?node=n1", key: acme).column("name") == ["mine"])
    try house.call("GET", "/api/v1/vms?tenant=rival", key: acme, expect: 403)
    #expect(try house.call("GET", "/api/v1/tenants", key: acme).column("tenant") == ["acme"])
    try house.call("GET", "/api/v1/tenants/rival/quota", key: acme, expect: 404)
    try house.call("GET", "/api/v1/nodes", key: acme, expect: 403)
    #expect(try house.call("GET", "/api/v1/billing", key: acme, expect: 200).column("vm").allSatisfy { $0 == "mine" })
    #expect(try house.call("GET", "/api/v1/vms/secret?tenant=rival", key: admin, expect: 200)["state"] == "placed")
  }

  @Test func keptCapacityIsListedAndGivenBack() throws {
    let house = try House()
    try house.register("n1")
    let body = #"{"name":"black-friday","tenant":"acme","node":"n1","vcpus":14,"memory_mib":29000,"reason":"sale"}"#
    let kept = try house.post("/api/v1/capacity", body, expect: 201)
    #expect(kept["left.vcpus"] == "14" && kept.json?["expires_at"]?.isNull == true && kept["reason"] == "sale")
    #expect(try house.post("/api/v1/capacity", body, expect: 409)["code"] == "capacity_exists")
    #expect(try house.vm("other")["state"] == "pending")
    #expect(try house.vm("own", more: #","tenant":"acme""#)["state"] == "placed")
    let both = body.replacing("black-friday", with: "x").replacing(
      "}", with: #","expires_in_seconds":5,"expires_at":"2030-01-01T00:00:00Z"}"#)
    try house.post("/api/v1/capacity", both, expect: 400)
    #expect(try house.get("/api/v1/capacity").column("name") == ["black-friday"])
    let admin = try house.key(.clusterAdmin)
    let rival = try house.key(.viewer, .tenant(TenantName(trusted: "rival")))
    #expect(try house.call("GET", "/api/v1/capacity", key: rival).list("items").isEmpty)
    try house.call("DELETE", "/api/v1/capacity/black-friday", key: admin, expect: 200)
    try house.call("DELETE", "/api/v1/capacity/black-friday", key: admin, expect: 404)
  }

  @Test func whoGivesWayToAnotherTenantsVMIsNotToldItsName() throws {
    let house = try House()
    try house.register("n1")
    try house.vm("low", more: #","priority":1,"preemptible":true,"interfaces":[]"#)
    try house.post(
      "/api/v1/vms",
      #"{"name":"secret","tenant":"rival","vcpus":14,"memory_mib":1024,"priority":900,"interfaces":[]}"#, expect: 201)
    let gone = try house.look("low")
    #expect(gone["preemptions"] == "1", "\(gone.text)")
    #expect(!gone.text.contains("secret") && !gone.text.contains("rival"), "\(gone.text)")
    let acme = try house.key(.clusterAdmin)
    #expect(try !house.call("GET", "/api/v1/vms/low/why", key: acme).text.contains("rival"))
  }
}
