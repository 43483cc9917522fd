/// Everything that can be asked about nodes and VMs; one command is one entry in the log, or none.
package enum FleetCommand: Sendable {
  // MARK: Nodes

  /// An agent or an operator says what a node has; a node that is known keeps its VMs and gets the next epoch.
  case registerNode(Node)
  /// Change what an operator decides about a node.
  case updateNode(NodeName, NodePatch, ifMatch: Revision?)
  /// Take VMs again, take no new ones, or send those there are away.
  case setNode(NodeName, NodeWish)
  /// Its owner takes the node back in so many seconds: what it has leaves before that.
  case reclaimNode(NodeName, seconds: UInt32)
  /// Somebody vouches that the node carries nothing any more.
  case fenceNode(NodeName)
  /// Forget a node that carries nothing.
  case deleteNode(NodeName)
  /// These have not been heard of for too long; only actor `system` asks.
  case nodesLost([NodeName])
  /// The leases of these lost nodes have ended, with the margin: what may start elsewhere does; only actor `system` asks.
  case leasesEnded([NodeName])

  // MARK: VMs

  /// Make VMs, with their addresses, where there is room.
  case createVM(VMRequest)
  /// Change what is noted beside a VM, and what counts for its next placement.
  case updateVM(VMKey, VMPatch, ifMatch: Revision?)
  /// End a VM and give its addresses back: at once if no node has it, else when its node has said that it is gone.
  case deleteVM(VMKey, force: Bool)
  /// Wish that a VM runs.
  case startVM(VMKey)
  /// Wish that a VM is down; it keeps its addresses, not its room.
  case stopVM(VMKey)
  /// Bring a VM down and up again.
  case restartVM(VMKey)
  /// Move a VM to another node; nil = whichever is best.
  case migrateVM(VMKey, to: NodeName?)
  /// A node's agent says what became of VMs it was given.
  case reportVMs(NodeName, epoch: UInt64, [VMReport])
  /// Look for room for those that wait, and move what must leave; only actor `system` asks.
  case schedule

  // MARK: What only the leader knows; nothing of it is logged

  /// What schedulers outside say of VMs that are to be placed; only actor `system` tells.
  case advise([VMKey: Advice])
  /// How far datacenters are from each other now: all that is known; only actor `system` tells.
  case measured([Latency])

  // MARK: Tenants and capacity

  /// Limit a tenant, or change its limits.
  case setQuota(Quota)
  /// Let a tenant have any amount.
  case deleteQuota(TenantName)
  /// Keep room on a node for a tenant; `left` and `revision` are filled in.
  case reserveCapacity(CapacityReservation)
  /// Give kept room back to everybody.
  case releaseCapacity(CapacityName)

  // MARK: Questions; they change nothing

  /// What would happen if.
  case plan(WhatIf)
}

/// What to make.
package struct VMRequest: Sendable {
  /// Whose VM, and its name; of several the beginning of their names, followed by `-1`, `-2`, ...
  package var key: VMKey
  /// What it is to be.
  package var spec: VMSpec
  /// How many, all or none; nil = one, named exactly.
  package var count: Int?
  /// Whether it runs as soon as it can.
  package var isWanted = true
  /// Refuse rather than let it wait.
  package var mustPlace = false
  /// What schedulers outside say; nil = nobody asked them.
  package var advice: Advice?

  /// Wants one VM.
  package init(_ key: VMKey, _ spec: VMSpec) { (self.key, self.spec) = (key, spec) }
}

/// What to change of a node; nil = leave it.
package struct NodePatch: Sendable {
  /// The new labels, replacing all.
  package var labels: Labels?
  /// The new prices.
  package var prices: Prices?
  /// The new profile.
  package var profile: OvercommitProfile?
  /// Whether it is a spot node from now on.
  package var isSpot: Bool?
  /// Where it stands.
  package var topology: Topology?

  /// Changes nothing yet.
  package init() {}
}

/// What an operator wants of a node.
package enum NodeWish: UInt8, Hashable, Sendable, CaseIterable {
  /// Takes VMs.
  case ready
  /// Takes no new ones.
  case cordoned
  /// Takes no new ones, and those it has leave.
  case draining
}

/// What to change of a VM; nil = leave it, a nil inside = set it to none. What counts for placement counts next time.
package struct VMPatch: Sendable {
  /// The new labels, replacing all.
  package var labels: Labels?
  /// The new priority.
  package var priority: UInt16?
  /// Whether it may have to give way.
  package var isPreemptible: Bool?
  /// The new failover policy.
  package var failover: FailoverPolicy?
  /// The most that an hour may cost.
  package var budget: Money??
  /// Whether it has a standby.
  package var hasStandby: Bool?
  /// Whether who asks may not have others' VMs driven out: then a VM that becomes more important drives out its tenant's.
  package var isOfTenant = false

  /// Changes nothing yet.
  package init() {}
}

/// What an agent says of one VM.
package struct VMReport: Hashable, Sendable {
  /// What it may say.
  package enum Fact: UInt8, Hashable, Sendable, CaseIterable {
    /// It is coming up.
    case starting = 0
    /// It runs.
    case running = 1
    /// It is not here: down and cleared away.
    case gone = 2
    /// It could not be started, or died.
    case failed = 3

    /// As in the API.
    package var name: String { Self.names[Int(rawValue)] }
    private static let names = allCases.map { "\($0)" }
  }

  /// Which VM.
  package let id: VMID
  /// The placement it speaks of; an older one is not believed.
  package let epoch: UInt64
  /// What is so.
  package let fact: Fact
  /// More, in words; at most `Limits.reasonBytes`.
  package let detail: String

  /// Makes a report.
  package init(id: VMID, epoch: UInt64, fact: Fact, detail: String = "") {
    (self.id, self.epoch, self.fact, self.detail) = (id, epoch, fact, detail)
  }
}

/// A question about the fleet as it might be.
package enum WhatIf: Sendable {
  /// Where its VMs would go if this node were drained.
  case drain(NodeName)
  /// Who would find a place elsewhere if a whole datacenter were lost.
  case lose(datacenter: String)
  /// How many of those that wait would find a place on so many nodes like this one.
  case add(Node, count: Int)
  /// Which moves would save money, and how much.
  case cheaper(CostPolicy)
  /// How many more VMs like this one fit, and what stops the next; no further than `most`.
  case fit(VMRequest, most: Int = Limits.planTries)
}

/// Which moves for money are wanted.
package struct CostPolicy: Hashable, Sendable {
  /// Only this tenant's VMs; nil = everybody's.
  package var tenant: TenantName?
  /// Never those of these.
  package var excludedTenants: Set<TenantName> = []
  /// Never those that carry one of these labels.
  package var excludedLabels = Labels.none
  /// What an hour must cost less, at least.
  package var leastSaving: Money = 1
  /// At most so many.
  package var mostMoves = Limits.planMoves

  /// Any move that saves anything.
  package init(tenant: TenantName? = nil) { self.tenant = tenant }

  /// Whether a VM may be moved.
  package func allows(_ vm: VM) -> Bool {
    !excludedTenants.contains(vm.key.tenant)
      && !excludedLabels.pairs.contains { pair in vm.spec.labels.pairs.contains { $0 == pair } }
  }
}

/// What would happen.
package struct PlanReport: Hashable, Sendable {
  /// One VM that would go elsewhere, or nowhere.
  package struct Move: Hashable, Sendable {
    /// Which.
    package let vm: VMKey
    /// Where it is.
    package let from: NodeName?
    /// Where it would be; nil = it would wait.
    package let to: NodeName?
    /// Those it would drive out.
    package let victims: [VMKey]
    /// What an hour would cost less, in millionths.
    package let saves: Money
    /// Why, in short.
    package let why: String

    /// Makes a move.
    package init(vm: VMKey, from: NodeName?, to: NodeName?, victims: [VMKey] = [], saves: Money = 0, why: String = "") {
      (self.vm, self.from, self.to, self.victims, self.saves, self.why) = (vm, from, to, victims, saves, why)
    }
  }

  /// The moves; at most `Limits.planMoves` are listed.
  package var moves: [Move] = []
  /// How many moves there are.
  package var moveCount = 0
  /// How many would find no place.
  package var unplaced = 0
  /// How many more would fit (`fit`).
  package var fitting = 0
  /// What an hour would cost less in all, in millionths.
  package var saves: Money = 0
  /// More, in sentences.
  package var notes: [String] = []

  /// Nothing would happen.
  package init() {}
}

/// A VM with the addresses it has.
package struct PlacedVM: Hashable, Sendable {
  /// The VM.
  package let vm: VM
  /// Its addresses, by interface and family.
  package let grants: [Grant]

  /// Joins the two.
  package init(_ vm: VM, _ grants: [Grant] = []) { (self.vm, self.grants) = (vm, grants) }
}

/// The answer to a command about the fleet.
package enum FleetOutcome: Hashable, Sendable {
  /// The node as it is now; `isNew` if nobody knew it before.
  case node(Node, isNew: Bool)
  /// The node that is gone.
  case nodeDeleted(Node)
  /// The VMs as they are now, in the order asked for; `isNew` if they were made.
  case vms([PlacedVM], isNew: Bool)
  /// The VM that is gone, with what was given back.
  case vmDeleted(PlacedVM)
  /// The tenant's quota as it is now.
  case quota(Quota)
  /// The quota that is gone.
  case quotaDeleted(Quota)
  /// The kept capacity as it is now.
  case capacity(CapacityReservation)
  /// The kept capacity that is gone.
  case capacityDeleted(CapacityReservation)
  /// How many rows of nodes and VMs changed.
  case changed(nodes: Int, vms: Int)
  /// What would happen.
  case plan(PlanReport)
}
