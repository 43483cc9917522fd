import Log
import LogSQLite
import Platform
import Testing

@Suite struct HistoryTests {
  private let a = Array("10.0.0.1".utf8)
  private let b = Array("10.0.0.2".utf8)

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
    #expect(try reader.revisions(of: [], in: 0...UInt64.max, limit: 10).isEmpty)
    try index.reset()
    #expect(try reader.through() == 0)
    #expect(try reader.revisions(of: a, in: 0...UInt64.max, limit: 10).isEmpty)
  }

  @Test func theIndexSurvivesARestart() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    fill(under.log, 3)
    try under.history.add([HistoryItem(key: a, revision: 2)], through: 3)
    try under.reopen()
    #expect(try under.history.reader().through() == 3)
    #expect(try under.history.reader().revisions(of: a, in: 1...9, limit: 9) == [2])
  }

  @Test(arguments: [0, 100, 4096, -1]) func aDamagedIndexBeginsAnew(offset: Int) throws {
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

  @Test func anIndexAheadOfTheLogBeginsAnew() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    fill(under.log, 3)
    try under.history.add([HistoryItem(key: a, revision: 4)], through: 4)
    try under.reopen()
    #expect(try under.history.reader().through() == 0)
  }
}
