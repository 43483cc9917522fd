// Looking, while everything runs, at what nobody asks for.
//
// A start verifies the newest snapshot and the log behind it; whatever is older is read when somebody asks for the past,
// which may be never. The scrub reads it: all batches of the log with their chain and their entries, a few at a time and
// no faster than `bytesPerSecond`. And it looks at every published allocation beside what is kept about it, `rowsPerHold`
// in one hold of the reader lock: an address in two hands would be a bug of ours, and this is the bug's alarm.
//
// It finds, it does not mend: a finding goes to the server's log, to the metrics and to health, and stays until a later
// look no longer sees it. What is derived is made anew by a restart (indexes) or `berth check --rebuild` (files); a
// damaged log is a matter for a backup.
//
// Refused: stopping to serve. What is published was verified when it was read, and a damaged old batch makes no answer
// of today wrong.
internal import Addressing
internal import Domain
internal import Engine
internal import Ledger
internal import Log
internal import Platform
internal import Telemetry

/// Reads log and rows again and again, slowly.
// Unchecked because `lock` guards what changes.
final class Scrub: @unchecked Sendable {
  /// Allocations looked at in one hold of the reader lock.
  static let rowsPerHold = 64
  /// Batches read at once.
  static let batchesPerPage = 16
  /// How fast the log is read at most.
  static let bytesPerSecond = 4 << 20
  /// The rest after each hold and each page.
  static let rest = Duration.milliseconds(10)
  /// Rows are looked at so often if they have changed.
  static let rowsEvery = Duration.seconds(60)
  /// Of so many findings of a look the words are kept.
  static let told = 20

  private let engine: Engine
  private let alarm: @Sendable (String) -> Void
  private let batches: Counter
  private let rows: Counter
  private let passes: Family<Counter>
  private let lock = Lock()
  private let changed = Condition()
  private var found = Found()
  private var isStopping = false
  private var thread: Thread?

  private struct Found {
    var inLog = 0
    var inRows = 0
    var duplicates = AddressCount.zero
  }

  /// Starts to look, the whole log once in `every`; nil = never, and the metrics say zero.
  init(_ engine: Engine, _ metrics: Metrics, every: Duration?, alarm: @escaping @Sendable (String) -> Void) {
    (self.engine, self.alarm) = (engine, alarm)
    batches = metrics.counter("berth_scrub_batches_total", "Batches of the log that were read again.")
    rows = metrics.counter("berth_scrub_rows_total", "Allocations that were looked at again.")
    passes = metrics.counters("berth_scrub_passes_total", "Looks that came to their end.", labels: ["what"])
    _ = (passes.child(["log"]), passes.child(["rows"]))
    metrics.gauge("berth_duplicate_addresses", "Addresses in two hands, by the last look; must be 0.") {
      self.lock.withLock { self.found.duplicates.approximate }
    }
    metrics.gauge("berth_scrub_findings", "What the last looks at log and rows found wrong; must be 0.") {
      Double(self.findings)
    }
    if let every { thread = Thread(name: "berth-scrub") { self.run(every) } }
  }

  /// How much the last looks at log and rows found wrong.
  var findings: Int { lock.withLock { found.inLog + found.inRows } }

  /// Ends the thread.
  func stop() {
    lock.withLock {
      isStopping = true
      changed.signal()
    }
    thread?.join()
    thread = nil
  }

  /// Waits; false when it is time to stop.
  private func wait(_ duration: Duration) -> Bool {
    let deadline = MonotonicTime.now + duration
    return lock.withLock {
      while !isStopping, MonotonicTime.now < deadline {
        _ = changed.wait(lock, timeout: .nanoseconds(max(1, deadline - .now)))
      }
      return !isStopping
    }
  }

  private func run(_ every: Duration) {
    var seen: Revision?
    var nextLog = MonotonicTime.now
    while wait(min(every, Scrub.rowsEvery)) {
      let revision = engine.status.revision
      if seen != revision {
        seen = revision
        guard lookAtRows() else { return }
      }
      if nextLog <= .now {
        nextLog = .now + every
        guard lookAtLog() else { return }
      }
    }
  }

  // MARK: Rows

  /// False when it is time to stop.
  private func lookAtRows() -> Bool {
    var flaws: [RowFlaw] = []
    var pages = engine.read { $0.chunkCount }
    var page = 0
    while page < pages {
      let image = engine.read { $0.page(page) }
      for part in Tables.allocations(on: image).parts(of: Scrub.rowsPerHold) {
        flaws += engine.read { tables in part.compactMap { tables.flaw(at: $0.ip, in: $0.pool) } }
        rows.add(UInt64(part.count))
        guard wait(Scrub.rest) else { return false }
      }
      page += 1
      pages = engine.read { $0.chunkCount }
    }
    for names in engine.read({ $0.poolNames }).parts(of: Scrub.rowsPerHold) {
      flaws += engine.read { tables in names.compactMap { tables.flaw(of: $0) } }
    }
    lock.withLock {
      found.inRows = flaws.count
      found.duplicates = flaws.reduce(.zero) { sum, flaw in
        if case .duplicate(let count, _) = flaw { sum + count } else { sum }
      }
    }
    passes.child(["rows"]).add()
    tell(
      flaws.map(\.what), wayOut: "keep the data directory and report this as a bug; `berth check` on a copy says more")
    return true
  }

  // MARK: The log

  /// False when it is time to stop.
  private func lookAtLog() -> Bool {
    var faults: [String] = []
    do throws(LogFault) {
      guard try readLog() else { return false }
    } catch {
      faults.append("\(error)")
    }
    lock.withLock { found.inLog = faults.count }
    passes.child(["log"]).add()
    tell(faults, wayOut: nil)
    return true
  }

  /// Reads from the oldest batch to what is the newest now; the reader verifies hashes and chain.
  private func readLog() throws(LogFault) -> Bool {
    let reader = try engine.reader()
    let head = try reader.head()
    guard var next = try reader.oldest()?.sequence else { return true }
    while next <= head.sequence {
      let page: [StoredBatch]
      do throws(LogFault) {
        page = try reader.batches(from: next, limit: Scrub.batchesPerPage)
      } catch {
        // Trimmed while it was on its way.
        guard case .trimmed(let oldest) = error, oldest > next else { throw error }
        next = oldest
        continue
      }
      guard let last = page.last else { return true }
      var bytes = 0
      for stored in page {
        for entry in stored.batch.entries { _ = try Recovery.entry(entry, in: stored.batch) }
        bytes += stored.batch.encodedBytes
      }
      batches.add(UInt64(page.count))
      next = last.batch.sequence + 1
      let pause = Duration.nanoseconds(Int64(bytes) * 1_000_000_000 / Int64(Scrub.bytesPerSecond))
      guard wait(max(Scrub.rest, pause)) else { return false }
    }
    return true
  }

  private func tell(_ findings: [String], wayOut: String?) {
    for finding in findings.prefix(Scrub.told) {
      alarm("scrub: \(finding)" + (wayOut.map { "; \($0)" } ?? ""))
    }
    if findings.count > Scrub.told { alarm("scrub: and \(findings.count - Scrub.told) more findings") }
  }
}

extension Array {
  /// The elements in pieces of at most `count`.
  fileprivate func parts(of count: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: self.count, by: count).map { self[$0..<Swift.min($0 + count, self.count)] }
  }
}
