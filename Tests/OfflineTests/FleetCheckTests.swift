import Addressing
import Domain
import Ledger
import Offline
import Testing

/// Damage of the rows of nodes and VMs: each kind is named.
@Suite struct FleetCheckTests {
  private static let web = PoolName(trusted: "edge")

  private static func node(_ name: String, _ datacenter: String) -> Command {
    var node = Node(name: NodeName(trusted: name), physical: Resources(cpu: 8_000, memory: 16_384))
    node.topology = Topology(datacenter: datacenter)
    node.numa = [NUMANode(cpus: CPUSet(0..<8), memory: 8_192)]
    node.devices = [Device(id: DeviceID(trusted: "d0"), model: DeviceModel(trusted: "gpu"))]
    return .fleet(.registerNode(node))
  }

  private static func create(_ name: String, _ change: (inout VMSpec) -> Void = { _ in }) -> Command {
    var spec = VMSpec(Resources(cpu: 2_000, memory: 1_024))
    spec.interfaces = [VMInterface(source: .pool(web))]
    change(&spec)
    return .fleet(.createVM(VMRequest(VMKey(name: VMName(trusted: name)), spec)))
  }

  /// A fleet in which all is well: a plain VM, one with a standby, one with a device.
  private static func sound() -> OfflineBench {
    let bench = OfflineBench()
    bench.batch([OfflineBench.createPool("edge", "10.0.0.0/24")])
    for (name, place) in [("n1", "east"), ("n2", "west")] { bench.batch([node(name, place)]) }
    bench.batch([create("plain")])
    bench.batch([create("critical") { ($0.failover, $0.hasStandby) = (.restart, true) }])
    bench.batch([
      create("special") { $0.devices = [DeviceRequest(DeviceModel(trusted: "gpu"))] }
    ])
    return bench
  }

  private static func vm(_ bench: OfflineBench, _ name: String, _ change: (VM) -> VM) -> Effect {
    guard let vm = bench.vm(name) else { preconditionFailure("no VM \(name)") }
    return .put(.fleet(.vm(change(vm))))
  }

  /// The VM at another place, and whatever else is wrong with it.
  private static func forged(
    _ vm: VM, spec: VMSpec? = nil, node: NodeName?? = nil, standby: NodeName?? = nil, seat: Seat? = nil,
    name: String? = nil
  ) -> VM {
    VM(
      key: name.map { VMKey(name: VMName(trusted: $0)) } ?? vm.key, id: vm.id, spec: spec ?? vm.spec, state: vm.state,
      node: node ?? vm.node, standby: standby ?? vm.standby, seat: seat ?? vm.seat, epoch: vm.epoch,
      createdAt: vm.createdAt, revision: vm.revision)
  }

  private struct Damage: CustomTestStringConvertible, Sendable {
    let kind: Finding.Kind
    let words: String
    let effects: @Sendable (OfflineBench) -> [Effect]
    var testDescription: String { words }

    init(_ kind: Finding.Kind, _ words: String, _ effects: @escaping @Sendable (OfflineBench) -> [Effect]) {
      (self.kind, self.words, self.effects) = (kind, words, effects)
    }
  }

  private static let damages: [Damage] = [
    Damage(.orphan, "which does not exist") { bench in [.delete(.fleet(.vm(bench.vm("plain")!)))] },
    Damage(.orphan, "is on node nowhere, which does not exist") { bench in
      [vm(bench, "plain") { forged($0, node: NodeName(trusted: "nowhere")) }]
    },
    Damage(.orphan, "lacks an address on eth0") { bench in
      bench.addresses(of: "plain").map { .delete(.allocation($0)) }
    },
    Damage(.orphan, "its address") { bench in
      bench.addresses(of: "plain").map {
        .put(.allocation($0.managed(by: .vm, mac: $0.mac, node: NodeName(trusted: "n2"), revision: $0.revision)))
      }
    },
    Damage(.orphan, "capacity k is kept on node nowhere") { bench in
      [
        .put(
          .fleet(
            .capacity(
              CapacityReservation(
                name: CapacityName(trusted: "k"), tenant: .standard, node: NodeName(trusted: "nowhere"),
                asked: Resources(cpu: 1), priority: 1, createdAt: bench.now, revision: bench.revision + 1))))
      ]
    },
    Damage(.overlap, "carries more than it may promise") { bench in
      [
        vm(bench, "plain") { one in
          var spec = one.spec
          spec.resources.cpu = 16_000
          return forged(one, spec: spec)
        }
      ]
    },
    Damage(.overlap, "carries more than it may promise") { bench in
      // Only what the standby keeps is too much: on its own node there is room.
      [
        vm(bench, "critical") { one in
          forged(one, node: NodeName(trusted: "n3"), standby: .some(NodeName(trusted: "n2")))
        },
        .put(
          .fleet(
            .node(
              Node(
                name: NodeName(trusted: "n2"), physical: Resources(cpu: 1_000, memory: 16_384),
                topology: Topology(datacenter: "west"), createdAt: 1, revision: 1)))),
        .put(
          .fleet(
            .node(
              Node(
                name: NodeName(trusted: "n3"), physical: Resources(cpu: 64_000, memory: 65_536),
                topology: Topology(datacenter: "east"), createdAt: 1, revision: 1))))
      ]
    },
    Damage(.overlap, "shares what is its own") { bench in
      let seat = bench.vm("special")!.seat
      return [vm(bench, "plain") { forged($0, node: bench.vm("special")!.node, seat: seat) }]
    },
    Damage(.implausible, "is to have none") { bench in
      [vm(bench, "plain") { forged($0, standby: .some(NodeName(trusted: "n2"))) }]
    },
    Damage(.implausible, "are in the same datacenter") { bench in
      var node = bench.node("n2")!
      node.topology = Topology(datacenter: "east")
      return [.put(.fleet(.node(node)))]
    }
  ]

  @Test func aSoundFleetHasNoFindings() throws {
    let bench = FleetCheckTests.sound()
    #expect(bench.vm("critical")?.standby != nil && bench.vm("special")?.seat != .plain)
    let report = try bench.check()
    #expect(report.isSound, "\(report.lines)")
  }

  @Test(arguments: damages) private func everyKindOfForgedRowOfTheFleetIsNamed(damage: Damage) throws {
    let bench = FleetCheckTests.sound()
    bench.forge(damage.effects(bench), .vmReported)
    let report = try bench.check()
    #expect(report.exitCode == 7 && report.counts[damage.kind] ?? 0 >= 1, "\(report.lines)")
    #expect(report.findings.contains { $0.kind == damage.kind && $0.what.contains(damage.words) }, "\(report.lines)")
  }

  /// One of two readers counts what a tenant uses wrongly: played by another log at the third opening.
  @Test func whatATenantUsesIsCountedAnew() throws {
    let bench = FleetCheckTests.sound()
    let other = FleetCheckTests.sound()
    other.batch([FleetCheckTests.create("late")])
    #expect(try bench.check().isSound)
    let report = try bench.check(other: other, from: 3)
    #expect(report.counts[.index] ?? 0 >= 1, "\(report.lines)")
  }
}
