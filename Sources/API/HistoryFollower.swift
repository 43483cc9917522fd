package import Domain
internal import Engine
package import Log
internal import Platform

/// Keeps the history index up to date behind the log, on a thread of its own.
///
/// It is derived and written behind: nothing waits for it, a query scans what it has not got yet. What is wrong with
/// it is mended by emptying it and reading the log again; when that does not help either, the follower says so and
/// rests until it is started anew.
// Unchecked because `lock` guards `shared`, and the rest belongs to the follower's thread.
package final class HistoryFollower: @unchecked Sendable {
  // Unchecked because the compiler cannot see the rule: `shared` is guarded by `lock`, the rest is the thread's alone.
  /// So many new entries are taken at once, unless they wait for longer than `patience`.
  private static let eagerness: Revision = 2_048
  private static let patience = Duration.milliseconds(100)

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

  /// Starts following up to `published` and on; `warn` hears of an index that had to be emptied or given up.
  package init(
    _ index: any HistoryIndex, published: Revision, warn: @escaping @Sendable (String) -> Void = { _ in },
    _ open: @escaping @Sendable () throws(LogFault) -> any BatchReader
  ) {
    (self.index, self.open, self.warn) = (index, open, warn)
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
    for attempt in 1...2 {
      do throws(LogFault) {
        return try follow()
      } catch {
        warn("the history index cannot be kept up: \(error)" + (attempt == 1 ? "; it is made anew" : ""))
        if attempt == 1 { try? index.reset() }
      }
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
