package import Domain
package import VMM

/// What a node tells Berth.
package struct AgentReport: Hashable, Sendable {
  /// The node's epoch.
  package let epoch: UInt64
  /// As of which revision it knows what is wanted; 0 = not at all.
  package let seenRevision: Revision
  /// When it was sent.
  package let sentAt: Duration
  /// What became of VMs.
  package let vms: [VMReport]
}

/// What Berth says to a report.
package struct Acknowledgement: Hashable, Sendable {
  /// The node's epoch.
  package let epoch: UInt64
  /// How long the lease is.
  package let lease: Duration
  /// In what time Berth wants to hear again.
  package let heartbeat: Duration
  /// As of which revision the list is, if there is one.
  package let revision: Revision
  /// All that is wanted; nil = as before.
  package let desired: [WantedVM]?

  /// Joins them.
  package init(
    epoch: UInt64, lease: Duration, heartbeat: Duration = .seconds(2), revision: Revision, desired: [WantedVM]?
  ) {
    (self.epoch, self.lease, self.heartbeat) = (epoch, lease, heartbeat)
    (self.revision, self.desired) = (revision, desired)
  }
}

extension Agent {
  /// What is to be told now: what Berth has not acknowledged, or everything.
  package func report(_ observed: [ObservedVM], now: Duration, isWhole: Bool = false) -> AgentReport {
    var vms = facts(observed)
    if !isWhole { vms.removeAll { told[$0.id] == Told(epoch: $0.epoch, fact: $0.fact) } }
    return AgentReport(
      epoch: epoch, seenRevision: seenRevision, sentAt: now, vms: Array(vms.prefix(Limits.reports)))
  }

  /// Whether somebody waits for what is to be told; that a machine comes up can be told with the next report.
  package func isUrgent(_ observed: [ObservedVM]) -> Bool {
    facts(observed).contains { $0.fact != .starting && told[$0.id] != Told(epoch: $0.epoch, fact: $0.fact) }
  }

  /// What is so, of all that is wanted, in order of the ids.
  private func facts(_ observed: [ObservedVM]) -> [VMReport] {
    guard let desired else { return [] }
    let machines = Dictionary(uniqueKeysWithValues: observed.map { ($0.id, $0) })
    return desired.keys.sorted().compactMap { id in fact(desired[id]!, machines[id]) }
  }

  private func fact(_ want: WantedVM, _ machine: ObservedVM?) -> VMReport? {
    func report(_ fact: VMReport.Fact, _ detail: String = "") -> VMReport {
      VMReport(id: want.order.id, epoch: want.order.epoch, fact: fact, detail: detail)
    }
    if want.isStandby { return nil }
    guard let machine, machine.phase != .prepared else {
      if !want.isWanted || want.isKept { return report(.gone) }
      return capabilities.flaw(in: want.order).map { report(.failed, $0) }
    }
    guard isTheOne(machine, want) else { return nil }
    switch machine.phase {
    case .prepared: return nil
    case .starting: return report(.starting)
    case .running: return report(.running)
    case .stopping: return nil
    case .down: return want.isWanted ? report(.failed, downWithoutWish) : nil
    case .failed: return want.isWanted ? report(.failed, machine.detail) : nil
    }
  }
}

private let downWithoutWish = "it went down by itself, or was ended because the node's lease had run out"
