import HTTPClient
import Testing
import Wire

@Suite("Allocations over HTTP")
struct AllocationTests {
  private let here = "/api/v1/pools/default/allocations"

  @Test func oneIsGivenRepeatedShownChangedRenewedAndReleased() throws {
    let house = try House()
    let body =
      #"{"owner":"vm-1","tenant":"acme","interface":"eth1","hostname":"web","mac":"02-00-5E-10-00-01","node":"n1","lease_seconds":60,"labels":{"a":"b"}}"#
    let given = try house.post(here, body, expect: 201)
    #expect(given["ip"] == "172.16.0.2" && given["mac"] == "02:00:5e:10:00:01" && given["static"] == "false")
    #expect(given["generation"] == "2" && given["pool_cidr"] == "172.16.0.0/24" && given["expires_at"] != nil)
    #expect(try house.post(here, body, expect: 200).text == given.text)
    let shown = try house.get("\(here)/172.16.0.2")
    #expect(shown.text == given.text && shown.header("etag") == "\"2\"")
    let changed = try house.call(
      "PATCH", "\(here)/172.16.0.2", #"{"hostname":null,"labels":{}}"#, headers: [("If-Match", "\"2\"")], expect: 200)
    #expect(changed["hostname"] == nil && changed["node"] == "n1" && changed["revision"] == "3")
    try house.call("PATCH", "\(here)/172.16.0.2", "{}", headers: [("If-Match", "\"2\"")], expect: 412)
    let renewed = try house.post("\(here)/172.16.0.2/renew", #"{"lease_seconds":7200}"#, expect: 200)
    #expect(renewed["revision"] == "4" && renewed["expires_at"] ?? "" > given["expires_at"] ?? "~")
    #expect(try house.delete("\(here)/172.16.0.2?generation=1", expect: 409)["code"] == "stale_generation")
    #expect(try house.delete("\(here)/172.16.0.2?generation=2")["owner"] == "vm-1")
    #expect(try house.get("\(here)/172.16.0.2", expect: 404)["code"] == "allocation_not_found")
    #expect(try house.get("\(here)/10.0.0.2", expect: 400)["code"] == "address_outside_pool")
  }

  @Test func renewingWithoutALeaseIsRefusedAndNeedsNoBody() throws {
    let house = try House()
    try house.post(here, #"{"owner":"a"}"#, expect: 201)
    #expect(try house.post("\(here)/172.16.0.2/renew", expect: 409)["code"] == "not_leased")
    try house.call("PATCH", "/api/v1/pools/default", #"{"lease_seconds":100}"#, expect: 200)
    try house.post(here, #"{"owner":"b"}"#, expect: 201)
    try house.post("\(here)/172.16.0.3/renew", expect: 200)
  }

  @Test func s0_69_aTakenAddressNamesItsHolder() throws {
    let house = try House()
    try house.post(here, #"{"owner":"vm-1","ip":"172.16.0.50"}"#, expect: 201)
    let taken = try house.post(here, #"{"owner":"vm-2","ip":"172.16.0.50"}"#, expect: 409)
    #expect(taken["code"] == "address_in_use")
    #expect(taken["detail"]?.contains("IP address 172.16.0.50 is already in use by machine vm-1") == true)
    #expect(try house.post(here, #"{"owner":"c","ip":"172.16.0.1"}"#, expect: 409)["code"] == "address_reserved")
    #expect(try house.post(here, #"{"owner":"c","ip":"9.9.9.9"}"#, expect: 400)["code"] == "address_outside_pool")
    #expect(try house.post(here, #"{"owner":"vm-1","ip":"172.16.0.51"}"#, expect: 409)["code"] == "already_allocated")
  }

  @Test func s0_69_of64ClientsThatWantOneAddressOneGetsIt() throws {
    let house = try House()
    let statuses = Collected<Int>()
    inParallel(64) { number in
      let body = #"{"owner":"vm-\#(number)","ip":"172.16.0.77"}"#
      if let answer = try? house.call("POST", "/api/v1/pools/default/allocations", body) { statuses.add(answer.status) }
    }
    #expect(statuses.all.filter { $0 == 201 }.count == 1)
    #expect(statuses.all.filter { $0 == 409 }.count == 63)
  }

  @Test func countAnswersAListContiguousOrNot() throws {
    let house = try House()
    let some = try house.post(here, #"{"owner":"a","count":3}"#, expect: 201)
    #expect(some.column("ip", of: "allocations") == ["172.16.0.2", "172.16.0.3", "172.16.0.4"])
    #expect(some.column("index", of: "allocations") == ["0", "1", "2"])
    #expect(try house.post(here, #"{"owner":"a","count":3}"#, expect: 200).text == some.text)
    #expect(try house.post(here, #"{"owner":"a","count":1}"#, expect: 409)["code"] == "already_allocated")
    #expect(try house.post(here, #"{"owner":"b","count":1}"#, expect: 201).list("allocations").count == 1)
    let run = try house.post(here, #"{"owner":"c","count":16,"contiguous":true}"#, expect: 201)
    #expect(run.list("allocations").count == 16)
    for count in ["0", "1025", "-1", "1.5", "\"3\""] {
      try house.post(here, #"{"owner":"d","count":\#(count)}"#, expect: 400)
    }
    #expect(try house.post(here, #"{"owner":"d","count":1000}"#, expect: 409)["code"] == "pool_exhausted")
    #expect(try house.delete("/api/v1/allocations?owner=c").list("allocations").count == 16)
  }

  @Test func aChildPrefixIsShownWithItsLength() throws {
    let house = try House(network: "10.1.0.0/16")
    let given = try house.post(here, #"{"owner":"k8s","prefix_length":28}"#, expect: 201)
    #expect(given["prefix_length"] == "28" && given["cidr"]?.hasSuffix("/28") == true)
    let ip = given["ip"] ?? ""
    #expect(try house.get("\(here)/\(ip)")["cidr"] == given["cidr"])
    #expect(try house.get("/api/v1/addresses/\(ip)")["matches.0.allocation.owner"] == "k8s")
  }

  @Test func fullAndDisabledPoolsAre409WithFacts() throws {
    let house = try House(network: "10.0.0.0/30")
    try house.call("PATCH", "/api/v1/pools/default", #"{"quarantine_seconds":600}"#, expect: 200)
    try house.post(here, #"{"owner":"a"}"#, expect: 201)
    try house.delete("/api/v1/allocations?owner=a")
    let full = try house.post(here, #"{"owner":"b"}"#, expect: 409)
    #expect(full["code"] == "pool_exhausted" && full["facts.quarantined"] == "1")
    #expect(full.header("retry-after") == nil)
    try house.call("PATCH", "/api/v1/pools/default", #"{"enabled":false}"#, expect: 200)
    #expect(try house.post(here, #"{"owner":"b"}"#, expect: 409)["code"] == "pool_disabled")
  }

  @Test func listsAreNumericFilteredAndPaged() throws {
    let house = try House()
    for number in 1...30 {
      try house.post(
        here,
        #"{"owner":"o\#(number)","tenant":"t\#(number % 3)","node":"n\#(number % 2)","labels":{"k":"\#(number % 5)"},"mac":"02:00:00:00:00:\#(9 + number)"}"#,
        expect: 201)
    }
    var ips: [String] = []
    var cursor = ""
    repeat {
      let page = try house.get("\(here)?limit=7\(cursor)")
      ips += page.column("ip")
      cursor = page["next_cursor"].map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty
    #expect(ips == (2...31).map { "172.16.0.\($0)" })
    #expect(try house.get("\(here)?tenant=t1&node=n0").list("items").count == 5)
    #expect(try house.get("\(here)?label=k=0").list("items").count == 6)
    #expect(try house.get("/api/v1/allocations?mac=02:00:00:00:00:10").column("owner") == ["o1"])
    #expect(try house.get("/api/v1/allocations?owner=o2&tenant=t2").column("ip") == ["172.16.0.3"])
    #expect(try house.get("/api/v1/allocations?owner=o2").list("items").isEmpty)
    for bad in ["mac=x", "owner=%20", "limit=0", "cursor=00", "label=x", "colour=red"] {
      try house.get("/api/v1/allocations?\(bad)", expect: 400)
    }
    try house.get("/api/v1/pools/nobody/allocations", expect: 404)
  }

  @Test func searchWalksOverPoolsInPages() throws {
    let house = try House(network: nil)
    for pool in ["a", "b", "c", "d"] {
      let number = pool.utf8.first!
      try house.post("/api/v1/pools", #"{"name":"\#(pool)","cidr":"10.\#(number).0.0/24"}"#, expect: 201)
      guard pool != "b" else { continue }
      for owner in 1...5 {
        try house.post("/api/v1/pools/\(pool)/allocations", #"{"owner":"o\#(owner)"}"#, expect: 201)
      }
    }
    for limit in [1, 2, 5, 7, 100] {
      var seen: [String] = []
      var cursor = ""
      repeat {
        let page = try house.get("/api/v1/allocations?limit=\(limit)\(cursor)")
        seen += zip(page.column("pool"), page.column("ip")).map { "\($0) \($1)" }
        cursor = page["next_cursor"].map { "&cursor=\($0)" } ?? ""
      } while !cursor.isEmpty
      #expect(seen.count == 15 && Set(seen).count == 15, "limit \(limit)")
    }
    #expect(try house.get("/api/v1/allocations?pool=c").column("pool") == ["c", "c", "c", "c", "c"])
    var owned: [String] = []
    var cursor = ""
    repeat {
      let page = try house.get("/api/v1/allocations?owner=o3&limit=2\(cursor)")
      owned += page.column("pool")
      cursor = page["next_cursor"].map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty
    #expect(owned == ["a", "c", "d"])
    #expect(try house.delete("/api/v1/allocations?owner=o3&pool=c").list("allocations").count == 1)
    #expect(try house.delete("/api/v1/allocations?owner=o3").list("allocations").count == 2)
    #expect(try house.delete("/api/v1/allocations?owner=o3", expect: 404)["code"] == "allocation_not_found")
    try house.delete("/api/v1/allocations", expect: 400)
  }

  @Test func berthChoosesPoolsByPlaceAndFamilyAllOrNothing() throws {
    let house = try House(network: nil)
    for (name, cidr, zone) in [
      ("v4-a", "10.1.0.0/24", "a"), ("v4-b", "10.2.0.0/24", "b"), ("v6-a", "2001:db8::/64", "a")
    ] {
      try house.post(
        "/api/v1/pools", #"{"name":"\#(name)","cidr":"\#(cidr)","topology":{"zone":"\#(zone)"}}"#, expect: 201)
    }
    let body = #"{"owner":"vm-1","families":["ipv4","ipv6"],"topology":{"zone":"a"}}"#
    let both = try house.post("/api/v1/allocations", body, expect: 201)
    #expect(both.column("pool", of: "allocations") == ["v4-a", "v6-a"])
    #expect(try house.post("/api/v1/allocations", body, expect: 200).text == both.text)
    let none = try house.post(
      "/api/v1/allocations", #"{"owner":"vm-2","families":["ipv4","ipv6"],"topology":{"zone":"b"}}"#, expect: 409)
    #expect(none["code"] == "no_matching_pool")
    #expect(try house.get("/api/v1/allocations?owner=vm-2").list("items").isEmpty)
    try house.post("/api/v1/allocations", #"{"owner":"vm-2","families":[]}"#, expect: 400)
    try house.post("/api/v1/allocations", #"{"owner":"vm-2","families":["ipx"]}"#, expect: 400)
    try house.post("/api/v1/allocations", #"{"owner":"vm-2","ip":"10.1.0.9"}"#, expect: 400)
  }

  @Test func thePastTellsWhoHadAnAddress() throws {
    let house = try House()
    try house.post("/api/v1/pools", #"{"name":"lab","cidr":"172.16.0.0/28","network":"lab"}"#, expect: 201)
    try house.post(here, #"{"owner":"first"}"#, expect: 201)
    let before = try house.get("/api/v1/health")["time"] ?? ""
    try house.delete("/api/v1/allocations?owner=first")
    try house.post(here, #"{"owner":"second","ip":"172.16.0.2"}"#, expect: 201)
    // The index follows the log; until it has, the answer is a documented 503.
    var history = try house.call("GET", "/api/v1/history?ip=172.16.0.2")
    for _ in 0..<10_000 where history.status == 503 { history = try house.call("GET", "/api/v1/history?ip=172.16.0.2") }
    #expect(history.column("owner") == ["first", "second"])
    let past = try house.get("/api/v1/addresses/172.16.0.2?at=\(before)")
    #expect(past["matches.0.allocation.owner"] == "first")
    #expect(past.column("pool", of: "matches") == ["default", "lab"])
    #expect(past.column("state", of: "matches") == ["allocated", "available"])
    let lab = try house.get("/api/v1/addresses/172.16.0.2?at=\(before)&network=lab")
    #expect(lab.column("pool", of: "matches") == ["lab"])
    let last = try house.get("/api/v1/addresses/172.16.0.15?at=\(before)")
    #expect(last.column("state", of: "matches") == ["available", "reserved"])
    #expect(try house.get("/api/v1/addresses/172.16.0.2")["matches.0.allocation.owner"] == "second")
    try house.get("/api/v1/addresses/172.16.0.2?at=yesterday", expect: 400)
    try house.get("/api/v1/history", expect: 400)
    try house.get("/api/v1/history?ip=172.16.0.2&owner=first", expect: 400)
  }

  @Test func anAddressTellsWhatItIs() throws {
    let house = try House()
    try house.post(here, #"{"owner":"a"}"#, expect: 201)
    try house.post("/api/v1/pools", #"{"name":"lab","cidr":"172.16.0.0/28","network":"lab"}"#, expect: 201)
    let taken = try house.get("/api/v1/addresses/172.16.0.2")
    #expect(taken.column("pool", of: "matches") == ["default", "lab"])
    #expect(taken.column("state", of: "matches") == ["allocated", "available"])
    #expect(try house.get("/api/v1/addresses/172.16.0.2?network=lab").column("pool", of: "matches") == ["lab"])
    #expect(try house.get("/api/v1/addresses/172.16.0.255")["matches.0.state"] == "reserved")
    #expect(try house.get("/api/v1/addresses/9.9.9.9").list("matches").isEmpty)
    try house.get("/api/v1/addresses/9.9.9", expect: 400)
  }
}
