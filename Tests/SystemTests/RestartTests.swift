import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

@Suite(.timeLimit(.minutes(5))) struct RestartTests {
  let temporary = TemporaryDirectory()

  @Test(arguments: [true, false]) func aRestartKeepsEverything(byForce: Bool) throws {
    let first = try Berth(temporary.file("data"))
    for step in workload { _ = first.perform(step) }
    let state = try first.state()
    #expect(state["allocations"]?.elements?.count == 3, "c, d and a /28; see the workload")
    if byForce { first.crash() } else { #expect(first.stop() == .exited(0)) }
    let second = try Berth(temporary.file("data"))
    #expect(try second.state() == state)
    let again = try second.send(
      "POST", "/api/v1/pools", workload[3].body, headers: [(name: "Idempotency-Key", value: "pool-edge")])
    #expect(again.status == 201 && again.response.header("idempotency-replayed") == "true", "\(again.text)")
    // A line of the log may be a moment behind the answers; at the end all are there.
    #expect(second.stop() == .exited(0))
    #expect(second.errors.contains("did not end in good order") == byForce, "\(second.errors)")
  }

  @Test(.enabled(if: FaultShim.path != nil, "no C compiler for the fault shim"))
  func readsNeverWaitForAFlushAndSeeOnlyWhatIsDurable() throws {
    let slow = try SlowDisk(temporary)
    try slow.hold { () throws in
      #expect(try slow.berth.get("/api/v1/ip/vm-1").status == 404, "not durable yet, so not there yet")
      #expect(try slow.berth.get("/api/v1/ip/stats")["used"]?.integer() == 0)
      #expect(slow.status == nil, "nobody is answered before the flush")
    }
    #expect(slow.status == 201)
  }

  @Test(.enabled(if: FaultShim.path != nil, "no C compiler for the fault shim"))
  func aPoliteEndAnswersWhatIsInFlight() throws {
    let slow = try SlowDisk(temporary)
    try slow.hold { () throws in
      slow.berth.process.kill(SIGTERM)
      #expect(eventually { slow.berth.errors.contains("stopping") })
    }
    #expect(slow.status == 201)
    #expect(slow.berth.process.waitForExit() == .exited(0), "\(slow.berth.errors)")
    let next = try Berth(temporary.file("data"))
    #expect(try next.get("/api/v1/ip/vm-1").ip == "172.16.0.2")
    #expect(next.stop() == .exited(0))
    #expect(!next.errors.contains("did not end in good order"), "\(next.errors)")
  }
}

/// A server whose disk can be made to wait, and one request that waits for it.
private struct SlowDisk {
  let berth: Berth
  let note: String
  let answer = Shared<Result<ClientResponse, any Error>?>(nil)

  init(_ temporary: TemporaryDirectory) throws {
    note = temporary.file("note")
    berth = try Berth(
      temporary.file("data"), environment: FaultShim.environment("hold", below: temporary.path, note: note))
  }

  /// How the request was answered.
  var status: Int? { try? answer.withLock { $0 }?.get().status }

  /// Runs `body` while an allocation of vm-1 waits for the disk, then lets the disk go on and waits for the answer.
  func hold(_ body: () throws -> Void) throws {
    Files.write([], to: "\(note).on")
    let (client, answer) = (berth.client, answer)
    let thread = Thread(name: "waiting client") {
      let request = ClientRequest("POST", "/api/v1/ip/allocate", body: Array(#"{"vm_id":"vm-1"}"#.utf8))
      let result = Result { try client.send(request) as ClientResponse }
      answer.withLock { $0 = result }
    }
    defer {
      Files.remove("\(note).on")
      thread.join()
    }
    #expect(eventually { Files.exists(note) }, "the log is written to")
    try body()
  }
}
