// Agent: what a node does about its VMs, as a value: what is wanted, what is there and the time go in, ordered actions and
// what is to be told come out.
//
// No thread, no clock, no connection; the loop around it (AgentHost) carries the actions out and the reports away. Nothing
// is remembered of what was ordered: each look begins with what is really there, so a lost step is made again and a step
// that was made is not.
//
// The lease. An acknowledged report gives the node so many milliseconds, counted from the moment at which that report was
// SENT: Berth counts from when it came, which is later, and adds a margin. While there is no lease, nothing is started,
// and what Berth would start elsewhere (failover `restart`) is cut: ended without grace. What has failover `never` runs
// on, because nobody starts it elsewhere before somebody vouches for this node.
//
// What always holds: of one VM nothing is started while any machine of it is there; of two placements the one with the
// higher epoch is right, and a lower one is never started; a machine that is not in a list that was taken is ended; a VM
// whose room is still held by one that goes down waits. A list is taken whole, and none that is older than the last.
//
// What is to be prepared is another node's: it is never started here before a list says so under a higher epoch.
//
// Refused: starting what a list says while the lease that came with it has run out (the list may be long void);
// remembering what was cut (a machine that is down says so itself, and is told as failed).
package import Domain
package import VMM

/// What is to be done; in this order.
package enum AgentAction: Hashable, Sendable {
  /// End it at once, and let nothing of it reach the network: the lease is over.
  case cut(VMID, epoch: UInt64)
  /// Let it go down.
  case stop(VMID, epoch: UInt64, graceSeconds: UInt32)
  /// Clear away what is down.
  case remove(VMID, epoch: UInt64)
  /// Bring it up.
  case ensure(VMOrder)
  /// Have at hand what it needs, and do not start it.
  case prepare(VMOrder)
}

/// A VM as Berth wants it on this node.
package struct WantedVM: Hashable, Sendable {
  /// What to bring up.
  package let order: VMOrder
  /// Whether it is to run; else it is to go down.
  package let isWanted: Bool
  /// How long it has to go down by itself.
  package let graceSeconds: UInt32
  /// Whether it only runs on, under an older epoch, until it has arrived elsewhere: it is not started.
  package let isKept: Bool
  /// Whether it runs elsewhere, and is only to be prepared here; it is then not wanted.
  package let isStandby: Bool

  /// Joins them.
  package init(
    _ order: VMOrder, isWanted: Bool, graceSeconds: UInt32, isKept: Bool = false, isStandby: Bool = false
  ) {
    (self.order, self.isWanted, self.graceSeconds) = (order, isWanted && !isStandby, graceSeconds)
    (self.isKept, self.isStandby) = (isKept, isStandby)
  }
}

/// Deliberate bugs that the simulator must catch; empty in every program that ships.
package struct AgentFlaws: OptionSet, Hashable, Sendable {
  /// The bits.
  package let rawValue: Int
  /// Makes a set from bits.
  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Takes a machine of any placement for the one that is wanted.
  package static let ignoreEpochs = AgentFlaws(rawValue: 1 << 0)
}

/// The agent of one node.
package struct Agent: Sendable {
  /// The node's epoch, as Berth counts its registrations; 0 = none yet.
  package private(set) var epoch: UInt64 = 0
  /// As of which revision the list is; 0 = there is none under this registration.
  package private(set) var seenRevision: Revision = 0
  /// When the lease ends; nil = there was none.
  package private(set) var leaseEnd: Duration?
  /// What the node may promise.
  package var capacity: Resources
  let capabilities: VMCapabilities
  /// What is wanted; nil = no list was taken yet.
  private(set) var desired: [VMID: WantedVM]?
  /// What was told and acknowledged.
  var told: [VMID: Told] = [:]
  /// Of VMs that are wanted under a higher epoch and were never asked to go down: the epoch of the machine that is theirs.
  private var carried: [VMID: UInt64] = [:]
  /// Whether the list came under this registration.
  private var isListOurs = false
  private let flaws: AgentFlaws

  struct Told: Hashable, Sendable {
    let epoch: UInt64
    let fact: VMReport.Fact
  }

  /// Knows of nothing yet but, after a restart, when the lease ends that the process before had.
  package init(
    capacity: Resources, capabilities: VMCapabilities, leaseEnd: Duration? = nil, flaws: AgentFlaws = []
  ) {
    (self.capacity, self.capabilities, self.leaseEnd, self.flaws) = (capacity, capabilities, leaseEnd, flaws)
  }

  /// Berth has registered the node: everything is told and asked for again.
  package mutating func registered(epoch: UInt64) {
    (self.epoch, seenRevision, told, carried, isListOurs) = (epoch, 0, [:], [:], false)
  }

  /// Whether there is a lease.
  package func hasLease(at now: Duration) -> Bool { leaseEnd.map { now < $0 } ?? false }

  /// Berth has acknowledged a report.
  package mutating func acknowledged(_ report: AgentReport, _ answer: Acknowledgement) {
    // What was said under another registration says nothing about this one.
    guard report.epoch == epoch, answer.epoch == epoch else { return }
    let end = report.sentAt + answer.lease
    leaseEnd = max(leaseEnd ?? end, end)
    for vm in report.vms { told[vm.id] = Told(epoch: vm.epoch, fact: vm.fact) }
    guard let list = answer.desired, answer.revision >= seenRevision else { return }
    seenRevision = answer.revision
    take(list)
  }

  private mutating func take(_ list: [WantedVM]) {
    let before = desired ?? [:]
    var next: [VMID: WantedVM] = [:]
    for vm in list {
      let known = before[vm.order.id]
      next[vm.order.id] = known.map { $0.order.epoch > vm.order.epoch } == true ? known : vm
    }
    var carried: [VMID: UInt64] = [:]
    for (id, vm) in next { carried[id] = machineEpoch(of: vm, before[id]) }
    (desired, self.carried, isListOurs) = (next, carried, true)
    told = told.filter { next[$0.key] != nil }
  }

  /// The older epoch under which the machine of a VM runs, when it may run on under the one that is wanted: it is wanted
  /// here in one list and in the next, and nobody was told that it is down. So it is while it leaves for another node, and
  /// when it does not get there.
  private func machineEpoch(of vm: WantedVM, _ before: WantedVM?) -> UInt64? {
    guard isListOurs, let before, before.isWanted, vm.isWanted, !vm.order.isIncoming else { return nil }
    if [.failed, .gone].contains(told[vm.order.id]?.fact) { return nil }
    let earlier = carried[vm.order.id]
    return before.order.epoch < vm.order.epoch ? earlier ?? before.order.epoch : earlier
  }

  /// Whether a machine is the one that is wanted.
  func isTheOne(_ machine: ObservedVM, _ want: WantedVM) -> Bool {
    flaws.contains(.ignoreEpochs) || machine.epoch == want.order.epoch || carried[machine.id] == machine.epoch
      || want.isKept && machine.epoch < want.order.epoch
  }

  /// Whether a machine may go to the node that has this placement of it: the node that has it refuses an older one.
  package func mayHandOver(_ id: VMID, to epoch: UInt64) -> Bool {
    desired?[id].map { $0.isKept && $0.order.epoch == epoch } ?? false
  }

  /// What to do now; carried out, it is asked again, until there is nothing.
  package func actions(_ observed: [ObservedVM], now: Duration) -> [AgentAction] {
    var cuts: [AgentAction] = []
    var stops: [AgentAction] = []
    var removals: [AgentAction] = []
    var leaving: [ObservedVM] = []
    for machine in observed {
      let want = desired?[machine.id]
      if machine.phase.isUp, isLeased(machine), !hasLease(at: now) {
        cuts.append(.cut(machine.id, epoch: machine.epoch))
      }
      guard let grace = grace(for: machine, want) else { continue }
      if !machine.phase.isUp {
        removals.append(.remove(machine.id, epoch: machine.epoch))
        continue
      }
      leaving.append(machine)
      if machine.phase != .stopping || grace == 0 {
        stops.append(.stop(machine.id, epoch: machine.epoch, graceSeconds: grace))
      }
    }
    return cuts + stops + removals + starts(observed, leaving, now) + preparations(observed)
  }

  /// What runs elsewhere and may come here one day; nothing of it is started, so it needs no lease.
  private func preparations(_ observed: [ObservedVM]) -> [AgentAction] {
    guard let desired, capabilities.prepares else { return [] }
    let present = Set(observed.map(\.id))
    let orders = desired.values.filter { $0.isStandby && !present.contains($0.order.id) }.map(\.order)
    return orders.sorted { $0.id < $1.id }.map(AgentAction.prepare)
  }

  /// Whether a machine may speak only while there is a lease.
  package func isLeased(_ machine: ObservedVM) -> Bool {
    guard let want = desired?[machine.id] else { return machine.order.failover == .restart }
    return isTheOne(machine, want) ? want.order.failover == .restart : true
  }

  /// How long a machine that is to go down has; nil = it may stay.
  private func grace(for machine: ObservedVM, _ want: WantedVM?) -> UInt32? {
    guard desired != nil else { return nil }
    // It is elsewhere, or it has ended, or another placement of it counts: nobody waits for it.
    guard let want else { return 0 }
    // What was prepared is started under any placement of the VM.
    if machine.phase == .prepared { return want.isStandby || want.isWanted ? nil : 0 }
    // Whoever ordered that one knew more than this list.
    if want.order.epoch < machine.epoch { return nil }
    if want.isStandby { return 0 }
    if !want.isWanted { return want.graceSeconds }
    return isTheOne(machine, want) ? nil : 0
  }

  private func starts(_ observed: [ObservedVM], _ leaving: [ObservedVM], _ now: Duration) -> [AgentAction] {
    guard let desired, hasLease(at: now) else { return [] }
    let present = Set(observed.filter { $0.phase != .prepared }.map(\.id))
    var used = Sum()
    for machine in observed where machine.phase.isUp { used.add(machine.order.resources) }
    var out: [AgentAction] = []
    for id in desired.keys.sorted() where !present.contains(id) {
      let vm = desired[id]!
      guard vm.isWanted, !vm.isKept, capabilities.flaw(in: vm.order) == nil else { continue }
      var after = used
      after.add(vm.order.resources)
      // Berth gave the room of those that go down away already, and only this node knows when it is really free.
      let isHeld =
        !leaving.isEmpty
        && (!after.fits(in: capacity) || leaving.contains { $0.order.seat.shares(with: vm.order.seat) })
      if isHeld { continue }
      used = after
      out.append(.ensure(vm.order))
    }
    return out
  }

  /// When something must be done although nothing changes; nil = never.
  package func deadline(_ observed: [ObservedVM]) -> Duration? {
    let isLeased = observed.contains { machine in
      machine.phase.isUp
        && (machine.order.failover == .restart || desired?[machine.id]?.order.failover == .restart)
    }
    return isLeased ? leaseEnd : nil
  }
}

/// A sum of resources that cannot run over.
private struct Sum {
  private var cpu: Int64 = 0
  private var memory: Int64 = 0
  private var disk: Int64 = 0
  private var bandwidth: Int64 = 0

  mutating func add(_ amounts: Resources) {
    cpu += Int64(amounts.cpu)
    memory += Int64(amounts.memory)
    disk += Int64(amounts.disk)
    bandwidth += Int64(amounts.bandwidth)
  }

  func fits(in room: Resources) -> Bool {
    cpu <= Int64(room.cpu) && memory <= Int64(room.memory) && disk <= Int64(room.disk)
      && bandwidth <= Int64(room.bandwidth)
  }
}

extension Seat {
  /// Whether something of one is of the other too.
  fileprivate func shares(with other: Seat) -> Bool {
    !cpus.isDisjoint(with: other.cpus) || devices.contains { other.devices.contains($0) }
  }
}
