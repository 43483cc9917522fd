import Addressing
import Domain
import Ledger
import LogMemory
import Platform
import TestSupport
import Testing

@testable import Engine

/// Nodes and VMs through the real engine and its thread, with leases of a tenth of a second.
@Suite("The engine and nodes")
struct FleetTests {
  private static let lease = Duration.milliseconds(150)
  private let a = NodeName(trusted: "a")
  private let b = NodeName(trusted: "b")
  private let key = VMKey(name: VMName(trusted: "web-1"))

  private func bench(_ log: MemoryLog = MemoryLog()) throws -> Bench {
    try Bench(log: log) { $0.fleet = FleetTiming(lease: Self.lease) }
  }

  private func register(_ bench: Bench, _ name: NodeName) throws -> UInt64 {
    let node = Node(name: name, physical: Resources(cpu: 8_000, memory: 8_192))
    guard case .outcome(.fleet(.node(let made, _)), _) = bench.ask(.fleet(.registerNode(node))) else {
      throw Bench.Failure()
    }
    return made.epoch
  }

  private func make(_ bench: Bench, _ failover: FailoverPolicy, on node: NodeName? = nil) throws -> VM {
    var spec = VMSpec(Resources(cpu: 1_000, memory: 1_024))
    spec.failover = failover
    spec.interfaces = [VMInterface(source: .pool(.simple))]
    guard case .outcome(.fleet(.vms(let vms, true)), _) = bench.ask(.fleet(.createVM(VMRequest(key, spec)))) else {
      throw Bench.Failure()
    }
    return vms[0].vm
  }

  private func vm(_ bench: Bench) -> VM? { bench.engine.read { $0.vm(key) } }
  private func address(_ bench: Bench) -> String? {
    bench.engine.read { tables in tables.vm(key).flatMap { tables.grants(of: $0).first }.map { "\($0.allocation.ip)" } }
  }

  /// Reports for a node as its agent would, until `condition` holds.
  private func beat(_ bench: Bench, _ node: NodeName, until condition: () -> Bool) -> Bool {
    eventually {
      if let known = bench.engine.read({ $0.node(node) }) {
        _ = bench.engine.heartbeat(node, epoch: known.epoch, usage: nil)
      }
      return condition()
    }
  }

  @Test func s3_70_aSilentNodesVMStartsElsewhereWithItsAddress() throws {
    let bench = try bench()
    defer { bench.engine.stop() }
    try bench.makePool("10.0.0.0/24")
    _ = try register(bench, a)
    let made = try make(bench, .restart)
    #expect(made.node == a && made.epoch == 1)
    let held = address(bench)
    _ = try register(bench, b)
    #expect(beat(bench, b) { vm(bench)?.node == b }, "\(String(describing: vm(bench)))")
    #expect(vm(bench)?.epoch == 2 && held != nil && address(bench) == held)
    #expect(bench.engine.read { $0.node(a)?.state } == .lost)
    #expect(bench.engine.metrics.nodesLost.current == 1)
    // Further news of the same loss are none, and being lost a second time is.
    let next = try register(bench, a)
    #expect(beat(bench, b) { bench.engine.metrics.nodesLost.current == 2 })
    #expect(bench.engine.read { $0.node(a).map { $0.state == .lost && $0.epoch == next } } == true)
  }

  @Test func s3_70_withoutThatWishItWaitsForItsNodeWhichComesBack() throws {
    let bench = try bench()
    defer { bench.engine.stop() }
    try bench.makePool("10.0.0.0/24")
    let epoch = try register(bench, a)
    _ = try make(bench, .never)
    _ = try register(bench, b)
    #expect(beat(bench, b) { vm(bench)?.state == .lost })
    #expect(vm(bench)?.node == a)
    #expect(bench.engine.heartbeat(a, epoch: epoch, usage: nil) == .staleEpoch(epoch), "a lost node registers again")
    let next = try register(bench, a)
    #expect(next == epoch + 1)
    guard let lost = vm(bench) else { throw Bench.Failure() }
    let report = VMReport(id: lost.id, epoch: lost.epoch, fact: .running)
    _ = bench.ask(.fleet(.reportVMs(a, epoch: next, [report])))
    #expect(vm(bench)?.state == .running && vm(bench)?.node == a)
  }

  @Test func aRestartedServerGivesEveryNodeALease() throws {
    let log = MemoryLog()
    let first = try bench(log)
    try first.makePool("10.0.0.0/24")
    let epoch = try register(first, a)
    first.engine.stop()
    let second = try bench(log)
    defer { second.engine.stop() }
    #expect(second.engine.heartbeat(a, epoch: epoch, usage: nil) != .staleEpoch(epoch), "nobody is lost by a restart")
    #expect(second.engine.heartbeat(NodeName(trusted: "x"), epoch: 1, usage: nil) == .unknownNode)
    #expect(beat(second, a) { second.engine.health(of: a) != nil })
    #expect(eventually { second.engine.read { $0.node(a)?.state } == .lost }, "but by silence")
  }

  @Test func whoWaitsIsPlacedWhenThereIsRoom() throws {
    let bench = try bench()
    defer { bench.engine.stop() }
    try bench.makePool("10.0.0.0/24")
    let made = try make(bench, .never)
    #expect(made.state == .pending && made.node == nil)
    _ = try register(bench, b)
    #expect(beat(bench, b) { vm(bench)?.node == b })
    #expect(address(bench) == "10.0.0.2")
  }
}
