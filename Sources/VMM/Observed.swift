package import Domain

/// A machine that is there.
package struct ObservedVM: Hashable, Sendable {
  /// Where it is between up and down.
  package enum Phase: UInt8, Hashable, Sendable, CaseIterable {
    /// What it needs is at hand, and it was never started.
    case prepared
    /// Comes up.
    case starting
    /// Runs.
    case running
    /// Was asked to go down and has not yet.
    case stopping
    /// Went down.
    case down
    /// Did not come up, or died.
    case failed

    /// Whether it takes room and may speak on the network.
    package var isUp: Bool { self == .starting || self == .running || self == .stopping }
  }

  /// The order that it was brought up by.
  package let order: VMOrder
  /// Where it is.
  package let phase: Phase
  /// More, in words.
  package let detail: String
  /// What it really uses of what it was given; nil = the backend cannot tell.
  package let used: Resources?

  /// Joins them.
  package init(_ order: VMOrder, _ phase: Phase, detail: String = "", used: Resources? = nil) {
    (self.order, self.phase, self.detail, self.used) = (order, phase, detail, used)
  }

  /// Which VM.
  package var id: VMID { order.id }
  /// Under which placement it was brought up.
  package var epoch: UInt64 { order.epoch }
}
