import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// What the documents tell people to do, done.
@Suite(.timeLimit(.minutes(5))) struct DocumentCommandTests {
  let temporary = TemporaryDirectory()

  @Test func s0_58_theCommandsOfTheDocumentsRunAndPrintWhatStandsThere() throws {
    let ended = try ChildProcess.run(
      "python3", ["\(Repository.root)/Tests/docs.py", Berth.binary], deadline: .seconds(240))
    #expect(ended.status == .exited(0), "\(ended.output)\(ended.errors)")
    #expect(ended.output.contains(" blocks ran, 0 failed"), "\(ended.output)")
  }

  /// The section `Undo` of the migration guide, word for word as a user types it.
  @Test func s0_57_undoingAnImportRestoresTheStateBefore() throws {
    let berth = try Berth(temporary.file("data"))
    let cli = { (words: [String]) throws -> Ended in
      try Berth.run(words, environment: ["BERTH_SERVER": berth.url], workingDirectory: temporary.path)
    }
    #expect(try cli(["pool", "create", "prod", "--cidr", "10.20.0.0/16", "--disabled"]).status == .exited(0))
    _ = try berth.send("POST", "/api/v1/pools/default/allocations", #"{"owner":"bystander"}"#)
    let before = try berth.state()
    let inventory = (0..<3_000).map { "vm-\($0),10.20.\($0 / 250 + 1).\($0 % 250)\n" }.joined()
    Files.write(Array(("owner,ip\n" + inventory).utf8), to: temporary.file("vms.csv"))
    let imported = try cli(["import", "vms.csv", "--resume", "move-1"])
    #expect(imported.status == .exited(0) && imported.output.contains("3000 imported"), "\(imported)")
    #expect(try berth.get("/api/v1/pools/prod")["capacity"]?["allocated"]?.integer() == 3_000)
    let undone = try cli(["import", "--undo", "move-1", "--yes"])
    #expect(undone.status == .exited(0) && undone.output.contains("3000"), "\(undone)")
    #expect(rows(of: try berth.state()) == rows(of: before))
    #expect(try cli(["import", "--undo", "move-1", "--yes"]).status == .exited(3), "nothing is left of it")
  }

  /// Pools, reservations and allocations of an export, without its revision.
  private func rows(of state: JSONValue) -> [JSONValue?] {
    ["pools", "reservations", "allocations"].map { state[$0] }
  }

  @Test func s0_3_theCommandLineEndsWithOneAndTheRule() throws {
    let berth = try Berth(temporary.file("data"))
    for (flags, says) in [
      (["--cidr", "10.0.0.5/24"], "did you mean 10.0.0.0/24"), (["--cidr", "10.0.0.0/33"], "0 to 32"),
      (["--cidr", "10.0.0.0/24", "--gateway", "10.1.0.1"], "not a host address of 10.0.0.0/24"),
      (["--cidr", "10.0.0.0/24", "--range", "10.0.0.9-10.0.0.1"], "10.0.0.9-10.0.0.1"),
      (["--cidr", "172.16.0.0/16"], "overlaps pool default")
    ] {
      let ended = try Berth.run(["pool", "create", "bad"] + flags, environment: ["BERTH_SERVER": berth.url])
      #expect(ended.status == .exited(1) || ended.status == .exited(2), "\(flags): \(ended)")
      #expect(ended.errors.contains(says), "\(flags): \(ended)")
    }
  }
}

/// The container image's files, as `docker run` would use them; there may be no container engine, so they run in a chroot.
@Suite(.timeLimit(.minutes(5)), .enabled(if: geteuid() == 0, "chroot needs root")) struct ImageTests {
  @Test func s2_20_theFilesOfTheImageServeWithArgumentsBehindTheName() throws {
    let ended = try ChildProcess.run("\(Repository.root)/Tests/image.sh", [Berth.binary], deadline: .seconds(120))
    #expect(ended.status == .exited(0), "\(ended)")
    #expect(ended.output.contains("serves as user 65532") || ended.output.contains("skipped"), "\(ended)")
  }
}

/// A pool that grows while it is used.
@Suite(.timeLimit(.minutes(5))) struct ExpansionTests {
  let temporary = TemporaryDirectory()

  @Test func s4_8_aPoolGrowsUnderLoadAndNoRequestFails() throws {
    let berth = try Berth(temporary.file("data"), ["--network", "192.168.100.0/24"])
    let client = berth.client
    let grown = Shared(false)
    let answers = Shared<[Int: Int]>([:])
    let addresses = Shared<Set<String>>([])
    _ = try together(9) { thread in
      if thread == 8 {
        // The pool is about half full by now, and the others go on.
        #expect(eventually { addresses.withLock { $0.count } >= 100 })
        let body = Array(#"{"cidr":"192.168.0.0/16"}"#.utf8)
        let answer = try client.send(ClientRequest("POST", "/api/v1/pools/default/expand", body: body))
        #expect(answer.status == 200)
        return grown.withLock { $0 = true }
      }
      var number = 0
      // Each client holds at most 20 addresses until the pool has grown: 160 of 253.
      while number < 20 || !grown.withLock({ $0 }) || number < 60 {
        let isNew = number < 20 || grown.withLock { $0 }
        let vm = "vm-\(thread)-\(isNew ? number : number % 20)"
        let body = Array(#"{"vm_id":"\#(vm)"}"#.utf8)
        let given = try Answer(client.send(ClientRequest("POST", "/api/v1/ip/allocate", body: body)))
        let read = try Answer(client.send(ClientRequest("GET", "/api/v1/ip/\(vm)")))
        answers.withLock {
          $0[given.status, default: 0] += 1
          $0[read.status, default: 0] += 1
        }
        #expect(given.ip != nil && given.ip == read.ip, "\(given.text)")
        if let ip = given.ip { addresses.withLock { _ = $0.insert(ip) } }
        number += 1
      }
    }
    #expect(Set(answers.withLock { $0 }.keys).isSubset(of: [200, 201]), "\(answers.withLock { $0 })")
    let stats = try berth.get("/api/v1/ip/stats")
    #expect(stats["network"]?.string == "192.168.0.0/16")
    #expect(stats["used"]?.integer() == addresses.withLock { $0.count }, "one address for each, none twice")
  }
}
