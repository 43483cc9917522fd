package import Platform

/// The unit of the log: the entries of one group commit and what ties them to the batch before.
package struct Batch: Hashable, Sendable {
  /// The most bytes that an encoded batch may have, in every medium.
  package static let maxBytes = 1 << 20
  /// The most entries in a batch.
  package static let maxEntries = 4096

  /// Position in the log: 1, 2, 3, ...
  package var sequence: UInt64
  /// The leadership under which it was written.
  package var epoch: UInt64
  /// A random number that tells this batch from another with the same content.
  package var nonce: UInt64
  /// Log time in microseconds UTC; never less than that of the batch before.
  package var time: Int64
  /// The seed of every random choice that its entries made.
  package var seed: UInt64
  /// The revision of its first entry.
  package var firstRevision: UInt64
  /// The hash of the batch before; the log id in batch 1.
  package var previous: SHA256Digest
  /// The hash of the state after the batch before.
  package var stateHash: UInt128
  /// The entries, opaque here.
  package var entries: [[UInt8]]

  /// Makes a batch from all its parts.
  package init(
    sequence: UInt64, epoch: UInt64, nonce: UInt64, time: Int64, seed: UInt64, firstRevision: UInt64,
    previous: SHA256Digest, stateHash: UInt128, entries: [[UInt8]]
  ) {
    self.sequence = sequence
    self.epoch = epoch
    self.nonce = nonce
    self.time = time
    self.seed = seed
    self.firstRevision = firstRevision
    self.previous = previous
    self.stateHash = stateHash
    self.entries = entries
  }

  /// The revision after that of the last entry.
  package var nextRevision: UInt64 { firstRevision + UInt64(entries.count) }

  /// The SHA-256 of the encoding, the `previous` of the next batch.
  package var hash: SHA256Digest { SHA256Digest(of: encode()) }
}
