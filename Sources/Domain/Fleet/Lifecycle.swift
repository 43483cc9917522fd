/// Where a VM is in its life.
package enum VMState: UInt8, Hashable, Sendable, CaseIterable {
  /// Wanted, and no node has room for it, or nobody has looked yet.
  case pending = 0
  /// Has a node and its addresses; the node does not know yet.
  case placed = 1
  /// The node is bringing it up.
  case starting = 2
  /// Runs.
  case running = 3
  /// The node is bringing it down.
  case stopping = 4
  /// Down because somebody asked; keeps its addresses, not its room.
  case stopped = 5
  /// The node could not start it, or it died.
  case failed = 6
  /// Gave way to one of a higher priority; waits for room.
  case preempted = 7
  /// Moves from one node to another; has room on both.
  case migrating = 8
  /// Its node is silent; it may still run.
  case lost = 9

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  /// By raw value, made once: to ask at run time what a case is called is slow.
  private static let names = allCases.map { "\($0)" }

  /// The states that may follow this one; all others are impossible.
  package var successors: [VMState] {
    switch self {
    case .pending: [.placed, .stopped]
    case .placed: [.starting, .running, .pending, .stopping, .stopped, .failed, .preempted, .lost]
    case .starting: [.running, .stopping, .stopped, .failed, .preempted, .lost]
    case .running: [.stopping, .stopped, .failed, .preempted, .migrating, .lost]
    case .stopping: [.stopped, .failed, .lost]
    case .stopped: [.pending, .placed]
    case .failed: [.pending, .placed, .starting, .stopped, .lost]
    case .preempted: [.pending, .placed, .stopped]
    case .migrating: [.running, .stopping, .failed, .preempted, .lost]
    case .lost: [.running, .stopping, .stopped, .failed, .pending, .placed]
    }
  }

  /// Whether a VM in this state has a node: always, never, or it depends (nil).
  package var hasNode: Bool? {
    switch self {
    case .placed, .starting, .running, .stopping, .migrating, .lost: true
    case .pending, .stopped, .preempted: false
    case .failed: nil
    }
  }
}
