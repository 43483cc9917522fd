internal import Domain
internal import Ledger
internal import Log
internal import Platform
internal import Telemetry
internal import Synchronization

/// Takes fuzzy snapshots on a thread of its own: page by page, each under the reader lock for as long as it takes to
/// share one array.
///
/// A page that the engine changes while its image is being written is copied by the engine, once; that is all that a
/// snapshot costs it.
// Unchecked because the compiler cannot see that `lock` guards `thread`.
final class Snapshotter: @unchecked Sendable {
  private let published: Published
  private let store: any SnapshotStore
  private let logID: SHA256Digest
  private let metrics: EngineMetrics
  private let isRunning = Atomic<Bool>(false)
  private let lastRevision: Atomic<UInt64>
  private let fault: @Sendable (String) -> Void
  private let lock = Lock()
  private var thread: Thread?

  init(
    _ published: Published, _ store: any SnapshotStore, logID: SHA256Digest, lastRevision: UInt64,
    metrics: EngineMetrics, fault: @escaping @Sendable (String) -> Void
  ) {
    (self.published, self.store, self.logID, self.metrics) = (published, store, logID, metrics)
    self.lastRevision = Atomic(lastRevision)
    self.fault = fault
  }

  /// The revision of the newest snapshot, 0 without one.
  var newest: Revision { lastRevision.load(ordering: .acquiring) }
  /// Whether one is being taken.
  var isBusy: Bool { isRunning.load(ordering: .acquiring) }

  /// Starts a snapshot unless one is running.
  func start() {
    guard isRunning.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged else {
      return
    }
    lock.withLock {
      thread?.join()
      thread = Thread(name: "berth-snapshot") {
        do throws(LogFault) { try self.take() } catch { self.fault("\(error)") }
        self.isRunning.store(false, ordering: .releasing)
      }
    }
  }

  /// Waits for a running snapshot to end.
  func finish() {
    lock.withLock {
      thread?.join()
      thread = nil
    }
  }

  func take() throws(LogFault) {
    let writer = try store.begin()
    do throws(LogFault) {
      var index = 0
      var newest: (sequence: UInt64, revision: Revision) = (0, 0)
      while true {
        let part = published.lock.read { () -> (TablePage, UInt64, Revision)? in
          let tables = published.tables
          if index >= tables.chunkCount, index > 0 { return nil }
          return (tables.page(index), published.sequence, tables.revision)
        }
        guard let (page, sequence, revision) = part else { break }
        try writer.add(chunk: SnapshotRows.encode(page.rows), revision: revision)
        newest = (sequence, revision)
        index += 1
      }
      try writer.finish(logID: logID, sequence: newest.sequence, revision: newest.revision)
      lastRevision.store(newest.revision, ordering: .releasing)
      metrics.snapshots.add()
    } catch {
      writer.abandon()
      throw error
    }
  }
}
