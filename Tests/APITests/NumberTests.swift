import HTTPClient
import Testing
import Wire

/// Numbers that operators look at: counters that move, recommendations, the sample of a fresh /16.
@Suite("Numbers over HTTP")
struct NumberTests {
  private func metric(_ house: House, _ name: String) throws -> Double {
    let line = try house.get("/metrics").text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
    return try #require(line?.split(separator: " ").last.flatMap { Double(String($0)) }, "\(name) is missing")
  }

  @Test func s0_26_and_s0_74_readsAreCountedAndAllOfThemHit() throws {
    let house = try House()
    let reads = "berth_engine_reads_total"
    for number in 0..<20 { try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-\#(number)"}"#, expect: 201) }
    // A scrape reads as well: what it costs is the difference of two of them.
    let first = try metric(house, reads)
    let scrape = try metric(house, reads) - first
    let before = try metric(house, reads)
    for number in 0..<20 { try house.get("/api/v1/ip/vm-\(number)") }
    #expect(try metric(house, reads) - before == scrape + 20, "each look-up is one read")
    let idle = try metric(house, reads)
    try house.get("/api/v1/ip/nobody", expect: 404)
    #expect(try metric(house, reads) - idle == scrape + 1, "who is not there is known without a second place to look")
    #expect(try metric(house, "berth_read_hit_ratio") == 1)
    house.log.setCapacity(0)
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"late"}"#, expect: 503)
    try house.get("/api/v1/ip/vm-7")
    #expect(try metric(house, "berth_read_hit_ratio") == 1, "also while nothing can be written")
  }

  @Test func s4_17_anEmptySlash16IsAsInTheSample() throws {
    let house = try House(network: "192.168.0.0/16")
    let stats = try house.get("/api/admin/stats")
    for (path, value) in [
      ("ipPool.available", "65533"), ("ipPool.total", "65533"), ("ipPool.used", "0"),
      ("ipPool.currentSubnet", "192.168.0.0/16"), ("ipPool.expansionCapability.current", "65533"),
      ("ipPool.expansionCapability.maxWith16Subnet", "65536"),
      ("ipPool.expansionCapability.maxWith8Subnet", "16777216"),
      ("ipPool.expansionCapability.recommendation", "0 % used: no expansion needed"),
      ("stats.ip_pool_available", "65533"), ("stats.ip_pool_total", "65533"),
      ("stats.ip_pool_current_subnet", "192.168.0.0/16"), ("stats.ip_pool_max_possible", "65536")
    ] { #expect(stats[path] == value, "\(path): \(stats.text)") }
  }

  /// Trap 3: all addresses, those that can be given, and those whose last number is neither 0 nor 255.
  @Test func trap3_threeNumbersThatLookAlikeAreToldApart() throws {
    let house = try House(network: "192.168.0.0/16")
    func capacity(_ name: String) throws -> String? { try house.get("/api/v1/pools/default")["capacity.\(name)"] }
    #expect(try [capacity("total"), capacity("usable"), capacity("reserved")] == ["65536", "65533", "3"])
    // Who wants no address that ends in .0 or .255 reserves them; the first and the last are reserved anyway.
    for third in 0..<255 {
      let range = "192.168.\(third).255-192.168.\(third + 1).0"
      try house.post("/api/v1/pools/default/reservations", #"{"range":"\#(range)","reason":"looks odd"}"#, expect: 201)
    }
    #expect(try capacity("usable") == "\(256 * 254 - 1)", "all but the gateway")
    #expect(try [capacity("total"), capacity("allocated")] == ["65536", "0"])
    let stats = try house.get("/api/admin/stats")
    #expect(stats["ipPool.total"] == "65023" && stats["ipPool.expansionCapability.maxWith16Subnet"] == "65536")
  }

  /// What rests in quarantine counts as used: it cannot be given.
  @Test func s4_19_theRecommendationFollowsTheUtilisation() throws {
    let house = try House(network: "10.0.0.0/24")
    let here = "/api/v1/pools/default/allocations"
    func recommendation() throws -> String? {
      try house.get("/api/admin/stats")["ipPool.expansionCapability.recommendation"]
    }
    try house.call("PATCH", "/api/v1/pools/default", #"{"quarantine_seconds":3600}"#, expect: 200)
    try house.post(here, #"{"owner":"a","count":189}"#, expect: 201)
    #expect(try recommendation() == "74 % used: no expansion needed")
    try house.post(here, #"{"owner":"b"}"#, expect: 201)
    #expect(try recommendation() == "75 % used: plan an expansion with `berth pool expand default`")
    try house.post(here, #"{"owner":"c","count":37}"#, expect: 201)
    #expect(try recommendation() == "89 % used: plan an expansion with `berth pool expand default`")
    try house.post(here, #"{"owner":"d"}"#, expect: 201)
    #expect(try recommendation() == "90 % used: expand now with `berth pool expand default`")
    try house.delete("/api/v1/allocations?owner=a")
    #expect(try recommendation() == "90 % used: expand now with `berth pool expand default`", "they rest")
    try house.post("/api/v1/pools/default/expand", #"{"cidr":"10.0.0.0/16"}"#, expect: 200)
    #expect(try recommendation() == "0 % used: no expansion needed")
  }
}
