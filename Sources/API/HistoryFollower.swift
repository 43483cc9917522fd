package import Domain
internal import Engine
package import Log
internal import Platform

/// Keeps the history index up to date behind the log, on a thread of its own.
///
/// It is derived and written behind: nothing waits for it, a query scans what it has not got yet. What the system
/// refuses, as a full disk does, is tried again until it works. What is wrong with the index is mended by emptying it and
/// reading the log again; when that comes no further than before, the follower says so and rests until it is started anew.
// Unchecked because `lock` guards `shared`, and the rest belongs to the follower's thread.
package final class HistoryFollower: @unchecked Sendable {
  /// So many new entries are taken at once, unless they wait for longer than `patience`.
  private static let eagerness: Revision = 2_048
  private static let patience = Duration.milliseconds(100)
  /// So long after the system refused something it is asked again.
  package static let rest = Duration.seconds(5)

  private struct Shared {
    var published: Revision
    var through: Revision = 0
    var isIdle = false
    var isStopping = false
  }

  private let index: any HistoryIndex
  private let open: @Sendable () throws(LogFault) -> any BatchReader
  private let warn: @Sendable (String) -> Void
  private let lock = Lock()
  private let changed = Condition()
  private var shared: Shared
  private var thread: Thread?
  private let rest: Duration

  /// Starts following up to `published` and on; `warn` hears of an index that waits, had to be emptied or is given up.
  package init(
    _ index: any HistoryIndex, published: Revision, rest: Duration = HistoryFollower.rest,
    warn: @escaping @Sendable (String) -> Void = { _ in },
    _ open: @escaping @Sendable () throws(LogFault) -> any BatchReader
  ) {
    (self.index, self.open, self.warn, self.rest) = (index, open, warn, rest)
    shared = Shared(published: published)
    thread = Thread(name: "berth-history") { self.run() }
  }

  /// Tells that entries up to `revision` are published; cheap, for the engine's thread.
  package func notify(_ revision: Revision) {
    lock.withLock {
      shared.published = max(shared.published, revision)
      // The first new entry wakes the thread, and then only many: what comes between waits for its clock.
      let isFirst = shared.isIdle
      shared.isIdle = false
      if isFirst || shared.published >= shared.through + Self.eagerness { changed.signal() }
    }
  }

  /// Everything up to here is in the index.
  package var through: Revision { lock.withLock { shared.through } }

  /// Ends the thread; called once.
  package func stop() {
    lock.withLock {
      shared.isStopping = true
      changed.signal()
    }
    thread?.join()
    thread = nil
  }

  private func run() {
    var (waitedAt, emptiedAt): (Revision?, Revision?) = (nil, nil)
    var mustEmpty = false
    while true {
      do throws(LogFault) {
        if mustEmpty { try index.reset() }
        mustEmpty = false
        return try follow()
      } catch {
        let through = self.through
        let what = "the history index cannot be kept up: \(error)"
        if case .io = error {
          if through != waitedAt { warn("\(what); it is tried again every \(rest)") }
          waitedAt = through
          guard waitsOn() else { return }
        } else if emptiedAt.map({ through > $0 }) ?? true {
          warn("\(what); it is made anew")
          (emptiedAt, mustEmpty) = (through, true)
        } else {
          return warn("\(what); it rests until the server is started anew")
        }
      }
    }
  }

  /// Rests; false when the follower is to end.
  private func waitsOn() -> Bool {
    let end = MonotonicTime.now + rest
    return lock.withLock {
      while !shared.isStopping, MonotonicTime.now < end { _ = changed.wait(lock, timeout: .nanoseconds(end - .now)) }
      return !shared.isStopping
    }
  }

  private func follow() throws(LogFault) {
    var builder = try HistoryBuilder(try open(), index)
    while true {
      let published = lock.withLock { () -> Revision? in
        shared.through = builder.through
        while !shared.isStopping, shared.published <= builder.through {
          shared.isIdle = true
          changed.wait(lock)
        }
        if !shared.isStopping, shared.published < builder.through + Self.eagerness {
          _ = changed.wait(lock, timeout: Self.patience)
        }
        return shared.isStopping ? nil : shared.published
      }
      guard let published else { return }
      _ = try builder.step(upTo: published)
    }
  }
}
