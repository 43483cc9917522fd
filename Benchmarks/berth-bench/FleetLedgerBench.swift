import Addressing
import Domain
import Ledger
import Platform

/// VMs in the ledger alone, without HTTP and log: what making one with its node and its address costs beside a plain
/// allocation, and what it costs when its node says that it runs.
enum FleetLedgerBench {
  private static let perNode = 50

  static func main(_ count: Int, reports: Bool) {
    var house = LedgerBench.House("10.0.0.0/8")
    let nodes = (0...count / perNode).map { NodeName(trusted: "node-\($0)") }
    for name in nodes {
      house.run([.fleet(.registerNode(Node(name: name, physical: Resources(cpu: 64_000, memory: 262_144))))])
    }
    var spec = VMSpec(Resources(cpu: 1_000, memory: 1_024))
    spec.interfaces = [VMInterface(source: .choose([.ipv4], .none))]
    let began = MonotonicTime.now
    for first in stride(from: 0, to: count, by: 64) {
      house.run(
        (first..<min(count, first + 64)).map { number in
          .fleet(.createVM(VMRequest(VMKey(name: VMName(trusted: "vm-\(1_000_000_000_000 + number)")), spec)))
        })
    }
    let made = MonotonicTime.now
    precondition(house.tables.count(of: .placed) == count, "not every VM has found a node")
    let each = (made - began) / Int64(count)
    print("create, \(count) VMs on \(nodes.count) nodes: \(each) ns each (decide, encode, publish)")
    guard reports else { return }
    var batch: [Command] = []
    for name in nodes {
      for vm in house.tables.vms(on: name) {
        batch.append(.fleet(.reportVMs(name, epoch: 1, [VMReport(id: vm.id, epoch: vm.epoch, fact: .running)])))
      }
    }
    let asked = MonotonicTime.now
    for first in stride(from: 0, to: count, by: 64) { house.run(Array(batch[first..<min(count, first + 64)])) }
    precondition(house.tables.count(of: .running) == count, "not every VM runs")
    print("their nodes say that they run: \((MonotonicTime.now - asked) / Int64(count)) ns each")
  }
}
