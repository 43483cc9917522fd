package import Platform

/// Verifies that batches read one after another form one chain up to the head; the same in every medium.
package struct ChainCheck {
  /// What the next batch must carry, as far as it is known.
  package struct Anchor {
    let sequence: UInt64
    let hash: SHA256Digest
    let nextRevision: UInt64
    let time: Int64

    /// The end of what was trimmed or read before.
    package init(sequence: UInt64, hash: SHA256Digest, nextRevision: UInt64, time: Int64 = .min) {
      self.sequence = sequence
      self.hash = hash
      self.nextRevision = nextRevision
      self.time = time
    }
  }

  private var last: Anchor?
  private var next: UInt64 = 1

  /// Begins with nothing read.
  package init() {}

  /// Begins a page at `sequence`; what was read before it, else `anchor`, else the log id says what must come.
  package mutating func begin(at sequence: UInt64, head: LogHead, anchor: Anchor?) throws(LogFault) {
    next = sequence
    if let last, last.sequence + 1 == sequence { return }
    last = anchor
    if sequence == 1 { last = Anchor(sequence: 0, hash: head.logID, nextRevision: 1) }
    if let last, last.sequence + 1 != sequence { self.last = nil }
  }

  /// Takes the next batch of the page.
  package mutating func check(_ stored: StoredBatch) throws(LogFault) {
    let batch = stored.batch
    guard batch.sequence >= next else {
      throw .damaged(sequence: next, what: "it says that it is batch \(batch.sequence)")
    }
    guard batch.sequence == next else { throw .missing(from: next, through: batch.sequence - 1) }
    if let last {
      guard batch.previous == last.hash else {
        throw .damaged(sequence: last.sequence, what: "its hash is not the one that batch \(next) carries")
      }
      guard batch.firstRevision == last.nextRevision else {
        throw .damaged(sequence: next, what: "it begins with revision \(batch.firstRevision)")
      }
      guard batch.time >= last.time else { throw .damaged(sequence: next, what: "its time goes back") }
    }
    last = Anchor(sequence: next, hash: stored.hash, nextRevision: batch.nextRevision, time: batch.time)
    next += 1
  }

  /// Ends a page of `count` batches: it may be empty only above the head, and the head must agree with the last batch.
  package func end(_ count: Int, head: LogHead) throws(LogFault) {
    if count == 0 && next <= head.sequence { throw .missing(from: next, through: head.sequence) }
    guard count > 0, let last else { return }
    guard last.sequence <= head.sequence else {
      throw .damaged(sequence: last.sequence, what: "the head says that the log ends with batch \(head.sequence)")
    }
    guard last.sequence == head.sequence else { return }
    guard last.hash == head.hash, last.nextRevision == head.nextRevision else {
      throw .damaged(sequence: last.sequence, what: "it is not the batch that the head names")
    }
  }
}
