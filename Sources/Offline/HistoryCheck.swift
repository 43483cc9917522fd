internal import Domain
internal import Engine
internal import Log

/// Compares what the history index holds with what the log says it should: two sums over all pairs.
struct HistoryCheck {
  private let reader: any HistoryReader
  private let range: ClosedRange<Revision>
  private let keys: HistoryKeys
  private var wanted = HistorySum()
  private var isWhole = true

  init(_ reader: any HistoryReader, _ range: ClosedRange<Revision>) {
    (self.reader, self.range) = (reader, range)
    keys = HistoryKeys(seed: reader.seed)
  }

  mutating func take(_ batch: Batch) {
    for (number, bytes) in batch.entries.enumerated() where range.contains(batch.firstRevision + UInt64(number)) {
      var items: [HistoryItem] = []
      // What cannot be read is the log's finding, and no sum is worth anything then.
      do { try keys.append(of: bytes, to: &items) } catch { isWhole = false }
      for item in Set(items) { wanted.add(item) }
    }
  }

  func finish(_ report: inout CheckReport) {
    guard isWhole else { return }
    report.historyPairs = wanted.pairs
    do throws(LogFault) {
      let found = try reader.sum(in: range)
      guard found != wanted else { return }
      report.add(
        .history, "it has \(found.pairs) pairs up to revision \(range.upperBound), the log \(wanted.pairs) others")
    } catch {
      report.add(.history, error.finding)
    }
  }
}
