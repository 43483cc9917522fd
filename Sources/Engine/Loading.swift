internal import Domain
internal import Ledger
internal import Log

/// The state of a node that takes it from a snapshot of the cluster: rows first, then the batches after its anchor,
/// until they reach the snapshot's newest chunk and all of it is one state.
struct Loading {
  private let tables: Tables
  private let oldest: Revision
  private let newest: Revision
  private var reached: Revision

  init(_ image: SnapshotImage, seed: UInt64) throws {
    let reader = try image.reader()
    tables = Tables(seed: seed)
    tables.beginLoading()
    while let chunk = try reader.next() { try tables.load(SnapshotRows.decode(chunk.bytes)) }
    (oldest, newest) = (reader.header.oldestRevision, reader.header.newestRevision)
    reached = image.anchor.nextRevision - 1
    if reached >= newest { tables.finishLoading(revision: reached, time: image.anchor.time) }
  }

  /// The state once it is one.
  var whole: Tables? { reached >= newest ? tables : nil }

  /// Takes the next batch.
  mutating func take(_ batch: Batch) throws(LogFault) {
    for bytes in batch.entries {
      let entry = try Recovery.entry(bytes, in: batch)
      // What every chunk has already.
      if entry.revision <= oldest { continue }
      tables.apply(entry.effects, revision: entry.revision, time: batch.time)
    }
    reached = batch.nextRevision - 1
    if reached >= newest { tables.finishLoading(revision: reached, time: batch.time) }
  }
}
