import Glibc
import Log
import Platform
import Testing

@testable import LogSQLite

@Suite struct DataDirectoryTests {
  private let place = TemporaryDirectory()

  private func fault(_ mode: DataDirectory.Mode = .readWrite(create: true)) -> LogFault? {
    do {
      try DataDirectory.open(place.path, mode).log.close()
      return nil
    } catch { return error }
  }

  @Test func aNewDirectoryIsForItsOwnerAlone() throws {
    let directory = try DataDirectory.open(place.path + "/deep/er", .readWrite(create: true))
    defer { directory.log.close() }
    #expect(directory.created && !directory.crashed)
    for name in ["", "/snapshots", "/log.db", "/LOCK"] { #expect(mode(directory.path + name) & 0o077 == 0, "\(name)") }
  }

  private func mode(_ path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
  }

  @Test func whatOthersMayReadIsClosedToThemWhenItIsOpenedToServe() throws {
    #expect(fault() == nil)
    let names = ["log.db", "log.db-wal", "history.db", "snapshots"].map(place.file)
    try Damage.write([], to: place.file("history.db"))
    chmod(place.path, 0o755)
    for name in names { chmod(name, name.hasSuffix("snapshots") ? 0o755 : 0o644) }
    // As a directory on another volume is often named.
    let link = TemporaryDirectory()
    try FileSystem.makeDirectory(link.path)
    symlink(place.path, link.file("data"))
    let directory = try DataDirectory.open(link.file("data"), .readWrite(create: false))
    directory.log.close()
    #expect(mode(place.path) == 0o700 && mode(place.file("snapshots")) == 0o700)
    for name in ["log.db", "log.db-wal", "history.db"] { #expect(mode(place.file(name)) == 0o600, "\(name)") }
    #expect(directory.wereOpen.count == 5, "\(directory.wereOpen)")
    #expect(directory.wereOpen.contains(link.file("data") + "/log.db"))
    let again = try DataDirectory.open(place.path, .readWrite(create: false))
    again.log.close()
    #expect(again.wereOpen.isEmpty)
  }

  @Test func whatALinkLeadsToKeepsItsMode() throws {
    let other = TemporaryDirectory()
    try FileSystem.makeDirectory(other.path)
    try Damage.write([1], to: other.file("theirs"))
    chmod(other.file("theirs"), 0o644)
    #expect(fault() == nil)
    symlink(other.file("theirs"), place.file("history.db"))
    #expect(fault() == nil)
    #expect(mode(other.file("theirs")) == 0o644)
  }

  @Test func aSecondProcessIsRefusedAndToldWhoServes() throws {
    let first = try DataDirectory.open(place.path, .readWrite(create: true))
    let second = fault(.readWrite(create: false))
    #expect(second == .locked(path: place.path, pid: ThisProcess.id))
    #expect(second?.description.contains("in use by process \(ThisProcess.id); stop that process") == true)
    #expect(try DataDirectory.open(place.path, .readOnly).servedBy == ThisProcess.id)
    first.log.close()
    #expect(try DataDirectory.open(place.path, .readOnly).servedBy == nil)
    #expect(fault(.readWrite(create: false)) == nil)
  }

  @Test func lookingBesideAServerSeesItsBatches() throws {
    let server = try DataDirectory.open(place.path, .readWrite(create: true))
    defer { server.log.close() }
    fill(server.log, 3)
    let other = try DataDirectory.open(place.path, .readOnly)
    #expect(try readAll(other.reader()).count == 3)
    #expect(try other.quickCheck().isEmpty)
    fill(server.log, 1)
    #expect(try other.reader().head() == server.log.head)
  }

  @Test func whoHoldsADirectoryToReadItKeepsServersOutAndLeavesItAsItWas() throws {
    let server = try DataDirectory.open(place.path, .readWrite(create: true))
    #expect(throws: LogFault.locked(path: place.path, pid: ThisProcess.id)) { try DirectoryHold(place.path) }
    fill(server.log, 2)
    let head = server.log.head
    let crashed = TemporaryDirectory()
    try Damage.copy(place.path, to: crashed.path)
    server.log.close()
    for (path, isCrashed) in [(place.path, false), (crashed.path, true)] {
      var hold: DirectoryHold? = try DirectoryHold(path)
      #expect(throws: LogFault.locked(path: path, pid: ThisProcess.id)) {
        try DataDirectory.open(path, .readWrite(create: true))
      }
      #expect(try hold?.isUndisturbed(since: head) == true)
      hold = nil
      let after = try DataDirectory.open(path, .readWrite(create: false))
      #expect(after.crashed == isCrashed && after.log.head == head)
      after.log.close()
    }
  }

  @Test func whereThereIsNoLockToHoldAServerThatCameMeanwhileIsSeenAtTheEnd() throws {
    let first = try DataDirectory.open(place.path, .readWrite(create: true))
    fill(first.log, 2)
    let head = first.log.head
    first.log.close()
    try FileSystem.remove(place.file("LOCK"))
    let hold = try DirectoryHold(place.path)
    #expect(try hold.isUndisturbed(since: head) && FileSystem.kind(of: place.file("LOCK")) == .absent)
    let server = try DataDirectory.open(place.path, .readWrite(create: false))
    #expect(try !hold.isUndisturbed(since: head), "it runs")
    fill(server.log, 1)
    server.log.close()
    #expect(try !hold.isUndisturbed(since: head), "it has written and ended")
    #expect(try hold.isUndisturbed(since: server.log.head))
  }

  @Test func whatAMigrationHasNotEndedIsOpenedByNobodyAndMayBeBegunAnew() throws {
    for sequence in [0, 41] as [UInt64] {
      let place = TemporaryDirectory()
      let head = LogHead(
        logID: SHA256Digest(of: [9]), sequence: sequence, hash: SHA256Digest(of: [8]), nextRevision: sequence + 1,
        time: 5)
      let unfinished = LogFault.unfinishedMigration(path: place.path)
      for turn in 1...2 {
        let archive = try ArchiveDirectory.migrating(into: place.path)
        #expect(archive.log == nil)
        #expect(throws: unfinished) { try DataDirectory.open(place.path, .readWrite(create: true)) }
        try archive.begin(after: head)
        fill(try #require(archive.log), 2)
        if sequence > 0 && turn == 2 { try archive.settle() }
        try #require(archive.log).close()
        for mode in [.readWrite(create: true), .readWrite(create: false), .readOnly] as [DataDirectory.Mode] {
          #expect(throws: unfinished) { try DataDirectory.open(place.path, mode) }
        }
        #expect(throws: unfinished) { try ArchiveDirectory(place.path) }
        #expect(try FileSystem.list(place.path).contains("aside-1") == (turn == 2))
        if turn == 2 { try archive.endMigration() }
      }
      let whole = try DataDirectory.open(place.path, .readWrite(create: false))
      #expect(whole.log.head.sequence == sequence + 2)
      whole.log.close()
      #expect(throws: LogFault.foreignDirectory(path: place.path, names: ["log.db"])) {
        try ArchiveDirectory.migrating(into: place.path)
      }
      #expect(try !FileSystem.list(place.path).contains("MIGRATING"), "a whole log stays one")
    }
  }

  @Test func nothingIsMadeWhereNobodyAskedForIt() throws {
    #expect(fault(.readWrite(create: false)) == .noLog(path: place.path))
    #expect(fault(.readOnly) == .noLog(path: place.path))
    #expect(try FileSystem.kind(of: place.path) == .absent)
    try Damage.write([1], to: place.path)
    #expect(fault() == .notADirectory(path: place.path))
  }

  @Test(arguments: ["snapshots/00000000000000000007.snap", "history.db", "log.db-wal"])
  func whatNeverStandsAloneIsRefusedWithoutTheLog(name: String) throws {
    let directory = try DataDirectory.open(place.path, .readWrite(create: true))
    directory.log.close()
    for name in ["log.db", "log.db-wal", "log.db-shm"] { try FileSystem.remove(place.file(name)) }
    try Damage.write([1, 2, 3], to: place.file(name))
    let found = fault()
    #expect(found == .missingLog(path: place.path, besides: [String(name.split(separator: "/")[0])]))
    #expect(found?.description.contains("log.db is gone") == true)
    #expect(found?.description.contains("a backup") == true)
    #expect(try FileSystem.kind(of: place.file("log.db")) == .absent)
  }

  @Test func somebodyElsesDirectoryIsRefusedAndLeftAlone() throws {
    try FileSystem.makeDirectory(place.path)
    try Damage.write([1], to: place.file("thesis.tex"))
    #expect(fault() == .foreignDirectory(path: place.path, names: ["thesis.tex"]))
    #expect(try FileSystem.list(place.path) == ["thesis.tex"])
  }

  @Test func anEmptyDirectoryAndTheRestOfACreationAreFilled() throws {
    try FileSystem.makeDirectory(place.path)
    for name in ["LOCK", "log.db.new", "log.db.new-journal"] { try Damage.write([1, 2], to: place.file(name)) }
    #expect(fault() == nil)
    #expect(try !FileSystem.list(place.path).contains("log.db.new"))
  }

  @Test func somebodyElsesDatabaseIsRefused() throws {
    try FileSystem.makeDirectory(place.path)
    try Damage.sql("CREATE TABLE t(a)", on: place.file("log.db"))
    #expect(fault()?.description.contains("is not a log of Berth: its application id is 0") == true)
    try Damage.write(Array(repeating: 65, count: 5000), to: place.file("log.db"))
    #expect(fault()?.description.contains("is not a log of Berth") == true)
  }

  @Test func aLaterFormatIsRefusedByName() throws {
    #expect(fault() == nil)
    try Damage.sql("PRAGMA user_version = 2", on: place.file("log.db"))
    let found = fault()
    #expect(found == .newerVersion(path: place.file("log.db"), found: 2, known: 1))
    #expect(found?.description.contains("start the version of Berth that wrote it") == true)
  }

  @Test func aFreshLogContinuesTheHeadItWasGiven() throws {
    let head = LogHead(
      logID: SHA256Digest(of: [9]), sequence: 41, hash: SHA256Digest(of: [8]), nextRevision: 100, time: 5)
    let directory = try DataDirectory.open(place.path, .fresh(head))
    #expect(directory.log.head.sequence == 41 && directory.log.head.nextRevision == 100)
    fill(directory.log, 2)
    #expect(try directory.reader().oldest() == LogOldest(sequence: 42, revision: 100))
    directory.log.close()
    #expect(try DataDirectory.open(place.path, .readOnly).reader().verify(from: 42)?.batch.sequence == 43)
    #expect(fault(.fresh(head)) == .foreignDirectory(path: place.path, names: ["log.db"]))
  }

  /// A file that cannot be cut, or is written in part, must not make a directory that was closed look crashed.
  @Test func aMarkCoversTheOneBeforeItWhateverItsLength() {
    let marks: [DirectoryLock.Mark] = [.open, .closing, .closed]
    for (before, after) in [(4_194_304, 1), (1, 4_194_304), (32_768, 999), (99, 100)] {
      for old in marks {
        for new in marks {
          let there = DirectoryLock.text(pid: before, old)
          let text = DirectoryLock.text(pid: after, new)
          let content = DirectoryLock.content(of: text + there.dropFirst(text.count))
          #expect(content.pid == after && content.mark == new, "\(before) \(old), then \(after) \(new)")
        }
      }
    }
  }

  /// Wherever a write of a mark is torn, the next start sees the mark before it or the one that it was to become: a log
  /// that was closed is not taken for one that must be there.
  @Test func aTornMarkIsTheOldOneOrTheNewOne() {
    let steps: [(DirectoryLock.Mark, DirectoryLock.Mark)] = [
      (.closed, .closed), (.closed, .open), (.open, .open), (.open, .closing), (.closing, .closing), (.closing, .open),
      (.closing, .closed)
    ]
    for (before, after) in [(4_194_304, 1), (1, 4_194_304), (32_768, 999), (99, 100), (28_449, 28_449)] {
      for (old, new) in steps {
        let (there, text) = (DirectoryLock.text(pid: before, old), DirectoryLock.text(pid: after, new))
        for count in 0...text.count {
          let mark = DirectoryLock.content(of: Array(text[..<count]) + there.dropFirst(count)).mark
          #expect(mark == old || mark == new, "\(count) bytes of \(before) \(old), then \(after) \(new): \(mark)")
        }
      }
    }
  }

  @Test func everyNewLogHasAnIdentityOfItsOwn() throws {
    let other = TemporaryDirectory()
    let first = try DataDirectory.open(place.path, .readWrite(create: true))
    let second = try DataDirectory.open(other.path, .readWrite(create: true))
    #expect(first.log.head.logID != second.log.head.logID)
    first.log.close()
    second.log.close()
  }
}
