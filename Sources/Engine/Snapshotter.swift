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
  private let lastSequence: Atomic<UInt64>
  private let hooks: Hooks
  private let lock = Lock()
  private var thread: Thread?

  /// What happens beside a snapshot.
  struct Hooks {
    /// Told what went wrong.
    var fault: @Sendable (String) -> Void
    /// Called before a snapshot counts: returns once the node's own log is durable to this batch.
    var reach: @Sendable (UInt64) throws(LogFault) -> Void = { _ throws(LogFault) in }
    /// Whether the cluster wants this snapshot too, and what takes it.
    var wantsImage: @Sendable () -> Bool = { false }
    var image: @Sendable (SnapshotImage) -> Void = { _ in }
    /// Called when a snapshot is there.
    var finished: @Sendable () throws(LogFault) -> Void = { () throws(LogFault) in }
  }

  init(
    _ published: Published, _ store: any SnapshotStore, logID: SHA256Digest, lastRevision: UInt64,
    metrics: EngineMetrics, hooks: Hooks
  ) {
    (self.published, self.store, self.logID, self.metrics) = (published, store, logID, metrics)
    self.lastRevision = Atomic(lastRevision)
    lastSequence = Atomic(published.head.sequence)
    self.hooks = hooks
  }

  /// The revision of the newest snapshot, 0 without one.
  var newest: Revision { lastRevision.load(ordering: .acquiring) }
  /// The batch that the newest snapshot has reached; before the first one of this process, where it began.
  var newestSequence: UInt64 { lastSequence.load(ordering: .acquiring) }
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
        do throws(LogFault) { try self.take() } catch { self.hooks.fault("\(error)") }
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
      var image = hooks.wantsImage() ? Image(anchor: published.lock.read { published.complete }) : nil
      var newest: (sequence: UInt64, revision: Revision) = (0, 0)
      var index = 0
      while let (page, sequence, revision) = part(index) {
        let chunk = SnapshotRows.encode(page.rows)
        try writer.add(chunk: chunk, revision: revision)
        image?.add(chunk, revision)
        newest = (sequence, revision)
        index += 1
      }
      try hooks.reach(newest.sequence)
      try writer.finish(logID: logID, sequence: newest.sequence, revision: newest.revision)
      lastRevision.store(newest.revision, ordering: .releasing)
      lastSequence.store(newest.sequence, ordering: .releasing)
      metrics.snapshots.add()
      if let image { image.finish(logID, newest.sequence, newest.revision).map(hooks.image) }
    } catch {
      writer.abandon()
      throw error
    }
    try hooks.finished()
  }

  private func part(_ index: Int) -> (TablePage, UInt64, Revision)? {
    published.lock.read { () -> (TablePage, UInt64, Revision)? in
      let tables = published.tables
      if index >= tables.chunkCount, index > 0 { return nil }
      return (tables.page(index), published.head.sequence, tables.revision)
    }
  }
}

/// The snapshot as bytes in memory, for the cluster; given up when it grows over what the cluster takes.
private struct Image {
  private let anchor: LogHead
  private var encoder = SnapshotEncoder()
  private var bytes: [UInt8]

  init(anchor: LogHead) {
    self.anchor = anchor
    bytes = encoder.prologue
  }

  mutating func add(_ chunk: [UInt8], _ revision: Revision) {
    guard bytes.count <= SnapshotImage.maxBytes else { return }
    bytes += encoder.add(chunk: chunk, revision: revision)
  }

  func finish(_ logID: SHA256Digest, _ sequence: UInt64, _ revision: Revision) -> SnapshotImage? {
    // What was given up has not all chunks, and no end.
    guard bytes.count <= SnapshotImage.maxBytes else { return nil }
    let whole = bytes + encoder.finish(logID: logID, sequence: sequence, revision: revision)
    return whole.count <= SnapshotImage.maxBytes ? SnapshotImage(anchor: anchor, bytes: whole) : nil
  }
}
