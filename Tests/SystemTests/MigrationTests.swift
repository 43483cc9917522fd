import Glibc
import Platform
import TestSupport
import Testing

/// `berth cluster migrate` beside a server; with a real etcd it is in ClusterTests.
@Suite(.timeLimit(.minutes(5))) struct MigrationTests {
  let temporary = TemporaryDirectory()

  /// A directory with one address in it, which nobody serves.
  private func made() throws -> String {
    let data = temporary.file("data")
    let berth = try Berth(data)
    #expect(try berth.allocate("vm-1").status == 201)
    #expect(berth.stop() == .exited(0))
    return data
  }

  @Test func whatAMigrationHasLeftUnfinishedIsNotServed() throws {
    let data = try made()
    _ = try File(data + "/MIGRATING", .createNew)
    let cluster = ["--etcd", "http://127.0.0.1:1", "--node", "a", "--port", "4711"]
    for arguments in [["--port", "0"], cluster] {
      let refused = try Berth.run(["serve", "--data-dir", data] + arguments)
      #expect(refused.status == .exited(70), "\(refused)")
      #expect(refused.errors.contains("has not ended") && refused.errors.contains("repeat `berth cluster migrate"))
    }
    // The refusal of a node names this way out as well.
    let cleared = try Berth.run(["cluster", "rejoin", "--data-dir", data, "--yes"])
    #expect(cleared.status == .exited(0) && cleared.output.contains("aside-1"), "\(cleared)")
    // Also where it ended before there was anything to move.
    _ = try File(data + "/MIGRATING", .createNew)
    #expect(try Berth.run(["cluster", "rejoin", "--data-dir", data, "--yes"]).status == .exited(0))
    #expect(try Berth(data).get("/api/v1/ip/vm-1").status == 404)
  }

  @Test func whileADirectoryIsMovedIntoEtcdNoServerStartsOnIt() throws {
    let data = try made()
    // An etcd that takes connections and never answers.
    let etcd = try Listener(host: "127.0.0.1", port: 0)
    let migrate = try ChildProcess(
      Berth.binary, ["cluster", "migrate", "--from", data, "--to", "etcd://127.0.0.1:\(etcd.address.port)"])
    let held = eventually {
      let lock = (try? File(data + "/LOCK", .read).read(at: 0, count: 32)) ?? []
      return String(decoding: lock, as: UTF8.self).contains("\(migrate.pid)\n")
    }
    #expect(held, "\(migrate.errors)")
    migrate.kill(SIGSTOP)
    let refused = try Berth.run(["serve", "--data-dir", data, "--port", "0"])
    #expect(refused.status == .exited(70) && refused.errors.contains("in use by process \(migrate.pid)"), "\(refused)")
    migrate.kill(SIGKILL)
    _ = migrate.waitForExit()
    etcd.stop()
    let after = try Berth(data)
    #expect(try after.get("/api/v1/ip/vm-1").status == 200)
  }
}
