import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// The acceptance rows of the simple API (S2 in docs/STATUS.md), by number.
@Suite(.timeLimit(.minutes(5))) struct SimpleAPITests {
  let temporary = TemporaryDirectory()
  let berth: Berth

  init() throws { berth = try Berth(temporary.file("data")) }

  @Test func s2_1_theDocumentedCurlCallsWork() throws {
    let json = "-H 'Content-Type: application/json' -d"
    let script = """
      set -e
      curl -sf \(berth.url)/api/v1/health
      curl -sf -X POST \(berth.url)/api/v1/ip/allocate \(json) '{"vm_id": "vm-001", "hostname": "web-server-01"}'
      curl -sf \(berth.url)/api/v1/ip/vm-001
      curl -sf \(berth.url)/api/v1/ip/allocations
      curl -sf \(berth.url)/api/v1/ip/stats
      curl -sf -X DELETE \(berth.url)/api/v1/ip/release/vm-001
      curl -sf -X POST \(berth.url)/api/v1/ip/allocate \(json) '{"vm_id": "vm-002"}'
      curl -sf -X DELETE \(berth.url)/api/v1/ip/release-by-ip/172.16.0.3
      """
    let ended = try ChildProcess.run("/bin/sh", ["-c", script])
    #expect(ended.status == .exited(0), "\(ended.output)\(ended.errors)")
  }

  @Test func s2_2_s2_11_parallelAllocationsAllDifferAndTheNextIsRefused() throws {
    let client = berth.client
    let answers = try together(32) { thread in
      try stride(from: thread, to: 253, by: 32).map { try allocate(client, "vm-\($0)") }
    }.joined()
    #expect(answers.count == 253 && answers.allSatisfy { $0.status == 201 })
    #expect(Set(answers.compactMap(\.ip)) == Set((2...254).map { "172.16.0.\($0)" }))
    let full = try berth.allocate("vm-253")
    #expect(full.status == 503 && full.code == "pool_exhausted")
    #expect(full.response.header("retry-after") == nil, "waiting alone frees nothing")
    #expect(try berth.allocate("vm-7").status == 200, "who has one keeps it")
  }

  @Test func s2_3_askingAgainIsTheSameAnswerAndNoFurtherAddress() throws {
    let first = try berth.allocate("vm-1")
    let second = try berth.allocate("vm-1")
    #expect(first.status == 201 && second.status == 200 && first.text == second.text)
    #expect(try berth.get("/api/v1/ip/stats")["used"]?.integer() == 1)
  }

  @Test func s2_4_healthAnswers() throws {
    let health = try berth.get("/api/v1/health")
    #expect(health.status == 200 && health["status"]?.string == "ok")
  }

  @Test func s2_5_theFirstAddressOfTheDefaultPoolIsTwo() throws {
    let answer = try berth.send("POST", "/api/v1/ip/allocate", #"{"vm_id":"vm-1","hostname":"web-1"}"#)
    #expect(answer.status == 201)
    let place = #""gateway":"172.16.0.1","network":"172.16.0.0/24""#
    #expect(answer.text == #"{"ip":"172.16.0.2","vm_id":"vm-1",\#(place),"hostname":"web-1"}"#)
  }

  @Test func s2_6_aReleaseWorksOnce() throws {
    _ = try berth.allocate("vm-1")
    let released = try berth.send("DELETE", "/api/v1/ip/release/vm-1")
    #expect(released.status == 200 && released.ip == "172.16.0.2")
    #expect(try berth.send("DELETE", "/api/v1/ip/release/vm-1").status == 404)
  }

  @Test func s2_7_aReleaseByAddressKnowsFreeFromForeign() throws {
    _ = try berth.allocate("vm-1")
    #expect(try berth.send("DELETE", "/api/v1/ip/release-by-ip/172.16.0.2").status == 200)
    #expect(try berth.send("DELETE", "/api/v1/ip/release-by-ip/172.16.0.2").status == 404)
    #expect(try berth.send("DELETE", "/api/v1/ip/release-by-ip/10.0.0.1").status == 400)
  }

  @Test func s2_8_oneAllocationOrNotFound() throws {
    _ = try berth.allocate("vm-1")
    #expect(try berth.get("/api/v1/ip/vm-1").ip == "172.16.0.2")
    let missing = try berth.get("/api/v1/ip/vm-2")
    #expect(missing.status == 404 && missing.response.header("content-type")?.contains("problem+json") == true)
  }

  @Test func s2_9_theListIsNotTakenForAVM() throws {
    for i in 1...3 { _ = try berth.allocate("vm-\(i)") }
    let list = try berth.get("/api/v1/ip/allocations")
    #expect(list.status == 200 && list["count"]?.integer() == 3)
    #expect(list["allocations"]?.elements?.compactMap { $0["vm_id"]?.string } == ["vm-1", "vm-2", "vm-3"])
    #expect(try berth.allocate("allocations").status == 400, "what could not be asked for is not given")
  }

  @Test func s2_10_statsAddUpWhileAddressesComeAndGo() throws {
    let client = berth.client
    _ = try together(8) { thread in
      for i in 0..<40 {
        if thread == 0 {
          let stats = try Answer(client.send(ClientRequest("GET", "/api/v1/ip/stats")))
          let (used, free) = (stats["used"]?.integer(Int.self), stats["available"]?.integer(Int.self))
          #expect(stats["total"]?.integer() == 253 && used.flatMap { used in free.map { used + $0 } } == 253)
        } else {
          _ = try allocate(client, "vm-\(thread)")
          if i < 39 { _ = try client.send(ClientRequest("DELETE", "/api/v1/ip/release/vm-\(thread)")) }
        }
      }
    }
    #expect(try berth.get("/api/v1/ip/stats")["used"]?.integer() == 7)
  }

  @Test func s2_12_anUnknownVMIsNotFoundByBoth() throws {
    #expect(try berth.get("/api/v1/ip/nobody").status == 404)
    #expect(try berth.send("DELETE", "/api/v1/ip/release/nobody").status == 404)
  }

  @Test(arguments: ["300.1.1.1", "172.16.0", "172.16.0.02", "::ffff:172.16.0.2", "web-1", "172.16.1.2"])
  func s2_13_anAddressThatIsNoneIsABadRequest(text: String) throws {
    #expect(try berth.send("DELETE", "/api/v1/ip/release-by-ip/\(text)").status == 400)
  }

  @Test(arguments: [
    "", "{", "[]", "null", "{}", #"{"vm_id":""}"#, #"{"vm_id":7}"#, #"{"vm_id":null}"#, #"{"vm_id":"a b"}"#,
    #"{"vm_id":"a","vm_id":"b"}"#, #"{"vm_id":"a","color":"red"}"#, #"{"vm_id":"a"}x"#, #"{"vm_id":"a","hostname":1}"#
  ]) func s2_14_aBadRequestIs400AndSaysWhy(body: String) throws {
    let answer = try berth.send("POST", "/api/v1/ip/allocate", body)
    #expect(answer.status == 400 && answer.code != nil && answer["detail"]?.string?.isEmpty == false, "\(answer.text)")
    #expect(try berth.get("/api/v1/ip/stats")["used"]?.integer() == 0)
  }

  @Test func s2_14_anOverlongVMIsABadRequestThatNamesTheField() throws {
    let answer = try berth.allocate(String(repeating: "a", count: 129))
    #expect(answer.status == 400 && answer["errors"]?[0]?["field"]?.string == "vm_id", "\(answer.text)")
  }

  @Test func s2_22_requestIdsGoThroughToTheLog() throws {
    let answer = try berth.send("GET", "/api/v1/health", headers: [("X-Request-Id", "trace-me-7")])
    #expect(answer.response.header("x-request-id") == "trace-me-7")
    #expect(eventually { berth.errors.contains("trace-me-7") })
    #expect(try berth.get("/api/v1/health").response.header("x-request-id")?.isEmpty == false)
  }

  @Test func s2_22_preflightsAreAnsweredForTheConfiguredOriginAlone() throws {
    let app = "http://app.example:3000"
    let allowing = try Berth(temporary.file("cors"), ["--cors-origin", app])
    let allowed = try preflight(allowing, app)
    #expect(allowed.status == 204 || allowed.status == 200)
    #expect(allowed.header("access-control-allow-origin") == app)
    #expect(allowed.header("access-control-allow-methods")?.contains("POST") == true)
    #expect(allowed.header("access-control-allow-headers")?.lowercased().contains("content-type") == true)
    #expect(try preflight(allowing, "http://evil.example").header("access-control-allow-origin") == nil)
    #expect(try preflight(berth, app).header("access-control-allow-origin") == nil)
  }

  @Test(arguments: ["jq", "python3"]) func s2_28_aShellScriptTakesAnAddressAndGivesItBack(reader: String) throws {
    guard try ChildProcess.run("/bin/sh", ["-c", "command -v \(reader)"]).status == .exited(0) else { return }
    for (command, status) in [("echo running with $VM_IP", 0), ("exit 3", 3)] as [(String, Int32)] {
      let ended = try ChildProcess.run(
        "\(Repository.root)/Tests/scripts/vm-run.sh", ["vm-shell", command],
        environment: ["BERTH_SERVER": berth.url, "JSON_READER": reader])
      #expect(ended.status == .exited(status), "\(ended)")
      if status == 0 { #expect(ended.output == "running with 172.16.0.2\n") }
      #expect(try berth.get("/api/v1/ip/vm-shell").status == 404, "released on the way out")
    }
  }

  @Test func s2_29_statsAndMetricsAgree() throws {
    for i in 1...5 { _ = try berth.allocate("vm-\(i)") }
    let metrics = try berth.get("/metrics").text.split(separator: "\n")
    func value(_ name: String) -> String? {
      metrics.first { $0.hasPrefix("\(name){") && $0.contains(#"pool="default""#) }?
        .split(separator: " ").last.map(String.init)
    }
    let stats = try berth.get("/api/v1/ip/stats")
    #expect(value("ip_pool_capacity_total") == stats["total"]?.numberText)
    #expect(value("ip_pool_allocated_count") == stats["used"]?.numberText)
  }

  @Test func sixtyFourClientsRaceForTheLastHundredAddresses() throws {
    for i in 0..<153 { #expect(try berth.allocate("old-\(i)").status == 201) }
    let client = berth.client
    let won = try together(64) { thread in
      try (0..<10).compactMap { i -> String? in
        let answer = try allocate(client, "racer-\(thread)-\(i)")
        #expect(answer.status == 201 || answer.status == 503)
        return answer.status == 201 ? answer.ip : nil
      }
    }.joined()
    #expect(won.count == 100 && Set(won).count == 100)
    #expect(try berth.get("/api/v1/ip/stats")["available"]?.integer() == 0)
  }
}

private func allocate(_ client: HTTPClient, _ vm: String) throws -> Answer {
  let body = Array(#"{"vm_id":"\#(vm)"}"#.utf8)
  return try Answer(client.send(ClientRequest("POST", "/api/v1/ip/allocate", body: body)))
}

private func preflight(_ berth: Berth, _ origin: String) throws -> ClientResponse {
  let headers = [
    (name: "Origin", value: origin), (name: "Access-Control-Request-Method", value: "POST"),
    (name: "Access-Control-Request-Headers", value: "content-type")
  ]
  return try berth.send("OPTIONS", "/api/v1/ip/allocate", headers: headers).response
}
