// History: who had what, when.
//
// The log is the history; the index only says which entries to look at. A `HistoryView` joins the index (up to where
// it has come) with the end of the log that is not in it yet, so answers are exact at every moment, also right after
// a start with an empty index. Its keys are hashes, so it may also lead to entries that are not meant: every question
// looks at the entry before it believes. What is not in the log any more cannot be told: 410 with the oldest revision, never a
// guess.
//
// Each question may read so many entries and no more: a list ends its page early, anything else is refused.
//
// Refused: keeping intervals as rows of the ledger (every allocation would cost a second row for ever), answering
// from the index alone (it is behind), and waiting for the index (a busy writer would starve the readers).
package import Domain
internal import Engine
package import Log

/// Why history cannot answer.
package enum HistoryFault: Error, Hashable, Sendable {
  /// What was asked for begins before the oldest revision at hand.
  case trimmed(oldest: Revision)
  /// The index is this many entries behind the log; it catches up by itself.
  case catchingUp(behind: UInt64)
  /// Answering would read more entries than one question may.
  case tooMuch
  /// Nobody waits for the answer any more.
  case over
  /// The log or the index cannot be read.
  case log(LogFault)
}

/// The index and the end of the log as one; belongs to one thread.
package final class HistoryView {
  /// How many entries after the index are scanned; when it is further behind, questions are put off.
  package static let longestTail = 32_768
  /// How many entries one question may read.
  package static let entriesPerQuestion = 4_096
  /// The scanned end is kept for the next question until it is this long and the index has passed it.
  private static let keptTail = 2_048

  private let cursor: LogCursor
  private let index: any HistoryIndex
  private var reader: (any HistoryReader)?
  private var tail: [UInt64: [Revision]] = [:]
  /// The keys of this index.
  let keys: HistoryKeys
  private var base: Revision = 0
  private(set) var head: Revision = 0
  private(set) var oldest: Revision = 1
  private var budget = 0

  /// Joins a log and its index.
  package init(_ cursor: LogCursor, _ index: any HistoryIndex) {
    (self.cursor, self.index, keys) = (cursor, index, HistoryKeys(seed: index.seed))
  }

  /// Begins a question about everything up to `published`.
  func begin(upTo published: Revision) throws(HistoryFault) {
    budget = Self.entriesPerQuestion
    if cursor.isOver() { throw .over }
    try faulting { () throws(LogFault) in
      oldest = try cursor.oldest()
    }
    let through = try indexed()
    // An index that was emptied begins again behind what was scanned.
    if through < base || (head - base > UInt64(Self.keptTail) && through > base) || base + 1 < oldest {
      tail = [:]
      base = max(through, oldest - 1)
      head = base
    }
    guard published > head else { return }
    guard published - base <= UInt64(Self.longestTail) else { throw .catchingUp(behind: published - base) }
    while head < published {
      if cursor.isOver() { throw .over }
      let limit = Int(min(published - head, 4_096))
      let page = try faulting { () throws(LogFault) in try cursor.stored(from: head + 1, limit: limit) }
      if page.isEmpty { throw .trimmed(oldest: oldest) }
      for bytes in page { try remember(bytes) }
    }
  }

  private func remember(_ bytes: [UInt8]) throws(HistoryFault) {
    var items: [HistoryItem] = []
    do { try keys.append(of: bytes, to: &items) } catch {
      throw .log(.io(operation: "read entry \(head + 1)", detail: "\(error)"))
    }
    head += 1
    for item in items where tail[item.key]?.last != head { tail[item.key, default: []].append(head) }
  }

  private func indexed() throws(HistoryFault) -> Revision {
    do throws(LogFault) {
      if reader == nil { reader = try index.reader() }
      return try reader?.through() ?? 0
    } catch {
      reader = nil
      throw .log(error)
    }
  }

  /// Whether another entry may be read for this question.
  var hasBudget: Bool { budget > 0 }

  /// The entry with a revision that the index named.
  func entry(_ revision: Revision) throws(HistoryFault) -> LoggedEntry {
    guard budget > 0 else { throw .tooMuch }
    if cursor.isOver() { throw .over }
    budget -= 1
    guard let found = try faulting({ () throws(LogFault) in try cursor.entry(at: revision) }) else {
      throw .trimmed(oldest: oldest)
    }
    return found
  }

  /// The last revision at or before a time, nil when trimmed.
  func revision(at time: LogTime) throws(HistoryFault) -> Revision? {
    try faulting { () throws(LogFault) in try cursor.revision(at: time) }
  }

  /// Revisions that may have touched `key`, ascending, at most `limit`.
  func revisions(
    of key: UInt64, _ range: ClosedRange<Revision>, limit: Int = HistoryLimits.page
  ) throws(HistoryFault) -> [Revision] {
    var found: [Revision] = []
    if range.lowerBound <= base, let reader {
      let part = range.lowerBound...min(range.upperBound, base)
      found = try faulting { () throws(LogFault) in try reader.revisions(of: key, in: part, limit: limit) }
    }
    if found.count < limit, range.upperBound > base, let late = tail[key] {
      found += late.lazy.filter { range.contains($0) }.prefix(limit - found.count)
    }
    return found
  }

  /// The first revision of `range` that may have touched `key`.
  func first(of key: UInt64, _ range: ClosedRange<Revision>) throws(HistoryFault) -> Revision? {
    try revisions(of: key, range, limit: 1).first
  }

  /// The last revision of `range` that may have touched `key`.
  func last(of key: UInt64, _ range: ClosedRange<Revision>) throws(HistoryFault) -> Revision? {
    if range.upperBound > base, let late = tail[key]?.last(where: range.contains) { return late }
    guard range.lowerBound <= base, let reader else { return nil }
    let part = range.lowerBound...min(range.upperBound, base)
    return try faulting { () throws(LogFault) in try reader.last(of: key, in: part) }
  }

  private func faulting<T>(_ body: () throws(LogFault) -> T) throws(HistoryFault) -> T {
    do throws(LogFault) { return try body() } catch { throw .log(error) }
  }
}
