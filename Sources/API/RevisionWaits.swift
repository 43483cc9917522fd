internal import Domain
internal import Engine
internal import Platform

/// Requests that wait for a revision to come to this node; bounded in number and in time.
///
/// Its thread is made by the first that has to wait: a server on its own never has one, unless somebody asks for a
/// revision that does not exist yet.
// Unchecked because `lock` guards what changes.
final class RevisionWaits: @unchecked Sendable {
  /// What is waited for.
  enum Place { case published, readable }

  /// How long anybody waits.
  static let patience = Duration.seconds(1)
  /// So many may wait.
  static let most = 4_096

  private struct Waiting {
    let revision: Revision
    let place: Place
    let until: MonotonicTime
    let then: @Sendable (Bool) -> Void
  }

  private let engine: Engine
  private let lock = Lock()
  private let changed = Condition()
  private var waiting: [Waiting] = []
  private var hasMoved = false
  private var isStopping = false
  private var thread: Thread?

  init(_ engine: Engine) { self.engine = engine }

  /// Calls `then` on the waiting thread: true when the revision is there, false when it did not come in time. False
  /// when too many wait, and then `then` is never called.
  func wait(for revision: Revision, _ place: Place, then: @escaping @Sendable (Bool) -> Void) -> Bool {
    lock.withLock {
      guard !isStopping, waiting.count < RevisionWaits.most else { return false }
      waiting.append(Waiting(revision: revision, place: place, until: .now + RevisionWaits.patience, then: then))
      if thread == nil { thread = Thread(name: "berth-waits") { self.run() } }
      hasMoved = true
      changed.signal()
      return true
    }
  }

  /// Something was published, or can be read now; cheap, for the engine's thread.
  func notify() {
    lock.withLock {
      guard !waiting.isEmpty else { return }
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
      let isLast = lock.withLock { () -> Bool in
        hasMoved = false
        return isStopping
      }
      let (published, readable, now) = (engine.status.revision, engine.readableRevision, MonotonicTime.now)
      let (ended, first) = lock.withLock { () -> ([(Waiting, Bool)], MonotonicTime?) in
        var ended: [(Waiting, Bool)] = []
        waiting.removeAll { item in
          let isHere = item.revision <= (item.place == .published ? published : readable)
          if isHere || isLast || item.until <= now { ended.append((item, isHere)) }
          return isHere || isLast || item.until <= now
        }
        return (ended, waiting.map(\.until).min())
      }
      for (item, isHere) in ended { item.then(isHere) }
      if isLast { return }
      lock.withLock {
        while !hasMoved, !isStopping {
          guard let first else {
            changed.wait(lock)
            continue
          }
          let left = first - .now
          guard left > 0, changed.wait(lock, timeout: .nanoseconds(left)) else { return }
        }
      }
    }
  }
}
