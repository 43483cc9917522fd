package import Engine
package import Log
internal import Platform

/// An engine whose state is a list of numbers: each entry is one, and its revision is its place.
package final class ToyEngine: SimulatedEngine {
  /// What the toy does wrong on purpose.
  package struct Flaws: OptionSet {
    /// The bits.
    package let rawValue: Int
    /// Makes a set from bits.
    package init(rawValue: Int) { self.rawValue = rawValue }
    /// Answers reads of a leader without a barrier.
    package static let readWithoutBarrier = Flaws(rawValue: 1)
    /// Acknowledges what it has decided before the append has ended.
    package static let ackDecided = Flaws(rawValue: 2)
    /// Keeps the decisions of a refused batch.
    package static let keepRefused = Flaws(rawValue: 4)
  }

  private let snapshotEvery: UInt64
  private let flaws: Flaws
  private var random: UInt64
  private var operations: [UInt64] = []
  private(set) package var head = LogHead(empty: SHA256Digest(of: []))
  private var archive: (heads: [LogHead], operations: [UInt64]) = ([], [])
  /// The ends of what waits for room in the archive.
  private var waitingHeads: [LogHead] = []
  /// Whether the archive takes nothing more.
  package var isArchiveFull = false
  private var epoch: UInt64?
  private var takeover: UInt64?
  private var flight: Batch?
  private var queue: [UInt64] = []
  private var waiting: [(ticket: UInt64, barrier: UInt64)] = []
  private var asked: UInt64 = 0
  private var needsBarrier = false
  private var lastSnapshot: UInt64 = 0
  private var said: [EngineReport] = []
  private var isLost = false

  /// An engine without anything.
  package init(seed: UInt64, snapshotEvery: UInt64, flaws: Flaws = []) {
    random = seed
    self.snapshotEvery = snapshotEvery
    self.flaws = flaws
  }

  /// The end of what is archived.
  package var archived: LogHead? { archive.heads.last }
  /// How many batches wait for room.
  package var archiveLag: Int { waitingHeads.count }
  /// Of no use here.
  package var isClockRight = true
  /// It has no clock.
  package var keepsTime: Bool { false }
  /// Whether it leads.
  package var leads: Bool { epoch != nil }
  /// Equal in engines with equal lists.
  package var digest: UInt64 { operations.reduce(UInt64(operations.count)) { ($0 ^ $1) &* 0x100_0000_01B3 } }

  /// Nothing depends on the time.
  package func start(_ clock: ClockReading) {}

  /// Takes an event of its log.
  package func take(_ event: LogEvent) {
    switch event {
    case .opened(let head): open(head)
    case .bootstrap(let image): load(image)
    case .applied(let stored): apply(stored.batch, hash: stored.hash)
    case .takeover(let epoch): takeover = epoch
    case .leads(let epoch): self.epoch = epoch
    case .follows:
      epoch = nil
      takeover = nil
      dismissQueue()
    case .ended(let end): ended(end)
    case .barrier(let through, let end): passed(through, end)
    case .lost:
      isLost = true
      epoch = nil
      takeover = nil
      dismissQueue()
    }
  }

  private func open(_ head: LogHead) {
    self.head = head
    operations = Array(archive.operations.prefix(Int(head.nextRevision - 1)))
    if head.sequence == 0 {
      operations = []
      archive = ([head], [])
      waitingHeads = []
    }
  }

  private func load(_ image: SnapshotImage) {
    guard let reader = try? image.reader(), let chunk = try? reader.next() else {
      return said.append(.violated("a snapshot that was handed over cannot be read"))
    }
    operations = stride(from: 0, to: chunk.bytes.count, by: 8).map { start in
      chunk.bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    head = image.anchor
    archive = ([head], operations)
    waitingHeads = []
    if operations.count != Int(head.nextRevision - 1) { said.append(.violated("a snapshot of another revision")) }
  }

  private func apply(_ batch: Batch, hash: SHA256Digest) {
    if flight != nil { said.append(.violated("a batch was applied between an append and its end")) }
    if batch.sequence != head.sequence + 1 { said.append(.violated("batch \(batch.sequence) after \(head.sequence)")) }
    if batch.stateHash != UInt128(digest) { said.append(.violated("batch \(batch.sequence) carries another state")) }
    operations += batch.entries.map { $0.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    head = head.advanced(by: batch, hash: hash)
    waitingHeads.append(head)
    archiveWhatWaits()
  }

  private func archiveWhatWaits() {
    if isArchiveFull { return }
    archive.heads += waitingHeads
    waitingHeads = []
    if archive.heads.count > 64 { archive.heads.removeFirst(archive.heads.count - 32) }
    archive.operations = operations
  }

  private func ended(_ end: AppendEnd) {
    guard let batch = flight else { return said.append(.violated("an append ended that was not begun")) }
    flight = nil
    let numbers = batch.entries.map { $0.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
    switch end {
    case .durable:
      apply(batch, hash: batch.hash)
      if !flaws.contains(.ackDecided) { said += numbers.map { .acknowledged($0, sequence: batch.sequence) } }
    case .refused:
      if flaws.contains(.keepRefused) { operations += numbers }
      if !flaws.contains(.ackDecided) { said += numbers.map { .refused($0) } }
    case .unknown: said += numbers.map { .unknown($0) }
    }
  }

  private func passed(_ through: UInt64, _ end: BarrierEnd) {
    for item in waiting where item.barrier <= through {
      if case .passed(let sequence) = end {
        if sequence != head.sequence { said.append(.violated("a barrier came before its batches")) }
        said.append(.read(item.ticket, sequence: head.sequence))
      } else {
        said.append(.unread(item.ticket))
      }
    }
    waiting.removeAll { $0.barrier <= through }
  }

  private func dismissQueue() {
    said += queue.map { .refused($0) }
    queue = []
  }

  /// Queues an operation, if it leads.
  package func write(_ operation: UInt64) -> Bool {
    guard !isLost, epoch != nil else { return false }
    queue.append(operation)
    return true
  }

  /// Queues a read behind the next barrier.
  package func read(_ ticket: UInt64) {
    if isLost { return said.append(.unread(ticket)) }
    if flaws.contains(.readWithoutBarrier), epoch != nil {
      return said.append(.read(ticket, sequence: head.sequence))
    }
    if !needsBarrier { asked += 1 }
    needsBarrier = true
    waiting.append((ticket, asked))
  }

  /// What it wants now.
  package func step(_ clock: ClockReading) -> [EngineWish] {
    var wishes: [EngineWish] = []
    if !waitingHeads.isEmpty { archiveWhatWaits() }
    if needsBarrier {
      needsBarrier = false
      wishes.append(.barrier(asked))
    }
    guard flight == nil, !isLost else { return wishes }
    if let takeover {
      self.takeover = nil
      wishes.append(.append(begin([], epoch: takeover)))
    } else if let epoch {
      if snapshotEvery > 0, head.sequence >= lastSnapshot + snapshotEvery {
        lastSnapshot = head.sequence
        wishes.append(.publish(image()))
      }
      if !queue.isEmpty {
        wishes.append(.append(begin(queue, epoch: epoch)))
        queue = []
      }
    }
    return wishes
  }

  private func begin(_ numbers: [UInt64], epoch: UInt64) -> Batch {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let batch = Batch(
      sequence: head.sequence + 1, epoch: epoch, nonce: random, time: head.time + 1, seed: 0,
      firstRevision: head.nextRevision, previous: head.hash, stateHash: UInt128(digest),
      entries: numbers.map { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } })
    flight = batch
    if flaws.contains(.ackDecided) { said += numbers.map { .acknowledged($0, sequence: batch.sequence) } }
    return batch
  }

  private func image() -> SnapshotImage {
    var encoder = SnapshotEncoder()
    var bytes = encoder.prologue
    let rows = operations.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }
    bytes += encoder.add(chunk: rows, revision: head.nextRevision - 1)
    bytes += encoder.finish(logID: head.logID, sequence: head.sequence, revision: head.nextRevision - 1)
    return SnapshotImage(anchor: head, bytes: bytes)
  }

  /// What was said since it was last asked.
  package func reports() -> [EngineReport] {
    defer { said = [] }
    return said
  }

  /// Keeps the archive alone, perhaps without its end.
  package func crash(unsynced: Int) {
    let kept = max(min(archive.heads.count, 1), archive.heads.count - unsynced)
    archive.heads = Array(archive.heads.prefix(kept))
    waitingHeads = []
    let count = archive.heads.last.map { Int($0.nextRevision - 1) } ?? 0
    archive.operations = Array(archive.operations.prefix(count))
    (operations, head) = (archive.operations, archive.heads.last ?? LogHead(empty: SHA256Digest(of: [])))
    (epoch, takeover, flight, queue, waiting, needsBarrier, said, isLost, asked) = (
      nil, nil, nil, [], [], false, [], false, 0
    )
    lastSnapshot = head.sequence
  }

  /// One operation an entry.
  package func story(of batch: Batch) -> [StoryLine] {
    batch.entries.enumerated().map { index, bytes in
      StoryLine(
        operation: bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }, revision: batch.firstRevision + UInt64(index))
    }
  }

  /// Keeps nothing.
  package func wipe() {
    archive = ([], [])
    crash(unsynced: 0)
  }
}
