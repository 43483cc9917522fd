// Log: the contract for durable batches, their encoding, and snapshots of what they add up to.
//
// The log is the database: one ordered sequence of batches, each carrying the SHA-256 of the one before. A medium
// (a table in SQLite, memory for tests, keys in etcd) keeps the batches; nothing in this room knows which. Entries are
// opaque bytes here: what they mean is the business of the rooms above, so this room never changes with them.
//
// Kept at all times:
// - sequences are 1, 2, 3, ... without a gap, revisions count entries without a gap, and `previous` chains the hashes
//   back to the random log id;
// - an append ends in exactly one of three ways: durable, refused (definitely not in the log), or unknown;
// - what cannot be read is a `LogFault` that says what to do; nothing damaged is ever skipped, emptied or repaired
//   here.
//
// Refused: a callback-free synchronous append (etcd cannot give one), several appends in flight (each needs the hash of
// the one before, and one flush carries thousands of entries anyway), and a reader that follows live (callers poll from
// a sequence when they are told that the head has moved; one mechanism instead of two).
package import Platform

/// Where a log ends: everything the next batch must agree with.
package struct LogHead: Hashable, Sendable {
  /// The random identity of the log, the `previous` of batch 1.
  package var logID: SHA256Digest
  /// The sequence of the newest batch, 0 in an empty log.
  package var sequence: UInt64
  /// The hash of the newest batch, the log id in an empty log.
  package var hash: SHA256Digest
  /// The revision that the next entry gets, 1 in an empty log.
  package var nextRevision: UInt64
  /// The log time of the newest batch in microseconds UTC, 0 in an empty log.
  package var time: Int64

  /// The head of an empty log.
  package init(empty logID: SHA256Digest) {
    self.logID = logID
    sequence = 0
    hash = logID
    nextRevision = 1
    time = 0
  }

  /// The head as it was written down.
  package init(logID: SHA256Digest, sequence: UInt64, hash: SHA256Digest, nextRevision: UInt64, time: Int64) {
    self.logID = logID
    self.sequence = sequence
    self.hash = hash
    self.nextRevision = nextRevision
    self.time = time
  }

  /// The head once `batch`, whose encoding hashes to `hash`, follows.
  package func advanced(by batch: Batch, hash: SHA256Digest) -> LogHead {
    LogHead(
      logID: logID, sequence: batch.sequence, hash: hash, nextRevision: batch.nextRevision, time: batch.time)
  }

  /// Traps when `batch` does not continue this log: appending it would be a bug of the caller.
  package func requireNext(_ batch: Batch) {
    precondition(batch.sequence == sequence + 1, "batch \(batch.sequence) does not follow batch \(sequence)")
    precondition(batch.previous == hash, "batch \(batch.sequence) does not carry the hash of the one before")
    precondition(batch.firstRevision == nextRevision, "batch \(batch.sequence) leaves a gap in the revisions")
  }
}

/// How an append ended.
package enum AppendEnd: Hashable, Sendable {
  /// The batch survives the loss of power from now on.
  case durable
  /// The batch is not in the log and never will be.
  case refused(Refusal)
  /// Nobody can say: an embedded log ends the process and says so to every later append, a distributed one asks again.
  case unknown(String)
}

/// Why a batch is definitely not in the log.
package enum Refusal: Hashable, Sendable {
  /// There is no room; an append after room was made works.
  case storageFull
  /// The batch is over `Batch.maxBytes` or `Batch.maxEntries`.
  case tooLarge
  /// Somebody else leads now.
  case fenced
  /// The log takes no appends, for the reason given.
  case readOnly(String)
}

/// A medium that keeps batches; appended to by one thread, one batch in flight.
package protocol BatchLog: AnyObject, Sendable {
  /// The newest durable batch; may be asked by any thread.
  var head: LogHead { get }
  /// Appends the batch that follows `head` and says how it ended, once, perhaps before returning.
  func append(_ batch: Batch, then: @escaping @Sendable (AppendEnd) -> Void)
  /// Does a bounded slice of upkeep (checkpoint, trimming) on the appending thread; `idle` when nothing waits.
  func maintain(idle: Bool)
  /// A new reader for one thread.
  func reader() throws(LogFault) -> any BatchReader
  /// Ends the log in good order; nothing may be called afterwards.
  func close()
}

/// A batch as it was read back, with the hash of its encoding.
package struct StoredBatch: Hashable, Sendable {
  /// The batch.
  package let batch: Batch
  /// The SHA-256 of its encoding, which the next batch carries as `previous`.
  package let hash: SHA256Digest

  /// Pairs a batch with the hash of its encoding.
  package init(batch: Batch, hash: SHA256Digest) {
    self.batch = batch
    self.hash = hash
  }
}

/// The oldest batch that a log still holds.
package struct LogOldest: Hashable, Sendable {
  /// Its sequence.
  package let sequence: UInt64
  /// Its first revision.
  package let revision: UInt64

  /// Names the oldest batch at hand.
  package init(sequence: UInt64, revision: UInt64) {
    self.sequence = sequence
    self.revision = revision
  }
}

/// Reads batches and verifies them; belongs to one thread.
package protocol BatchReader: AnyObject {
  /// Verified batches from `sequence` on, at most `limit` (<= `BatchPage.maxBatches`) and about `BatchPage.maxBytes`;
  /// empty only above the head. Consecutive calls are verified as one chain.
  func batches(from sequence: UInt64, limit: Int) throws(LogFault) -> [StoredBatch]
  /// The batch that holds the entry `revision`, nil when it is trimmed or not there yet.
  func sequence(holding revision: UInt64) throws(LogFault) -> UInt64?
  /// The oldest batch at hand, nil in an empty log.
  func oldest() throws(LogFault) -> LogOldest?
  /// The newest durable batch as this reader sees it now.
  func head() throws(LogFault) -> LogHead
}

/// Limits of one call to `BatchReader.batches`.
package enum BatchPage {
  /// The most batches in one answer.
  package static let maxBatches = 256
  /// An answer ends with the batch that reaches this many encoded bytes.
  package static let maxBytes = 8 << 20
}

extension BatchReader {
  /// Verifies every batch from `sequence` to the head, showing each to `body`; returns the last one seen.
  @discardableResult
  package func verify(
    from sequence: UInt64, _ body: (StoredBatch) throws(LogFault) -> Void = { _ in }
  ) throws(LogFault) -> StoredBatch? {
    var next = sequence
    var last: StoredBatch?
    while true {
      let page = try batches(from: next, limit: BatchPage.maxBatches)
      guard let end = page.last else { return last }
      for stored in page { try body(stored) }
      last = end
      next = end.batch.sequence + 1
    }
  }
}
