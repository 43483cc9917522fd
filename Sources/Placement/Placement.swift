// Placement: the fleet and a request in, a host and the reasons out.
//
// `Fleet` is a view of nodes and VMs, kept up to date row by row and never rebuilt for a decision; `place` looks for
// a host and changes nothing. All of it is a value without I/O, clock, randomness or hash order, in whole numbers:
// the same rows and questions in the same order give the same answers in every process. What was decided in a batch
// that is refused later is undone from a journal (`mark`, `rollback`, `commit`).
//
// How it is fast. VMs that ask the same share a request class, nodes that are the same share a node class; whether
// one can carry the other at all is worked out once for each pair. Nodes with room lie in cells by free processors and
// free memory; a walk from the tightest cell upwards looks at a few and takes the best. Only if the walk finds nothing
// good is every node looked at, so "no" is always exact, and says which filter took how many nodes.
//
// One function, `check`, says whether a node will do: for the walk, for the exact pass, for preemption, for what-if,
// and for the ledger when it commits. Addresses are a dimension like any other: a node whose network has none left
// will not do, and `AddressView` is asked about that.
//
// Refused: sampling that can say "no" without having looked; scores in floating point; a scheduler on a snapshot that
// commits optimistically (its conflicts cost more than deciding); victims that drive out others in turn.
package import Domain

/// Why a node will not do; the order is that of the filters, and the first that applies counts.
package enum Reason: UInt8, Hashable, Sendable, CaseIterable {
  /// It will do.
  case none = 0
  /// It is not the node that was named, or the one to be avoided.
  case notNamed
  /// It takes no new VMs: cordoned, draining, lost or fenced.
  case state
  /// It cannot run this backend.
  case backend
  /// It is a spot node, or is none.
  case spot
  /// It is smaller than the VM, however empty.
  case size
  /// It lacks a label.
  case labels
  /// An hour there costs more than the budget.
  case budget
  /// Its datacenter is excluded.
  case excluded
  /// It is outside the enforced datacenter or zone.
  case outside
  /// It is in the datacenter that a standby must not be in, or in none that is known.
  case together
  /// It is too far away, or nobody measured how far.
  case latency
  /// No pool that serves it has an address left.
  case addresses
  /// A rule from outside says no.
  case rule
  /// The group it must be with is elsewhere.
  case affinity
  /// The group it must not be with is there.
  case antiAffinity
  /// Its group has a member there already, and must be in more places.
  case spreading
  /// The tenant has its number of VMs there.
  case perNode
  /// Too few processors are free.
  case cpu
  /// Too little memory is free.
  case memory
  /// Too little disk is free.
  case disk
  /// Too little bandwidth is free.
  case bandwidth
  /// What is free is kept for others.
  case reserved
  /// Too little of a resource that an operator made up.
  case custom
  /// Too few devices are free.
  case devices
  /// Too few processors that nobody else has.
  case pinning
  /// No NUMA node has enough by itself.
  case numa

  /// In words, behind "12 nodes: ".
  package var text: String {
    switch self {
    case .none: "will do"
    case .state: "take no new VMs"
    case .notNamed: "are not the node that was named"
    case .backend: "cannot run the backend"
    case .labels: "lack a label"
    case .spot: "are spot nodes, or are none"
    case .size: "are smaller than the VM"
    case .budget: "cost more than the budget"
    case .excluded: "are in an excluded datacenter"
    case .outside: "are outside the enforced place"
    case .together: "are not in another datacenter than the VM itself"
    case .latency: "are too far away, or the latency is not known"
    case .addresses: "have no address left in a pool that serves them, or none in the VLAN of the interface's other one"
    case .rule: "are refused by a rule from outside"
    case .affinity: "are not where the group is"
    case .antiAffinity: "have a member of a group to stay away from"
    case .spreading: "have a member of the group, which must be in more places"
    case .perNode: "have the tenant's number of VMs"
    case .cpu: "have too few vCPUs free"
    case .memory: "have too little memory free"
    case .disk: "have too little disk free"
    case .bandwidth: "have too little bandwidth free"
    case .reserved: "have room only that is kept for others"
    case .custom: "have too little of a custom resource"
    case .devices: "have too few devices free"
    case .pinning: "have too few processors to give away"
    case .numa: "have no NUMA node with enough"
    }
  }
}

/// A question: where would this VM go?
package struct PlacementRequest: Sendable {
  /// Whose VM, and its name.
  package var key: VMKey
  /// What it wants.
  package var spec: VMSpec
  /// Which VM, if the fleet may have it already: it is then looked for as if it were gone.
  package var id: VMID?
  /// The log time: prices by the hour, ends of reservations, rest after giving way.
  package var time: LogTime
  /// The tenant's quota of VMs on one node.
  package var vmsPerNode: UInt64?
  /// Not these nodes.
  package var avoid: [NodeName] = []
  /// Only nodes of another datacenter than this one: for a standby.
  package var apart: String?
  /// Whether others may be driven out, if the spec says so too; false for whoever gave way itself.
  package var mayPreempt = true
  /// What schedulers outside say. Scores count among nodes that will do.
  package var advice: Advice?

  /// Asks for a VM.
  package init(_ key: VMKey, _ spec: VMSpec, time: LogTime = 0) {
    (self.key, self.spec, self.time) = (key, spec, time)
  }
}

/// An answer.
package enum Decision: Sendable {
  /// There.
  case placed(Placement)
  /// There, once these have given way.
  case preempt(Placement, victims: [Victim])
  /// Nowhere, and why.
  case pending(Explanation)

  /// Why.
  package var explanation: Explanation {
    switch self {
    case .placed(let placement), .preempt(let placement, _): placement.explanation
    case .pending(let explanation): explanation
    }
  }
}

/// A place for a VM.
package struct Placement: Sendable {
  /// The node.
  package let node: NodeName
  /// Processors and devices of its own there.
  package let seat: Seat
  /// What an hour costs there now.
  package let price: Money
  /// What it takes of kept capacity; their rows shrink by it.
  package let uses: [Use]
  /// Why there.
  package let explanation: Explanation

  /// A part of kept capacity.
  package struct Use: Hashable, Sendable {
    /// Of which reservation.
    package let name: CapacityName
    /// How much.
    package let amounts: Resources

    /// Joins the two.
    package init(name: CapacityName, amounts: Resources) { (self.name, self.amounts) = (name, amounts) }
  }
}

/// A VM that would have to give way.
package struct Victim: Hashable, Sendable {
  /// Whose, and its name.
  package let key: VMKey
  /// Which.
  package let id: VMID
  /// Its priority.
  package let priority: UInt16
  /// What an hour of it costs where it is.
  package let price: Money
}

/// A filter and scorer in code, asked for every node that is looked at.
package protocol PlacementRule: Sendable {
  /// Its name, for explanations.
  var name: String { get }
  /// Whether the node will do.
  func accepts(_ node: Node, for request: PlacementRequest) -> Bool
  /// How bad the node is, from 0; added to broken wishes.
  func penalty(_ node: Node, for request: PlacementRequest) -> Int32
}
