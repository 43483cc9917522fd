import Log
import LogMemory
import Platform
import TestSupport
import Testing

@testable import LogSQLite

@Suite struct HistoryTests {
  private let a: UInt64 = 0x1234_5678_9ABC_DEF0
  private let b: UInt64 = 0x7654_3210_9ABC_DEF0

  @Test(arguments: media) func revisionsOfAKeyComeInOrderAndInPages(medium: Medium) throws {
    let under = try medium.make()
    defer { under.end() }
    fill(under.log, 1000)
    let index = under.history
    try index.add((1...500).map { HistoryItem(key: $0 % 2 == 0 ? a : b, revision: $0) }, through: 500)
    try index.add([HistoryItem(key: a, revision: 600), HistoryItem(key: a, revision: 600)], through: 700)
    let reader = try index.reader()
    #expect(try reader.through() == 700)
    #expect(try reader.revisions(of: a, in: 1...10, limit: 100) == [2, 4, 6, 8, 10])
    #expect(try reader.revisions(of: b, in: 0...UInt64.max, limit: 3) == [1, 3, 5])
    #expect(try reader.revisions(of: a, in: 500...UInt64.max, limit: 10) == [500, 600])
    #expect(try reader.last(of: a, in: 1...599) == 500)
    #expect(try reader.last(of: b, in: 0...UInt64.max) == 499)
    #expect(try reader.revisions(of: 1, in: 0...UInt64.max, limit: 10).isEmpty)
    try index.reset()
    #expect(try reader.through() == 0)
    #expect(try reader.revisions(of: a, in: 0...UInt64.max, limit: 10).isEmpty)
    #expect(try reader.last(of: a, in: 0...UInt64.max) == nil)
  }

  /// A file that may not grow is a full disk. Half a merge that found no room must be done again, not gone on with.
  @Test func aHistoryThatFoundNoRoomGoesOnWithAllItHad() throws {
    let place = TemporaryDirectory()
    try FileSystem.makeDirectory(place.path)
    var head = LogHead(empty: SHA256Digest(of: []))
    head.nextRevision = 10_000_000
    let index = try SQLiteHistory(place.file("small.db"), head: head, runPairs: 300)
    let connection = index.writer.tables.connection
    let model = MemoryHistory()
    var random = SeededRandom(announcedAs: "aHistoryThatFoundNoRoomGoesOnWithAllItHad")
    var (revision, refusals): (UInt64, Int) = (0, 0)
    func grow() throws {
      let through = revision + 320
      let items = (revision + 1...through).map {
        HistoryItem(key: UInt64.random(in: 0..<1 << 63, using: &random), revision: $0)
      }
      do throws(LogFault) { try index.add(items, through: through) } catch {
        guard case .io = error else { throw error }
        refusals += 1
      }
      // What it has taken it keeps, whether that is in the file yet or not.
      guard try index.reader().through() == through else { return }
      revision = through
      try model.add(items, through: through)
    }
    for round in 1...60 {
      let pages = try connection.number("PRAGMA page_count") ?? 0
      let room = Int64.random(in: 0...12, using: &random)
      _ = try connection.number("PRAGMA max_page_count = \(pages + room)")
      for _ in 0..<25 { try grow() }
      _ = try connection.number("PRAGMA max_page_count = 1000000")
      for _ in 0..<2 { try grow() }
      guard round.isMultiple(of: 10) else { continue }
      index.close()
      let (sum, all) = (try index.reader().sum(in: 0...UInt64.max), try model.reader().sum(in: 0...UInt64.max))
      try #require(sum == all, "round \(round), \(refusals) refusals")
    }
    #expect(refusals > 20, "\(refusals)")
  }

  /// Small runs, so that several levels of merging come about, against sets in memory.
  @Test func runsAndMergesAnswerAsSetsDo() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    var head = under.log.head
    head.nextRevision = 100_000
    let index = try SQLiteHistory(under.place.file("small.db"), head: head, runPairs: 2_500)
    let model = MemoryHistory()
    let reader = try index.reader()
    var random = SeededRandom(announcedAs: "runsAndMergesAnswerAsSetsDo")
    // Some keys are touched all the time, most once; neighbours share their upper bits.
    let hot = (0..<5).map { UInt64($0) }
    var revision: UInt64 = 0
    for round in 0..<72 {
      var items: [HistoryItem] = []
      for _ in 0..<Int.random(in: 1...700, using: &random) {
        revision += 1
        for _ in 0..<Int.random(in: 0...5, using: &random) {
          let key = random.oneIn(3) ? random.pick(hot) : UInt64.random(in: 0..<1 << 63, using: &random)
          items.append(HistoryItem(key: key, revision: revision))
        }
      }
      try index.add(items, through: revision)
      try model.add(items, through: revision)
      guard round % 8 == 7 else { continue }
      let other = try model.reader()
      #expect(try reader.through() == revision)
      for key in hot + items.prefix(20).map(\.key) {
        let low = UInt64.random(in: 0...revision, using: &random)
        let range = low...UInt64.random(in: low...revision, using: &random)
        let limit = random.pick([1, 3, 1_000])
        #expect(
          try reader.revisions(of: key, in: range, limit: limit) == other.revisions(of: key, in: range, limit: limit))
        #expect(try reader.last(of: key, in: range) == other.last(of: key, in: range))
      }
    }
    index.close()
    let rest = try SQLiteHistory.reader(of: under.place.file("small.db"))
    #expect(try rest.through() == revision)
    #expect(try rest.sum(in: 1...revision) == model.reader().sum(in: 1...revision))
    #expect(try rest.sum(in: 1...revision / 2) != model.reader().sum(in: 1...revision))
    let runs = try HistoryTables(try Connection(under.place.file("small.db"), .readOnly)).runs()
    #expect(runs.contains { $0.level == 2 } && runs.count < 12, "\(runs)")
  }

  @Test func theIndexSurvivesARestart() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    fill(under.log, 3)
    try under.history.add([HistoryItem(key: a, revision: 2)], through: 3)
    let seed = under.history.seed
    try under.reopen()
    #expect(try under.history.reader().through() == 3)
    #expect(under.history.seed == seed)
    #expect(try under.history.reader().revisions(of: a, in: 1...9, limit: 9) == [2])
  }

  @Test(arguments: [0, 100, 16_384, -1]) func aDamagedIndexBeginsAnew(offset: Int) throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    fill(under.log, 3)
    try under.history.add([HistoryItem(key: a, revision: 2)], through: 3)
    under.end()
    let path = under.place.file("history.db")
    if offset < 0 { try FileSystem.remove(path) } else { try Damage.flip(path, at: offset) }
    try under.open()
    #expect(try under.history.reader().through() == 0)
    try under.history.add([HistoryItem(key: b, revision: 1)], through: 1)
    #expect(try under.history.reader().revisions(of: b, in: 1...9, limit: 9) == [1])
  }

  @Test func aDamagedPartIsFoundAndTheWriterHearsOfIt() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    fill(under.log, 30)
    try under.history.add((1...20).map { HistoryItem(key: a, revision: $0) }, through: 20)
    under.end()
    try Damage.sql("UPDATE parts SET body = zeroblob(length(body))", on: under.place.file("history.db"))
    try under.open()
    // The first part is looked at when the index is opened.
    #expect(try under.history.reader().through() == 0)
    try under.history.add((1...20).map { HistoryItem(key: a, revision: $0) }, through: 20)
    under.history.close()
    let reader = try under.history.reader()
    #expect(try reader.revisions(of: a, in: 1...9, limit: 1) == [1])
    try Damage.sql("UPDATE parts SET body = zeroblob(length(body))", on: under.place.file("history.db"))
    #expect(throws: LogFault.self) { try reader.revisions(of: a, in: 1...9, limit: 1) }
    #expect(throws: LogFault.self) { try under.history.add([], through: 21) }
    try under.history.reset()
    try under.history.add([HistoryItem(key: a, revision: 4)], through: 21)
    #expect(throws: LogFault.self, "it was made anew behind the reader's back") {
      try reader.revisions(of: a, in: 1...9, limit: 1)
    }
    #expect(try reader.through() == 21)
    #expect(try reader.revisions(of: a, in: 1...9, limit: 1) == [4])
  }

  @Test func anIndexOfTheFirstFormatBeginsAnew() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    fill(under.log, 3)
    let logID = under.log.head.logID.hex
    try Damage.sql(
      """
      PRAGMA user_version = 1;
      CREATE TABLE touched(
        key BLOB NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (key, revision)) STRICT, WITHOUT ROWID;
      CREATE TABLE state(
        id INTEGER PRIMARY KEY CHECK (id = 1), log_id BLOB NOT NULL, through INTEGER NOT NULL) STRICT;
      INSERT INTO state VALUES (1, x'\(logID)', 3);
      """, on: under.place.file("history.db"))
    #expect(throws: LogFault.self) { try SQLiteHistory.reader(of: under.place.file("history.db")) }
    #expect(try under.history.reader().through() == 0)
  }

  @Test func anIndexAheadOfTheLogBeginsAnew() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    fill(under.log, 3)
    try under.history.add([HistoryItem(key: a, revision: 4)], through: 4)
    try under.reopen()
    #expect(try under.history.reader().through() == 0)
  }
}
