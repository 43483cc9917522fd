package import Domain
package import Log

/// Brings a history index up with the log, a bounded step at a time; used behind a running engine and to build the
/// index anew.
package struct HistoryBuilder {
  /// A step ends with the entry that reaches this many pairs.
  package static let itemsPerStep = 16_384

  /// Everything up to here is in the index.
  package private(set) var through: Revision
  private let log: any BatchReader
  private let index: any HistoryIndex
  private let keys: HistoryKeys
  private var nextSequence: UInt64?

  /// Goes on where the index ends; one that cannot be read or knows of more than the log is emptied first.
  package init(_ log: any BatchReader, _ index: any HistoryIndex) throws(LogFault) {
    (self.log, self.index, keys) = (log, index, HistoryKeys(seed: index.seed))
    var known: Revision?
    do throws(LogFault) { known = try index.reader().through() } catch { known = nil }
    if let known, known < (try log.head().nextRevision) {
      through = known
    } else {
      try index.reset()
      through = 0
    }
  }

  /// Adds the next entries, none above `limit`; false when there were none. Batches without any are passed over: so many
  /// of them in a row as leaders changed, a page of them is a step.
  package mutating func step(upTo limit: Revision) throws(LogFault) -> Bool {
    guard through < limit, let first = try firstSequence() else { return false }
    var items: [HistoryItem] = []
    var last = through
    var next = first
    let page: [StoredBatch]
    do throws(LogFault) {
      page = try log.batches(from: first, limit: 64)
    } catch {
      // Trimmed while nobody looked: the next step begins with what is left.
      guard case .trimmed = error, nextSequence != nil else { throw error }
      nextSequence = nil
      return true
    }
    reading: for stored in page {
      let batch = stored.batch
      for (number, bytes) in batch.entries.enumerated() {
        let revision = batch.firstRevision + UInt64(number)
        if revision <= last { continue }
        if revision > limit || items.count >= HistoryBuilder.itemsPerStep { break reading }
        do { try keys.append(of: bytes, to: &items) } catch {
          throw .damaged(sequence: batch.sequence, what: "an entry cannot be read: \(error)")
        }
        last = revision
      }
      next = batch.sequence + 1
    }
    nextSequence = next
    guard last > through else { return next > first }
    try index.add(items, through: last)
    through = last
    return true
  }

  private func firstSequence() throws(LogFault) -> UInt64? {
    if let nextSequence { return nextSequence }
    if let sequence = try log.sequence(holding: through + 1) { return sequence }
    // Trimmed past the index: what is gone is gone, and nobody can ask for it.
    guard let oldest = try log.oldest(), oldest.revision > through else { return nil }
    return oldest.sequence
  }
}
