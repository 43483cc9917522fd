import Addressing
import Domain
import Engine
import Ledger
import Log
import LogMemory
import Offline
import Platform
import TestSupport
import Testing

/// A log made by the ledger, with snapshots and an index, that a test may then damage.
final class OfflineBench {
  let log = MemoryLog()
  let snapshots = MemorySnapshots()
  let history = MemoryHistory()
  private let ledger = Ledger(Tables(seed: 1))
  private var time: LogTime = 1_700_000_000_000_000

  /// Decides commands and appends them as one batch.
  func batch(_ commands: [Command]) {
    time += 1_000_000
    var entries: [Entry] = []
    for command in commands {
      let context = Ledger.Context(
        revision: ledger.tables.revision + UInt64(entries.count) + 1, time: time, seed: 7)
      let submission = Submission(command, actor: "test", requestID: "r-1", asked: "asked")
      if let entry = ledger.decide(submission, context).entry { entries.append(entry) }
    }
    ledger.seal(&entries)
    append(entries)
    ledger.published(entries)
  }

  /// Appends entries that no ledger would make.
  func forge(_ effects: [Effect], _ kind: EntryKind = .allocated) {
    time += 1_000_000
    let entry = Entry(
      revision: ledger.tables.revision + 1, kind: kind, actor: "test", requestID: "r", asked: "", effects: effects,
      told: .nothing)
    append([entry])
  }

  /// Appends bytes in the place of an entry.
  func forge(entry: [UInt8]) {
    let head = log.head
    let batch = Batch(
      sequence: head.sequence + 1, epoch: 1, nonce: head.sequence, time: time, seed: 7,
      firstRevision: head.nextRevision, previous: head.hash, stateHash: ledger.tables.stateHash, entries: [entry])
    log.append(batch) { #expect($0 == .durable) }
  }

  private func append(_ entries: [Entry]) {
    guard !entries.isEmpty else { return }
    let head = log.head
    let batch = Batch(
      sequence: head.sequence + 1, epoch: 1, nonce: head.sequence, time: time, seed: 7,
      firstRevision: head.nextRevision, previous: head.hash, stateHash: ledger.tables.stateHash,
      entries: entries.map(\.encoded))
    log.append(batch) { #expect($0 == .durable) }
    for entry in entries { ledger.tables.apply(entry.effects, revision: entry.revision, time: time) }
  }

  func snapshot() throws {
    let writer = try snapshots.begin()
    let tables = ledger.tables
    for index in 0..<tables.chunkCount {
      try writer.add(chunk: SnapshotRows.encode(tables.page(index).rows), revision: tables.revision)
    }
    try writer.finish(logID: log.head.logID, sequence: log.head.sequence, revision: tables.revision)
  }

  func index() throws {
    var builder = try HistoryBuilder(try log.reader(), history)
    while try builder.step(upTo: .max) {}
  }

  var revision: Revision { ledger.tables.revision }
  var tables: Tables { ledger.tables }
  var now: LogTime { time }

  /// A healthy log of 40 batches with a snapshot in the middle and an index.
  static func sound() throws -> OfflineBench {
    let bench = OfflineBench()
    bench.batch([createPool("edge", "10.0.0.0/24") { $0.quarantineSeconds = 60 }])
    for number in 0..<38 {
      if number == 20 { try bench.snapshot() }
      bench.batch([allocate("vm-\(number)"), allocate("vm-\(number)", "eth1"), release("vm-\(number / 2)")])
    }
    bench.batch([.reserve(PoolName(trusted: "edge"), try AddressRange(parsing: "10.0.0.200-10.0.0.210"), reason: "x")])
    try bench.index()
    return bench
  }

  /// The check; `lost` batches are hidden, and from the `opening`-th opening on the log is that of another bench.
  func check(
    lost: ClosedRange<UInt64>? = nil, other: OfflineBench? = nil, from opening: Int = .max
  ) throws -> CheckReport {
    var openings = 0
    let log = log
    let media = Media(
      log: { () throws(LogFault) -> any BatchReader in
        openings += 1
        let reader = try (openings >= opening ? other?.log ?? log : log).reader()
        if let lost { return Holes(reader, lost: lost) }
        return reader
      }, snapshots: snapshots, history: history.reader)
    return try Check.run(media)
  }

  static func createPool(_ name: String, _ cidr: String, _ change: (inout Pool) -> Void = { _ in }) -> Command {
    let prefix = try! Prefix(parsing: cidr)
    let extent = Extent(cidr: prefix, gateway: Extent.defaultGateway(of: prefix))
    var pool = Pool(name: PoolName(trusted: name), extent: extent)
    change(&pool)
    return .createPool(pool)
  }

  static func allocate(_ owner: String, _ interface: String = "eth0") -> Command {
    let holder = Holder(owner: OwnerName(trusted: owner), interface: InterfaceName(trusted: interface))
    return .allocate(AllocateRequest(.pool(PoolName(trusted: "edge")), holder: holder))
  }

  static func release(_ owner: String) -> Command {
    .release(.owner(.standard, OwnerName(trusted: owner), pool: nil, interface: nil))
  }

  /// A row as somebody might have forged it.
  func row(_ ip: String, _ owner: String, pool: String = "edge", index: UInt16 = 0, generation: Revision? = nil) -> Row
  {
    let address = IPAddress(ip)!
    let revision = generation ?? self.revision + 1
    return .allocation(
      Allocation(
        pool: PoolName(trusted: pool), block: Prefix(containing: address, length: 32), owner: OwnerName(trusted: owner),
        index: index, createdAt: now, generation: revision, revision: revision))
  }
}

/// Hides some batches, as a log does that has lost rows.
final class Holes: BatchReader {
  private let reader: any BatchReader
  private let lost: ClosedRange<UInt64>

  init(_ reader: any BatchReader, lost: ClosedRange<UInt64>) { (self.reader, self.lost) = (reader, lost) }

  func batches(from sequence: UInt64, limit: Int) throws(LogFault) -> [StoredBatch] {
    let page = try reader.batches(from: sequence, limit: limit)
    if page.contains(where: { lost.contains($0.batch.sequence) }) {
      throw .missing(from: lost.lowerBound, through: lost.upperBound)
    }
    return page
  }

  func sequence(holding revision: UInt64) throws(LogFault) -> UInt64? { try reader.sequence(holding: revision) }
  func oldest() throws(LogFault) -> LogOldest? { try reader.oldest() }
  func head() throws(LogFault) -> LogHead { try reader.head() }
}

/// What is there of a fleet.
extension OfflineBench {
  func vm(_ name: String) -> VM? { tables.vm(VMKey(name: VMName(trusted: name))) }
  func node(_ name: String) -> Node? { tables.node(NodeName(trusted: name)) }
  func addresses(of name: String) -> [Allocation] {
    tables.allocations(tenant: .standard, owner: OwnerName(trusted: name))
  }
}
