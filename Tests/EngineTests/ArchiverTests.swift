import Log
import LogMemory
import Platform
import TestSupport
import Testing

@testable import Engine

/// What waits for the archive.
@Suite struct ArchiverTests {
  /// Batches of which each follows the one before.
  private struct Chain {
    private var head: LogHead

    init(after head: LogHead) { self.head = head }

    mutating func next(bytes: Int) -> StoredBatch {
      let batch = Batch(
        sequence: head.sequence + 1, epoch: 1, nonce: 1, time: head.time + 1, seed: 0, firstRevision: head.nextRevision,
        previous: head.hash, stateHash: 0, entries: [[UInt8](repeating: 1, count: bytes)])
      head = head.advanced(by: batch, hash: batch.hash)
      return StoredBatch(batch: batch, hash: batch.hash)
    }
  }

  /// A batch that follows one that was left out would end the process.
  @Test func whoHasRefusedABatchTakesNoneAfterIt() throws {
    let archive = MemoryArchive()
    try archive.begin(after: LogHead(empty: SHA256Digest(of: [1])))
    let log = try #require(archive.log as? MemoryLog)
    log.setCapacity(0)
    let archiver = Archiver(archive, log, archived: { _ in }, unknown: { Issue.record("\($0)") }, warn: { _ in })
    var chain = Chain(after: log.head)
    // What waits is counted in bytes too, what is in hand included.
    var taken = 0
    while taken <= 1_000, archiver.add(chain.next(bytes: 1 << 20 - 4_096)) { taken += 1 }
    #expect(taken > 200 && taken <= 257, "\(taken) MiB")
    log.setCapacity(.max)
    let last = UInt64(taken)
    #expect(eventually { archiver.head.sequence == last }, "what was taken is archived")
    #expect(!archiver.add(chain.next(bytes: 10)) && !archiver.add(chain.next(bytes: 10)))
    archiver.stop()
    #expect(log.head.sequence == last)
  }
}
