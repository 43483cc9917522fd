internal import Addressing
internal import Domain
package import Engine
internal import Ledger
package import Log
internal import Platform
internal import Telemetry

/// The real engine's core behind a machine: it allocates and releases addresses of one small pool.
///
/// What survives a crash is its archive, from which it builds its state as a node does at its start: a snapshot of the
/// cluster, if it had to take one, and every batch after it.
package final class CoreEngine: SimulatedEngine {
  private static let pool = PoolName(trusted: "default")

  private let snapshotEvery: UInt64
  private let flaws: CoreFlaws
  private var numbers: UInt64
  private var core: Core
  private var base: SnapshotImage?
  private var archive: [StoredBatch] = []
  private var opened: LogHead?
  private var wishes: [EngineWish] = []
  private var said: [EngineReport] = []
  private var now: Int64 = 0
  private var lastSnapshot: UInt64 = 0

  /// An engine without anything.
  package init(seed: UInt64, snapshotEvery: UInt64 = 12, flaws: CoreFlaws = []) {
    (numbers, self.snapshotEvery, self.flaws) = (seed, snapshotEvery, flaws)
    core = CoreEngine.core(seed: seed, flaws: flaws)
    adopt()
  }

  private static func core(seed: UInt64, flaws: CoreFlaws) -> Core {
    var state = seed
    var options = CoreOptions(
      random: {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state
      }, metrics: EngineMetrics(Metrics()))
    options.isShared = true
    options.flaws = flaws
    return Core(
      Tables(seed: seed), head: LogHead(empty: SHA256Digest(of: [])), clock: ClockReading(wall: 0, boot: 0),
      options: options)
  }

  /// From the archive, as after a crash.
  private func adopt() {
    numbers &+= 0x9E37_79B9_7F4A_7C15
    core = CoreEngine.core(seed: numbers, flaws: flaws)
    if let base { core.handle(.bootstrap(base), clock) } else if let opened { core.handle(.opened(opened), clock) }
    for stored in archive { core.handle(.applied(stored), clock) }
    if case .lost(let why) = core.leadership { said.append(.violated("its own archive: \(why)")) }
    lastSnapshot = core.head.sequence
  }

  private var clock: ClockReading { ClockReading(wall: 1_700_000_000_000_000 + now, boot: now) }

  /// The end of the archive.
  package var archived: LogHead? {
    guard let last = archive.last else { return base?.anchor ?? opened }
    return LogHead(
      logID: core.head.logID, sequence: last.batch.sequence, hash: last.hash, nextRevision: last.batch.nextRevision,
      time: last.batch.time)
  }
  /// The end of what is applied.
  package var head: LogHead { core.head }
  /// Whether it leads.
  package var leads: Bool { if case .leading = core.leadership { true } else { false } }
  /// Equal states have equal ones.
  package var digest: UInt64 { UInt64(truncatingIfNeeded: core.tables.stateHash) }

  /// Takes an event of its log.
  package func take(_ event: LogEvent) {
    switch event {
    case .opened(let head):
      if head.sequence == 0, archive.isEmpty { opened = head }
      if head != core.head, head.sequence > 0 { said.append(.violated("opened at another place than its own")) }
    case .bootstrap(let image):
      (base, archive, opened) = (image, [], nil)
      lastSnapshot = image.anchor.sequence
    case .applied(let stored):
      if core.isAppending { said.append(.violated("a batch was applied between an append and its end")) }
      archive.append(stored)
    case .ended(.durable):
      if let batch = flying { archive.append(StoredBatch(batch: batch, hash: batch.hash)) }
    default: break
    }
    core.handle(event, clock)
    if case .ended = event { flying = nil }
    // A person who sees to it that leases end though many are due at once.
    if case .leads = event { core.confirm(clock) }
    if case .lost(let why) = core.leadership, !isTold(event) { said.append(.violated(why)) }
  }

  private var flying: Batch?

  /// Whether the log itself said that all is lost.
  private func isTold(_ event: LogEvent) -> Bool {
    if case .lost = event { hasLost = true }
    if hasLost { return true }
    hasLost = true
    return false
  }

  private var hasLost = false

  /// A client writes.
  package func write(_ operation: UInt64) -> Bool {
    guard leads else { return false }
    let submission = Submission(command(operation), actor: "client", requestID: "\(operation)", asked: "")
    let inbox = Heard()
    core.add([Waiting(submission: submission) { answer in inbox.answer = answer }])
    waiting.append((operation, inbox))
    return true
  }

  // Unchecked because the world has one thread.
  private final class Heard: @unchecked Sendable {
    var answer: Answer?
  }

  private var waiting: [(operation: UInt64, heard: Heard)] = []

  /// Makes the pool, allocates for a new owner, asks for an owner's address again, or takes one back.
  private func command(_ operation: UInt64) -> Command {
    if core.tables.pools.isEmpty {
      let cidr = Prefix(containing: IPAddress(v4: 0x0A00_0000), length: 26)
      return .createPool(
        Pool(name: Self.pool, extent: Extent(cidr: cidr, gateway: Extent.defaultGateway(of: cidr)), leaseSeconds: 5))
    }
    let old = operation - min(operation, (operation &* 0x9E37_79B9_7F4A_7C15) >> 58)
    switch operation % 4 {
    case 0, 1: return allocate("op-\(operation)")
    case 2: return allocate("op-\(old)")
    default:
      return .release(.owner(.standard, OwnerName(trusted: "op-\(old)"), pool: nil, interface: nil))
    }
  }

  private func allocate(_ owner: String) -> Command {
    .allocate(AllocateRequest(.pool(Self.pool), holder: Holder(owner: OwnerName(trusted: owner))))
  }

  /// A client reads.
  package func read(_ ticket: UInt64) {
    core.wait(barrier: { wishes.append(.barrier($0)) }) { end in
      switch end {
      case .passed: self.said.append(.read(ticket, sequence: self.core.head.sequence))
      case .failed: self.said.append(.unread(ticket))
      }
    }
  }

  /// What it wants now.
  package func step(now: Int64) -> [EngineWish] {
    self.now = max(self.now, now)
    if !core.isAppending {
      _ = core.begin(
        clock,
        append: { batch in
          flying = batch
          wishes.append(.append(batch))
        }, barrier: { wishes.append(.barrier($0)) })
    }
    if leads, snapshotEvery > 0, core.head.sequence >= lastSnapshot + snapshotEvery {
      lastSnapshot = core.head.sequence
      wishes.append(.publish(image()))
    }
    defer { wishes = [] }
    return wishes
  }

  private func image() -> SnapshotImage {
    let tables = core.tables
    var encoder = SnapshotEncoder()
    var bytes = encoder.prologue
    for index in 0..<tables.chunkCount {
      bytes += encoder.add(chunk: SnapshotRows.encode(tables.page(index).rows), revision: tables.revision)
    }
    bytes += encoder.finish(logID: core.head.logID, sequence: core.head.sequence, revision: tables.revision)
    return SnapshotImage(anchor: core.head, bytes: bytes)
  }

  /// What was said.
  package func reports() -> [EngineReport] {
    for (operation, heard) in waiting { if let answer = heard.answer { report(operation, answer) } }
    waiting.removeAll { $0.heard.answer != nil }
    defer { said = [] }
    return said
  }

  private func report(_ operation: UInt64, _ answer: Answer) {
    switch answer {
    case .outcome(.granted(let grants, let isNew, _), let revision):
      let owner = grants[0].allocation.owner.text
      if isNew { said.append(.acknowledged(operation, sequence: sequence(holding: revision))) }
      said.append(.claimed(operation, revision: revision, key: "owner \(owner)", value: "\(grants[0].allocation.ip)"))
    case .outcome(.released, let revision), .outcome(.pool, let revision):
      said.append(.acknowledged(operation, sequence: sequence(holding: revision)))
    case .outcome(.rejected, let revision):
      said.append(.refused(operation))
      said.append(.claimed(operation, revision: revision, key: nil, value: nil))
    case .outcome: said.append(.violated("operation \(operation) has a strange answer"))
    case .unavailable(.unknownOutcome): said.append(.unknown(operation))
    case .unavailable: said.append(.refused(operation))
    }
  }

  private func sequence(holding revision: UInt64) -> UInt64 {
    archive.last { $0.batch.firstRevision <= revision && revision < $0.batch.nextRevision }?.batch.sequence
      ?? core.head.sequence
  }

  /// Forgets all but the archive.
  package func crash(unsynced: Int) {
    archive.removeLast(min(unsynced, archive.count))
    (waiting, wishes, said, flying, hasLost) = ([], [], [], nil, false)
    adopt()
  }

  /// Keeps nothing.
  package func wipe() {
    (base, archive, opened) = (nil, [], nil)
    crash(unsynced: 0)
  }

  /// Who has which address from each entry on.
  package func story(of batch: Batch) -> [StoryLine] {
    var lines: [StoryLine] = []
    for bytes in batch.entries {
      guard let entry = try? Entry(decoding: bytes) else { continue }
      let revision = entry.revision
      if let operation = UInt64(entry.requestID) { lines.append(StoryLine(operation: operation, revision: revision)) }
      for effect in entry.effects {
        guard case .allocation(let row) = effect.row else { continue }
        let isPut = effect.isPut
        lines.append(StoryLine(revision: revision, key: "owner \(row.owner)", value: isPut ? "\(row.ip)" : nil))
        lines.append(
          StoryLine(revision: revision, key: "ip \(row.ip)", value: isPut ? "\(row.owner)" : nil, isExclusive: true))
      }
    }
    return lines
  }
}
