import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// A disk that is full for a while, and one that does not keep what it was given.
@Suite(.enabled(if: FaultShim.path != nil, "no C compiler for the fault shim"), .timeLimit(.minutes(5)))
struct DiskTests {
  let temporary = TemporaryDirectory()

  private func start(_ fault: String) throws -> Berth {
    let environment = FaultShim.environment(fault, below: temporary.path, note: temporary.file("note"))
    return try Berth(temporary.file("data"), environment: environment)
  }

  @Test func aFullDiskRefusesWritesGoesOnReadingAndRecovers() throws {
    let berth = try start("full")
    #expect(try berth.allocate("vm-1").status == 201)
    Files.write([], to: temporary.file("note.on"))
    for _ in 0..<3 {
      let refused = try berth.allocate("vm-2")
      #expect(refused.status == 503 && refused.code == "storage_full", "\(refused.text)")
      #expect(try berth.get("/api/v1/ip/vm-1").status == 200)
      #expect(try berth.get("/api/v1/ip/vm-2").status == 404)
    }
    Files.remove(temporary.file("note.on"))
    #expect(try berth.allocate("vm-2").ip == "172.16.0.3", "as if the refused ones had never been asked for")
    let state = try berth.state()
    berth.crash()
    #expect(try Berth(temporary.file("data")).state() == state)
  }

  @Test func aFailingFlushEndsTheProcessAndNothingIsAnsweredAfterwards() throws {
    let berth = try start("sick")
    let client = berth.client
    let won = Shared<[String: String]>([:])
    let refused = Shared<[String]>([])
    let on = temporary.file("note.on")
    // Each client goes on until it gets no answer; the disk falls sick in the middle of it.
    _ = try together(8) { thread in
      for i in 0..<2_000 {
        let body = Array(#"{"vm_id":"vm-\#(thread)-\#(i)"}"#.utf8)
        guard let answer = try? Answer(client.send(ClientRequest("POST", "/api/v1/ip/allocate", body: body))) else {
          return
        }
        guard answer.status == 201, let ip = answer.ip else {
          if answer.status == 503 { refused.withLock { $0.append("vm-\(thread)-\(i)") } }
          return #expect(answer.status == 504 || answer.code == "stopping", "\(answer.text)")
        }
        if won.withLock({
          $0["vm-\(thread)-\(i)"] = ip; return $0.count
        }) == 60 {
          Files.write([], to: on)
        }
      }
    }
    #expect(berth.process.waitForExit() == .exited(70), "\(berth.errors)")
    let next = try Berth(temporary.file("data"))
    let answered = won.withLock { $0 }
    #expect(answered.count >= 60)
    for (vm, ip) in answered { #expect(try next.get("/api/v1/ip/\(vm)").ip == ip) }
    for vm in refused.withLock({ $0 }) { #expect(try next.get("/api/v1/ip/\(vm)").status == 404, "refused is refused") }
    next.stop()
    #expect(try Berth.run(["check", "--data-dir", temporary.file("data")]).status == .exited(0))
  }
}

/// What `berth check`, `berth log dump` and the next start say about a directory, whole or damaged.
@Suite(.timeLimit(.minutes(5))) struct OfflineCommandTests {
  let temporary = TemporaryDirectory()
  private var data: String { temporary.file("data") }

  init() throws {
    let berth = try Berth(temporary.file("data"), crashLoopFlags)
    for step in workload { _ = berth.perform(step) }
    berth.stop()
  }

  @Test func checkFindsNothingWrongWithAWholeDirectory() throws {
    let check = try Berth.run(["check", "--data-dir", data])
    #expect(check.status == .exited(0), "\(check)")
  }

  @Test func logDumpTellsEveryEntryInOrder() throws {
    let dump = try Berth.run(["log", "dump", "--data-dir", data, "-o", "json"])
    #expect(dump.status == .exited(0), "\(dump)")
    let lines = try dump.output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
    let revisions = lines.compactMap { $0["revision"]?.integer(Int.self) }
    #expect(revisions == Array(1...(workload.count + 1)), "the default pool and one entry for each step")
    let text = try Berth.run(["log", "dump", "--data-dir", data])
    #expect(text.status == .exited(0) && text.output.contains("172.16.0.2"))
  }

  @Test func aFlippedByteInAnOldEntryIsFoundByCheckAndSaysWhere() throws {
    let log = "\(data)/log.db"
    var bytes = try #require(Files.read(log))
    let name = Array("routers".utf8)
    let places = bytes.indices.filter { bytes[$0] == name[0] && bytes[$0...].starts(with: name) }
    try #require(!places.isEmpty, "the log holds what was asked as it was asked")
    for place in places { bytes[place] ^= 0x02 }
    Files.write(bytes, to: log)
    let check = try Berth.run(["check", "--data-dir", data])
    #expect(check.status == .exited(7), "\(check)")
    #expect((check.output + check.errors).contains("batch"), "\(check)")
    #expect(Files.read(log) == bytes, "looking changes nothing")
  }

  @Test(arguments: ["log.db cut", "log.db deleted", "log.db foreign"])
  func aDamagedDirectoryIsRefusedWithAWayOutAndNeverEmptied(damage: String) throws {
    let log = "\(data)/log.db"
    let bytes = try #require(Files.read(log))
    switch damage {
    case "log.db cut": Files.write(bytes.prefix(bytes.count / 2), to: log)
    case "log.db foreign": Files.write(Array("SQLite format 3\0".utf8) + [UInt8](repeating: 0, count: 8_192), to: log)
    default: Files.remove(log)
    }
    let before = Files.read(log)
    let check = try Berth.run(["check", "--data-dir", data])
    #expect(check.status == .exited(7) || check.status == .exited(70), "\(damage): \(check)")
    #expect((check.errors + check.output).count > 40, "says what and what to do: \(check)")
    let start = try ChildProcess(Berth.binary, ["serve", "--data-dir", data, "--port", "0"])
    #expect(start.waitForExit(deadline: .seconds(20)) == .exited(70), "\(damage): \(start.output) \(start.errors)")
    #expect(!start.errors.isEmpty)
    #expect(Files.read(log) == before, "\(damage): nothing is repaired or emptied behind anybody's back")
  }

  @Test func checkOfNothingSaysThatThereIsNothing() throws {
    let check = try Berth.run(["check", "--data-dir", temporary.file("nowhere")])
    #expect(check.status != .exited(0) && check.errors.contains("nowhere"), "\(check)")
    #expect(!Files.exists(temporary.file("nowhere")))
  }
}
