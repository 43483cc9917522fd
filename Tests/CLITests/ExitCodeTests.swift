import TestSupport
import Testing

@testable import CLI

@Suite struct ExitCodeTests {
  @Test(
    arguments: [
      (409, "pool_exhausted", 1), (400, "invalid_field", 1), (412, "revision_mismatch", 1), (503, "pool_exhausted", 1),
      (503, "storage_full", 1), (404, "pool_not_found", 3), (401, "unauthorized", 5), (403, "foreign_origin", 5),
      (504, "outcome_unknown", 6), (503, "storage_failed", 70), (500, "internal", 1)
    ] as [(Int, String, Int32)])
  func aRefusalHasTheCodeOfItsKind(status: Int, code: String, exit: Int32) {
    withServer(ScriptedServer { _ in .problem(status, code, "this is why") }) { server in
      let ran = berth("ip allocate vm-1 --pool p", at: server)
      #expect(ran.code == exit)
      #expect(ran.out.isEmpty && ran.err.contains("error: this is why"), "\(ran.err)")
    }
  }

  @Test func aRefusalOfSeveralFieldsListsThem() {
    let more = #","errors":[{"field":"cidr","message":"has host bits"},{"field":"mtu","message":"is too small"}]"#
    withServer(ScriptedServer(.problem(400, "invalid_field", "two things", more: more))) { server in
      let ran = berth("pool create a --cidr 10.0.0.1/8", at: server)
      #expect(ran.err == "error: two things\n  cidr: has host bits\n  mtu: is too small\n")
    }
  }

  @Test func nobodyListeningIsCode4AndNothingChanged() {
    let ran = berth("ip allocate vm-1 --pool p --server 127.0.0.1:\(freePort())")
    #expect(ran.code == 4)
    #expect(ran.err.contains("nothing was changed"))
  }

  @Test func somebodyElseListeningIsCode4() {
    withServer(ScriptedServer { _ in .raw("220 mail.example.org ESMTP\r\n") }) { server in
      #expect(berth("pool list", at: server).code == 4)
      // What was sent to a stranger may still have done something there.
      #expect(berth("pool enable p", at: server).code == 6)
    }
    withServer(ScriptedServer(.ok("<html>"))) { #expect(berth("pool list", at: $0).code == 4) }
  }

  @Test func aWriteWithoutAnswerIsCode6() {
    withServer(ScriptedServer { _ in .drop }) { server in
      let ran = berth("ip allocate vm-1 --pool p", at: server)
      #expect(ran.code == 6)
      #expect(ran.err.contains("look before you repeat it"))
      #expect(server.seen.count == 6, "tries are bounded")
      #expect(Set(server.seen.map { $0.headers["idempotency-key"] }).count == 1)
      #expect(server.seen[0].headers["idempotency-key"]?.count == 32)
    }
  }

  @Test func aReadWithoutAnswerIsCode4AndHasNoKey() {
    withServer(ScriptedServer { _ in .drop }) { server in
      #expect(berth("pool list", at: server).code == 4)
      #expect(server.seen.allSatisfy { $0.headers["idempotency-key"] == nil })
    }
  }

  @Test func aLostAnswerIsFetchedWithTheSameKey() {
    let answer = Scripted.answer(201, #"{"ip":"10.0.0.2"}"#, headers: ["Idempotency-Replayed": "true"])
    withServer(ScriptedServer(.drop, answer)) { server in
      let ran = berth("ip allocate vm-1 --pool p -o name", at: server)
      #expect(ran.code == 0 && ran.out == "10.0.0.2\n")
      #expect(server.seen[0].headers["idempotency-key"] == server.seen[1].headers["idempotency-key"])
    }
  }

  @Test func twoRunsHaveTwoKeys() {
    withServer(ScriptedServer { _ in .ok("{}") }) { server in
      _ = berth("pool enable a", at: server)
      _ = berth("pool enable a", at: server)
      #expect(server.seen[0].headers["idempotency-key"] != server.seen[1].headers["idempotency-key"])
    }
  }

  @Test func busyIsTriedAgainWhenTheServerSaysWhen() {
    let busy = Scripted.problem(503, "busy", "later", headers: ["Retry-After": "1"])
    withServer(ScriptedServer(busy, busy, .ok(#"{"name":"a"}"#))) { server in
      #expect(berth("pool enable a -o name", at: server).out == "a\n")
    }
    withServer(ScriptedServer { _ in busy }) { server in
      let ran = berth("pool enable a", at: server)
      #expect(ran.code == 4 && ran.err.contains("later"))
      #expect(server.seen.count == 6)
    }
  }

  @Test func fullIsNotTriedAgain() {
    withServer(ScriptedServer { _ in .problem(503, "pool_exhausted", "full") }) { server in
      _ = berth("ip allocate vm-1 --pool p", at: server)
      #expect(server.seen.count == 1)
    }
  }

  @Test func doubtOutlivesALaterRefusalToConnect() {
    // The first place swallows the write, the second never answers: nobody knows.
    withServer(ScriptedServer { _ in .drop }) { server in
      let ran = berth("pool enable a --server 127.0.0.1:\(server.port),127.0.0.1:\(freePort())")
      #expect(ran.code == 6)
    }
  }

  @Test func theNextPlaceIsAskedWhenOneIsAway() {
    withServer(ScriptedServer(.ok(#"{"name":"a"}"#))) { server in
      let ran = berth("pool show a -o name --server 127.0.0.1:\(freePort()),\(server.url)")
      #expect(ran.code == 0 && ran.out == "a\n")
    }
  }

  @Test func destructionAsksOnATerminalAndRefusesElsewhere() {
    withServer(ScriptedServer { _ in .ok(#"{"name":"a"}"#) }) { server in
      let silent = berth("pool delete a", at: server)
      #expect(silent.code == 2 && silent.err.contains("add --yes"))
      let no = berth("pool delete a", at: server, around: Surroundings(typed: ["y"], isTerminal: true))
      #expect(no.code == 1 && no.err.contains("delete pool a") && no.err.contains("nothing was done"))
      #expect(server.seen.isEmpty)
      #expect(berth("pool delete a", at: server, around: Surroundings(typed: ["yes"], isTerminal: true)).code == 0)
      #expect(berth("pool delete a --yes", at: server).code == 0)
      #expect(berth("pool delete a --dry-run", at: server).code == 0)
      #expect(server.seen.map(\.target) == ["/api/v1/pools/a", "/api/v1/pools/a", "/api/v1/pools/a?dry_run=true"])
    }
  }

  @Test func handlersDecideTheCode() {
    #expect(berth("check").code == 7 && berth("log dump").code == 70)
  }

  @Test func releaseByAddressCarriesTheGenerationThatWasSeen() {
    let found =
      #"{"ip":"10.0.0.2","matches":[{"pool":"p","network":"n","state":"allocated","allocation":{"generation":42}}]}"#
    withServer(ScriptedServer(.ok(found), .ok(#"{"ip":"10.0.0.2"}"#))) { server in
      #expect(berth("ip release 10.0.0.2", at: server).code == 0)
      #expect(server.seen[1].target == "/api/v1/pools/p/allocations/10.0.0.2?generation=42")
    }
    let two = #"{"matches":[{"pool":"p","allocation":{}},{"pool":"q","allocation":{}}]}"#
    withServer(ScriptedServer(.ok(two))) { server in
      let ran = berth("ip release 10.0.0.2", at: server)
      #expect(ran.code == 2 && ran.err.contains("p, q"))
    }
    withServer(ScriptedServer(.ok(#"{"matches":[{"pool":"p","state":"available","allocation":null}]}"#))) { server in
      #expect(berth("ip release 10.0.0.2", at: server).code == 3)
    }
  }

  @Test func theDoctorSaysWhatNeedsSomebody() {
    let well = #"{"status":"ok","version":"1.2.3","storage_full":false,"clock_held":false,"expiry_held":false}"#
    withServer(ScriptedServer(.ok(well))) { #expect(berth("doctor", at: $0).code == 0) }
    let held = #"{"status":"ok","version":"1.2.2","storage_full":false,"clock_held":true,"expiry_held":false}"#
    withServer(ScriptedServer(.ok(held), .ok(#"{"findings":[]}"#), .ok(#"{"confirmed":true}"#))) { server in
      let ran = berth("doctor", at: server)
      #expect(ran.code == 7)
      #expect(ran.out.contains("!!  clock") && ran.out.contains("--confirm-time"))
      #expect(ran.out.contains("the server is 1.2.2, this is 1.2.3") && ran.out.contains("ok  storage"))
      #expect(berth("doctor --confirm-time", at: server).code == 0)
      #expect(server.seen[2].method == "POST" && server.seen[2].target == "/api/v1/clock/confirm")
    }
  }
}
