package import Addressing

/// An interface of a VM, and where its addresses come from.
package struct VMInterface: Hashable, Sendable {
  /// One pool by name, or a choice.
  package enum Source: Hashable, Sendable {
    /// This pool.
    case pool(PoolName)
    /// For each family the best pool that serves the VM's node and carries these labels.
    case choose([AddressFamily], Labels)
  }

  /// Its name in the guest.
  package var name: InterfaceName
  /// Where its addresses come from.
  package var source: Source
  /// Exactly this address.
  package var address: IPAddress?
  /// Its hardware address, if it was chosen.
  package var mac: MACAddress?

  /// Makes an interface as it is.
  package init(name: InterfaceName = .standard, source: Source, address: IPAddress? = nil, mac: MACAddress? = nil) {
    (self.name, self.source, self.address, self.mac) = (name, source, address, mac)
  }
}

/// What somebody wants a VM to be; all but the resources has a usual value.
package struct VMSpec: Hashable, Sendable {
  /// What it takes.
  package var resources: Resources
  /// What else it takes, in order of the names.
  package var custom: [CustomAmount] = []
  /// Devices that it alone has, in order of the models.
  package var devices: [DeviceRequest] = []
  /// The image it boots.
  package var image = ""
  /// The kernel, where the image has none.
  package var kernel = ""
  /// What must run it; nil = whatever the node has.
  package var backend: BackendName?
  /// 0...1000; the higher goes first.
  package var priority: UInt16 = 500
  /// Whether it may have to give way.
  package var isPreemptible = false
  /// How long it has to go down by itself.
  package var graceSeconds: UInt32 = 30
  /// Its interfaces.
  package var interfaces: [VMInterface] = []
  /// The groups it is a member of.
  package var groups: [GroupName] = []
  /// With whom, and without whom.
  package var affinity: [AffinityRule] = []
  /// How many members of its first group may be away at once because others took their room; nil = any number.
  package var maxDisrupted: UInt16?
  /// Where.
  package var locality = Locality.anywhere
  /// Whether it has processors of its own.
  package var isPinned = false
  /// Whether its processors and memory must be of one NUMA node.
  package var isSingleNUMA = false
  /// The most that an hour of it may cost.
  package var budget: Money?
  /// Labels that its node must have.
  package var nodeLabels = Labels.none
  /// The only node that will do.
  package var node: NodeName?
  /// Whether it goes to spot nodes.
  package var spot = SpotChoice.never
  /// Which of the nodes that would do.
  package var strategy = PlacementStrategy.pack
  /// What it may do to others.
  package var preemption = PreemptionPolicy.lower
  /// Whether those it drives out have no time to go down.
  package var isForced = false
  /// What happens when its node is lost.
  package var failover = FailoverPolicy.never
  /// Whether room is kept for it in another datacenter, where it goes on when its node is lost.
  package var hasStandby = false
  /// The operator's labels.
  package var labels = Labels.none

  /// Wants so much, and all else as usual.
  package init(_ resources: Resources) { self.resources = resources }

  /// The rule that it breaks, in words; nil = none.
  package var flaw: (field: String, rule: String)? {
    if !resources.isLegal || resources.cpu == 0 || resources.memory == 0 {
      return ("resources", "vCPU and memory must be over 0, and nothing over \(Limits.resource)")
    }
    if isPinned, resources.cpu % 1_000 != 0 { return ("vcpus", "a pinned VM has whole vCPUs") }
    if priority > Limits.priority { return ("priority", "0 to \(Limits.priority)") }
    if custom.count > Limits.customResources || zip(custom, custom.dropFirst()).contains(where: { $0.name >= $1.name })
    {
      return ("custom", "at most \(Limits.customResources) resources, each once")
    }
    if devices.count > Limits.devices || zip(devices, devices.dropFirst()).contains(where: { $0.model >= $1.model }) {
      return ("devices", "each model once")
    }
    if interfaces.count > Limits.interfaces || interfaces.map(\.name).hasRepeats {
      return ("interfaces", "at most \(Limits.interfaces), each name once")
    }
    if groups.count > Limits.groups || groups.hasRepeats {
      return ("groups", "at most \(Limits.groups), each once")
    }
    if image.utf8.count > Limits.imageBytes { return ("image", "at most \(Limits.imageBytes) bytes") }
    if kernel.utf8.count > Limits.imageBytes { return ("kernel", "at most \(Limits.imageBytes) bytes") }
    if affinity.count > Limits.affinity { return ("affinity", "at most \(Limits.affinity) rules") }
    for rule in affinity where rule.weight.map({ !(1...1_000).contains($0) }) ?? false || rule.most == 0 {
      return ("affinity", "weights from 1 to 1000, at least 1 member a place")
    }
    return standbyFlaw ?? localityFlaw
  }

  private var standbyFlaw: (field: String, rule: String)? {
    if !hasStandby { return nil }
    if failover != .restart { return ("standby", "needs failover restart: nothing else may start it elsewhere") }
    if isPinned || isSingleNUMA || !devices.isEmpty {
      return ("standby", "a VM with processors, a NUMA node or devices of its own has none")
    }
    if node != nil || locality.isEnforced {
      return ("standby", "cannot be in another datacenter when the VM may be in one place only")
    }
    return nil
  }

  private var localityFlaw: (field: String, rule: String)? {
    for name in [locality.datacenter, locality.zone, locality.latencyFrom] + locality.excluded.map(Optional.some) {
      if let name, !Topology.accepts(name) { return ("locality", Topology.rule) }
    }
    if locality.excluded.count > Limits.excluded { return ("locality", "at most \(Limits.excluded) excluded") }
    if locality.maxLatency != nil, locality.latencyFrom == nil, locality.datacenter == nil {
      return ("locality", "max_latency needs a datacenter that it is counted from")
    }
    if locality.isEnforced, locality.datacenter == nil, locality.zone == nil {
      return ("locality", "enforce needs a preferred datacenter or zone")
    }
    if let spreading = locality.spreading, !groups.contains(spreading.group) || spreading.least == 0 {
      return ("locality", "spread needs a group that the VM is a member of, and at least 1 place")
    }
    if strategy == .domains, groups.isEmpty { return ("strategy", "domains needs a group") }
    if strategy == .manual, node == nil { return ("strategy", "manual needs a node") }
    return nil
  }
}

extension Collection where Element: Hashable {
  /// Whether something is in it twice.
  fileprivate var hasRepeats: Bool { count > 1 && Set(self).count < count }
}

/// Which VM, for ever: the entry that made it and which of that entry's; never used again.
package struct VMID: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The number of the entry times 2,048, plus the place among its VMs (`Limits.count` at most).
  package let raw: UInt64

  /// The VM number `index` of an entry.
  package init(revision: Revision, index: Int = 0) { raw = revision << 11 | UInt64(index) }

  /// As it was stored.
  package init(raw: UInt64) { self.raw = raw }

  /// Older first.
  package static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
}

/// A VM by its tenant and name.
package struct VMKey: Hashable, Comparable, Sendable {
  /// Whose it is.
  package let tenant: TenantName
  /// Its name.
  package let name: VMName

  /// Joins the two.
  package init(tenant: TenantName = .standard, name: VMName) { (self.tenant, self.name) = (tenant, name) }

  /// By tenant, then by name.
  package static func < (a: Self, b: Self) -> Bool { a.tenant != b.tenant ? a.tenant < b.tenant : a.name < b.name }
}

/// What a node gave to a VM beyond counted amounts.
package struct Seat: Hashable, Sendable {
  /// Its own processors.
  package var cpus = CPUSet.none
  /// The NUMA node it is bound to.
  package var numa: UInt8?
  /// Its own devices, in order of their ids.
  package var devices: [DeviceID] = []

  /// Nothing special.
  package init() {}

  /// Nothing special.
  package static let plain = Seat()
}

/// A virtual machine. An immutable object, as an `Allocation` is: it is handed on many times.
package final class VM: Sendable {
  /// Whose it is, and its name.
  package let key: VMKey
  /// Which one, for ever.
  package let id: VMID
  /// What is wanted.
  package let spec: VMSpec
  /// Where it is in its life.
  package let state: VMState
  /// Whether it is meant to run.
  package let isWanted: Bool
  /// Whether it ends as soon as its node says that it is gone.
  package let isEnding: Bool
  /// The node that has it.
  package let node: NodeName?
  /// The node it is leaving, while it migrates or goes down for another.
  package let leaving: NodeName?
  /// Whether it has no time to go down by itself where it leaves.
  package let isHurried: Bool
  /// Whether every node that may have it cuts it off when that node's lease ends; fixed when it is placed.
  package let isLeased: Bool
  /// The node of another datacenter that keeps room for it and takes it over when its own is lost.
  package let standby: NodeName?
  /// Why it has no standby although it wants one; empty = there is nothing to say.
  package let standbyWhy: String
  /// What the node gave it.
  package let seat: Seat
  /// Counts its placements: who knows a higher one is right.
  package let epoch: UInt64
  /// How often it had to give way.
  package let preemptions: UInt16
  /// When it last had to; 0 = never.
  package let preemptedAt: LogTime
  /// Why it is where it is, or why it waits; at most `Limits.whyBytes`.
  package let why: String
  /// When it was made.
  package let createdAt: LogTime
  /// The entry that last changed it.
  package let revision: Revision

  /// Makes a VM as it is.
  package init(
    key: VMKey, id: VMID, spec: VMSpec, state: VMState = .pending, isWanted: Bool = true, isEnding: Bool = false,
    node: NodeName? = nil, leaving: NodeName? = nil, isHurried: Bool = false, isLeased: Bool = false,
    standby: NodeName? = nil, standbyWhy: String = "", seat: Seat = .plain, epoch: UInt64 = 0, preemptions: UInt16 = 0,
    preemptedAt: LogTime = 0, why: String = "",
    createdAt: LogTime = 0, revision: Revision = 0
  ) {
    (self.key, self.id, self.spec, self.state) = (key, id, spec, state)
    (self.isWanted, self.isEnding) = (isWanted, isEnding)
    (self.node, self.leaving, self.isHurried, self.isLeased) = (node, leaving, isHurried, isLeased)
    (self.standby, self.standbyWhy, self.seat, self.epoch) = (standby, standbyWhy, seat, epoch)
    (self.preemptions, self.preemptedAt, self.why) = (preemptions, preemptedAt, why)
    (self.createdAt, self.revision) = (createdAt, revision)
  }

  /// The same VM one step on in its life; nil if that step is impossible, or node and state do not go together.
  package func moved(
    to state: VMState, node: NodeName?, leaving: NodeName? = nil, seat: Seat = .plain, why: String, revision: Revision,
    at time: LogTime
  ) -> VM? {
    guard self.state.successors.contains(state), (state.hasNode ?? (node != nil)) == (node != nil) else { return nil }
    let isNew = node != nil && node != self.node
    let gaveWay = state == .preempted
    // Whom it leaves knows only what was said when it came; it is asked for a lease only if all have promised it.
    let isNewLease = state == .placed && leaving == nil
    let isLeased = isNew ? spec.failover == .restart && (isNewLease || self.isLeased) : self.isLeased
    return VM(
      key: key, id: id, spec: spec, state: state, isWanted: isWanted, isEnding: isEnding, node: node, leaving: leaving,
      isHurried: isHurried && leaving != nil, isLeased: isLeased && (node != nil || leaving != nil),
      standby: node == standby ? nil : standby, standbyWhy: standbyWhy, seat: seat, epoch: isNew ? epoch + 1 : epoch,
      preemptions: gaveWay && preemptions < .max ? preemptions + 1 : preemptions,
      preemptedAt: gaveWay ? time : preemptedAt, why: why, createdAt: createdAt, revision: revision)
  }

  /// The same VM in the same state, wanted otherwise or known better; nil = as before, a nil inside = none.
  package func changed(
    spec: VMSpec? = nil, isWanted: Bool? = nil, isEnding: Bool? = nil, leaving: NodeName?? = nil,
    isHurried: Bool? = nil, standby: NodeName?? = nil, standbyWhy: String? = nil, why: String? = nil, revision: Revision
  ) -> VM {
    let leaves = leaving ?? self.leaving
    return VM(
      key: key, id: id, spec: spec ?? self.spec, state: state, isWanted: isWanted ?? self.isWanted,
      isEnding: isEnding ?? self.isEnding, node: node, leaving: leaves,
      isHurried: (isHurried ?? self.isHurried) && leaves != nil, isLeased: isLeased && (node != nil || leaves != nil),
      standby: standby ?? self.standby, standbyWhy: standbyWhy ?? self.standbyWhy, seat: seat, epoch: epoch,
      preemptions: preemptions, preemptedAt: preemptedAt, why: why ?? self.why, createdAt: createdAt, revision: revision
    )
  }
}

extension VM {
  /// Whether it had to give way and does not run again yet, also where it has another node already. Of one that once gave
  /// way and has to come up for another reason later the row cannot tell: it counts too, until it runs.
  package var isAway: Bool {
    switch state {
    case .preempted: true
    case .pending, .placed, .starting: preemptedAt != 0
    case .running, .stopping, .stopped, .failed, .migrating, .lost: false
    }
  }
}

extension VM: Hashable {
  /// Equal in all that they say.
  package static func == (a: VM, b: VM) -> Bool {
    if a === b { return true }
    return a.id == b.id && a.revision == b.revision && a.key == b.key && a.state == b.state && a.isWanted == b.isWanted
      && a.isEnding == b.isEnding && a.isHurried == b.isHurried && a.isLeased == b.isLeased
      && a.node == b.node && a.leaving == b.leaving && a.standby == b.standby && a.standbyWhy == b.standbyWhy
      && a.seat == b.seat && a.epoch == b.epoch
      && a.preemptions == b.preemptions && a.preemptedAt == b.preemptedAt && a.why == b.why
      && a.createdAt == b.createdAt && a.spec == b.spec
  }

  /// Hashes what tells it from every other.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    hasher.combine(revision)
  }
}
