package import Domain
package import Engine
internal import Ledger
package import Log

/// Makes anew what is derived from the log.
package enum Rebuild {
  /// What was made.
  package struct Made: Hashable, Sendable {
    /// The revision up to which the history index goes; nil = there is none.
    package let history: Revision?
    /// The revision of the new snapshot; nil = there is nowhere to put one, or nothing to keep.
    package let snapshot: Revision?
    /// The rows there are.
    package let rows: Int

    /// What was made, for people.
    package var lines: [String] {
      var lines: [String] = []
      if let history { lines.append("history index made anew up to revision \(history)") }
      if let snapshot { lines.append("snapshot made at revision \(snapshot): \(rows) rows") }
      return lines
    }
  }

  /// Empties and fills the index and writes a fresh snapshot; throws, and leaves the old ones, when the log cannot be
  /// replayed. A snapshot that disagrees with a whole log is not believed: the new one comes from the log alone.
  package static func run(
    log: () throws(LogFault) -> any BatchReader, snapshots: (any SnapshotStore)?, history: (any HistoryIndex)?
  ) throws(EngineFault) -> Made {
    do {
      let reader = try log()
      let isWhole = (try reader.oldest()?.revision ?? 1) == 1
      let recovery = try Recovery(reader, isWhole ? nil : snapshots, seed: 0)
      let snapshot = try snapshots.flatMap { try write(recovery, to: $0) }
      let index = try history.map { try fill($0, try log(), upTo: recovery.tables.revision) }
      return Made(history: index, snapshot: snapshot, rows: recovery.tables.rowCount)
    } catch let fault as LogFault {
      throw .log("\(fault)")
    } catch let fault as EngineFault {
      throw fault
    } catch {
      throw .state("\(error)")
    }
  }

  private static func write(_ recovery: Recovery, to store: any SnapshotStore) throws(LogFault) -> Revision? {
    let tables = recovery.tables
    guard tables.revision > 0 else { return nil }
    let writer = try store.begin()
    do throws(LogFault) {
      for index in 0..<tables.chunkCount {
        try writer.add(chunk: SnapshotRows.encode(tables.page(index).rows), revision: tables.revision)
      }
      try writer.finish(logID: recovery.head.logID, sequence: recovery.head.sequence, revision: tables.revision)
    } catch {
      writer.abandon()
      throw error
    }
    return tables.revision
  }

  private static func fill(
    _ index: any HistoryIndex, _ log: any BatchReader, upTo revision: Revision
  ) throws(LogFault) -> Revision {
    try index.reset()
    var builder = try HistoryBuilder(log, index)
    while try builder.step(upTo: revision) {}
    return builder.through
  }
}
