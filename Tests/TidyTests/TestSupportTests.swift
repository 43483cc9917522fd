import TestSupport
import Testing

/// The ground that the other tests stand on.
@Suite struct TestSupportTests {
  /// The first numbers of seed 1234567, as the authors' C program prints them.
  @Test func randomNumbersAreSplitMix64() {
    var random = SeededRandom(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in random.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423
      ])
  }

  @Test func temporaryDirectoriesGoWithEverythingInThem() throws {
    var directory: TemporaryDirectory? = TemporaryDirectory()
    let path = try #require(directory?.path)
    let outside = TemporaryDirectory()
    Files.write("kept".utf8, to: outside.file("a"))
    let made = try ChildProcess.run(
      "sh", ["-c", "mkdir -p b/c && echo x > b/c/d && ln -s \"$0\" link", outside.path], workingDirectory: path)
    #expect(made.status == .exited(0), "\(made.errors)")
    #expect(Files.all(below: path) == ["b/c/d", "link"])
    directory = nil
    #expect(!Files.exists(path))
    #expect(Files.text(outside.file("a")) == "kept", "a link is removed, not followed")
  }

  @Test func childrenAreCapturedAndTheirEndIsTold() throws {
    let ended = try ChildProcess.run(
      "sh", ["-c", "cat; echo $GREETING >&2; exit 3"], input: Array("in".utf8), environment: ["GREETING": "hello"])
    #expect(ended.status == .exited(3) && ended.output == "in" && ended.errors == "hello\n")
    #expect(throws: ChildProcess.CannotStart.self) { try ChildProcess("/nonexistent/program") }
  }

  @Test func aChildIsKilledByItsOwner() throws {
    let child = try ChildProcess("sleep", ["1000"])
    #expect(child.poll() == nil && child.waitForExit(deadline: .milliseconds(5)) == nil)
    child.kill(15)
    #expect(child.waitForExit() == .signalled(15))
    var forgotten: ChildProcess? = try ChildProcess("sleep", ["1000"])
    let pid = try #require(forgotten?.pid)
    #expect(Files.exists("/proc/\(pid)"))
    forgotten = nil
    #expect(!Files.exists("/proc/\(pid)"), "killed and reaped")
  }

  @Test func outputLargerThanAnyPipeDoesNotStopAChild() throws {
    let ended = try ChildProcess.run("sh", ["-c", "yes berth | head -c 3000000"])
    #expect(ended.status == .exited(0) && ended.output.utf8.count == 3_000_000)
  }

  @Test func eventuallyGivesUpAtItsDeadline() {
    var looks = 0
    #expect(
      eventually {
        looks += 1; return looks == 3
      })
    #expect(!eventually(deadline: .milliseconds(5)) { false })
    #expect(eventually(deadline: .zero) { true }, "looks at least once")
  }

  @Test func freePortsAreDifferentAndUsable() {
    let ports = (0..<100).map { _ in freePort() }
    #expect(Set(ports).count == 100)
    let connections = Files.read("/proc/sys/net/ipv4/ip_local_port_range").map { String(decoding: $0, as: UTF8.self) }
    let first = connections.flatMap { $0.split(whereSeparator: \.isWhitespace).first }.flatMap { UInt16($0) } ?? .max
    #expect(ports.allSatisfy { $0 > 1_023 && $0 < first })
  }
}
