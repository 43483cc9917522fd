import Addressing
import Domain
import Placement

/// Short forms for tests.
func node(
  _ name: String, cpu: Int32 = 10, memory: Int32 = 10, _ change: (inout Node) -> Void = { _ in }
) -> Node {
  // With a tenth held back, so many whole vCPUs and GiB may be promised.
  var node = Node(
    name: NodeName(trusted: name),
    physical: Resources(
      cpu: (cpu * 10_000 + 8) / 9, memory: (memory * 10_240 + 8) / 9, disk: 1 << 20, bandwidth: 10_000))
  change(&node)
  return node
}

func spec(cpu: Int32 = 1, memory: Int32 = 1, _ change: (inout VMSpec) -> Void = { _ in }) -> VMSpec {
  var spec = VMSpec(Resources(cpu: cpu * 1_000, memory: memory * 1_024))
  change(&spec)
  return spec
}

func key(_ name: String, tenant: String = "default") -> VMKey {
  VMKey(tenant: TenantName(trusted: tenant), name: VMName(trusted: name))
}

func name(_ text: String) -> NodeName { NodeName(trusted: text) }

func group(_ text: String) -> GroupName { GroupName(trusted: text) }

func place(_ datacenter: String?, _ zone: String? = nil, _ rack: String? = nil) -> Topology {
  Topology(datacenter: datacenter, zone: zone, rack: rack)
}

extension Decision {
  /// The node, if there is one now.
  var node: String? {
    if case .placed(let placement) = self { return placement.node.text }
    return nil
  }

  var placement: Placement? {
    switch self {
    case .placed(let placement), .preempt(let placement, _): placement
    case .pending: nil
    }
  }

  var victims: [String] {
    if case .preempt(_, let victims) = self { return victims.map(\.key.name.text).sorted() }
    return []
  }

  var isPending: Bool {
    if case .pending = self { return true }
    return false
  }
}

extension Fleet {
  init(_ nodes: [Node]) {
    self.init()
    for node in nodes { put(node) }
  }

  /// Asks and carries out; victims go.
  @discardableResult
  mutating func run(_ id: UInt64, _ spec: VMSpec, tenant: String = "default", time: LogTime = 0) -> Decision {
    let key = PlacementTests.key("vm-\(id)", tenant: tenant)
    let decision = place(PlacementRequest(key, spec, time: time))
    if case .preempt(_, let victims) = decision { for victim in victims { remove(vm: victim.id) } }
    if let placement = decision.placement {
      put(
        VM(
          key: key, id: VMID(revision: id), spec: spec, state: .placed, node: placement.node, seat: placement.seat))
    }
    return decision
  }

  mutating func ask(_ spec: VMSpec, tenant: String = "default", time: LogTime = 0) -> Decision {
    place(PlacementRequest(PlacementTests.key("asks", tenant: tenant), spec, time: time))
  }
}
