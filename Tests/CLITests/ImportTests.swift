import TestSupport
import Testing
import Wire

@testable import CLI

@Suite struct CSVTests {
  private func records(_ text: String) throws -> [CSVReader.Record] {
    var reader = CSVReader(Array(text.utf8))
    var records: [CSVReader.Record] = []
    while let record = try reader.next() { records.append(record) }
    return records
  }

  @Test func plainQuotedAndEmptyFieldsAreRead() throws {
    #expect(
      try records("a,b\r\n\"x,\"\"y\"\"\",\n1,\"two\nlines\"\r\nlast,") == [
        .init(line: 1, fields: ["a", "b"]), .init(line: 2, fields: ["x,\"y\"", ""]),
        .init(line: 3, fields: ["1", "two\nlines"]), .init(line: 5, fields: ["last", ""])
      ])
  }

  @Test func aMarkInFrontAndEmptyLinesAtTheEndAreNothing() throws {
    #expect(try records("\u{FEFF}a\n\n\r\n") == [.init(line: 1, fields: ["a"])])
    #expect(try records("").isEmpty)
  }

  @Test(arguments: [
    ("a\n\nb\n", 2, "is empty"), ("a\nb\"c\n", 2, "inside a field"), ("a\n\"b\"c\n", 2, "behind a closing quote"),
    ("a\n\"b\nc", 2, "never closed"), ("a\rb\n", 1, "carriage return"), ("\"a\n\n\"x", 3, "behind a closing quote")
  ])
  func whatIsUnclearIsAnErrorWithItsLine(text: String, line: Int, rule: String) {
    let fault = #expect(throws: CSVReader.Fault.self) { try records(text) }
    #expect(fault?.line == line && fault?.rule.contains(rule) == true, "\(fault.map { "\($0)" } ?? "none")")
  }

  @Test func bytesThatAreNoTextAreRefused() {
    var reader = CSVReader([0x61, 0x0A, 0xFF, 0x0A])
    #expect(throws: Never.self) { try reader.next() }
    #expect(throws: CSVReader.Fault(line: 2, rule: "is not UTF-8 text")) { try reader.next() }
  }
}

@Suite struct ImportTests {
  private func file(_ count: Int) -> String {
    "owner,ip\n" + (0..<count).map { "vm-\($0),10.0.\($0 / 256).\($0 % 256)\n" }.joined()
  }

  private func rows(_ seen: Seen) throws -> [JSONValue] {
    try #require(try JSONValue(parsing: Array(seen.body.utf8))["rows"]?.elements)
  }

  /// Imports everything it is given.
  private func obliging() -> ScriptedServer {
    ScriptedServer { request in
      let count = (try? JSONValue(parsing: Array(request.body.utf8)))?["rows"]?.elements?.count ?? 0
      return .ok(#"{"imported":\#(count),"already":0,"conflict_count":0,"conflicts":[]}"#)
    }
  }

  @Test func columnsInAnyOrderBecomeRowsWithTheirLines() throws {
    let csv = "pool,ip,owner,hostname,mac\r\nedge,10.0.0.5,vm-1,,02:00:00:00:00:01\r\n,\"10.0.0.6\",vm-2,\"h\",\r\n"
    try withServer(obliging()) { server in
      let ran = berth("import a.csv", at: server, around: Surroundings(files: ["a.csv": csv]))
      #expect(ran.code == 0 && ran.out.hasPrefix("2 imported, 0 were there, 0 conflict\n"), "\(ran.err)")
      #expect(server.seen.map(\.target) == ["/api/v1/imports?dry_run=true", "/api/v1/imports"])
      let sent = try rows(server.seen[1])
      #expect(
        String(decoding: JSONValue.array(sent).encoded(), as: UTF8.self) == """
          [{"line":2,"owner":"vm-1","ip":"10.0.0.5","mac":"02:00:00:00:00:01","pool":"edge"},\
          {"line":3,"owner":"vm-2","ip":"10.0.0.6","hostname":"h"}]
          """)
    }
  }

  @Test(arguments: [
    ("a.csv", "owner,ip,color\nx,1.1.1.1,red\n", "line 1 must be a header", "'color'"),
    ("a.csv", "owner,mac\n", "line 1 is the header and has no column ip", ""),
    ("a.csv", "owner,ip,ip\n", "names the column ip twice", ""), ("a.csv", "owner,ip\nx\n", "line 2 has 1 fields", ""),
    ("a.csv", "owner,ip\n,1.1.1.1\n", "line 2 has no owner", ""), ("a.csv", "owner,ip\n", "has no rows", ""),
    ("a.json", "{}", "is no array of rows", ""), ("a.json", "[{\"owner\":\"x\"}]", "row 1 has no ip", ""),
    ("a.json", "[{\"owner\":1,\"ip\":\"1.1.1.1\"}]", "row 1: owner is no string", ""),
    ("a.json", "[{\"vm\":\"x\"}]", "unknown field 'vm'", "there are owner"), ("a.json", "[", "a.json", ""),
    ("b.csv", "", "cannot open a.csv", "")
  ])
  func aFileThatIsWrongIsRefusedBeforeAnythingIsSent(name: String, text: String, sentence: String, hint: String) {
    withServer(obliging()) { server in
      let path = name == "b.csv" ? "a.csv" : name
      let ran = berth("import \(path)", at: server, around: Surroundings(files: [name: text]))
      #expect(ran.code == 2 && ran.err.contains(sentence) && ran.err.contains(hint), "\(ran.err)")
      #expect(server.seen.isEmpty)
    }
  }

  @Test func manyRowsGoInPiecesUnderOneId() throws {
    try withServer(obliging()) { server in
      let around = Surroundings(files: ["a.csv": file(5_000)], isTerminal: true)
      let ran = berth("import a.csv", at: server, around: around)
      #expect(ran.code == 0 && ran.out.hasPrefix("5000 imported"))
      let counts = try server.seen.map { try rows($0).count }
      #expect(counts == [2_048, 2_048, 904, 2_048, 2_048, 904])
      #expect(server.seen.prefix(3).allSatisfy { $0.target.hasSuffix("?dry_run=true") })
      let ids = try Set(server.seen.map { try JSONValue(parsing: Array($0.body.utf8))["import_id"]?.string })
      #expect(ids.count == 1)
      #expect(ran.err.contains("\r2048 of 5000 imported\r4096 of 5000 imported\r5000 of 5000 imported\n"))
      let first = try rows(server.seen[1])[0]
      #expect(first["line"]?.integer() == 2_050)
    }
    // Nobody watches: no counting.
    withServer(obliging()) { server in
      #expect(
        !berth("import a.csv", at: server, around: Surroundings(files: ["a.csv": file(5_000)])).err.contains("\r"))
    }
  }

  @Test func oneConflictAnywhereMeansThatNothingIsImported() {
    let report =
      #","report":{"imported":0,"already":0,"conflict_count":1,"conflicts":[{"line":4000,"ip":"10.0.15.158","code":"address_in_use","detail":"held by db"}]}"#
    let server = ScriptedServer { request in
      request.body.contains("\"line\":4000,")
        ? .problem(409, "import_conflicts", "one row conflicts", more: report)
        : .ok(#"{"imported":2048,"already":0,"conflict_count":0,"conflicts":[]}"#)
    }
    withServer(server) { server in
      let around = Surroundings(files: ["a.csv": file(5_000)])
      let ran = berth("import a.csv", at: server, around: around)
      #expect(ran.code == 1)
      #expect(ran.out.contains("4000  10.0.15.158  address_in_use  held by db"), "\(ran.out)")
      #expect(ran.err.contains("nothing was imported: 1 rows conflict") && ran.err.contains("--skip-conflicts"))
      #expect(server.seen.count == 3 && server.seen.allSatisfy { $0.target.contains("dry_run") })
      #expect(berth("import a.csv --dry-run", at: server, around: around).code == 7)
    }
  }

  @Test func anAddressTwiceInOneFileIsAConflictAcrossPieces() {
    withServer(obliging()) { server in
      let around = Surroundings(files: ["a.csv": file(3_000) + "again,10.0.0.7\nvm-8,10.0.0.8\n"])
      let ran = berth("import a.csv -o json", at: server, around: around)
      #expect(ran.code == 1)
      #expect(
        ran.out.contains(#""line":3002,"ip":"10.0.0.7","code":"address_twice","detail":"line 9 has"#), "\(ran.out)")
      // Saying the same twice is no conflict.
      #expect(ran.out.contains(#""conflict_count":1,"#))
    }
  }

  @Test func skippingConflictsNeedsNoTrial() throws {
    try withServer(obliging()) { server in
      let ran = berth("import a.csv --skip-conflicts", at: server, around: Surroundings(files: ["a.csv": file(3)]))
      #expect(ran.code == 0 && server.seen.count == 1)
      let body = try JSONValue(parsing: Array(server.seen[0].body.utf8))
      #expect(body["skip_conflicts"]?.bool == true)
    }
  }

  @Test func aBreakInTheMiddleSaysHowToGoOn() throws {
    let server = ScriptedServer { request in
      if request.body.contains("\"line\":4098,"), !request.target.contains("dry_run") {
        return .problem(503, "storage_full", "no room")
      }
      return .ok(#"{"imported":2048,"already":0,"conflict_count":0,"conflicts":[]}"#)
    }
    try withServer(server) { server in
      let around = Surroundings(files: ["a.csv": file(5_000)])
      let ran = berth("import a.csv", at: server, around: around)
      #expect(ran.code == 1)
      let id = try #require(ran.err.firstRange(of: "--resume ").map { ran.err[$0.upperBound...].prefix { $0 != "," } })
      #expect(ran.err.contains("4096 rows are in: go on with --resume \(id), or take them out with --undo \(id)"))
      _ = berth("import a.csv --resume \(id)", at: server, around: around)
      #expect(server.seen.allSatisfy { $0.body.contains("\"import_id\":\"\(id)\"") })
    }
  }

  @Test func aWrongFieldIsNamedByItsRowInTheFile() {
    let more = #","errors":[{"field":"rows[3].ip","message":"'x' is not an IP address"}]"#
    withServer(ScriptedServer(.problem(400, "invalid_field", "rows[3].ip", more: more))) { server in
      let ran = berth("import a.csv", at: server, around: Surroundings(files: ["a.csv": file(9)]))
      #expect(ran.code == 1 && ran.err.contains("row 5: 'x' is not an IP address"), "\(ran.err)")
    }
  }

  @Test func anUndoThatBreaksOffSaysHowFarItCameAndHowToGoOn() {
    let items = (0..<600).map { #"{"pool":"p","ip":"10.0.\#($0 / 256).\#($0 % 256)","generation":\#($0 + 1)}"# }
    let deletes = Shared(0)
    let server = ScriptedServer { request in
      guard request.method == "DELETE" else {
        return .ok(#"{"items":[\#(items.joined(separator: ","))],"next_cursor":null}"#)
      }
      let number = deletes.withLock {
        $0 += 1
        return $0
      }
      return number > 300 ? .problem(507, "storage_full", "no room") : .ok("{}")
    }
    withServer(server) { server in
      let ran = berth("import --undo imp-1 --yes", at: server, around: Surroundings(isTerminal: true))
      #expect(ran.code == 1 && ran.err.contains("no room"), "\(ran.err)")
      #expect(ran.err.contains("300 of 600 addresses were released: the same command does the rest"), "\(ran.err)")
      #expect(ran.err.contains("\r256 of 600 released"), "progress is told: \(ran.err)")
      let left = deletes.withLock { $0 }
      #expect(left < 300 + 2 * 16 + 1, "nobody goes on for long after a fault: \(left)")
      let targets = server.seen.filter { $0.method == "DELETE" }.map(\.target)
      #expect(Set(targets).count == targets.count, "each is asked for once")
    }
  }

  @Test func undoReleasesWhatIsStillOfTheImport() {
    let server = ScriptedServer { request in
      switch request.path {
      case "/api/v1/allocations":
        .ok(
          #"{"items":[{"pool":"p","ip":"10.0.0.1","generation":5},{"pool":"p","ip":"10.0.0.2","generation":6}],"next_cursor":null}"#
        )
      case "/api/v1/pools/p/allocations/10.0.0.2": .problem(409, "stale_generation", "somebody else's")
      default: .ok("{}")
      }
    }
    withServer(server) { server in
      #expect(berth("import --undo imp-1", at: server).code == 2)
      let ran = berth("import --undo imp-1 --yes", at: server)
      #expect(ran.code == 0)
      #expect(ran.out.contains("released         1\n") && ran.out.contains("no_longer_of_it  1\n"), "\(ran.out)")
      #expect(server.seen.last?.method == "DELETE")
      #expect(server.seen.map(\.target).contains("/api/v1/pools/p/allocations/10.0.0.1?generation=5"))
      #expect(server.seen[0].target == "/api/v1/allocations?label=berth.import%3Dimp-1&limit=1000")
    }
  }
}
