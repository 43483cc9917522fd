import Log
import LogMemory
import LogSQLite
import Platform
import Testing

@Suite struct SnapshotTests {
  private let logID = SHA256Digest(of: [1])

  private func write(
    _ store: any SnapshotStore, _ sequence: UInt64, chunks: [(size: Int, revision: UInt64)], logID: SHA256Digest? = nil
  ) throws {
    let writer = try store.begin()
    for chunk in chunks { try writer.add(chunk: content(chunk.size), revision: chunk.revision) }
    let newest = chunks.map(\.revision).max() ?? sequence
    try writer.finish(logID: logID ?? self.logID, sequence: sequence, revision: newest)
  }

  private func content(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: $0 / 3) } }

  @Test(arguments: media) func aSnapshotIsReadBackChunkByChunk(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    #expect(try under.snapshots.newest() == nil)
    let chunks: [(size: Int, revision: UInt64)] = [(0, 7), (1, 5), (SnapshotChunk.maxBytes, 9), (300_000, 6)]
    try write(under.snapshots, 4, chunks: chunks)
    let reader = try #require(try under.snapshots.newest())
    #expect(
      reader.header
        == SnapshotHeader(logID: logID, newestSequence: 4, oldestRevision: 5, newestRevision: 9, chunks: 4))
    for chunk in chunks {
      #expect(try reader.next() == SnapshotChunk(bytes: content(chunk.size), revision: chunk.revision))
    }
    #expect(try reader.next() == nil)
  }

  @Test(arguments: media) func theLastTwoAreKept(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    for sequence in [3, 10, 200, 1000] as [UInt64] { try write(under.snapshots, sequence, chunks: [(5, sequence)]) }
    #expect(try under.snapshots.list() == [1000, 200])
  }

  @Test(arguments: media) func anAbandonedSnapshotLeavesNothing(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    let writer = try under.snapshots.begin()
    try writer.add(chunk: [1], revision: 1)
    writer.abandon()
    #expect(try under.snapshots.list().isEmpty)
    try write(under.snapshots, 1, chunks: [(5, 1)])
    #expect(try under.snapshots.list() == [1])
  }

  @Test(arguments: media) func aSnapshotWithoutRowsIsOne(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    try write(under.snapshots, 2, chunks: [])
    let reader = try #require(try under.snapshots.newest())
    #expect(reader.header.chunks == 0 && reader.header.oldestRevision == 2)
    #expect(try reader.next() == nil)
  }

  @Test func everyFlippedBitAndEveryCutIsFound() throws {
    let store = MemorySnapshots()
    try write(store, 4, chunks: [(40, 3), (50, 4)])
    let whole = try #require(store[4])
    for index in whole.indices {
      var bytes = whole
      bytes[index] ^= 1 << UInt8(index % 8)
      store[4] = bytes
      #expect(throws: LogFault.self) { try store.newest() }
      store[4] = Array(whole.prefix(index))
      #expect(throws: LogFault.self) { try store.newest() }
    }
    store[4] = whole + [0]
    #expect(throws: LogFault.self) { try store.newest() }
  }

  @Test func aLaterFormatIsNamed() throws {
    let store = MemorySnapshots()
    try write(store, 4, chunks: [(40, 3)])
    store[4]![8] = 2
    #expect(throws: LogFault.newerVersion(path: "4", found: 2, known: 1)) { try store.newest() }
  }

  @Test(arguments: media) func startTakesTheNewestHealthySnapshot(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 10)
    let id = under.log.head.logID
    let log = try under.log.reader()
    #expect(try under.snapshots.choose(for: log).reader == nil)
    try write(under.snapshots, 4, chunks: [(10, 3), (10, 4)], logID: id)
    try write(under.snapshots, 8, chunks: [(10, 6), (10, 8)], logID: id)
    #expect(try under.snapshots.choose(for: log).reader?.header.newestSequence == 8)
    try damage(under, 8)
    let choice = try under.snapshots.choose(for: log)
    #expect(choice.reader?.header.newestSequence == 4)
    #expect(choice.passedOver.count == 1)
    #expect(choice.passedOver[0].description.contains("checksum"))
    #expect(choice.passedOver[0].description.contains("move that file away"))
  }

  @Test(arguments: media) func aSnapshotThatTheLogDoesNotReachIsRefused(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 5)
    try write(under.snapshots, 6, chunks: [(10, 6)], logID: under.log.head.logID)
    let fault = #expect(throws: LogFault.self) { try under.snapshots.choose(for: under.log.reader()) }
    #expect(
      fault?.description.contains("the log has lost its end; keep the directory and put a backup in its place") == true)
    try write(under.snapshots, 7, chunks: [(10, 3)])
    let foreign = #expect(throws: LogFault.self) { try under.snapshots.choose(for: under.log.reader()) }
    #expect(foreign?.description.contains("belongs to another log") == true)
  }

  @Test(arguments: media) func aTrimmedLogWithoutAHealthySnapshotIsRefused(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 10)
    try under.trim(through: 5)
    if let memory = under as? MemoryUnderTest {
      let store = try #require(memory.snapshots as? MemorySnapshots)
      for sequence in try store.list() { store[sequence] = nil }
    } else {
      for sequence in try under.snapshots.list() { try damage(under, sequence) }
    }
    #expect(throws: LogFault.self) { try under.snapshots.choose(for: under.log.reader()) }
  }

  /// Flips a byte of the snapshot's first chunk.
  private func damage(_ under: any MediumUnderTest, _ sequence: UInt64) throws {
    if let store = under.snapshots as? MemorySnapshots {
      store[sequence]![60] ^= 1
    } else if let sqlite = under as? SQLiteUnderTest {
      let digits = String(sequence)
      let name = "snapshots/" + String(repeating: "0", count: 20 - digits.count) + digits + ".snap"
      try Damage.flip(sqlite.place.file(name), at: 60)
    }
  }
}
