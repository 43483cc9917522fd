internal import Domain
internal import Engine
internal import Ledger
internal import Platform

/// Agents that wait until something of their node changes; bounded in number and in time, and no thread each.
///
/// One thread looks after each publish which of the waiting nodes have changed, not more often than `pace`, so that a
/// thousand nodes that wait do not take a processor from those who write. It is made by the first that has to wait.
// Unchecked because `lock` guards what changes.
final class AgentWaits: @unchecked Sendable {
  /// So many may wait.
  static let most = 16_384
  /// The shortest time between two looks.
  static let pace = Duration.milliseconds(2)

  private struct Waiting {
    let node: NodeName
    let seen: Revision
    let until: MonotonicTime
    let then: @Sendable (Bool) -> Void
  }

  private let engine: Engine
  private let lock = Lock()
  private let changed = Condition()
  private var waiting: [Waiting] = []
  /// How many were taken out to be looked at.
  private var looking = 0
  private var hasMoved = false
  private var isStopping = false
  private var thread: Thread?

  init(_ engine: Engine) { self.engine = engine }

  /// How many wait.
  var count: Int { lock.withLock { waiting.count + looking } }

  /// Calls `then` on the waiting thread: true when something of the node has changed after `seen`, false when time is
  /// over. False when too many wait, and then `then` is never called.
  func wait(
    for node: NodeName, after seen: Revision, until: MonotonicTime, then: @escaping @Sendable (Bool) -> Void
  ) -> Bool {
    lock.withLock {
      guard !isStopping, waiting.count + looking < AgentWaits.most else { return false }
      waiting.append(Waiting(node: node, seen: seen, until: until, then: then))
      if thread == nil { thread = Thread(name: "berth-agents") { self.run() } }
      hasMoved = true
      changed.signal()
      return true
    }
  }

  /// Something was published; cheap, for the engine's thread.
  func notify() {
    lock.withLock {
      // Also while nobody is in the list: those who are being looked at were taken out of it.
      guard thread != nil, !hasMoved else { return }
      hasMoved = true
      changed.signal()
    }
  }

  /// Answers who waits, and ends the thread.
  func stop() {
    let thread = lock.withLock { () -> Thread? in
      isStopping = true
      changed.signal()
      return self.thread
    }
    thread?.join()
  }

  private func run() {
    while true {
      let (items, isLast) = lock.withLock { () -> ([Waiting], Bool) in
        hasMoved = false
        looking = waiting.count
        defer { waiting = [] }
        return (waiting, isStopping)
      }
      let rest = isLast ? [] : look(at: items)
      if isLast { for item in items { item.then(false) } }
      let began = MonotonicTime.now
      let isOver = lock.withLock { () -> Bool in
        waiting += rest
        looking = 0
        if isLast { return true }
        while !isStopping {
          let next = hasMoved ? began + AgentWaits.pace : waiting.map(\.until).min()
          guard let next else {
            changed.wait(lock)
            continue
          }
          let left = next - .now
          guard left > 0 else { break }
          _ = changed.wait(lock, timeout: .nanoseconds(left))
        }
        return false
      }
      if isOver { return }
    }
  }

  /// Answers those whose node has changed and those whose time is over; returns the others.
  private func look(at items: [Waiting]) -> [Waiting] {
    var rest: [Waiting] = []
    var left = items[...]
    while !left.isEmpty {
      let slice = left.prefix(PoolWalk.slice)
      left = left.dropFirst(PoolWalk.slice)
      let moved = engine.read { tables in slice.map { tables.changed($0.node) > $0.seen } }
      let now = MonotonicTime.now
      for (item, hasMoved) in zip(slice, moved) {
        if hasMoved || item.until <= now { item.then(hasMoved) } else { rest.append(item) }
      }
    }
    return rest
  }
}
