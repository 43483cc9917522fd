import Addressing
import Domain
import Ledger
import Log
import LogMemory
import TestSupport
import Testing

/// S0.27 and S0.72: what is wrong with old batches, and what must never be, is found while everything runs.
@Suite("The scrub")
struct ScrubTests {
  private func metric(_ house: House, _ name: String) throws -> Double {
    let line = try house.get("/metrics").text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
    return try #require(line?.split(separator: " ").last.flatMap { Double(String($0)) }, "\(name) is missing")
  }

  private func passes(_ house: House, _ what: String) throws -> Double {
    try metric(house, #"berth_scrub_passes_total{what="\#(what)"}"#)
  }

  @Test func s0_72_aSoundBerthIsLookedAtAgainAndAgainWithoutAFinding() throws {
    let house = try House(network: "10.0.0.0/16", scrub: .milliseconds(20))
    for number in 0..<200 {
      _ = try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"vm-\#(number)"}"#, expect: 201)
      if number % 3 == 0 { try house.delete("/api/v1/ip/release/vm-\(number)") }
    }
    try house.post("/api/v1/pools/default/allocations", #"{"owner":"block","prefix_length":24}"#, expect: 201)
    let before = try (passes(house, "log"), passes(house, "rows"))
    #expect(
      eventually {
        let now = try? (passes(house, "log"), passes(house, "rows"))
        return now.map { $0.0 >= before.0 + 2 && $0.1 >= before.1 } ?? false
      })
    #expect(try metric(house, "berth_scrub_batches_total") >= 268 && metric(house, "berth_scrub_rows_total") >= 134)
    #expect(try metric(house, "berth_duplicate_addresses") == 0 && metric(house, "berth_scrub_findings") == 0)
    #expect(try house.get("/api/v1/health")["findings"] == "0")
    #expect(house.alarms.all.isEmpty, "\(house.alarms.all)")
  }

  /// No request can bring this about; a log that says so plays the bug.
  @Test func s0_72_anAddressInTwoHandsIsCountedAndNamed() throws {
    let log = MemoryLog()
    let pool = PoolName(trusted: "default")
    let cidr = try Prefix(parsing: "10.0.0.0/24")
    func row(_ block: String, _ owner: String) throws -> Effect {
      .put(
        .allocation(
          Allocation(
            pool: pool, block: try Prefix(parsing: block), owner: OwnerName(trusted: owner), createdAt: 1,
            generation: 1,
            revision: 1)))
    }
    let effects: [Effect] = [
      .put(.pool(Pool(name: pool, extent: Extent(cidr: cidr, gateway: IPAddress("10.0.0.1")), revision: 1))),
      try row("10.0.0.16/28", "all-of-it"), try row("10.0.0.20/32", "one-of-it"), try row("10.0.0.40/32", "apart")
    ]
    let entry = Entry(
      revision: 1, kind: .allocated, actor: "test", requestID: "r", asked: "", effects: effects, told: .nothing)
    let head = log.head
    log.append(
      Batch(
        sequence: 1, epoch: 0, nonce: 1, time: 1, seed: 1, firstRevision: 1, previous: head.hash, stateHash: 0,
        entries: [entry.encoded])
    ) { #expect($0 == .durable) }
    let house = try House(network: nil, log: log, scrub: .milliseconds(20))
    #expect(eventually { (try? metric(house, "berth_duplicate_addresses")) == 1 })
    #expect(try metric(house, "berth_scrub_findings") >= 1)
    #expect(eventually { house.alarms.all.contains { $0.contains("10.0.0.20/32 of pool default, held by one-of-it") } })
    #expect(house.alarms.all.contains { $0.contains("10.0.0.16/28, held by all-of-it") }, "\(house.alarms.all)")
    // The way out, and the alarm ends by itself.
    try house.delete("/api/v1/allocations?owner=one-of-it")
    #expect(eventually { (try? metric(house, "berth_duplicate_addresses")) == 0 })
  }

  @Test func s0_27_aDamagedOldBatchIsFoundWithinTheIntervalAndAlarmed() throws {
    let house = try House(scrub: .milliseconds(20))
    for number in 0..<30 { try house.post("/api/v1/ip/allocate", #"{"vm_id":"vm-\#(number)"}"#, expect: 201) }
    #expect(eventually { ((try? passes(house, "log")) ?? 0) >= 1 })
    #expect(try metric(house, "berth_scrub_findings") == 0)
    house.log.tamper(7) { $0.entries[0][20] ^= 1 }
    #expect(eventually { (try? metric(house, "berth_scrub_findings")) == 1 })
    #expect(try house.get("/api/v1/health")["findings"] == "1")
    #expect(eventually { house.alarms.all.contains { $0.contains("batch 7 ") } }, "\(house.alarms.all)")
    // Answers of today are none the worse.
    #expect(try house.get("/api/v1/ip/vm-3")["ip"] == "172.16.0.5")
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"late"}"#, expect: 201)
    house.log.tamper(7) { $0.entries[0][20] ^= 1 }
    #expect(
      eventually { (try? metric(house, "berth_scrub_findings")) == 0 }, "a look that finds nothing ends the alarm")
  }
}
