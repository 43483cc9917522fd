import APITypes
import Addressing
import Domain
import HTTPClient
import Log
import LogMemory
import Platform
import Synchronization
import Testing
import Wire

@Suite("What guards writes, and everything beside them")
struct GuardTests {
  private let allocate = "/api/v1/ip/allocate"

  @Test func aRepeatedKeyTellsTheFirstAnswerAgainEvenAfterTheRowsMovedOn() throws {
    let house = try House()
    let key = [(name: "Idempotency-Key", value: "order 1")]
    let first = try house.post(allocate, #"{"vm_id":"a"}"#, headers: key, expect: 201)
    try house.delete("/api/v1/ip/release/a")
    let again = try house.post(allocate, #"{"vm_id":"a"}"#, headers: key, expect: 201)
    #expect(again.text == first.text)
    #expect(again.header("idempotency-replayed") == "true" && first.header("idempotency-replayed") == nil)
    #expect(again.header("berth-revision") == first.header("berth-revision"))
    try house.get("/api/v1/ip/a", expect: 404)
    let other = try house.post(allocate, #"{"vm_id":"b"}"#, headers: key, expect: 422)
    #expect(other["code"] == "idempotency_key_reused")
    let pool = #"{"name":"p","cidr":"10.0.0.0/24"}"#
    let made = try house.post("/api/v1/pools", pool, headers: [("Idempotency-Key", "p")], expect: 201)
    let told = try house.post("/api/v1/pools", pool, headers: [("Idempotency-Key", "p")], expect: 201)
    #expect(told.text == made.text && told.header("etag") == made.header("etag"))
    for bad in [String(repeating: "k", count: 129), "clé"] {
      #expect(
        try house.post(allocate, #"{"vm_id":"c"}"#, headers: [("Idempotency-Key", bad)], expect: 400).status == 400)
    }
  }

  @Test func aReplayWhoseEntryIsTrimmedIs409() throws {
    let house = try House()
    let key = [(name: "Idempotency-Key", value: "k")]
    try house.post(allocate, #"{"vm_id":"a"}"#, headers: key, expect: 201)
    for number in 0..<3 { try house.post(allocate, #"{"vm_id":"x\#(number)"}"#, expect: 201) }
    house.log.trim(through: house.log.head.sequence - 1)
    #expect(try house.post(allocate, #"{"vm_id":"a"}"#, headers: key, expect: 409)["code"] == "idempotency_key_expired")
  }

  @Test func aFullDiskIs503AndReadsGoOn() throws {
    let house = try House()
    try house.post(allocate, #"{"vm_id":"a"}"#, expect: 201)
    house.log.setCapacity(0)
    #expect(try house.post(allocate, #"{"vm_id":"b"}"#, expect: 503)["code"] == "storage_full")
    try house.get("/api/v1/ip/a")
    #expect(try house.get("/readyz", expect: 503)["code"] == "storage_full")
    #expect(try house.get("/api/v1/health")["storage_full"] == "true")
    house.log.setCapacity(.max)
    try house.post(allocate, #"{"vm_id":"b"}"#, expect: 201)
    try house.get("/readyz")
  }

  @Test func aFullRingIs503WithRetryAfter() throws {
    let house = try House(network: nil, ring: 0)
    let busy = try house.post(allocate, #"{"vm_id":"a"}"#, expect: 503)
    #expect(busy["code"] == "busy" && busy.header("retry-after") == "1")
  }

  @Test func importsAreAllOrNothingUnlessConflictsMayBeSkipped() throws {
    let house = try House()
    try house.post(allocate, #"{"vm_id":"there"}"#, expect: 201)
    let rows =
      #""rows":[{"owner":"a","ip":"172.16.0.10","mac":"02:00:00:00:00:0a"},{"owner":"b","ip":"172.16.0.2"},{"owner":"c","ip":"9.9.9.9"},{"owner":"there","ip":"172.16.0.2"}]"#
    let refused = try house.post("/api/v1/imports", "{\(rows)}", expect: 409)
    #expect(refused["code"] == "import_conflicts")
    #expect(refused["report.conflict_count"] == "2")
    #expect(refused.json?["report"]?["conflicts"]?.elements?.compactMap { $0["line"]?.numberText } == ["2", "3"])
    try house.get("/api/v1/ip/a", expect: 404)
    let body = #"{\#(rows),"skip_conflicts":true,"import_id":"batch 7"}"#
    let would = try house.post("/api/v1/imports?dry_run=true", body, expect: 200)
    #expect(would["imported"] == "1")
    let done = try house.post("/api/v1/imports", body, expect: 200)
    #expect([done["imported"], done["already"], done["conflict_count"]] == ["1", "1", "2"])
    #expect(try house.get("/api/v1/allocations?label=berth.import=batch%207").column("owner") == ["a"])
    try house.post("/api/v1/imports", #"{"rows":[{"owner":"a"}]}"#, expect: 400)
    let many = (0..<2_049).map { #"{"owner":"m\#($0)","ip":"172.16.0.9"}"# }.joined(separator: ",")
    #expect(try house.post("/api/v1/imports", #"{"rows":[\#(many)]}"#, expect: 413)["code"] == "too_large")
  }

  @Test func anExportIsEverythingAsOfOneRevisionAndImportsElsewhere() throws {
    let house = try House()
    try house.post("/api/v1/pools/default/reservations", #"{"range":"172.16.0.200","reason":"r"}"#, expect: 201)
    for number in 0..<300 {
      _ = try house.call("POST", allocate, #"{"vm_id":"vm-\#(number)"}"#)
      if number % 3 == 0 { _ = try house.call("DELETE", "/api/v1/ip/release/vm-\(number)") }
    }
    let export = try house.get("/api/v1/export")
    #expect(export["revision"] == export.header("berth-revision"))
    #expect(export.column("name", of: "pools") == ["default"])
    #expect(export.column("range", of: "reservations") == ["172.16.0.200"])
    let here = export.column("ip", of: "allocations")
    #expect(here == (try house.get("/api/v1/ip/allocations")).column("ip", of: "allocations"))
  }

  @Test func anExportBesideWritesIsWhatTheLogSaysAtItsRevision() throws {
    let house = try House(network: "10.0.0.0/16")
    let here = "/api/v1/pools/default/allocations"
    // Large rows fill many pages, so that an export takes many holds of the lock.
    let labels = (0..<20).map { #""k\#($0)":"\#(String(repeating: "v", count: 128))""# }.joined(separator: ",")
    for number in 0..<5 {
      let body = #"{"owner":"big-\#(number)","count":100,"labels":{\#(labels)}}"#
      #expect(try house.client.send(ClientRequest("POST", here, body: Array(body.utf8))).status == 201)
    }
    let exports = Collected<Heard>()
    // Straight to the client: checking each answer against the document would leave the server idle.
    let isOver = Atomic<Bool>(false)
    let writers = Thread(name: "writers") {
      inParallel(4, threads: 4) { number in
        var turn = 0
        while !isOver.load(ordering: .relaxed) {
          let body = Array(#"{"owner":"w\#(number)-\#(turn)","count":2}"#.utf8)
          _ = try? house.client.send(ClientRequest("POST", here, body: body))
          _ = try? house.client.send(ClientRequest("DELETE", "/api/v1/allocations?owner=w\(number)-\(turn - 3)"))
          turn += 1
        }
      }
    }
    for _ in 0..<5 { exports.add(Heard(try house.client.send(ClientRequest("GET", "/api/v1/export")))) }
    isOver.store(true, ordering: .relaxed)
    writers.join()
    for export in exports.all where export.status == 200 {
      let revision = try #require(export["revision"].flatMap { Revision($0) })
      #expect(export.column("ip", of: "allocations") == (try allocated(in: house.log, at: revision)))
    }
    #expect(exports.all.contains { $0.status == 200 })
  }

  /// The addresses that are allocated when the log is replayed up to a revision.
  private func allocated(in log: MemoryLog, at revision: Revision) throws -> [String] {
    var rows: [RowKey: IPAddress] = [:]
    for stored in log.batches {
      for bytes in stored.batch.entries {
        let entry = try Entry(decoding: bytes)
        guard entry.revision <= revision else { return rows.values.sorted().map(\.description) }
        for effect in entry.effects {
          if case .allocation(let row) = effect.row { rows[effect.row.key] = effect.isPut ? row.ip : nil }
        }
      }
    }
    return rows.values.sorted().map(\.description)
  }

  @Test func s4_15_adminStatsHaveTheirExactKeys() throws {
    let house = try House(network: "10.0.0.0/16")
    let text = try house.get("/api/admin/stats").text
    #expect(
      text
        == #"{"ipPool":{"available":65533,"total":65533,"used":0,"currentSubnet":"10.0.0.0/16","expansionCapability":{"current":65533,"maxWith16Subnet":65536,"maxWith8Subnet":16777216,"recommendation":"0 % used: no expansion needed"}},"stats":{"ip_pool_available":65533,"ip_pool_total":65533,"ip_pool_current_subnet":"10.0.0.0/16","ip_pool_max_possible":65536}}"#
    )
  }

  @Test func s0_59_to_s0_62_theFourMetricsMoveAsTheyShould() throws {
    let house = try House(network: "10.0.0.0/30")
    try house.post(allocate, #"{"vm_id":"a"}"#, expect: 201)
    try house.post(allocate, #"{"vm_id":"b"}"#, expect: 503)
    try house.post("/api/v1/pools/nobody/allocations", #"{"owner":"b"}"#, expect: 404)
    let text = try house.get("/metrics").text
    let lines = text.split(separator: "\n")
    for line in [
      "# TYPE ip_pool_capacity_total gauge", #"ip_pool_capacity_total{pool="default"} 1"#,
      "# TYPE ip_pool_allocated_count gauge", #"ip_pool_allocated_count{pool="default"} 1"#,
      "# TYPE ip_pool_allocation_duration histogram", #"ip_pool_allocation_duration_count{pool="default"} 1"#,
      "# TYPE ip_pool_allocation_errors counter",
      #"ip_pool_allocation_errors{pool="default",reason="pool_exhausted"} 1"#,
      #"ip_pool_allocation_errors{pool="none",reason="pool_not_found"} 1"#, "berth_read_hit_ratio 1",
      #"berth_http_requests_total{method="POST",route="/api/v1/ip/allocate",status="2xx"} 1"#,
      #"berth_http_requests_total{method="POST",route="/api/v1/ip/allocate",status="5xx"} 1"#,
      "# TYPE berth_engine_flush_seconds histogram", "berth_engine_ring_depth 0"
    ] { #expect(lines.contains { $0 == line }, "missing: \(line)") }
    #expect(!text.contains("nobody"))
  }

  @Test func confirmingTheClockAnswers() throws {
    let house = try House()
    #expect(try house.post("/api/v1/clock/confirm", expect: 200)["confirmed"] == "true")
    #expect(try house.get("/healthz")["status"] == "ok")
  }

  @Test func whatCouldBeForgedIsEscapedAndUnknownPathsAre404() throws {
    let house = try House()
    let odd = try house.get("/api/v1/pools/%0d%0aX-Evil:%201", expect: 404)
    #expect(odd.header("x-evil") == nil)
    #expect(try house.get("/api/v2/pools", expect: 404)["code"] == "not_found")
  }
}
