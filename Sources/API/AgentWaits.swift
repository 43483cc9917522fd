internal import Domain
internal import Engine
internal import Ledger
internal import Platform

/// Agents that wait until something of their node changes.
struct AgentWaits: Sendable {
  /// So many may wait.
  static let most = 16_384
  /// The shortest time between two looks.
  static let pace = Duration.milliseconds(2)

  private let waits: Waits<(node: NodeName, seen: Revision)>

  init(_ engine: Engine) {
    waits = Waits("berth-agents", most: AgentWaits.most, pace: AgentWaits.pace) { keys in
      var changed: [Bool] = []
      var left = keys[...]
      while !left.isEmpty {
        let slice = left.prefix(PoolWalk.slice)
        left = left.dropFirst(PoolWalk.slice)
        changed += engine.read { tables in slice.map { tables.changed($0.node) > $0.seen } }
      }
      return changed
    }
  }

  /// How many wait.
  var count: Int { waits.count }

  /// As `Waits.wait`: true when something of the node has changed after `seen`.
  func wait(
    for node: NodeName, after seen: Revision, until: MonotonicTime, then: @escaping @Sendable (Bool) -> Void
  ) -> Bool {
    waits.wait(for: (node, seen), until: until, then: then)
  }

  /// Something was published.
  func notify() { waits.notify() }

  /// Answers who waits, and ends the thread; nobody is taken any more.
  func stop() { waits.stop() }
}
