/// A derived index from opaque keys (an address, an owner) to the revisions that touched them; rebuilt when lost.
package protocol HistoryIndex: AnyObject, Sendable {
  /// Adds pairs, at most `HistoryLimits.maxItems`, and remembers that everything up to `through` is in; called by one
  /// thread.
  func add(_ items: [HistoryItem], through: UInt64) throws(LogFault)
  /// Forgets everything; called by the thread that adds.
  func reset() throws(LogFault)
  /// A new reader for one thread.
  func reader() throws(LogFault) -> any HistoryReader
  /// Ends the index in good order.
  func close()
}

/// One key touched by one revision.
package struct HistoryItem: Hashable, Sendable {
  /// What was touched, at most `HistoryItem.maxKeyBytes`.
  package let key: [UInt8]
  /// By which entry.
  package let revision: UInt64

  /// The most bytes of a key.
  package static let maxKeyBytes = 1024

  /// Pairs a key with a revision.
  package init(key: [UInt8], revision: UInt64) {
    self.key = key
    self.revision = revision
  }
}

/// Answers from the index; belongs to one thread.
package protocol HistoryReader: AnyObject {
  /// Every entry up to this revision is in the index, 0 when it is empty; above it the log must be scanned.
  func through() throws(LogFault) -> UInt64
  /// Revisions within `range` that touched `key`, ascending, at most `limit` (<= `HistoryLimits.page`).
  func revisions(of key: [UInt8], in range: ClosedRange<UInt64>, limit: Int) throws(LogFault) -> [UInt64]
}

/// Limits of the history index.
package enum HistoryLimits {
  /// The most revisions in one answer.
  package static let page = 1000
  /// The most pairs added at once.
  package static let maxItems = 65_536
}
