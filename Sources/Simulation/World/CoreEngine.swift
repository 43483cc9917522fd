internal import Addressing
internal import Domain
package import Engine
internal import Ledger
package import Log
internal import Platform
internal import Telemetry

/// The real engine's core behind a machine: it allocates and releases addresses of two pools. In the first one leases
/// end all the time; in the second one no lease and no quarantine ends within a run, whatever clocks say. With a fleet it
/// also decides about nodes and VMs, and hears agents.
///
/// What survives a crash is its archive, from which it builds its state as a node does at its start: a snapshot of the
/// cluster, if it had to take one, and every batch after it.
package final class CoreEngine: SimulatedEngine {
  /// Addresses whose leases end within seconds.
  private static let brief = PoolName(trusted: "default")
  /// Addresses whose leases and quarantines outlive every run.
  private static let long = PoolName(trusted: "long")
  private static let longSeconds: UInt32 = 600
  private static let briefSeconds: UInt32 = 5

  private let snapshotEvery: UInt64
  private let flaws: CoreFlaws
  private var numbers: UInt64
  private(set) var core: Core
  private let fleet: FleetPlan?
  /// What its clock shows of a thousandth of a microsecond.
  let permille: Int64
  private(set) var watch: NodeWatch?
  /// What `watch` does not know yet.
  private var unwatched: [(event: LogEvent, begun: MonotonicTime?, before: Leadership, after: Leadership)] = []
  /// Whether it leads, as far as its threads know that are not the engine's.
  private(set) var decides = false
  private var flyingSince: MonotonicTime?
  /// Whether clients ask for VMs.
  var wantsFleet = true
  private var base: SnapshotImage?
  private var archive: [StoredBatch] = []
  /// What waits for room in the archive.
  private var unarchived: [StoredBatch] = []
  /// Whether the archive takes nothing more.
  package var isArchiveFull = false
  private var opened: LogHead?
  private var wishes: [EngineWish] = []
  private var said: [EngineReport] = []
  private var clock = ClockReading(wall: 0, boot: 0)
  /// Whether leases that are due at once wait for a person.
  private var needsPerson = false
  private var lastSnapshot: UInt64 = 0

  /// An engine without anything.
  package init(seed: UInt64, snapshotEvery: UInt64 = 12, flaws: CoreFlaws = [], fleet: FleetPlan? = nil) {
    (numbers, self.snapshotEvery, self.flaws, self.fleet) = (seed, snapshotEvery, flaws, fleet)
    permille = [950, 1_000, 1_050][Int(seed % 3)]
    core = CoreEngine.core(seed: seed, flaws: flaws, clock: clock)
    adopt()
  }

  private static func core(seed: UInt64, flaws: CoreFlaws, clock: ClockReading) -> Core {
    var state = seed
    var options = CoreOptions(
      random: {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state
      }, metrics: EngineMetrics(Metrics()))
    options.isShared = true
    options.flaws = flaws
    return Core(
      Tables(seed: seed), head: LogHead(empty: SHA256Digest(of: [])), clock: clock, options: options)
  }

  /// Its process begins: the core believes the clock as it finds it.
  package func start(_ clock: ClockReading) {
    self.clock = clock
    adopt()
  }

  /// From the archive, as after a crash.
  private func adopt() {
    numbers &+= 0x9E37_79B9_7F4A_7C15
    core = CoreEngine.core(seed: numbers, flaws: flaws, clock: clock)
    watch = fleet.map { NodeWatch($0.timing, flaws: $0.leaseFlaws) }
    (unwatched, decides, flyingSince) = ([], false, nil)
    if let base { core.handle(.bootstrap(base), clock) } else if let opened { core.handle(.opened(opened), clock) }
    for stored in archive { core.handle(.applied(stored), clock) }
    if case .lost(let why) = core.leadership { said.append(.violated("its own archive: \(why)")) }
    lastSnapshot = core.head.sequence
  }

  /// The end of the archive.
  package var archived: LogHead? {
    guard let last = archive.last else { return base?.anchor ?? opened }
    return LogHead(
      logID: core.head.logID, sequence: last.batch.sequence, hash: last.hash, nextRevision: last.batch.nextRevision,
      time: last.batch.time)
  }
  /// The end of what is applied.
  package var head: LogHead { core.head }
  /// How many batches wait for room.
  package var archiveLag: Int { unarchived.count }
  /// Its batches carry the log's time.
  package var keepsTime: Bool { true }
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
      (base, archive, unarchived, opened) = (image, [], [], nil)
      lastSnapshot = image.anchor.sequence
    case .applied(let stored):
      if core.isAppending { said.append(.violated("a batch was applied between an append and its end")) }
      unarchived.append(stored)
    case .ended(.durable):
      if let batch = flying { unarchived.append(StoredBatch(batch: batch, hash: batch.hash)) }
    default: break
    }
    archiveWhatWaits()
    let before = core.leadership
    core.handle(event, clock)
    if watch != nil { unwatched.append((event, flyingSince, before, core.leadership)) }
    if case .ended = event { flying = nil }
    if case .leads = event { needsPerson = true }
    if case .lost(let why) = core.leadership, !isTold(event) { said.append(.violated(why)) }
  }

  private func archiveWhatWaits() {
    if isArchiveFull { return }
    archive += unarchived
    unarchived = []
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
    let asked = request(operation)
    // The second time an operation is asked under its key, it is asked as an operation of its own.
    let submission = Submission(
      asked.command, actor: "client", requestID: "\(operation)", asked: "",
      idempotency: asked.key.map { IdempotencyKey(key: UInt128($0), request: UInt128($0)) })
    ask(submission, operation, repeats: asked.key == operation ? nil : asked.key) { _ in }
    return true
  }

  /// Somebody asks for a command that the world chose; as an operation its answer is held against the log.
  func ask(_ command: Command, as operation: UInt64? = nil, _ done: @escaping (Answer) -> Void) {
    let id = operation.map { "\($0)" } ?? ""
    ask(Submission(command, actor: "client", requestID: id, asked: ""), operation, repeats: nil, done)
  }

  private func ask(
    _ submission: Submission, _ operation: UInt64?, repeats: UInt64?, _ done: @escaping (Answer) -> Void
  ) {
    let inbox = Heard(done)
    if let operation { waiting.append((operation, repeats, inbox)) }
    core.add([Waiting(submission: submission) { inbox.take($0) }])
  }

  // Unchecked because the world has one thread.
  private final class Heard: @unchecked Sendable {
    private(set) var answer: Answer?
    private let done: (Answer) -> Void
    init(_ done: @escaping (Answer) -> Void) { self.done = done }

    func take(_ answer: Answer) {
      self.answer = answer
      done(answer)
    }
  }

  private var waiting: [(operation: UInt64, repeats: UInt64?, heard: Heard)] = []

  /// Makes a pool, allocates for a new owner, asks for an owner's address again (sometimes under the key of the first
  /// time), or takes one back.
  private func request(_ operation: UInt64) -> (command: Command, key: UInt64?) {
    for name in [Self.brief, Self.long] where core.tables.pools[name] == nil {
      return (.createPool(pool(name == Self.brief)), nil)
    }
    if fleet != nil, wantsFleet {
      var asking = FleetAsking(operation, core.tables)
      if let command = asking.command() { return (command, nil) }
    }
    let old = operation - min(operation, (operation &* 0x9E37_79B9_7F4A_7C15) >> 58)
    switch operation % 4 {
    case 0, 1: return (allocate(operation), operation)
    case 2: return (allocate(old), old % 4 < 2 && operation % 8 == 2 && old < operation ? old : nil)
    default:
      return (.release(.owner(.standard, OwnerName(trusted: "op-\(old)"), pool: nil, interface: nil)), nil)
    }
  }

  private func pool(_ isFirst: Bool) -> Pool {
    let cidr = Prefix(containing: IPAddress(v4: isFirst ? 0x0A00_0000 : 0x0A01_0000), length: isFirst ? 26 : 22)
    return Pool(
      name: isFirst ? Self.brief : Self.long, extent: Extent(cidr: cidr, gateway: Extent.defaultGateway(of: cidr)),
      quarantineSeconds: isFirst ? 0 : Self.longSeconds, leaseSeconds: isFirst ? Self.briefSeconds : Self.longSeconds)
  }

  private func allocate(_ owner: UInt64) -> Command {
    let pool = owner % 8 < 4 ? Self.brief : Self.long
    return .allocate(AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: "op-\(owner)"))))
  }

  /// A client reads, and looks at one address.
  package func read(_ ticket: UInt64) {
    let ip = IPAddress(v4: 0x0A00_0000 + UInt32(ticket % 64))
    core.wait(barrier: { wishes.append(.barrier($0)) }) { [unowned self] end in
      switch end {
      case .passed:
        self.said.append(.read(ticket, sequence: self.core.head.sequence))
        let owner = self.core.tables.allocation(at: ip, in: Self.brief)?.owner
        self.said.append(
          .looked(ticket, revision: self.core.tables.revision, ip: "\(ip)", owner: owner.flatMap(Self.number)))
      case .failed: self.said.append(.unread(ticket))
      }
    }
  }

  /// The operation that made an owner.
  private static func number(_ owner: OwnerName) -> UInt64? { UInt64(owner.text.dropFirst(3)) }

  /// What it wants now.
  package func step(_ clock: ClockReading) -> [EngineWish] {
    self.clock = clock
    archiveWhatWaits()
    if needsPerson, leads, isClockRight {
      // A person who sees to it that leases end though many are due at once, and who knows what time it is.
      needsPerson = false
      core.confirm(clock)
    }
    if let watch {
      for item in unwatched {
        watch.follow(item.event, begun: item.begun, from: item.before, to: item.after, at: time(clock))
      }
      (unwatched, decides) = ([], core.leadership.decides)
      watch.look(after: core, barrier: { wishes.append(.barrier($0)) }, at: time(clock))
    }
    if !core.isAppending {
      _ = core.begin(
        clock,
        append: { batch in
          (flying, flyingSince) = (batch, time(clock))
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

  /// Whether the wall clock is near the time that the world has.
  package var isClockRight = true

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
    for (operation, key, heard) in waiting { if let answer = heard.answer { report(operation, key, answer) } }
    waiting.removeAll { $0.heard.answer != nil }
    defer { said = [] }
    return said
  }

  private func report(_ operation: UInt64, _ key: UInt64?, _ answer: Answer) {
    if let key {
      switch answer {
      case .outcome(.replay, _): return said.append(.repeated(key, isReplay: true))
      case .outcome: said.append(.repeated(key, isReplay: false))
      case .unavailable: break
      }
    }
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
    case .outcome(.replay, _): break
    case .outcome(.fleet, let revision):
      if hasEntry(of: operation, at: revision) {
        said.append(.acknowledged(operation, sequence: sequence(holding: revision)))
      } else {
        said.append(.claimed(operation, revision: revision, key: nil, value: nil))
      }
    case .outcome: said.append(.violated("operation \(operation) has a strange answer"))
    case .unavailable(.unknownOutcome): said.append(.unknown(operation))
    case .unavailable: said.append(.refused(operation))
    }
  }

  private func batch(holding revision: UInt64) -> Batch? {
    (archive + unarchived).last { $0.batch.firstRevision <= revision && revision < $0.batch.nextRevision }?.batch
  }

  private func sequence(holding revision: UInt64) -> UInt64 { batch(holding: revision)?.sequence ?? core.head.sequence }

  /// Whether an answer is about an entry of its own, or about what there was; the log does not have it: one of its own.
  private func hasEntry(of operation: UInt64, at revision: UInt64) -> Bool {
    guard let batch = batch(holding: revision) else { return revision > core.tables.revision }
    let entry = try? Entry(decoding: batch.entries[Int(revision - batch.firstRevision)])
    return entry?.requestID == "\(operation)"
  }

  /// Forgets all but the archive.
  package func crash(unsynced: Int) {
    archive.removeLast(min(unsynced, archive.count))
    unarchived = []
    (waiting, wishes, said, flying, hasLost, needsPerson) = ([], [], [], nil, false, false)
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
        guard case .allocation(let row) = effect.row, row.manager == nil else { continue }
        let isPut = effect.isPut
        let isLong = row.pool == Self.long
        let change = StoryLine.Change(ip: "\(row.ip)", owner: Self.number(row.owner) ?? 0, isGiven: isPut)
        lines.append(
          StoryLine(
            revision: revision, key: "owner \(row.owner)", value: isPut ? "\(row.ip)" : nil, change: change,
            forbidden: isLong && entry.actor == "system"
              ? "a lease of \(Self.longSeconds) s of \(row.owner) has ended" : nil))
        // What was in a long quarantine once can go to nobody else within a run.
        if isLong, !isPut { continue }
        lines.append(
          StoryLine(revision: revision, key: "ip \(row.ip)", value: isPut ? "\(row.owner)" : nil, isExclusive: true))
      }
    }
    return lines
  }
}
