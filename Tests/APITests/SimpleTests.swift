import HTTPClient
import Testing
import Wire

@Suite("The simple API")
struct SimpleTests {
  @Test func s2_4_healthAnswers200() throws {
    let house = try House()
    let answer = try house.get("/api/v1/health")
    #expect(answer["status"] == "ok")
    #expect(answer["storage_full"] == "false")
  }

  @Test func s2_5_theFirstAddressOfTheDefaultPoolIsDotTwo() throws {
    let house = try House()
    let answer = try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1","hostname":"web-1"}"#, expect: 201)
    #expect(
      answer.text
        == #"{"ip":"172.16.0.2","vm_id":"vm-1","gateway":"172.16.0.1","network":"172.16.0.0/24","hostname":"web-1"}"#)
    #expect(answer.header("berth-revision") == "2")
    #expect(try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-2"}"#, expect: 201)["ip"] == "172.16.0.3")
  }

  @Test func s2_3_askingAgainGivesTheSameBodyAndTakesNothing() throws {
    let house = try House()
    let first = try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1","hostname":"a"}"#, expect: 201)
    let again = try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1","hostname":"b"}"#, expect: 200)
    #expect(first.text == again.text)
    #expect(again.header("berth-unchanged") == "hostname")
    #expect(try house.get("/api/v1/ip/stats")["used"] == "1")
    #expect(try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1"}"#, expect: 200).header("berth-unchanged") == nil)
  }

  @Test func s2_2_and_s2_11_253ParallelRequestsGetDistinctAddressesAndThe254thA503() throws {
    let house = try House()
    let given = Collected<String>()
    inParallel(253) { number in
      let answer = try? house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-\#(number)"}"#, expect: 201)
      if let ip = answer?["ip"] { given.add(ip) }
    }
    #expect(Set(given.all).count == 253)
    #expect(given.all.allSatisfy { $0.hasPrefix("172.16.0.") && $0 != "172.16.0.1" })
    let full = try house.post("/api/v1/ip/allocate", #"{"vm_id":"one-too-many"}"#, expect: 503)
    #expect(full["code"] == "pool_exhausted")
    #expect(full.header("retry-after") == nil)
    #expect(full.header("content-type") == "application/problem+json")
    #expect(try house.get("/api/v1/ip/stats")["available"] == "0")
  }

  @Test func s2_6_releasingAnswers200WithWhatWasReleasedThen404() throws {
    let house = try House()
    let given = try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1"}"#, expect: 201)
    #expect(try house.delete("/api/v1/ip/release/vm-1").text == given.text)
    #expect(try house.delete("/api/v1/ip/release/vm-1", expect: 404)["code"] == "allocation_not_found")
    #expect(try house.get("/api/v1/ip/stats")["used"] == "0")
  }

  @Test func s2_7_and_s2_13_releasingByAddressTells200From404From400() throws {
    let house = try House()
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1"}"#, expect: 201)
    #expect(try house.delete("/api/v1/ip/release-by-ip/172.16.0.2")["vm_id"] == "vm-1")
    #expect(try house.delete("/api/v1/ip/release-by-ip/172.16.0.2", expect: 404)["code"] == "allocation_not_found")
    #expect(try house.delete("/api/v1/ip/release-by-ip/10.0.0.1", expect: 400)["code"] == "address_outside_pool")
    for text in ["banana", "172.16.0", "172.16.0.02", "172.16.0.256", "::ffff:172.16.0.2", "fe80::1%25eth0"] {
      #expect(try house.delete("/api/v1/ip/release-by-ip/\(text)", expect: 400)["code"] == "invalid_field")
    }
  }

  @Test func s2_8_and_s2_12_getAnswersTheAllocationOr404() throws {
    let house = try House()
    let given = try house.post("/api/v1/ip/allocate", #"{"vm_id":"a:b@c.d"}"#, expect: 201)
    #expect(try house.get("/api/v1/ip/a:b@c.d").text == given.text)
    #expect(try house.get("/api/v1/ip/a%3Ab%40c.d").text == given.text)
    #expect(try house.get("/api/v1/ip/nobody", expect: 404)["code"] == "allocation_not_found")
    #expect(try house.get("/api/v1/ip/no%20body", expect: 404)["code"] == "allocation_not_found")
  }

  @Test func s2_9_theListIsNoVMAndHoldsAllInOrder() throws {
    let house = try House()
    #expect(try house.get("/api/v1/ip/allocations").text == #"{"allocations":[],"count":0}"#)
    for number in 1...12 { try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-\#(number)"}"#, expect: 201) }
    let list = try house.get("/api/v1/ip/allocations")
    #expect(list["count"] == "12")
    #expect(list.column("ip", of: "allocations") == (2...13).map { "172.16.0.\($0)" })
    let page = try house.get("/api/v1/ip/allocations?limit=10")
    #expect(page["count"] == "10")
    let rest = try house.get("/api/v1/ip/allocations?limit=10&cursor=\(page["next_cursor"] ?? "")")
    #expect(rest.column("ip", of: "allocations") == ["172.16.0.12", "172.16.0.13"])
    #expect(rest["next_cursor"] == nil)
  }

  @Test func s2_10_statsAddUp() throws {
    let house = try House()
    #expect(
      try house.get("/api/v1/ip/stats").text
        == #"{"network":"172.16.0.0/24","gateway":"172.16.0.1","total":253,"used":0,"available":253,"utilization_percent":0}"#
    )
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1"}"#, expect: 201)
    let stats = try house.get("/api/v1/ip/stats")
    #expect([stats["total"], stats["used"], stats["available"]] == ["253", "1", "252"])
    #expect(stats["utilization_percent"] == "0.4")
  }

  @Test func usedCountsWhatRestsInQuarantine() throws {
    let house = try House()
    try house.call("PATCH", "/api/v1/pools/default", #"{"quarantine_seconds":3600}"#, expect: 200)
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1"}"#, expect: 201)
    try house.delete("/api/v1/ip/release/vm-1")
    #expect(try house.get("/api/v1/ip/stats")["used"] == "1")
    #expect(try house.get("/api/v1/addresses/172.16.0.2")["matches.0.state"] == "quarantined")
  }

  @Test(arguments: [
    ("", "malformed_json"), ("{", "malformed_json"), ("[]", "invalid_field"), ("{}", "invalid_field"),
    (#"{"vm_id":""}"#, "invalid_field"), (#"{"vm_id":7}"#, "invalid_field"), (#"{"vm_id":null}"#, "invalid_field"),
    (#"{"vm_id":"a b"}"#, "invalid_field"), (#"{"vm_id":"stats"}"#, "invalid_field"),
    (#"{"vm_id":"allocations"}"#, "invalid_field"), (#"{"vm_id":"allocate"}"#, "invalid_field"),
    (#"{"vm_id":"release"}"#, "invalid_field"), (#"{"vm_id":"release-by-ip"}"#, "invalid_field"),
    (#"{"vm_id":"a","hostname":"-x"}"#, "invalid_field"), (#"{"vm_id":"a","color":"red"}"#, "invalid_field"),
    (#"{"vm_id":"a","vm_id":"b"}"#, "malformed_json"), (#"{"vm_id":"a"} x"#, "malformed_json")
  ])
  func s2_14_aBadBodyIs400WithTheFieldAndTheRule(body: String, code: String) throws {
    let house = try House()
    let answer = try house.post("/api/v1/ip/allocate", body, expect: 400)
    #expect(answer["code"] == code, "\(answer.text)")
    #expect(!answer.list("errors").isEmpty)
    #expect(try house.get("/api/v1/ip/stats")["used"] == "0")
  }

  @Test func aVMIDMayHave128CharactersAndNotOneMore() throws {
    let house = try House()
    let name = String(repeating: "v", count: 128)
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"\#(name)"}"#, expect: 201)
    let answer = try house.post("/api/v1/ip/allocate", #"{"vm_id":"\#(name)v"}"#, expect: 400)
    #expect(answer.list("errors").first?["field"]?.string == "vm_id")
  }

  @Test func withoutADefaultPoolEveryRouteSaysSo() throws {
    let house = try House(network: nil)
    for target in ["vm-1", "allocations", "stats"] {
      #expect(try house.get("/api/v1/ip/\(target)", expect: 404)["code"] == "no_default_pool")
    }
    #expect(try house.post("/api/v1/ip/allocate", #"{"vm_id":"a"}"#, expect: 404)["code"] == "no_default_pool")
    #expect(try house.delete("/api/v1/ip/release/a", expect: 404)["code"] == "no_default_pool")
    #expect(try house.delete("/api/v1/ip/release-by-ip/10.0.0.1", expect: 404)["code"] == "no_default_pool")
    #expect(try house.get("/api/admin/stats", expect: 404)["code"] == "no_default_pool")
  }

  @Test func aDryRunTellsAndChangesNothing() throws {
    let house = try House()
    let would = try house.post("/api/v1/ip/allocate?dry_run=true", #"{"vm_id":"vm-1"}"#, expect: 200)
    #expect(would["ip"] == "172.16.0.2")
    #expect(would.header("berth-dry-run") == "true")
    #expect(try house.get("/api/v1/ip/stats")["used"] == "0")
    try house.post("/api/v1/ip/allocate?dry_run=maybe", #"{"vm_id":"vm-1"}"#, expect: 400)
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-1"}"#, expect: 201)
    #expect(try house.delete("/api/v1/ip/release/vm-1?dry_run=true")["ip"] == "172.16.0.2")
    try house.get("/api/v1/ip/vm-1")
  }

  @Test func methodsThatARouteDoesNotHaveAre405() throws {
    let house = try House()
    let answer = try house.call("GET", "/api/v1/ip/allocate", expect: 405)
    #expect(answer.header("allow")?.contains("POST") == true)
    try house.call("PUT", "/api/v1/ip/stats", "{}", expect: 405)
    #expect(try house.call("HEAD", "/api/v1/ip/stats", expect: 200).text.isEmpty)
  }
}
