import Log
import LogSQLite
import Platform
import Testing

@Suite struct LogDamageTests {
  private let under: SQLiteUnderTest
  private let file: String
  private let whole: [StoredBatch]

  init() throws {
    under = try SQLiteUnderTest()
    fill(under.log, 12, sizes: [100, 30])
    fill(under.log, 1, sizes: [20_000])
    fill(under.log, 7)
    whole = try readAll(under.log.reader())
    file = under.place.file("log.db")
  }

  private func copyAsAfterACrash() throws -> TemporaryDirectory {
    let copy = TemporaryDirectory()
    try Damage.copy(under.place.path, to: copy.path)
    return copy
  }

  @Test func afterACrashEveryBatchIsThere() throws {
    let copy = try copyAsAfterACrash()
    let directory = try DataDirectory.open(copy.path, .readWrite(create: false))
    defer { directory.log.close() }
    #expect(directory.crashed)
    #expect(directory.log.head == under.log.head)
    #expect(try readAll(directory.reader()) == whole)
  }

  @Test func aFlippedByteIsFoundOrHarmless() throws {
    try under.endWithoutWriteAheadFile()
    let seed = Entropy.uint64()
    var random = SplitMix(state: seed)
    let size = try File(file, .read).size()
    var found = 0
    let offsets = Array(0..<100) + (0..<120).map { _ in Int.random(in: 100..<size, using: &random) }
    for offset in offsets {
      let mask = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      let copy = TemporaryDirectory()
      try Damage.copy(under.place.path, to: copy.path)
      try Damage.flip(copy.file("log.db"), at: offset, mask: mask)
      do {
        #expect(try openAndReadAll(copy.path) == whole, "seed \(seed), byte \(offset), mask \(mask)")
      } catch let fault as LogFault {
        found += 1
        #expect(!fault.description.isEmpty)
      }
    }
    #expect(found > 20, "seed \(seed): only \(found) flips were found, most of the file is content")
  }

  @Test func aDamagedBatchIsNamed() throws {
    try under.endWithoutWriteAheadFile()
    let body = whole[6].batch.encode()
    let offset = try #require(try Damage.find(body, in: file).first)
    try Damage.flip(file, at: offset + Batch.headerBytes + 10)
    let fault = faultOfOpening(under.place.path)
    #expect(fault == .damaged(sequence: 7, what: "its hash is not the one that batch 8 carries"))
    #expect(fault?.description.contains("berth check") == true)
    #expect(fault?.description.contains("put a backup in its place") == true)
  }

  @Test func aDamagedLastBatchIsFoundWhenTheLogIsOpened() throws {
    try under.endWithoutWriteAheadFile()
    let body = whole[19].batch.encode()
    let offset = try #require(try Damage.find(body, in: file).first)
    try Damage.flip(file, at: offset + Batch.headerBytes + 10)
    #expect(throws: LogFault.damaged(sequence: 20, what: "it is not the batch that the head names")) {
      try DataDirectory.open(under.place.path, .readWrite(create: false))
    }
  }

  @Test func aDamagedHeadRowIsFound() throws {
    try under.endWithoutWriteAheadFile()
    for offset in try Damage.find(whole[19].hash.bytes, in: file) { try Damage.flip(file, at: offset) }
    #expect(faultOfOpening(under.place.path) == .damaged(sequence: 20, what: "it is not the batch that the head names"))
  }

  @Test func aDamagedDescriptionIsFound() throws {
    try under.endWithoutWriteAheadFile()
    try Damage.sql("UPDATE meta SET trimmed_sequence = 5", on: file)
    #expect(faultOfOpening(under.place.path)?.description.contains("does not match its checksum") == true)
  }

  @Test(arguments: [1, 2, 7, 19, 20] as [UInt64]) func aMissingRowIsFound(sequence: UInt64) throws {
    try under.endWithoutWriteAheadFile()
    try Damage.sql("DELETE FROM batches WHERE sequence = \(sequence)", on: file)
    #expect(faultOfOpening(under.place.path) == .missing(from: sequence, through: sequence))
  }

  @Test func aMissingTailIsFound() throws {
    try under.endWithoutWriteAheadFile()
    try Damage.sql("DELETE FROM batches WHERE sequence > 15", on: file)
    let fault = faultOfOpening(under.place.path)
    #expect(fault == .missing(from: 20, through: 20))
  }

  @Test func anExchangedRowIsFound() throws {
    try under.endWithoutWriteAheadFile()
    try Damage.sql(
      "UPDATE batches SET body = (SELECT body FROM batches WHERE sequence = 3) WHERE sequence = 4", on: file)
    #expect(faultOfOpening(under.place.path) == .damaged(sequence: 4, what: "it says that it is batch 3"))
  }

  @Test(arguments: [0, 100, 4096, 20_000, -4096, -1]) func aCutFileIsFound(size: Int) throws {
    try under.endWithoutWriteAheadFile()
    let old = try File(file, .read).size()
    try File(file, .readWrite).truncate(to: size < 0 ? old + size : size)
    let fault = faultOfOpening(under.place.path)
    #expect(fault != nil)
    #expect(try File(file, .read).size() < old, "nothing is repaired")
  }

  @Test func aLogBehindItsSnapshotIsRefused() throws {
    try under.snapshot(revision: under.log.head.nextRevision, sequence: 21)
    under.end()
    let fault = faultOfOpening(under.place.path)
    #expect(fault?.description.contains("a snapshot of batch 21 exists: the log has lost its end") == true)
  }

  @Test func damageInTheMiddleOfTheWriteAheadFileIsFound() throws {
    let copy = try copyAsAfterACrash()
    let wal = copy.file("log.db-wal")
    let offset = try #require(try Damage.find(whole[6].batch.encode(), in: wal).first)
    try Damage.flip(wal, at: offset + 5)
    let fault = faultOfOpening(copy.path)
    #expect(fault?.description.contains("commits follow page") == true)
    #expect(faultOfOpening(copy.path) == fault, "and it stays found")
    let look = try DataDirectory.open(copy.path, .readOnly)
    #expect(look.crashed)
    #expect(try look.quickCheck().first?.contains("write-ahead file: ") == true)
  }

  @Test(arguments: [0, 8, 16, 20, 24, 28]) func aDamagedHeaderOfTheWriteAheadFileIsFound(offset: Int) throws {
    let copy = try copyAsAfterACrash()
    try Damage.flip(copy.file("log.db-wal"), at: offset)
    #expect(faultOfOpening(copy.path)?.description.contains("commits follow page 0") == true)
  }

  @Test func aLostWriteAheadFileIsFoundAfterACrash() throws {
    for remove in [true, false] {
      let copy = try copyAsAfterACrash()
      let wal = copy.file("log.db-wal")
      if remove { try FileSystem.remove(wal) } else { try File(wal, .readWrite).truncate(to: 0) }
      #expect(faultOfOpening(copy.path)?.description.contains("did not end in good order") == true)
      #expect(faultOfOpening(copy.path) != nil, "and it stays found")
    }
  }

  /// What cannot be told from a crash in the middle of a write: this pins the limit that the documents name.
  @Test func aDamagedLastWriteAfterACrashLooksLikeOneThatWasCutShort() throws {
    let copy = try copyAsAfterACrash()
    let wal = copy.file("log.db-wal")
    let offset = try #require(try Damage.find(whole[19].batch.encode(), in: wal).last)
    try Damage.flip(wal, at: offset + 5)
    #expect(try openAndReadAll(copy.path) == Array(whole.dropLast()))
  }
}
