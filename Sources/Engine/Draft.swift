internal import Domain
internal import Ledger
internal import Log

/// A batch in the making.
struct Draft {
  /// Once a batch has this many bytes it takes no further entry; a single entry stays below the other half of
  /// `Batch.maxBytes`.
  static let bytesEnough = Batch.maxBytes * 3 / 8
  /// A batch that has moved this many cursors takes no further entry: each is a row on its last one.
  static let cursorsEnough = 256

  private let base: Revision
  let time: LogTime
  let seed: UInt64
  var entries: [Entry] = []
  var encoded: [[UInt8]] = []
  var answers: [PendingAnswer] = []
  private var bytes = 0
  private let most: Int

  /// A batch of at most `most` entries and answers.
  init(revision: Revision, time: LogTime, seed: UInt64, most: Int = Batch.maxEntries) {
    (base, self.time, self.seed, self.most) = (revision, time, seed, most)
  }

  var context: Ledger.Context {
    Ledger.Context(revision: base + UInt64(entries.count) + 1, time: time, seed: seed)
  }

  var isFull: Bool {
    entries.count >= most || bytes >= Draft.bytesEnough || answers.count >= most
  }

  /// Adds what the batch as a whole changes to its last entry.
  mutating func seal(_ ledger: Ledger) {
    ledger.seal(&entries)
    if let last = entries.last { encoded[encoded.count - 1] = last.encoded }
  }

  /// Adds a decision's entry; returns the revision to answer with.
  mutating func take(_ decision: Ledger.Decision) -> Revision {
    if let entry = decision.entry {
      let form = entry.encoded
      entries.append(entry)
      encoded.append(form)
      bytes += form.count + 4
    }
    return base + UInt64(entries.count)
  }
}

/// An answer that waits until all that it saw is durable.
struct PendingAnswer {
  let done: @Sendable (Answer) -> Void
  let outcome: Outcome
  let revision: Revision

  func send() { done(.outcome(outcome, revision)) }
}
