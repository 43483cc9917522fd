import Glibc
import Log
import LogMemory
import Platform
import TestSupport
import Testing

@testable import LogSQLite

@Suite struct AppendEndTests {
  private func end(_ code: Int32, system: Int32 = 0, rolledBack: Bool = true) -> AppendEnd {
    AppendEnd(SQLiteFailure(path: "log.db", code: code, system: system, message: "m"), rolledBack: rolledBack)
  }

  @Test func lackOfRoomIsADefiniteRefusal() {
    #expect(end(13) == .refused(.storageFull))
    for errno in [27, 28, 122] as [Int32] { #expect(end(778, system: errno) == .refused(.storageFull)) }
  }

  /// A limit on the size of files stands for a quota too: the log refuses and goes on as soon as there is room, whether
  /// an append met it or the upkeep.
  @Test func aLimitOnFilesIsLackOfRoomInTheUpkeepToo() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      let place = TemporaryDirectory()
      let directory = try DataDirectory.open(place.path, .readWrite(create: true))
      let log = directory.log
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      let free = limit
      limit.rlim_cur = 2 << 20
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      // The write-ahead file begins anew after each upkeep and stays below; the table that it is copied into does not.
      var ends: [AppendEnd] = []
      for _ in 0..<60 {
        ends.append(append(log, nextBatch(log.head, sizes: [100_000])))
        log.maintain(idle: true)
      }
      let refused = ends.count { $0 == .refused(.storageFull) }
      precondition(refused > 0 && ends.count { $0 == .durable } + refused == 60, "\(ends)")
      limit = free
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      precondition(append(log, nextBatch(log.head, sizes: [100_000])) == .durable)
      log.maintain(idle: true)
      log.close()
      let again = try DataDirectory.open(place.path, .readWrite(create: false))
      precondition(again.log.head.sequence == UInt64(ends.count - refused) + 1)
      again.log.close()
    }
  }

  @Test func aFailedFlushIsUnknownWhateverTheReason() {
    for errno in [0, 5, 28] as [Int32] {
      #expect(end(1034, system: errno) == .unknown("log.db: m (SQLite 1034, system \(errno))"))
    }
  }

  @Test func otherFaultsOfTheDiskAreUnknown() {
    for code in [10, 778, 266, 1290, 4874, 11, 26, 7] as [Int32] {
      guard case .unknown = end(code, system: 5) else {
        Issue.record("code \(code) is not unknown")
        continue
      }
    }
  }

  @Test func whatCouldNotBeRolledBackIsUnknown() {
    for code in [13, 5, 8] as [Int32] {
      guard case .unknown = end(code, rolledBack: false) else {
        Issue.record("code \(code) is not unknown")
        continue
      }
    }
  }

  @Test func injectedFaultsEndAppendsInTheirOrder() {
    let log = MemoryLog(capacity: 1000)
    log.inject(.refused(.fenced))
    log.inject(.refused(.storageFull))
    #expect(append(log, nextBatch(log.head)) == .refused(.fenced))
    #expect(append(log, nextBatch(log.head)) == .refused(.storageFull))
    #expect(append(log, nextBatch(log.head)) == .durable)
    #expect(append(log, nextBatch(log.head, sizes: [900])) == .refused(.storageFull))
    log.setCapacity(2000)
    #expect(append(log, nextBatch(log.head, sizes: [900])) == .durable)
  }

  @Test(arguments: [true, false]) func afterAnUnknownEndOnlyARestartHelps(stored: Bool) throws {
    let log = MemoryLog()
    fill(log, 2)
    let batch = nextBatch(log.head)
    log.inject(.unknown(stored: stored))
    #expect(append(log, batch) == .unknown("injected"))
    guard case .unknown = append(log, nextBatch(log.head)) else {
      Issue.record("an append after an unknown end was answered")
      return
    }
    log.reopen()
    #expect(log.batches.last?.batch == (stored ? batch : log.batches[1].batch))
    #expect(log.head.sequence == (stored ? 3 : 2))
    fill(log, 1)
  }

  /// A reader does that when it meets the head of the write-ahead file half written.
  @Test func whoHasTheWritersLockForAMomentIsWaitedFor() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    let path = under.place.file("log.db")
    let isOver = Shared(false)
    let turns = Shared(0)
    let taker = Thread(name: "taker") {
      guard let other = try? Connection(path, .readWrite) else { return }
      while !isOver.withLock({ $0 }) {
        do throws(SQLiteFailure) {
          try other.execute("BEGIN IMMEDIATE; SELECT count(*) FROM sqlite_master; COMMIT")
          turns.withLock { $0 += 1 }
        } catch { _ = other.rollback() }
      }
    }
    #expect(eventually { turns.withLock { $0 } > 0 })
    for count in 0..<1_000 {
      let end = append(under.log, nextBatch(under.log.head, sizes: [100]))
      guard end == .durable else {
        Issue.record("batch \(count + 1) ended as \(end)")
        break
      }
    }
    isOver.withLock { $0 = true }
    taker.join()
  }
}
