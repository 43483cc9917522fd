/// A derived index from hashed keys (an address, an owner) to the revisions that touched them; rebuilt when lost.
///
/// Two keys may have one hash, so whoever asks looks at the entry that it is led to and passes over what is not meant.
package protocol HistoryIndex: AnyObject, Sendable {
  /// Scatters the keys; drawn when the index is made.
  var seed: UInt64 { get }
  /// Adds pairs and remembers that everything up to `through` is in; called by one thread.
  func add(_ items: [HistoryItem], through: UInt64) throws(LogFault)
  /// Forgets everything but the seed; called by the thread that adds.
  func reset() throws(LogFault)
  /// A new reader for one thread.
  func reader() throws(LogFault) -> any HistoryReader
  /// Makes durable what was added and ends the index in good order.
  func close()
}

/// One key touched by one revision.
package struct HistoryItem: Hashable, Comparable, Sendable, BitwiseCopyable {
  /// The hash of what was touched, below 2^63.
  package let key: UInt64
  /// By which entry.
  package let revision: UInt64

  /// Pairs a key with a revision.
  package init(key: UInt64, revision: UInt64) {
    self.key = key
    self.revision = revision
  }

  /// By key, then by revision.
  package static func < (a: Self, b: Self) -> Bool { a.key != b.key ? a.key < b.key : a.revision < b.revision }
}

/// Answers from the index; belongs to one thread.
package protocol HistoryReader: AnyObject {
  /// Scatters the keys.
  var seed: UInt64 { get }
  /// Every entry up to this revision is in the index, 0 when it is empty; above it the log must be scanned.
  func through() throws(LogFault) -> UInt64
  /// Revisions within `range` that may have touched `key`, ascending, at most `limit` (<= `HistoryLimits.page`).
  func revisions(of key: UInt64, in range: ClosedRange<UInt64>, limit: Int) throws(LogFault) -> [UInt64]
  /// The last revision within `range` that may have touched `key`.
  func last(of key: UInt64, in range: ClosedRange<UInt64>) throws(LogFault) -> UInt64?
  /// What all pairs within `range` add up to.
  func sum(in range: ClosedRange<UInt64>) throws(LogFault) -> HistorySum
}

/// What pairs add up to, in any order: equal sums mean equal sets.
package struct HistorySum: Hashable, Sendable {
  /// How many there are.
  package private(set) var pairs: UInt64 = 0
  private var sum: UInt64 = 0

  /// Nothing yet.
  package init() {}

  /// Adds a pair.
  package mutating func add(_ item: HistoryItem) {
    pairs += 1
    let (high, low) = (item.key ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: item.revision ^ 0xE703_7ED1_A0B4_28DB)
    sum &+= high ^ low
  }
}

/// Limits of the history index.
package enum HistoryLimits {
  /// The most revisions in one answer.
  package static let page = 1000
}
