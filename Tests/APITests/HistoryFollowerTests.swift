import Domain
import Engine
import Log
import LogMemory
import Platform
import TestSupport
import Testing

@testable import API

/// An index that refuses when it is told to.
private final class FaultyHistory: HistoryIndex, @unchecked Sendable {
  // Unchecked because the compiler cannot see that `lock` guards the rest.
  private let inner = MemoryHistory()
  private let lock = Lock()
  private var faults: [Revision: [LogFault]] = [:]
  private var emptied = 0

  var seed: UInt64 { inner.seed }
  /// How often it was emptied.
  var resets: Int { lock.withLock { emptied } }

  /// What is wrong, one after the other, when entries up to `revision` are added.
  func fail(at revision: Revision, _ with: [LogFault]) { lock.withLock { faults[revision] = with } }

  func add(_ items: [HistoryItem], through: UInt64) throws(LogFault) {
    let fault = lock.withLock { () -> LogFault? in
      guard let next = faults[through]?.first else { return nil }
      faults[through]?.removeFirst()
      return next
    }
    if let fault { throw fault }
    try inner.add(items, through: through)
  }

  func reset() throws(LogFault) {
    lock.withLock { emptied += 1 }
    try inner.reset()
  }

  func reader() throws(LogFault) -> any HistoryReader { try inner.reader() }
  func close() {}
}

/// What a follower says.
private final class Sayings: @unchecked Sendable {
  private let lock = Lock()
  private var texts: [String] = []

  var all: [String] { lock.withLock { texts } }
  func add(_ text: String) { lock.withLock { texts.append(text) } }
}

@Suite(.timeLimit(.minutes(2))) struct HistoryFollowerTests {
  private let full = LogFault.io(operation: "use history.db", detail: "database or disk is full")
  private let damaged = LogFault.damagedFile(path: "history.db", what: "a part is not what was written")
  private let bench: HistoryBench
  private let index = FaultyHistory()
  private let said = Sayings()

  init() throws {
    bench = try HistoryBench()
    try bench.makePool("edge", "10.0.0.0/24")
  }

  /// Follows entry by entry.
  private func follower(rest: Duration = .milliseconds(1)) -> HistoryFollower {
    let (log, said) = (bench.log, said)
    return HistoryFollower(index, published: 1, rest: rest, warn: { said.add($0) }) { () throws(LogFault) in
      try log.reader()
    }
  }

  private func grow(_ follower: HistoryFollower) {
    bench.allocate("vm-\(bench.revision)")
    follower.notify(bench.revision)
  }

  @Test func aFullDiskIsWaitedForHoweverLongItIsFull() throws {
    index.fail(at: 1, Array(repeating: full, count: 20))
    let follower = follower()
    #expect(eventually { follower.through == 1 })
    index.fail(at: 2, Array(repeating: full, count: 20))
    grow(follower)
    #expect(eventually { follower.through == 2 })
    #expect(index.resets == 0, "what is in it stays")
    #expect(said.all.count == 2 && said.all.allSatisfy { $0.contains("tried again") }, "\(said.all)")
    follower.stop()
    bench.engine.stop()
  }

  @Test func anIndexIsMadeAnewAsOftenAsItCameFurther() throws {
    let follower = follower()
    for damage in 2...6 {
      index.fail(at: Revision(damage), [damaged])
      grow(follower)
      #expect(eventually { follower.through == Revision(damage) })
    }
    #expect(index.resets == 5)
    follower.stop()
    bench.engine.stop()
  }

  @Test func anIndexThatComesNoFurtherIsGivenUpAndSaysSo() throws {
    let follower = follower()
    #expect(eventually { follower.through == 1 })
    index.fail(at: 2, [damaged, damaged])
    // Made anew, all is read in one step, which fails where the last one did.
    grow(follower)
    #expect(eventually { said.all.last?.contains("until the server is started anew") ?? false }, "\(said.all)")
    #expect(index.resets == 1)
    follower.stop()
    bench.engine.stop()
  }

  @Test func itEndsWhileItRests() throws {
    index.fail(at: 1, Array(repeating: full, count: 1_000_000))
    let follower = follower(rest: .seconds(600))
    #expect(eventually { !said.all.isEmpty })
    let hasEnded = Shared(false)
    _ = Thread(name: "stop") {
      follower.stop()
      hasEnded.withLock { $0 = true }
    }
    #expect(eventually { hasEnded.withLock { $0 } })
    bench.engine.stop()
  }

  /// Leaders that change without a command leave batches without an entry, and any number of them in a row.
  @Test func batchesWithoutEntriesArePassedOverHoweverMany() throws {
    let log = MemoryLog()
    func append(_ entries: [[UInt8]]) {
      let head = log.head
      log.append(
        Batch(
          sequence: head.sequence + 1, epoch: head.sequence + 1, nonce: 1, time: 1, seed: 1,
          firstRevision: head.nextRevision, previous: head.hash, stateHash: 0, entries: entries)
      ) { #expect($0 == .durable) }
    }
    func entry(_ revision: Revision) -> [UInt8] {
      Entry(
        revision: revision, kind: .expired, actor: "", requestID: "", asked: "", effects: [], told: .nothing
      ).encoded
    }
    append([entry(1)])
    let index = MemoryHistory()
    var builder = try HistoryBuilder(try log.reader(), index)
    #expect(try builder.step(upTo: .max) && builder.through == 1)
    for _ in 0..<200 { append([]) }
    append([entry(2)])
    while try builder.step(upTo: .max) {}
    #expect(builder.through == 2)
  }
}
