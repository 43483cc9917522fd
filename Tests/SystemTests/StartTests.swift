import Glibc
import Platform
import TestSupport
import Testing
import Wire

@Suite(.timeLimit(.minutes(5))) struct StartTests {
  let temporary = TemporaryDirectory()

  @Test func theFirstStartMakesTheDefaultPoolAndSaysWhatToTry() throws {
    let berth = try Berth(temporary.file("data"))
    let stats = try berth.get("/api/v1/ip/stats")
    #expect(stats["network"]?.string == "172.16.0.0/24" && stats["gateway"]?.string == "172.16.0.1")
    let line = try #require(berth.process.output.split(separator: "\n").first { $0.contains("curl") })
    let curl = try #require(line.firstRange(of: "curl").map { String(line[$0.lowerBound...]) })
    let said = try ChildProcess.run("/bin/sh", ["-c", curl])
    #expect(said.status == .exited(0) && said.output.contains(#""ip":"172.16.0.2""#), "\(curl): \(said.output)")
    #expect(berth.stop() == .exited(0))
  }

  @Test(arguments: [("192.168.1", "192.168.1.0/24", "192.168.1.1", 253), ("10.9.0.0/28", "10.9.0.0/28", "10.9.0.1", 13)]
  )
  func s2_16_theNetworkFlagChoosesTheDefaultPool(flag: String, network: String, gateway: String, usable: Int) throws {
    let berth = try Berth(temporary.file("data"), ["-n", flag])
    let stats = try berth.get("/api/v1/ip/stats")
    #expect(stats["network"]?.string == network && stats["gateway"]?.string == gateway)
    #expect(stats["total"]?.integer() == usable)
  }

  @Test func s2_17_theGatewayIsNeverGivenOut() throws {
    let berth = try Berth(temporary.file("data"), ["--network", "10.9.0.0/29", "-g", "10.9.0.3"])
    let given = try (1...5).map { try berth.allocate("vm-\($0)").ip }
    #expect(given == ["10.9.0.1", "10.9.0.2", "10.9.0.4", "10.9.0.5", "10.9.0.6"])
    #expect(try berth.allocate("vm-6").status == 503)
  }

  @Test func aLaterNetworkFlagWarnsAndKeepsWhatIsStored() throws {
    let first = try Berth(temporary.file("data"))
    #expect(try first.allocate("vm-1").ip == "172.16.0.2")
    first.stop()
    let second = try Berth(temporary.file("data"), ["--network", "10.0.0.0/16"])
    #expect(try second.get("/api/v1/ip/vm-1").ip == "172.16.0.2")
    #expect(try second.get("/api/v1/ip/stats")["network"]?.string == "172.16.0.0/24")
    #expect(eventually { second.errors.contains("--network") && second.errors.contains("172.16.0.0/24") })
  }

  /// Whatever the shell's mask and the directory's mode: what SQLite makes holds all tenants' rows.
  @Test func theFilesOfADirectoryThatOthersMayEnterAreForTheirOwnerAlone() throws {
    let data = temporary.file("data")
    mkdir(data, 0o755)
    chmod(data, 0o755)
    let berth = try ChildProcess(
      "sh", ["-c", "umask 0 && exec \"$0\" serve --data-dir \"$1\" --port 0", Berth.binary, data])
    #expect(eventually { berth.output.contains("berth serves ") }, "\(berth.errors)")
    for name in ["", "/log.db", "/log.db-wal", "/log.db-shm", "/history.db", "/LOCK", "/snapshots"] {
      var status = stat()
      #expect(eventually { stat(data + name, &status) == 0 }, "\(name)")
      #expect(status.st_mode & 0o077 == 0, "\(name): \(String(status.st_mode, radix: 8))")
    }
    #expect(berth.errors.contains("others could read") && berth.errors.contains(data), "\(berth.errors)")
    berth.kill(SIGTERM)
    #expect(berth.waitForExit() == .exited(0))
  }

  @Test func aSecondProcessOnTheDirectoryIsRefusedNamingTheFirst() throws {
    let first = try Berth(temporary.file("data"))
    let second = try Berth.run(["serve", "--data-dir", temporary.file("data"), "--port", "0"])
    #expect(second.status == .exited(1) || second.status == .exited(70), "\(second)")
    #expect(second.errors.contains("\(first.process.pid)"), "\(second.errors)")
    #expect(try first.allocate("vm-1").status == 201, "the first goes on")
  }

  @Test func aReachableAddressNeedsInsecureAndThenSaysSoLoudly() throws {
    let data = temporary.file("data")
    let refused = try Berth.run(["serve", "--data-dir", data, "--listen", "0.0.0.0:0"])
    #expect(refused.status == .exited(2) && refused.errors.contains("--insecure"), "\(refused)")
    #expect(!Files.exists(data), "a refused start leaves no directory behind")
    let berth = try ChildProcess(Berth.binary, ["serve", "--data-dir", data, "--listen", "0.0.0.0:0", "--insecure"])
    #expect(eventually { berth.output.contains("berth serves") && berth.errors.contains("INSECURE") })
    let container = try ChildProcess(
      Berth.binary, ["serve", "--data-dir", temporary.file("other")],
      environment: ["BERTH_LISTEN": "0.0.0.0:0", "BERTH_INSECURE": "1"])
    #expect(eventually { container.output.contains("berth serves") }, "\(container.errors)")
  }

  @Test func aTakenPortEndsTheStartWithAWayOut() throws {
    let first = try Berth(temporary.file("one"))
    let second = try Berth.run(["serve", "--data-dir", temporary.file("two"), "-p", "\(first.port)"])
    #expect(second.status == .exited(1), "\(second)")
    #expect(second.errors.contains("--port") && second.errors.contains("\(first.port)"), "\(second.errors)")
    #expect(try Berth.run(["check", "--data-dir", temporary.file("two")]).status == .exited(0))
  }

  @Test(arguments: [
    (["serve", "--networc", "10.0.0.0/8"], "network"), (["serve", "--port", "http"], "port"),
    (["serve", "--network", "10.0.0.1/8"], "10.0.0.0/8"), (["serve", "--gateway", "10.0.0.1"], "gateway"),
    (["pool", "lizt"], "list"), (["pooool", "list"], "pool")
  ]) func aWrongCommandLineEndsWithTwoAndNamesTheWayOut(arguments: [String], hint: String) throws {
    let ended = try Berth.run(arguments, workingDirectory: temporary.path)
    #expect(ended.status == .exited(2), "\(ended)")
    #expect(ended.errors.contains(hint), "\(ended.errors)")
    #expect(Files.names(in: temporary.path).isEmpty, "nothing is made")
  }

  @Test(arguments: [([], [:], false), (["-d"], [:], true), (["--debug"], [:], true), ([], ["BERTH_DEBUG": "1"], true)])
  func s2_19_debugComesFromTheFlagAndFromTheEnvironment(
    arguments: [String], environment: [String: String], isLoud: Bool
  ) throws {
    let berth = try Berth(temporary.file("data"), arguments, environment: environment)
    _ = try berth.allocate("vm-1")
    berth.stop()
    #expect(berth.errors.lowercased().contains("debug") == isLoud, "\(berth.errors)")
  }

  @Test func s2_18_helpListsTheOptionsOfServe() throws {
    for arguments in [["serve", "--help"], ["serve", "-h"]] {
      let help = try Berth.run(arguments)
      #expect(help.status == .exited(0))
      for flag in ["-p", "--port", "8080", "-n", "--network", "172.16.0", "-g", "--gateway", "-d", "--debug", "--help"]
      {
        #expect(help.output.contains(flag), "\(flag) is missing:\n\(help.output)")
      }
    }
    #expect(try Berth.run(["--help"]).output.contains("serve"))
  }

  @Test func flagsWithoutACommandAreThoseOfServe() throws {
    let berth = try ChildProcess(
      Berth.binary, ["--network", "10.3.0.0/16", "--data-dir", temporary.file("data"), "--port", "0"])
    #expect(eventually { berth.output.contains("berth serves") || berth.poll() != nil })
    #expect(berth.poll() == nil, "\(berth.errors)")
  }

  /// A signal goes to any thread that has it unblocked, and there it would end the process at once: only the main thread,
  /// which waits for it, may have it so.
  /// As many connections at a time, and of those that were let in how many get an answer.
  private func connections(_ count: Int, to berth: Berth) throws -> (served: Int, refused: Int) {
    let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: berth.port).first)
    let deadline = MonotonicTime.now + .seconds(30)
    let sockets = try (0..<count).map { _ in try Socket.connect(to: address, until: deadline) }
    let request = Array("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
    for socket in sockets { _ = socket.send(request, from: 0) }
    var (served, refused, bytes) = (0, 0, [UInt8](repeating: 0, count: 4_096))
    for socket in sockets {
      guard socket.wait(until: deadline), case .bytes(let count) = socket.receive(into: &bytes, at: 0) else { continue }
      let text = String(decoding: bytes[..<count], as: UTF8.self)
      if text.contains("200 OK") { served += 1 }
      if text.contains("too_many_connections") { refused += 1 }
    }
    return (served, refused)
  }

  @Test func theSoftLimitOfDescriptorsIsRaisedToTheHardOne() throws {
    let berth = try Berth(temporary.file("data"), ulimit: "-Sn 64")
    #expect(try connections(100, to: berth).served == 100)
    #expect(berth.stop() == .exited(0))
    #expect(!berth.errors.contains("ulimit"), "\(berth.errors)")
  }

  @Test func withFewDescriptorsItServesFewerConnectionsAndSaysSo() throws {
    let berth = try Berth(temporary.file("data"), ulimit: "-n 320")
    #expect(
      eventually { berth.errors.contains("64 connections are served at a time: the process may have 320 descriptors") })
    let told = try connections(100, to: berth)
    #expect(told.served == 64 && told.refused == 36, "who is over the number is told so: \(told)")
    #expect(try eventually { try berth.allocate("vm-1").ip == "172.16.0.2" }, "when they have gone")
  }

  @Test func noThreadButTheMainOneCanBeHitBySIGTERM() throws {
    let berth = try Berth(temporary.file("data"))
    _ = try berth.allocate("vm-1")
    let tasks = "/proc/\(berth.process.pid)/task"
    let open = try Files.names(in: tasks).filter { thread in
      let status = try #require(Files.text("\(tasks)/\(thread)/status"))
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
      let mask = try #require(UInt64(line.split(separator: "\t")[1], radix: 16))
      return mask & (1 << UInt64(SIGTERM - 1)) == 0
    }
    #expect(Files.names(in: tasks).count > 3)
    #expect(open.allSatisfy { $0 == "\(berth.process.pid)" }, "threads \(open)")
  }

  @Test func s2_15_thePortFlagIsWhatIsListenedOn() throws {
    let port = freePort()
    let berth = try ChildProcess(Berth.binary, ["serve", "--data-dir", temporary.file("data"), "-p", "\(port)"])
    #expect(eventually { berth.output.contains("http://127.0.0.1:\(port)") })
  }
}
