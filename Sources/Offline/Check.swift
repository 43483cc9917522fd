internal import Domain
internal import Engine
internal import Ledger
package import Log

/// Checks media from end to end.
package struct Check {
  private let media: Media
  private var report = CheckReport()
  private var fromStart: Replay?
  private var fromSnapshot: Replay?
  private var history: HistoryCheck?

  /// Checks everything; throws only when the log cannot be opened at all.
  package static func run(_ media: Media) throws(LogFault) -> CheckReport {
    var check = Check(media)
    try check.run()
    return check.report
  }

  private init(_ media: Media) { self.media = media }

  private mutating func run() throws(LogFault) {
    let reader = try media.log()
    let head = try reader.head()
    let oldest = try reader.oldest()
    report.revision = head.nextRevision - 1
    if (oldest?.revision ?? 1) == 1 {
      fromStart = Replay()
    } else {
      let first = oldest?.revision ?? 1
      report.notes.append("the log begins with revision \(first): what was before is in the snapshots only")
    }
    openSnapshots(head, firstRevision: oldest?.revision ?? head.nextRevision)
    openHistory(head, from: oldest?.revision ?? 1)
    var walk = try LogWalk(media.log)
    try walk.run { result in
      switch result {
      case .success(let stored): take(stored.batch)
      case .failure(let fault): take(fault)
      }
    }
    history?.finish(&report)
    finish(head)
  }

  // MARK: The log

  private mutating func take(_ fault: LogFault) {
    let kind: Finding.Kind = if case .missing = fault { .logIncomplete } else { .logDamaged }
    report.add(kind, fault.finding)
    cut()
  }

  private mutating func cut() {
    fromStart?.cut()
    fromSnapshot?.cut()
    history = nil
  }

  private mutating func take(_ batch: Batch) {
    report.batches += 1
    var entries: [Entry] = []
    for (number, bytes) in batch.entries.enumerated() {
      let revision = batch.firstRevision + UInt64(number)
      do throws(LogFault) {
        let entry = try Recovery.entry(bytes, in: batch)
        entries.append(entry)
        guard entry.revision != revision else { continue }
        report.add(
          .logDamaged, "batch \(batch.sequence): entry \(revision) says that it is \(entry.revision)")
      } catch {
        report.add(.logDamaged, "batch \(batch.sequence), revision \(revision): \(error.finding)")
      }
    }
    report.entries += UInt64(batch.entries.count)
    guard entries.count == batch.entries.count, zip(entries, batch.firstRevision...).allSatisfy({ $0.revision == $1 })
    else { return cut() }
    if let what = fromStart?.take(batch, entries) { report.add(.stateHash, what) }
    if let what = fromSnapshot?.take(batch, entries), fromStart == nil { report.add(.stateHash, what) }
    history?.take(batch)
  }

  // MARK: Snapshots

  private mutating func openSnapshots(_ head: LogHead, firstRevision: Revision) {
    guard let store = media.snapshots else { return }
    let sequences: [UInt64]
    do throws(LogFault) { sequences = try store.list() } catch { return report.add(.snapshot, error.finding) }
    for sequence in sequences {
      do throws(LogFault) {
        let snapshot = try store.open(sequence)
        report.snapshots += 1
        try snapshot.header.requireCovered(by: head, from: firstRevision)
        // The newest healthy one is the one that a start would use.
        if fromSnapshot == nil { fromSnapshot = try Replay(snapshot) }
      } catch {
        report.add(.snapshot, error.finding)
      }
    }
  }

  // MARK: The history index

  private mutating func openHistory(_ head: LogHead, from oldest: Revision) {
    do throws(LogFault) {
      guard let reader = try media.history() else { return }
      let through = try reader.through()
      guard through < head.nextRevision else {
        return report.add(.history, "it goes up to revision \(through), the log up to \(head.nextRevision - 1)")
      }
      if through >= oldest { history = HistoryCheck(reader, oldest...through) }
      if through + 1 < head.nextRevision {
        report.notes.append("the history index goes up to revision \(through); the server adds the rest when it runs")
      }
    } catch {
      report.add(.history, error.finding)
    }
  }

  // MARK: The rows

  private mutating func finish(_ head: LogHead) {
    let start = fromStart.flatMap { replay in
      var replay = replay
      return replay.finish() ? replay.tables : nil
    }
    let snapshot = fromSnapshot.flatMap { replay in
      var replay = replay
      return replay.finish() ? replay.tables : nil
    }
    if let start, let snapshot { compare(start, snapshot) }
    guard let tables = start ?? snapshot else {
      return report.notes.append("the rows were not checked: the log does not lead to them without a gap")
    }
    let before = report.counts
    RowCheck(tables, head).run(&report)
    guard report.counts == before else {
      return report.notes.append("the kept indexes were not compared: the rows make no sense as they are")
    }
    compareIndexes(with: tables)
  }

  private mutating func compare(_ start: Tables, _ snapshot: Tables) {
    guard start.stateHash != snapshot.stateHash else { return }
    let rows = Set((0..<start.chunkCount).flatMap { start.page($0).rows })
    let others = Set((0..<snapshot.chunkCount).flatMap { snapshot.page($0).rows })
    for bytes in rows.symmetricDifference(others) {
      let what = (try? Row(decoding: bytes)).map { "\($0.key)" } ?? "a row of \(bytes.count) bytes"
      report.add(.replaysDiffer, "\(what) is only in \(rows.contains(bytes) ? "the log" : "the newest snapshot")")
    }
  }

  /// Replays as a start does, keeping indexes up to date row by row, and compares with what was computed at once.
  private mutating func compareIndexes(with tables: Tables) {
    do throws(EngineFault) {
      let kept = try Recovery(try opened(), fromStart == nil ? media.snapshots : nil, seed: 1).tables
      for name in Set(tables.poolNames).union(kept.poolNames).sorted() {
        let what = Self.difference(tables.pools[name], kept.pools[name])
        if let what { report.add(.index, "pool \(name): \(what)") }
      }
      if kept.rowCount != tables.rowCount {
        report.add(.index, "\(kept.rowCount) rows kept, \(tables.rowCount) rows there")
      }
      if kept.answeredCount != tables.answeredCount { report.add(.index, "the number of remembered keys differs") }
    } catch {
      report.notes.append("the kept indexes were not compared: \(error)")
    }
  }

  private func opened() throws(EngineFault) -> any BatchReader {
    do throws(LogFault) { return try media.log() } catch { throw .log("\(error)") }
  }

  private static func difference(_ computed: PoolState?, _ kept: PoolState?) -> String? {
    guard let computed, let kept else { return "it is in one index only" }
    if computed.allocations != kept.allocations || computed.allocatedCount != kept.allocatedCount {
      return "\(kept.allocations) allocations counted, \(computed.allocations) there"
    }
    if computed.quarantinedCount != kept.quarantinedCount { return "the number in quarantine differs" }
    if computed.usable != kept.usable { return "the usable addresses differ" }
    if computed.reservations != kept.reservations { return "the reservations differ" }
    if computed.cursor != kept.cursor { return "the cursor differs" }
    return nil
  }
}

extension LogFault {
  /// The fault without its own way out, which is for a server's start.
  var finding: String {
    let text = "\(self)"
    return text.split(separator: ";", maxSplits: 1).first.map(String.init) ?? text
  }
}
