import Foundation
import TestSupport
import Testing
import Wire

/// A `berth agent` process; killed with the object.
private func agent(_ berth: Berth, _ words: String) throws -> ChildProcess {
  try ChildProcess(
    Berth.binary, ["agent", "--server", berth.url] + words.split(separator: " ").map(String.init))
}

extension Berth {
  /// Runs a command of the command line against this server.
  fileprivate func command(_ line: String) throws -> Ended {
    try Berth.run(line.split(separator: " ").map(String.init) + ["--server", url])
  }

  fileprivate func vm(_ name: String) throws -> JSONValue { try get("/api/v1/vms/\(name)").json }

  /// What there is to say of a VM that is not as it should be.
  fileprivate func told(_ name: String) -> String { (try? get("/api/v1/vms/\(name)").text) ?? "no answer" }

  fileprivate func state(_ name: String) throws -> String { try vm(name)["state"]?.string ?? "none" }

  fileprivate func ready(_ count: Int) throws -> Bool {
    try get("/api/v1/nodes?state=ready&limit=1000").json["items"]?.elements?.count == count
  }
}

/// VMs on simulated nodes: the real server, the real agent, the real command line.
@Suite struct FleetTests {
  @Test func s0_65_aVMIsMadeGetsItsAddressRunsAndGivesItBack() throws {
    let directory = TemporaryDirectory()
    let berth = try Berth(directory.path)
    let agents = try agent(berth, "--nodes 3 --datacenters 3 --start-delay 50ms")
    #expect(try eventually { try berth.ready(3) }, "\(agents.errors) \(berth.errors)")

    #expect(try berth.command("pool create edge --cidr 10.1.0.0/16").status == .exited(0))
    let made = try berth.command("vm create web-1 --vcpus 2 --memory 4G --ip-pool edge --ip 10.1.0.9 --wait")
    #expect(made.status == .exited(0), "\(made.errors)")
    let vm = try berth.vm("web-1")
    #expect(vm["state"]?.string == "running")
    #expect(vm["addresses"]?[0]?["ip"]?.string == "10.1.0.9")
    let node = vm["node"]?.string ?? ""
    #expect(node.hasPrefix("sim-"))
    let listed = try berth.command("vm list")
    #expect(listed.output.contains("10.1.0.9") && listed.output.contains(node), "\(listed.output)")
    #expect(try berth.command("vm why web-1").output.contains("web-1 is running on \(node)"))

    // The address is the VM's: somebody else who asks for it hears who has it, and no VM is left behind.
    let second = try berth.command("vm create web-2 --vcpus 1 --memory 1G --ip-pool edge --ip 10.1.0.9")
    #expect(second.status == .exited(1) && second.errors.contains("web-1"), "\(second.errors)")
    #expect(try berth.get("/api/v1/vms/web-2").status == 404)
    let outside = try berth.command("vm create web-2 --vcpus 1 --memory 1G --ip-pool edge --ip 10.2.0.9")
    #expect(outside.status == .exited(1) && outside.errors.contains("edge"), "\(outside.errors)")

    let many = try berth.command("vm create app --count 10 --vcpus 0.5 --memory 512M --ip-pool edge --wait")
    #expect(many.status == .exited(0), "\(many.errors)")
    let given = try (1...10).map { try berth.vm("app-\($0)")["addresses"]?[0]?["ip"]?.string ?? "" }
    #expect(Set(given).count == 10 && !given.contains(""))

    let stopped = try berth.command("vm stop web-1 --wait")
    #expect(stopped.status == .exited(0), "\(stopped.errors)")
    #expect(try berth.vm("web-1")["addresses"]?[0]?["ip"]?.string == "10.1.0.9")
    #expect(try berth.command("vm start web-1 --wait").status == .exited(0))

    let deleted = try berth.command("vm delete web-1 --yes --wait")
    #expect(deleted.status == .exited(0), "\(deleted.errors)")
    #expect(try berth.get("/api/v1/addresses/10.1.0.9").json["matches"]?[0]?["allocation"]?.isNull == true)
    #expect(try berth.command("ip allocate router --pool edge --ip 10.1.0.9").status == .exited(0))
  }

  @Test func aVMThatFindsNoRoomWaitsSaysWhyAndRunsWhenANodeComes() throws {
    let directory = TemporaryDirectory()
    let berth = try Berth(directory.path)
    #expect(try berth.command("vm create db --vcpus 8 --memory 16G").status == .exited(0))
    #expect(try berth.state("db") == "pending")
    let why = try berth.vm("db")["why"]?.string
    #expect(why?.isEmpty == false)
    let large = try agent(berth, "--node large --vcpus 16 --start-delay 50ms")
    #expect(try eventually { try berth.state("db") == "running" }, "\(large.errors) \(berth.told("db"))")
    #expect(try berth.vm("db")["node"]?.string == "large")
  }

  @Test func s3_14_whatTheFlagsOfAnAgentSayArrivesAtTheNode() throws {
    let directory = TemporaryDirectory()
    let berth = try Berth(directory.path)
    let one = try agent(
      berth,
      "--node lab-1 --datacenter fra --zone a --rack r7 --vcpus 8 --memory 16G --disk 100G --bandwidth 1G"
        + " --price-vcpu 0.02 --price-memory 0.001")
    let many = try agent(berth, "--nodes 4 --prefix x --first 5 --datacenters 2 --zones 2 --latency 5ms")
    #expect(try eventually { try berth.ready(5) }, "\(one.errors)\(many.errors)")
    let node = try berth.get("/api/v1/nodes/lab-1").json
    let place = node["topology"]
    #expect(place?["datacenter"]?.string == "fra" && place?["zone"]?.string == "a" && place?["rack"]?.string == "r7")
    #expect(node["capacity"]?["vcpus"]?.numberText == "8" && node["capacity"]?["memory_mib"]?.integer() == 16_384)
    #expect(node["capacity"]?["disk_mib"]?.integer() == 102_400)
    #expect(node["capacity"]?["bandwidth_mbps"]?.integer() == 1_000)
    #expect(node["prices"]?["off_peak"]?["vcpu_micros"]?.integer() == 20_000)
    #expect(node["prices"]?["off_peak"]?["memory_gib_micros"]?.integer() == 1_000)
    #expect(node["backends"]?[0]?.string == "simulated")
    let places = try (5...8).map { number in
      let place = try berth.get("/api/v1/nodes/x-\(number)").json["topology"]
      return [place?["datacenter"]?.string ?? "", place?["zone"]?.string ?? "", place?["rack"]?.string ?? ""]
    }
    #expect(places == [["dc-1", "a", "r1"], ["dc-2", "a", "r1"], ["dc-1", "b", "r1"], ["dc-2", "b", "r1"]])
    // And what it pretends of distances and use.
    #expect(try eventually { try berth.command("node latency").output.contains("5 ms") }, "\(many.errors)")
    #expect(try berth.command("vm create busy --vcpus 2 --memory 2G --wait").status == .exited(0))
    #expect(
      try eventually(deadline: .seconds(30)) {
        try berth.get("/api/v1/vms/busy?usage=true").json["usage"]?["memory_mib"]?.integer(Int.self) ?? 0 > 0
      })
    #expect(try berth.command("vm show busy").output.contains("usage"))
  }

  @Test func s3_59_aSchedulerOutsideDecidesAndOneThatIsSlowIsLeftOut() throws {
    let directory = TemporaryDirectory()
    func outside(_ words: String) throws -> (process: ChildProcess, url: String) {
      let process = try ChildProcess(
        "python3", ["\(Repository.root)/Tests/scripts/scheduler.py"] + words.split(separator: " ").map(String.init))
      try #require(eventually { process.output.hasSuffix("\n") || process.poll() != nil }, "\(process.errors)")
      return (process, process.output.trimmingCharacters(in: .newlines))
    }
    let licence = try outside("--refuse n-1,n-2")
    let slow = try outside("--delay 5")
    let rubbish = try outside("--rubbish")
    let berth = try Berth(
      directory.path,
      [
        "--scheduler", "licence=\(licence.url) timeout=3s", "--scheduler", "slow=\(slow.url) timeout=100ms only=score",
        "--scheduler", "rubbish=\(rubbish.url)"
      ])
    let agents = try agent(berth, "--nodes 3 --prefix n --start-delay 20ms")
    #expect(try eventually { try berth.ready(3) }, "\(agents.errors) \(berth.errors)")
    let made = try berth.command("vm create web --vcpus 2 --memory 1G --wait")
    #expect(made.status == .exited(0), "\(made.errors)")
    #expect(try berth.vm("web")["node"]?.string == "n-3", "\(berth.told("web"))")
    let why = try berth.command("vm why web").output
    #expect(why.contains("scheduler licence: refuses 2 of 3 nodes"), "\(why)")
    #expect(why.contains("scheduler slow: left out: no answer within 100 ms"), "\(why)")
    #expect(why.contains("scheduler rubbish: left out: its answer is not understood"), "\(why)")
    #expect(eventually { berth.errors.contains("scheduler slow is left out") })
    // Its node is vouched to be off: nowhere else may it go, and it says so.
    #expect(try berth.command("node cordon n-3").status == .exited(0))
    agents.kill(SIGKILL)
    #expect(try berth.command("node fence n-3 --yes").status == .exited(0))
    #expect(
      try eventually { try berth.command("vm why web").output.contains("licence: refuses 2 of 2 nodes") },
      "\(berth.told("web"))")
    #expect(try berth.state("web") == "pending")
  }

  @Test func whatFailsToStartIsTriedElsewhere() throws {
    let directory = TemporaryDirectory()
    let berth = try Berth(directory.path)
    let bad = try agent(berth, "--node a-bad --failure-rate 1 --start-delay 20ms")
    #expect(try eventually { try berth.ready(1) }, "\(bad.errors)")
    #expect(try berth.command("vm create web --vcpus 1 --memory 1G").status == .exited(0))
    #expect(
      try eventually { try berth.vm("web")["why"]?.string?.contains("did not come up") == true },
      "\(berth.told("web"))")
    let good = try agent(berth, "--node b-good --start-delay 20ms")
    #expect(try eventually { try berth.ready(2) }, "\(good.errors)")
    #expect(try berth.command("node cordon a-bad").status == .exited(0))
    #expect(try eventually(deadline: .seconds(60)) { try berth.state("web") == "running" }, "\(berth.told("web"))")
    #expect(try berth.vm("web")["node"]?.string == "b-good")
  }

  @Test func s3_70_whenANodeIsKilledItsVMsRunElsewhereWithTheirAddresses() throws {
    let directory = TemporaryDirectory()
    let berth = try Berth(directory.path, ["--node-lease-seconds", "3"])
    let doomed = try agent(berth, "--node doomed --start-delay 50ms")
    #expect(try eventually { try berth.ready(1) }, "\(doomed.errors)")
    for name in ["moves", "stays"] {
      let policy = name == "moves" ? "restart" : "never"
      let made = try berth.command("vm create \(name) --vcpus 1 --memory 1G --failover \(policy) --wait")
      #expect(made.status == .exited(0), "\(made.errors)")
    }
    let address = try berth.vm("moves")["addresses"]?[0]?["ip"]?.string
    #expect(address != nil)
    let others = try agent(berth, "--nodes 2 --prefix other --start-delay 50ms")
    #expect(try eventually { try berth.ready(3) }, "\(others.errors)")
    doomed.kill(SIGKILL)
    #expect(
      try eventually(deadline: .seconds(60)) {
        let vm = try berth.vm("moves")
        return vm["state"]?.string == "running" && vm["node"]?.string?.hasPrefix("other") == true
      }, "\(berth.told("moves")) \(berth.errors)")
    #expect(try berth.vm("moves")["addresses"]?[0]?["ip"]?.string == address)
    // Nobody has said that the node is off, so what must not run twice waits.
    #expect(try berth.state("stays") == "lost")
    #expect(try berth.command("node fence doomed --yes").status == .exited(0))
    #expect(try eventually { try berth.state("stays") == "running" }, "\(berth.told("stays"))")
  }

  @Test func anAgentThatIsToldToStopEndsInGoodOrderAndSaysWhatVanishes() throws {
    let directory = TemporaryDirectory()
    let berth = try Berth(directory.path)
    let agents = try agent(berth, "--nodes 2 --start-delay 20ms")
    #expect(try eventually { try berth.ready(2) }, "\(agents.errors)")
    #expect(try berth.command("vm create a --vcpus 1 --memory 1G --wait").status == .exited(0))
    agents.kill(SIGTERM)
    #expect(agents.waitForExit(deadline: .seconds(10)) == .exited(0))
    #expect(agents.errors.contains("1 simulated VMs vanish"), "\(agents.errors)")
    // The same nodes again: they register anew and bring up what they are to have.
    let again = try agent(berth, "--nodes 2 --start-delay 20ms")
    #expect(try eventually { try berth.get("/api/v1/nodes/sim-1").json["epoch"]?.integer() == 2 }, "\(again.errors)")
    #expect(eventually { again.errors.contains("2 nodes in touch") })
    #expect(try berth.state("a") == "running")
  }

  /// `make fleet`, as a new user tries it.
  @Test func theFleetOfTheFirstTryTakesAVMAndLeavesNoProcess() throws {
    let place = TemporaryDirectory()
    let port = freePort()
    /// The processes that serve there or report there.
    func processes() -> [String] {
      Files.names(in: "/proc").filter { name in
        guard UInt32(name) != nil, let words = Files.read("/proc/\(name)/cmdline") else { return false }
        return String(decoding: words, as: UTF8.self).contains("127.0.0.1:\(port)")
      }
    }
    defer { for name in processes() { _ = Int32(name).map { kill($0, SIGKILL) } } }
    let script = try ChildProcess(
      "bash", ["\(Repository.root)/Tests/scripts/fleet.sh", Berth.binary],
      environment: ["FLEET_DIRECTORY": place.file("fleet"), "FLEET_PORT": "\(port)", "FLEET_NODES": "2"])
    #expect(
      eventually(deadline: .seconds(60)) { script.output.contains("Ctrl-C stops") || script.poll() != nil },
      "\(script.output)\(script.errors)")
    #expect(processes().count == 4)
    let made = try Berth.run([
      "vm", "create", "web-1", "--vcpus", "2", "--memory", "4G", "--ip-pool", "edge", "--ip", "10.1.0.9", "--wait",
      "--server", "http://127.0.0.1:\(port)"
    ])
    #expect(made.status == .exited(0) && made.output.contains("10.1.0.9"), "\(made.output)\(made.errors)")
    script.kill(SIGINT)
    #expect(script.waitForExit() == .exited(130), "\(script.output)\(script.errors)")
    #expect(script.output.contains("all stopped"))
    #expect(processes().isEmpty, "no process is left")
  }
}
