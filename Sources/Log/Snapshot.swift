package import Platform

/// What a snapshot covers: each chunk holds the rows of a key range as they were at its own revision.
package struct SnapshotHeader: Hashable, Sendable {
  /// The log it belongs to.
  package let logID: SHA256Digest
  /// The batch that holds `newestRevision`.
  package let newestSequence: UInt64
  /// The revision of the oldest chunk: entries after it must be replayed.
  package let oldestRevision: UInt64
  /// The revision of the newest chunk: from here on the state is whole.
  package let newestRevision: UInt64
  /// How many chunks there are.
  package let chunks: Int

  /// Makes a header from all its parts.
  package init(
    logID: SHA256Digest, newestSequence: UInt64, oldestRevision: UInt64, newestRevision: UInt64, chunks: Int
  ) {
    self.logID = logID
    self.newestSequence = newestSequence
    self.oldestRevision = oldestRevision
    self.newestRevision = newestRevision
    self.chunks = chunks
  }
}

/// Opaque rows and the revision at which they were read.
package struct SnapshotChunk: Hashable, Sendable {
  /// The most bytes of one chunk before compression.
  package static let maxBytes = 1 << 20

  /// The rows.
  package let bytes: [UInt8]
  /// The revision they were true at.
  package let revision: UInt64

  /// Makes a chunk.
  package init(bytes: [UInt8], revision: UInt64) {
    self.bytes = bytes
    self.revision = revision
  }
}

/// Keeps the last `SnapshotLimits.kept` snapshots; may be called by any thread.
package protocol SnapshotStore: AnyObject, Sendable {
  /// Starts a snapshot that counts once it is finished; at most one at a time.
  func begin() throws(LogFault) -> any SnapshotWriter
  /// The newest sequences of the snapshots at hand, newest first; says nothing about their health.
  func list() throws(LogFault) -> [UInt64]
  /// Opens one of `list` and verifies all of it.
  func open(_ newestSequence: UInt64) throws(LogFault) -> any SnapshotReader
}

/// Limits of a snapshot store.
package enum SnapshotLimits {
  /// How many snapshots are kept.
  package static let kept = 2
  /// The most chunks in one snapshot.
  package static let maxChunks = 1 << 20
}

/// Takes the chunks of one snapshot; belongs to one thread.
package protocol SnapshotWriter: AnyObject {
  /// Adds the next chunk, at most `SnapshotChunk.maxBytes`.
  func add(chunk: [UInt8], revision: UInt64) throws(LogFault)
  /// Makes the snapshot durable and drops the oldest; `sequence` and `revision` are those of the newest chunk.
  func finish(logID: SHA256Digest, sequence: UInt64, revision: UInt64) throws(LogFault)
  /// Forgets the snapshot.
  func abandon()
}

/// Gives the verified chunks of one snapshot in order; belongs to one thread.
package protocol SnapshotReader: AnyObject {
  /// What it covers.
  var header: SnapshotHeader { get }
  /// The next chunk, nil after the last.
  func next() throws(LogFault) -> SnapshotChunk?
}

/// The snapshot to start from and the damaged newer ones that were passed over.
package struct SnapshotChoice {
  /// The newest healthy one that the log covers, nil when the log is whole from batch 1 and none is needed.
  package let reader: (any SnapshotReader)?
  /// Why newer ones were not taken; each belongs in the server's log.
  package let passedOver: [LogFault]
}

extension SnapshotStore {
  /// The newest snapshot, verified; nil when there is none.
  package func newest() throws(LogFault) -> (any SnapshotReader)? {
    guard let sequence = try list().first else { return nil }
    return try open(sequence)
  }

  /// Chooses the newest healthy snapshot that the log can be replayed from, or none when the log is whole.
  package func choose(for log: any BatchReader) throws(LogFault) -> SnapshotChoice {
    let head = try log.head()
    let firstRevision = try log.oldest()?.revision ?? head.nextRevision
    var passedOver: [LogFault] = []
    for sequence in try list() {
      do throws(LogFault) {
        let reader = try open(sequence)
        try reader.header.requireCovered(by: head, from: firstRevision)
        return SnapshotChoice(reader: reader, passedOver: passedOver)
      } catch {
        guard case .damagedSnapshot = error else { throw error }
        passedOver.append(error)
      }
    }
    guard firstRevision == 1 else {
      if let fault = passedOver.first { throw fault }
      throw .notCovered(what: "the log begins with revision \(firstRevision) and there is no snapshot before it")
    }
    return SnapshotChoice(reader: nil, passedOver: passedOver)
  }
}

extension SnapshotHeader {
  /// Throws unless the log with `head` whose oldest revision is `first` can bring this snapshot up to date.
  package func requireCovered(by head: LogHead, from first: UInt64) throws(LogFault) {
    guard logID == head.logID else {
      throw .notCovered(what: "the snapshot of batch \(newestSequence) belongs to another log")
    }
    guard newestSequence <= head.sequence, newestRevision < head.nextRevision else {
      throw .notCovered(
        what: "the log ends with batch \(head.sequence) but a snapshot of batch \(newestSequence) exists:"
          + " the log has lost its end")
    }
    guard first <= oldestRevision + 1 else {
      throw .notCovered(
        what: "the log begins with revision \(first) but the snapshot needs it from \(oldestRevision + 1) on")
    }
  }
}
