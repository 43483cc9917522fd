import HTTPClient
import Testing
import Wire

@Suite("Pools over HTTP")
struct PoolTests {
  @Test func aPoolIsMadeShownChangedAndDeleted() throws {
    let house = try House(network: nil)
    let made = try house.post(
      "/api/v1/pools",
      #"{"name":"edge","cidr":"10.1.0.0/16","dns":["9.9.9.9"],"vlan":12,"mtu":9000,"strategy":"lowest","topology":{"zone":"b"},"labels":{"tier":"gold"},"ranges":["10.1.0.10-10.1.0.99"]}"#,
      expect: 201)
    #expect(made["gateway"] == "10.1.0.1")
    #expect(made.header("location") == "/api/v1/pools/edge")
    #expect(made.header("etag") == "\"1\"")
    let shown = try house.get("/api/v1/pools/edge")
    #expect(shown["capacity.usable"] == "90")
    #expect(shown["capacity.total"] == "65536")
    #expect(shown["capacity.reserved"] == "65446")
    #expect(shown["topology.zone"] == "b")
    let changed = try house.call(
      "PATCH", "/api/v1/pools/edge", #"{"mtu":null,"enabled":false,"ranges":[]}"#, headers: [("If-Match", "\"1\"")],
      expect: 200)
    #expect(changed["mtu"] == nil && changed["enabled"] == "false" && changed["vlan"] == "12")
    #expect(try house.get("/api/v1/pools/edge")["capacity.usable"] == "65533")
    let stale = try house.call(
      "PATCH", "/api/v1/pools/edge", #"{"mtu":1500}"#, headers: [("If-Match", "\"1\"")], expect: 412)
    #expect(stale["code"] == "revision_mismatch" && stale["facts.revision"] == "2")
    try house.call("PATCH", "/api/v1/pools/edge", #"{"mtu":1500}"#, headers: [("If-Match", "1")], expect: 400)
    try house.call("PATCH", "/api/v1/pools/edge", #"{"name":"other"}"#, expect: 400)
    #expect(try house.delete("/api/v1/pools/edge")["name"] == "edge")
    #expect(try house.get("/api/v1/pools/edge", expect: 404)["code"] == "pool_not_found")
  }

  @Test func s0_12_wrongNetworksAreRefusedWithTheReason() throws {
    let house = try House(network: nil)
    for (cidr, reason) in [
      ("10.0.0.5/24", "did you mean 10.0.0.0/24"), ("10.0.0.0/33", "0 to 32"), ("banana", "not a network"),
      ("10.0.0.0", "not a network"), ("010.0.0.0/8", "not a network")
    ] {
      let answer = try house.post("/api/v1/pools", #"{"name":"a","cidr":"\#(cidr)"}"#, expect: 400)
      #expect(answer.list("errors").first?["field"]?.string == "cidr")
      #expect(answer["detail"]?.contains(reason) == true, "\(answer.text)")
    }
  }

  @Test func s0_13_rangesMustLieInsideAndForwards() throws {
    let house = try House(network: nil)
    for range in ["10.0.1.0-10.0.1.9", "10.0.0.9-10.0.0.1", "10.0.0.1-fe80::1"] {
      let body = #"{"name":"a","cidr":"10.0.0.0/24","ranges":["\#(range)"]}"#
      let field = try house.post("/api/v1/pools", body, expect: 400).list("errors").first?["field"]?.string
      #expect(field?.hasPrefix("ranges") == true)
    }
  }

  @Test func s0_14_overlapNamesTheOtherPoolUnlessTheNetworkDiffers() throws {
    let house = try House(network: nil)
    try house.post("/api/v1/pools", #"{"name":"a","cidr":"10.0.0.0/24"}"#, expect: 201)
    let refused = try house.post("/api/v1/pools", #"{"name":"b","cidr":"10.0.0.0/25"}"#, expect: 409)
    #expect(refused["code"] == "pool_overlap" && refused["facts.pool"] == "a")
    try house.post("/api/v1/pools", #"{"name":"b","cidr":"10.0.0.0/25","network":"lab"}"#, expect: 201)
    #expect(
      try house.post("/api/v1/pools", #"{"name":"a","cidr":"10.9.0.0/24"}"#, expect: 409)["code"] == "pool_exists")
  }

  @Test func s0_16_aPoolInUseIsNotDeletedAndTheNumberIsTold() throws {
    let house = try House()
    for vm in ["a", "b", "c"] { try house.post("/api/v1/ip/allocate", #"{"vm_id":"\#(vm)"}"#, expect: 201) }
    let refused = try house.delete("/api/v1/pools/default", expect: 409)
    #expect(refused["code"] == "pool_in_use")
    #expect(refused["detail"]?.contains("3") == true)
  }

  @Test func s0_17_poolsAreListedInOrderInPagesAndByFilter() throws {
    let house = try House(network: nil)
    for number in 0..<25 {
      let name = "p\(number / 10)\(number % 10)"
      try house.post(
        "/api/v1/pools",
        #"{"name":"\#(name)","cidr":"10.\#(number).0.0/24","labels":{"parity":"\#(number % 2)"},"enabled":\#(number != 3)}"#,
        expect: 201)
    }
    try house.post("/api/v1/pools", #"{"name":"six","cidr":"2001:db8::/64","network":"lab"}"#, expect: 201)
    var names: [String] = []
    var cursor = ""
    repeat {
      let page = try house.get("/api/v1/pools?limit=10\(cursor)")
      names += page.column("name")
      cursor = page["next_cursor"].map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty
    #expect(names.count == 26 && names == names.sorted())
    #expect(try house.get("/api/v1/pools?label=parity=1&limit=1000").list("items").count == 12)
    #expect(try house.get("/api/v1/pools?family=ipv6").column("name") == ["six"])
    #expect(try house.get("/api/v1/pools?network=lab").column("name") == ["six"])
    #expect(try house.get("/api/v1/pools?enabled=false").column("name") == ["p03"])
    for bad in ["limit=0", "limit=1001", "limit=x", "cursor=zz", "label=x", "color=red", "limit=1&limit=2", "family=ip"]
    {
      try house.get("/api/v1/pools?\(bad)", expect: 400)
    }
  }

  @Test func aWholeIPv6NetworkHasExactNumbers() throws {
    let house = try House(network: nil)
    try house.post("/api/v1/pools", #"{"name":"all","cidr":"::/0"}"#, expect: 201)
    #expect(try house.get("/api/v1/pools/all")["capacity.total"] == "340282366920938463463374607431768211456")
  }

  @Test func aPoolGrowsAndGoesBack() throws {
    let house = try House()
    let grown = try house.post("/api/v1/pools/default/expand", #"{"cidr":"172.16.0.0/23"}"#, expect: 200)
    #expect(grown["cidr"] == "172.16.0.0/23")
    #expect(try house.post("/api/v1/pools/default/expand", #"{"mtu":1500}"#, expect: 400)["code"] == "invalid_field")
    try house.post(
      "/api/v1/pools/default/allocations", #"{"owner":"far","ip":"172.16.1.9"}"#, expect: 201)
    let refused = try house.post("/api/v1/pools/default/rollback", expect: 409)
    #expect(refused["code"] == "allocations_outside" && refused["facts.addresses"] == "172.16.1.9")
    try house.delete("/api/v1/allocations?owner=far")
    #expect(try house.post("/api/v1/pools/default/rollback", expect: 200)["cidr"] == "172.16.0.0/24")
    #expect(try house.post("/api/v1/pools/default/rollback", expect: 409)["code"] == "nothing_to_roll_back")
    #expect(try house.post("/api/v1/pools/nobody/rollback", expect: 404)["code"] == "pool_not_found")
  }

  @Test func reservationsExcludeAndTheAutomaticOnesAreListed() throws {
    let house = try House()
    let list = try house.get("/api/v1/pools/default/reservations")
    #expect(list.column("range") == ["172.16.0.0", "172.16.0.1", "172.16.0.255"])
    #expect(try house.get("/api/v1/pools/default/reservations?limit=3")["next_cursor"] == nil, "it ends where they do")
    let made = try house.post(
      "/api/v1/pools/default/reservations", #"{"range":"172.16.0.2-172.16.0.9","reason":"printers"}"#, expect: 201)
    #expect(made["automatic"] == "false")
    #expect(try house.post("/api/v1/ip/allocate", #"{"vm_id":"a"}"#, expect: 201)["ip"] == "172.16.0.10")
    let page = try house.get("/api/v1/pools/default/reservations?limit=2")
    #expect(page.column("range") == ["172.16.0.0", "172.16.0.1"])
    let rest = try house.get("/api/v1/pools/default/reservations?cursor=\(page["next_cursor"] ?? "")")
    #expect(rest.column("range") == ["172.16.0.2-172.16.0.9", "172.16.0.255"])
    func refused(_ range: String, _ status: Int) throws -> String? {
      try house.post("/api/v1/pools/default/reservations", #"{"range":"\#(range)"}"#, expect: status)["code"]
    }
    #expect(try refused("172.16.0.10", 409) == "address_in_use")
    #expect(try refused("172.16.0.9", 409) == "reservation_exists")
    #expect(try refused("10.0.0.1", 400) == "address_outside_pool")
    #expect(try refused("172.16.0.9-172.16.0.1", 400) == "invalid_field")
    let taken = try house.post(
      "/api/v1/pools/default/allocations", #"{"owner":"b","ip":"172.16.0.3"}"#, expect: 409)
    #expect(taken["code"] == "address_reserved")
    #expect(try house.delete("/api/v1/pools/default/reservations/172.16.0.2")["reason"] == "printers")
    #expect(
      try house.delete("/api/v1/pools/default/reservations/172.16.0.2", expect: 404)["code"] == "reservation_not_found")
    try house.post("/api/v1/pools/nobody/reservations", #"{"range":"172.16.0.2"}"#, expect: 404)
    try house.get("/api/v1/pools/nobody/reservations", expect: 404)
  }

  @Test func suggestionUsageAndFreeTellWithoutChanging() throws {
    let house = try House(network: "10.0.0.0/22")
    #expect(try house.get("/api/v1/pools/default/suggestion")["ip"] == "10.0.0.2")
    #expect(try house.get("/api/v1/pools/default/suggestion")["reserved"] == "false")
    for ip in ["10.0.1.7", "10.0.1.8", "10.0.3.1"] {
      try house.post("/api/v1/pools/default/allocations", #"{"owner":"o-\#(ip)","ip":"\#(ip)"}"#, expect: 201)
    }
    let usage = try house.get("/api/v1/pools/default/usage")
    #expect(usage.column("block") == ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"])
    #expect(usage.column("allocated") == ["0", "2", "0", "1"])
    #expect(usage.column("usable") == ["254", "256", "256", "255"])
    let page = try house.get("/api/v1/pools/default/usage?limit=3")
    #expect(page.list("items").count == 3)
    let rest = try house.get("/api/v1/pools/default/usage?limit=3&cursor=\(page["next_cursor"] ?? "")")
    #expect(rest.column("block") == ["10.0.3.0/24"] && rest["next_cursor"] == nil)
    let free = try house.get("/api/v1/pools/default/free?length=25")
    #expect(free.list("blocks").first?.string == "10.0.2.0/24")
    try house.get("/api/v1/pools/default/free", expect: 400)
    try house.get("/api/v1/pools/default/free?length=8", expect: 400)
    for route in ["suggestion", "usage", "free?length=25"] { try house.get("/api/v1/pools/no/\(route)", expect: 404) }
  }

  @Test func usageOfAnIPv6PoolHasAtMost65536Blocks() throws {
    let house = try House(network: "2001:db8::/48")
    try house.post("/api/v1/pools/default/allocations", #"{"owner":"a","prefix_length":64}"#, expect: 201)
    let usage = try house.get("/api/v1/pools/default/usage?limit=4096")
    #expect(usage["block_length"] == "64" && usage.list("items").count == 4_096)
    #expect(usage.column("allocated").contains("18446744073709551616"))
  }
}
