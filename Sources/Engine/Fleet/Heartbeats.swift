// Fleet: what the leader alone knows of nodes, and when that becomes an entry.
//
// Heartbeats, what a node uses and how far datacenters are from each other are soft state: never logged, kept by
// whoever leads, lost with it. A new leader gives every node a full lease before it calls one silent. Only two things
// of it become commands, both of actor `system`: a node has been silent for a lease (`nodesLost`), and a lost node's
// last lease has ended, with a margin (`leasesEnded`).
//
// The promise that hangs on it: what may start elsewhere (`failover: restart`) starts only after the old host has cut
// it. A host cuts its VMs when it has had no lease for longer than it was granted, counted from when it SENT the
// report that was answered. A leader grants no more than what is left since it last proved that it leads: a deposed
// one that does not know it yet grants leases that end before its successor, who waits a lease and the margin from its
// own beginning, gives a VM to another host.
package import Domain
internal import Platform

/// How long nodes are waited for.
package struct FleetTiming: Hashable, Sendable {
  /// How often a node reports.
  package var heartbeat = Duration.seconds(2)
  /// How long a node may run what may start elsewhere, after a report.
  package var lease = Duration.seconds(15)
  /// How much longer Berth waits before it starts that elsewhere: clocks do not run alike.
  package var margin = Duration.seconds(5)

  /// The defaults.
  package init() {}

  /// With this lease, a third of it as margin, and about seven reports in one.
  package init(lease: Duration) { (self.lease, margin, heartbeat) = (lease, lease / 3, lease / 7) }
}

/// What a node says it is using.
package struct NodeUsage: Hashable, Sendable {
  /// One VM's share.
  package struct OfVM: Hashable, Sendable {
    /// Which.
    package let id: VMID
    /// What it really uses.
    package let used: Resources

    /// Joins the two.
    package init(_ id: VMID, _ used: Resources) { (self.id, self.used) = (id, used) }
  }

  /// All of it.
  package var used: Resources
  /// By VM, as far as the node knows.
  package var vms: [OfVM]

  /// What a node reports.
  package init(used: Resources = .none, vms: [OfVM] = []) { (self.used, self.vms) = (used, vms) }
}

/// What a heartbeat came to.
package enum HeartbeatAnswer: Hashable, Sendable {
  /// The node may run what it has for so long, counted from when it sent the report.
  case taken(leaseMilliseconds: Int)
  /// There is no such node: register.
  case unknownNode
  /// The node was registered or fenced since, or given up: register again.
  case staleEpoch(UInt64)
  /// Ask the leader.
  case notLeading
}

/// When each node was last heard of; a value over a clock that is handed in.
struct Heartbeats {
  private struct Heard {
    var at: MonotonicTime
    var usage: NodeUsage?
    /// When it was last asked for that its lease has ended.
    var endedAt: MonotonicTime?
    /// Whether it has been lost or fenced since it was last heard of.
    var wasAway = false
  }

  /// What has become due.
  struct Due: Hashable {
    var silent: [NodeName] = []
    var ended: [NodeName] = []
  }

  /// How long after the end of a lease was said it is said again, if the node is still lost: the entry may have been
  /// refused, or too small for all its VMs.
  static let again = Duration.seconds(10)

  private var heard: [NodeName: Heard] = [:]

  /// A node was heard of.
  mutating func hear(_ node: NodeName, _ usage: NodeUsage?, at now: MonotonicTime) {
    heard[node] = Heard(at: now, usage: usage ?? heard[node]?.usage)
  }

  /// Everybody has been heard of now: a new leader knows no better.
  mutating func restart(at now: MonotonicTime) {
    for node in heard.keys { heard[node] = Heard(at: now) }
  }

  /// A flaw: who was never heard of has been silent for ever.
  mutating func suspect(_ nodes: [NodeName]) {
    for node in nodes where heard[node] == nil { heard[node] = Heard(at: MonotonicTime(nanoseconds: .min / 2)) }
  }

  /// How long a node has been silent, and what it said last; nil = not known here.
  func health(of node: NodeName, at now: MonotonicTime) -> (silent: Duration, usage: NodeUsage?)? {
    heard[node].map { (.nanoseconds(now - $0.at), $0.usage) }
  }

  /// What is due among these nodes; one that was never heard of counts from now on. `isLost` says what the rows say; nil =
  /// it is fenced.
  mutating func due(
    among nodes: [NodeName], at now: MonotonicTime, _ timing: FleetTiming, isLost: (NodeName) -> Bool?
  ) -> Due {
    var due = Due()
    for node in nodes {
      guard let known = heard[node] else {
        heard[node] = Heard(at: now)
        continue
      }
      let isLost = isLost(node)
      if isLost != false { heard[node]?.wasAway = true }
      guard known.at + timing.lease <= now, let isLost else { continue }
      if !isLost, known.wasAway {
        // It has been registered again: a lease from now on to report.
        heard[node] = Heard(at: now)
      } else if !isLost {
        due.silent.append(node)
      } else if known.at + timing.lease + timing.margin <= now,
        known.endedAt.map({ $0 + Heartbeats.again <= now }) ?? true
      {
        heard[node]?.endedAt = now
        due.ended.append(node)
      }
    }
    if heard.count > nodes.count {
      let left = Set(nodes)
      heard = heard.filter { left.contains($0.key) }
    }
    return due
  }
}
