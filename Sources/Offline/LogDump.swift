package import Domain
internal import Engine
package import Log

/// Shows entries of a log one after the other, a few batches in memory at a time.
package struct LogDump {
  /// Batches read at once.
  private static let page = 16

  /// The first revision to show.
  package var from: Revision = 1
  /// The last revision to show.
  package var to: Revision = .max

  /// Shows everything.
  package init() {}

  /// Hands each entry with the log time of its batch to `emit` until that says false; returns how many were shown.
  /// Stops with the fault where the log is damaged: what was shown before is sound.
  package func run(
    _ log: any BatchReader, _ emit: (Entry, LogTime) -> Bool
  ) throws(LogFault) -> UInt64 {
    guard from <= to, let oldest = try log.oldest() else { return 0 }
    var shown: UInt64 = 0
    let first = max(from, oldest.revision)
    guard var next = try log.sequence(holding: first) else { return 0 }
    while true {
      let page = try log.batches(from: next, limit: LogDump.page)
      guard let last = page.last else { return shown }
      for stored in page {
        let batch = stored.batch
        for (number, bytes) in batch.entries.enumerated() {
          let revision = batch.firstRevision + UInt64(number)
          if revision < from { continue }
          if revision > to { return shown }
          shown += 1
          guard emit(try Recovery.entry(bytes, in: batch), batch.time) else { return shown }
        }
      }
      next = last.batch.sequence + 1
    }
  }
}
