internal import Platform

/// Who waits for something to come to this node; bounded in number and in time, and no thread each.
///
/// One thread looks after each `notify` what has come, not more often than `pace`, so that thousands who wait do not
/// take a processor from those who write. It is made by the first that has to wait. Who is looked at stays in the list,
/// so that nothing that comes meanwhile is missed and the bound counts everybody.
// Unchecked because `lock` guards what changes.
final class Waits<Key: Sendable>: @unchecked Sendable {
  private struct Waiting {
    let key: Key
    let until: MonotonicTime
    let then: @Sendable (Bool) -> Void
  }

  private let name: String
  private let most: Int
  private let pace: Duration
  /// Of each key whether it has come; called without the lock.
  private let look: @Sendable ([Key]) -> [Bool]
  private let lock = Lock()
  private let changed = Condition()
  private var waiting: [Waiting] = []
  private var hasMoved = false
  private var isStopping = false
  private var thread: Thread?

  init(_ name: String, most: Int, pace: Duration = .zero, look: @escaping @Sendable ([Key]) -> [Bool]) {
    (self.name, self.most, self.pace, self.look) = (name, most, pace, look)
  }

  /// How many wait.
  var count: Int { lock.withLock { waiting.count } }

  /// Calls `then` on the waiting thread: true when it has come, false when time is over. False when too many wait, and
  /// then `then` is never called.
  func wait(for key: Key, until: MonotonicTime, then: @escaping @Sendable (Bool) -> Void) -> Bool {
    lock.withLock {
      guard !isStopping, waiting.count < most else { return false }
      waiting.append(Waiting(key: key, until: until, then: then))
      if thread == nil { thread = Thread(name: name) { self.run() } }
      hasMoved = true
      changed.signal()
      return true
    }
  }

  /// Something may have come; cheap, for the engine's thread.
  func notify() {
    lock.withLock {
      guard !waiting.isEmpty, !hasMoved else { return }
      hasMoved = true
      changed.signal()
    }
  }

  /// Answers who waits, and ends the thread; nobody is taken any more.
  func stop() {
    let thread = lock.withLock { () -> Thread? in
      isStopping = true
      changed.signal()
      defer { self.thread = nil }
      return self.thread
    }
    thread?.join()
  }

  private func run() {
    while true {
      let (keys, isLast) = lock.withLock { () -> ([Key], Bool) in
        hasMoved = false
        return (waiting.map(\.key), isStopping)
      }
      let began = MonotonicTime.now
      let found = look(keys)
      for (item, isHere) in takeEnded(found, isLast: isLast) { item.then(isHere) }
      if isLast { return }
      rest(since: began)
    }
  }

  /// Takes out those who are to be answered. Others came behind those who were looked at, and nobody left meanwhile.
  private func takeEnded(_ found: [Bool], isLast: Bool) -> [(Waiting, Bool)] {
    lock.withLock {
      let now = MonotonicTime.now
      var ended: [(Waiting, Bool)] = []
      var rest: [Waiting] = []
      for (place, item) in waiting.enumerated() {
        let isHere = place < found.count && found[place]
        if isHere || isLast || item.until <= now { ended.append((item, isHere)) } else { rest.append(item) }
      }
      waiting = rest
      return ended
    }
  }

  /// Waits for news, or until somebody's time is over.
  private func rest(since began: MonotonicTime) {
    lock.withLock {
      while !isStopping {
        guard let next = hasMoved ? began + pace : waiting.map(\.until).min() else {
          changed.wait(lock)
          continue
        }
        let left = next - .now
        guard left > 0 else { return }
        _ = changed.wait(lock, timeout: .nanoseconds(left))
      }
    }
  }
}
