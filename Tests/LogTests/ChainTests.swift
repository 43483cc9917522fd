import Log
import LogMemory
import LogSQLite
import Platform
import Testing

@Suite struct ChainTests {
  @Test func aChangedBatchBreaksTheChainBehindIt() throws {
    let log = MemoryLog()
    fill(log, 5)
    log.tamper(3) { $0.nonce += 1 }
    let fault = LogFault.damaged(sequence: 3, what: "its hash is not the one that batch 4 carries")
    #expect(throws: fault) { try log.reader().verify(from: 1) }
    #expect(try log.reader().verify(from: 4)?.batch.sequence == 5)
    let pages = try log.reader()
    _ = try pages.batches(from: 1, limit: 3)
    #expect(throws: fault) { try pages.batches(from: 4, limit: 1) }
  }

  @Test func aChangedNewestBatchDoesNotMatchTheHead() throws {
    let log = MemoryLog()
    fill(log, 5)
    log.tamper(5) { $0.entries = [] }
    #expect(throws: LogFault.damaged(sequence: 5, what: "it is not the batch that the head names")) {
      try log.reader().verify(from: 1)
    }
  }

  @Test func theFirstBatchCarriesTheLogsIdentity() throws {
    let log = MemoryLog()
    fill(log, 1)
    log.tamper(1) { $0.previous = SHA256Digest(of: [3]) }
    #expect(throws: LogFault.self) { try log.reader().verify(from: 1) }
  }

  @Test func gapsInRevisionsAndTimesThatGoBackAreFound() throws {
    let head = LogHead(empty: SHA256Digest(of: [1]))
    let first = nextBatch(head, sizes: [1, 1], time: 50)
    let anchor = head.advanced(by: first, hash: first.hash)
    for change in [
      { (batch: inout Batch) in batch.firstRevision += 1 }, { $0.firstRevision -= 1 }, { $0.time = 49 },
      { $0.sequence += 1 }, { $0.sequence -= 1 }, { $0.previous = SHA256Digest(of: [2]) }
    ] {
      var second = nextBatch(anchor, time: 50)
      var chain = ChainCheck()
      try chain.begin(at: 1, head: anchor, anchor: nil)
      try chain.check(StoredBatch(batch: first, hash: first.hash))
      var sound = chain
      try sound.check(StoredBatch(batch: second, hash: second.hash))
      change(&second)
      #expect(throws: LogFault.self) { try chain.check(StoredBatch(batch: second, hash: second.hash)) }
    }
  }

  @Test func readersOnOtherThreadsVerifyWhileTheLogGrows() throws {
    let under = try SQLiteUnderTest()
    defer { under.end() }
    let log = under.directory.log
    let target: UInt64 = 1500
    let progress = Progress()
    let readers = (0..<2).map { number in
      Thread(name: "reader-\(number)") {
        do {
          let reader = try log.reader()
          var next: UInt64 = 1
          while next <= target && !progress.isOver {
            for stored in try reader.batches(from: next, limit: 100) { next = stored.batch.sequence + 1 }
          }
          if next == target + 1 { progress.finish() }
        } catch {
          progress.fail("\(error)")
        }
      }
    }
    for count in 0..<Int(target) {
      let end = append(log, nextBatch(log.head, sizes: [3000]))
      guard end == .durable else {
        Issue.record("batch \(count + 1) ended as \(end)")
        break
      }
      if count.isMultiple(of: 16) { log.maintain(idle: count.isMultiple(of: 256)) }
    }
    // The readers run until they have seen the last batch; the deadline only bounds a failure.
    let deadline = MonotonicTime.now + .seconds(30)
    progress.wait(for: 2, until: deadline)
    for reader in readers { reader.join() }
    #expect(progress.finished == 2 && progress.faults.isEmpty, "\(progress.faults), the log at \(log.head)")
  }
}

private final class Progress: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var done = 0
  private var over = false
  private var problems: [String] = []

  var isOver: Bool { lock.withLock { over } }
  var finished: Int { lock.withLock { done } }
  var faults: [String] { lock.withLock { problems } }

  func finish() {
    lock.withLock {
      done += 1
      changed.broadcast()
    }
  }

  func fail(_ text: String) {
    lock.withLock {
      problems.append(text)
      over = true
      changed.broadcast()
    }
  }

  func wait(for count: Int, until deadline: MonotonicTime) {
    lock.withLock {
      while done < count && !over && MonotonicTime.now < deadline { _ = changed.wait(lock, timeout: .seconds(1)) }
      over = true
    }
  }
}
