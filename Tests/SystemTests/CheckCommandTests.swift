import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// `berth check` on the files of a real directory: each kind of damage has a name, a place, a way out and code 7, and
/// what is derived is made anew.
@Suite(.timeLimit(.minutes(5))) struct CheckCommandTests {
  let temporary = TemporaryDirectory()
  private var data: String { temporary.file("data") }

  /// 61 entries with a snapshot among them.
  init() throws {
    let berth = try Berth(temporary.file("data"), ["--snapshot-every", "40"])
    for number in 0..<40 { _ = try berth.allocate("vm-\(number)") }
    for number in 0..<20 { _ = try berth.send("DELETE", "/api/v1/ip/release/vm-\(number)") }
    #expect(eventually { !Files.names(in: "\(berth.directory)/snapshots").isEmpty })
    #expect(berth.stop() == .exited(0))
  }

  private func check(_ flags: String...) throws -> Ended {
    try Berth.run(["check", "--data-dir", data] + flags)
  }

  private func sql(_ file: String, _ statement: String) throws {
    let program = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()"
    let ended = try ChildProcess.run("python3", ["-c", program, "\(data)/\(file)", statement])
    #expect(ended.status == .exited(0), "\(ended)")
  }

  private func flip(_ file: String, at place: Int) throws {
    var bytes = try #require(Files.read("\(data)/\(file)"))
    bytes[place < 0 ? bytes.count + place : place] ^= 0x10
    Files.write(bytes, to: "\(data)/\(file)")
  }

  private var newestSnapshot: String { "snapshots/" + (Files.names(in: "\(data)/snapshots").last ?? "none") }

  @Test func s0_56_aWholeDirectoryHasNoFindingsAndRebuildingItChangesNothing() throws {
    let sound = try check()
    #expect(sound.status == .exited(0) && sound.output.hasSuffix("all is well\n"), "\(sound)")
    let dump = try Berth.run(["log", "dump", "--data-dir", data])
    let rebuilt = try check("--rebuild")
    #expect(rebuilt.status == .exited(0), "\(rebuilt)")
    #expect(try Berth.run(["log", "dump", "--data-dir", data]).output == dump.output)
  }

  @Test func s0_6_aHolePunchedIntoTheIndexOnDiskIsFoundAndMended() throws {
    // The server writes the index behind; this makes sure that it has everything.
    #expect(try check("--rebuild").status == .exited(0))
    try sql("history.db", "DELETE FROM parts")
    let found = try check()
    #expect(found.status == .exited(7), "\(found)")
    #expect(found.output.contains("history: it has 0 pairs up to revision 61"), "\(found)")
    #expect(found.output.contains("berth check --rebuild"))
    try expectMended(by: try check("--rebuild"))
  }

  @Test func s0_56_anIndexThatIsNoDatabaseIsFoundAndMended() throws {
    // What is in its write-ahead file counts as well.
    for name in Files.names(in: data) where name.hasPrefix("history.db-") { Files.remove("\(data)/\(name)") }
    Files.write(Array("no database, but long enough to look at".utf8), to: "\(data)/history.db")
    let found = try check()
    #expect(found.status == .exited(7) && found.output.contains("history: "), "\(found)")
    try expectMended(by: try check("--rebuild"))
  }

  /// What a crash leaves of an index that it caught in the making is no damage: the next start makes it anew.
  @Test func anIndexThatWasNeverFinishedIsNoFinding() throws {
    for name in Files.names(in: data) where name.hasPrefix("history.db") { Files.remove("\(data)/\(name)") }
    Files.write([], to: "\(data)/history.db")
    let found = try check()
    #expect(found.status == .exited(0), "\(found)")
    let berth = try Berth(data)
    #expect(try berth.get("/api/v1/history?owner=vm-19")["items"]?.elements?.count == 1)
  }

  @Test func s0_24_aDamagedSnapshotIsNamedAndReplacedWithCounts() throws {
    try flip(newestSnapshot, at: -40)
    let found = try check()
    #expect(found.status == .exited(7) && found.output.contains("snapshot: "), "\(found)")
    let mended = try check("--rebuild")
    #expect(mended.output.contains("snapshot made at revision 61: "), "\(mended)")
    #expect(mended.output.contains("history index made anew up to revision 61"), "\(mended)")
    try expectMended(by: mended)
    // What was made is what the log says: a start from it serves the same.
    let berth = try Berth(data)
    #expect(try berth.get("/api/v1/ip/stats")["used"]?.integer() == 20)
    #expect(try berth.get("/api/v1/ip/vm-39").ip == "172.16.0.41")
  }

  /// The report before, then what was made, then the report after; the code is that of the last.
  private func expectMended(by rebuilt: Ended, _ location: SourceLocation = #_sourceLocation) throws {
    #expect(rebuilt.status == .exited(0), "\(rebuilt)", sourceLocation: location)
    #expect(rebuilt.output.contains("differences\n"), "\(rebuilt)", sourceLocation: location)
    #expect(rebuilt.output.hasSuffix("all is well\n"), "\(rebuilt)", sourceLocation: location)
    #expect(try check().status == .exited(0), sourceLocation: location)
    let json = try check("-o", "json", "--rebuild")
    let report = try JSONValue(parsing: Array(json.output.utf8))
    #expect(report["sound"]?.bool == true, "\(json)", sourceLocation: location)
    #expect(report["rebuilt"]?.elements?.count == 2, "\(json)", sourceLocation: location)
  }

  @Test(arguments: [
    ("DELETE FROM batches WHERE sequence = 60", "log_incomplete: batch 60 of the log is missing"),
    ("UPDATE batches SET body = (SELECT body FROM batches WHERE sequence = 61) WHERE sequence = 60", "batch 60"),
    ("UPDATE batches SET first_revision = first_revision + 1 WHERE sequence = 60", "batch 60"),
    ("UPDATE head SET hash = zeroblob(32)", "log_damaged: ")
  ])
  func s0_56_aDamagedLogIsNamedAndNeverRebuilt(statement: String, finding: String) throws {
    try sql("log.db", statement)
    let found = try check()
    let said = found.output + found.errors
    #expect(found.status == .exited(7) || (found.status == .exited(70) && statement.contains("head")), "\(found)")
    #expect(said.contains(finding) || found.status == .exited(70), "\(found)")
    #expect(said.contains("put a backup in its place"), "\(found)")
    let before = Files.read("\(data)/log.db")
    let refused = try check("--rebuild")
    #expect(refused.status == found.status, "\(refused)")
    if found.status == .exited(7) {
      #expect(refused.errors.contains("nothing was made anew"), "\(refused)")
      #expect(Files.read("\(data)/log.db") == before, "nothing is mended that is not derived")
    }
    // A start reads what is behind the newest snapshot, so it sees this damage too.
    let start = try Berth.run(["serve", "--data-dir", data, "--port", "0"])
    #expect(start.status == .exited(70), "and nothing of it is served: \(start)")
  }

  /// What is older than the newest snapshot is not read by a start; the scrub of the running server finds it.
  @Test func s0_27_oldDamageIsFoundByTheRunningServerAndSaidEverywhere() throws {
    try sql("log.db", "UPDATE batches SET body = (SELECT body FROM batches WHERE sequence = 11) WHERE sequence = 10")
    let berth = try Berth(data, ["--scrub-seconds", "1"])
    #expect(eventually { berth.errors.contains("scrub: batch 10 of the log is damaged") }, "\(berth.errors)")
    #expect(try berth.get("/api/v1/health")["findings"]?.integer() == 1)
    #expect(try berth.get("/metrics").text.contains("\nberth_scrub_findings 1\n"))
    #expect(try berth.get("/metrics").text.contains("\nberth_duplicate_addresses 0\n"))
    let doctor = try Berth.run(["doctor"], environment: ["BERTH_SERVER": berth.url])
    #expect(doctor.status == .exited(7) && doctor.output.contains("data: 1 findings"), "\(doctor)")
    #expect(try berth.allocate("vm-new").status == 201, "and it serves on")
    #expect(berth.stop() == .exited(0))
    #expect(try check().output.contains("batch 10"))
  }

  @Test func aDirectoryThatIsServedIsLookedAtAndNotRebuilt() throws {
    let berth = try Berth(data)
    let looked = try check()
    #expect(looked.status == .exited(0) && looked.errors.contains("\(berth.process.pid)"), "\(looked)")
    let refused = try check("--rebuild")
    #expect(refused.status == .exited(70) && refused.errors.contains("\(berth.process.pid)"), "\(refused)")
    #expect(try berth.allocate("still-here").status == 201)
  }
}
