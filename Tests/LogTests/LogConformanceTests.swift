import Log
import LogMemory
import Platform
import Testing

/// Opens one medium, and opens the same content again after a close.
struct Medium: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let make: @Sendable () throws -> any MediumUnderTest
}

protocol MediumUnderTest: AnyObject {
  var log: any BatchLog { get }
  var snapshots: any SnapshotStore { get }
  var history: any HistoryIndex { get }
  func reopen() throws
  func trim(through sequence: UInt64) throws
  func end()
}

final class MemoryUnderTest: MediumUnderTest {
  let memory = MemoryLog()
  let snapshots: any SnapshotStore = MemorySnapshots()
  let history: any HistoryIndex = MemoryHistory()
  var log: any BatchLog { memory }
  func reopen() { memory.reopen() }
  func trim(through sequence: UInt64) { memory.trim(through: sequence) }
  func end() {}
}

let media = [
  Medium(testDescription: "memory") { MemoryUnderTest() }, Medium(testDescription: "sqlite") { try SQLiteUnderTest() }
]

@Suite struct LogConformanceTests {
  @Test(arguments: media) func anEmptyLogHasAHeadAndNoBatches(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    let head = under.log.head
    #expect(head == LogHead(empty: head.logID))
    let reader = try under.log.reader()
    #expect(try reader.batches(from: 1, limit: 10).isEmpty)
    #expect(try reader.oldest() == nil)
    #expect(try reader.sequence(holding: 1) == nil)
    #expect(try reader.head() == head)
  }

  @Test(arguments: media) func whatWasAppendedIsReadBack(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    var model: [Batch] = []
    for size in [0, 1, 40, 5000, 200_000] {
      let batch = nextBatch(under.log.head, sizes: [size, 3])
      #expect(append(under.log, batch) == .durable)
      model.append(batch)
      #expect(under.log.head.sequence == batch.sequence && under.log.head.hash == batch.hash)
      #expect(under.log.head.nextRevision == batch.nextRevision && under.log.head.time == batch.time)
    }
    let reader = try under.log.reader()
    #expect(try readAll(reader, limit: 2).map(\.batch) == model)
    #expect(try readAll(reader, from: 3).map(\.batch) == Array(model[2...]))
    #expect(try reader.batches(from: 6, limit: 1).isEmpty)
    #expect(try reader.head() == under.log.head)
    #expect(try reader.verify(from: 1)?.batch == model.last)
  }

  @Test(arguments: media) func reopeningContinuesTheSameLog(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 5)
    let before = under.log.head
    try under.reopen()
    #expect(under.log.head == before)
    fill(under.log, 5)
    #expect(try readAll(under.log.reader()).count == 10)
  }

  @Test(arguments: media) func aBatchOverTheLimitIsRefusedAndTheNextIsTaken(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    #expect(append(under.log, nextBatch(under.log.head, sizes: [Batch.maxBytes])) == .refused(.tooLarge))
    let tooMany = Array(repeating: 1, count: Batch.maxEntries + 1)
    #expect(append(under.log, nextBatch(under.log.head, sizes: tooMany)) == .refused(.tooLarge))
    #expect(under.log.head.sequence == 0)
    fill(under.log, 1, sizes: [Batch.maxBytes - Batch.headerBytes - 3])
    #expect(try readAll(under.log.reader()).count == 1)
  }

  @Test(arguments: media) func everyRevisionIsFoundInItsBatch(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    var expected: [UInt64] = []
    for count in [1, 3, 0, 2, 0, 0, 7, 1] {
      let batch = nextBatch(under.log.head, sizes: Array(repeating: 4, count: count))
      #expect(append(under.log, batch) == .durable)
      expected += Array(repeating: batch.sequence, count: count)
    }
    let reader = try under.log.reader()
    for (index, sequence) in expected.enumerated() {
      #expect(try reader.sequence(holding: UInt64(index + 1)) == sequence)
    }
    #expect(try reader.sequence(holding: 0) == nil)
    #expect(try reader.sequence(holding: UInt64(expected.count + 1)) == nil)
  }

  @Test(arguments: media) func trimmedBatchesAreReportedAsTrimmed(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 10, sizes: [10, 10])
    try under.trim(through: 4)
    let reader = try under.log.reader()
    #expect(try reader.oldest() == LogOldest(sequence: 5, revision: 9))
    #expect(throws: LogFault.trimmed(oldest: 5)) { try reader.batches(from: 4, limit: 1) }
    #expect(try reader.sequence(holding: 8) == nil)
    #expect(try reader.sequence(holding: 9) == 5)
    #expect(try readAll(reader, from: 5).map(\.batch.sequence) == Array(5...10))
    try under.trim(through: 100)
    #expect(try reader.oldest()?.sequence == 10)
    try under.reopen()
    #expect(under.log.head.sequence == 10)
    fill(under.log, 2)
    #expect(try readAll(under.log.reader(), from: 10).count == 3)
  }

  @Test(arguments: media) func aReaderSeesWhatIsAppendedLater(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 2)
    let reader = try under.log.reader()
    #expect(try reader.batches(from: 1, limit: 256).count == 2)
    fill(under.log, 3)
    #expect(try reader.batches(from: 3, limit: 256).map(\.batch.sequence) == [3, 4, 5])
  }

  @Test(arguments: media) func aPageEndsAtItsByteLimit(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 12, sizes: [Batch.maxBytes - Batch.headerBytes - 3])
    let page = try under.log.reader().batches(from: 1, limit: 256)
    #expect(page.count == BatchPage.maxBytes / Batch.maxBytes)
    #expect(try readAll(under.log.reader(), limit: 256).count == 12)
  }
}
