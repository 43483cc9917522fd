import Addressing
import Domain
import Engine
import Ledger
import Log
import LogMemory
import Platform
import TestSupport
import Testing

@testable import API

/// What is kept and what is looked at in one go has an end, and goes on where it ended.
@Suite struct BoundTests {
  /// Counts how often batches are read.
  private final class CountingReader: BatchReader {
    private let inner: any BatchReader
    private let reads: Shared<Int>

    init(_ inner: any BatchReader, _ reads: Shared<Int>) { (self.inner, self.reads) = (inner, reads) }

    func batches(from sequence: UInt64, limit: Int) throws(LogFault) -> [StoredBatch] {
      reads.withLock { $0 += 1 }
      return try inner.batches(from: sequence, limit: limit)
    }

    func sequence(holding revision: UInt64) throws(LogFault) -> UInt64? { try inner.sequence(holding: revision) }
    func oldest() throws(LogFault) -> LogOldest? { try inner.oldest() }
    func head() throws(LogFault) -> LogHead { try inner.head() }
  }

  /// A log of so many batches with one entry each, and a cursor that tells how often it has read.
  private func cursor(_ batches: Int, bytes: Int) -> (cursor: LogCursor, reads: Shared<Int>) {
    let log = MemoryLog()
    for number in 1...batches {
      let head = log.head
      log.append(
        Batch(
          sequence: UInt64(number), epoch: 1, nonce: 1, time: 1, seed: 1, firstRevision: head.nextRevision,
          previous: head.hash, stateHash: 0, entries: [[UInt8](repeating: 7, count: bytes)])
      ) { #expect($0 == .durable) }
    }
    let reads = Shared(0)
    return (LogCursor { () throws(LogFault) in CountingReader(try log.reader(), reads) }, reads)
  }

  @Test func theLast64BatchesAreRememberedAndNoMore() throws {
    let (cursor, reads) = cursor(80, bytes: 10)
    // Sixteen at a time.
    for revision in 1...80 { #expect(try cursor.stored(from: Revision(revision), limit: 1).count == 1) }
    #expect(reads.withLock { $0 } == 5)
    for revision in 17...80 { _ = try cursor.stored(from: Revision(revision), limit: 1) }
    #expect(reads.withLock { $0 } == 5, "they are remembered")
    _ = try cursor.stored(from: 16, limit: 1)
    #expect(reads.withLock { $0 } == 6, "and what came before is not")
  }

  @Test func ofLargeBatchesFewerAreRemembered() throws {
    let (cursor, reads) = cursor(20, bytes: 1_000_000)
    // Nine are one answer of the log: the reader ends with what passes 8 MiB, and of that the first goes again.
    _ = try cursor.stored(from: 1, limit: 1)
    for revision in 2...9 { _ = try cursor.stored(from: Revision(revision), limit: 1) }
    #expect(reads.withLock { $0 } == 1)
    _ = try cursor.stored(from: 1, limit: 1)
    #expect(reads.withLock { $0 } == 2)
  }

  @Test func aWalkEndsWithItsLimitOrItsBudgetAndSaysWhereItGoesOn() throws {
    let bench = try HistoryBench()
    try bench.makePool("big", "10.1.0.0/16")
    _ = bench.allocate("a", pool: "big") { $0.count = 600 }
    let all = bench.engine.read { tables in
      var visits = 1_000
      let big = PoolName(trusted: "big")
      return tables.allocations(in: big, after: nil, limit: 600, visiting: &visits) { _ in true }.items.map(\.ip)
    }
    #expect(all.count == 600)
    /// The sizes of the slices, what was found, and the walk after that.
    func walk(
      after: IPAddress? = nil, limit: Int = 600, budget: Int = 1_000,
      where matches: (Allocation) -> Bool = { _ in true }
    ) -> (slices: [Int], found: [IPAddress], walk: PoolWalk) {
      var walk = PoolWalk(pool: PoolName(trusted: "big"), after: after, limit: limit, budget: budget)
      var (slices, found): ([Int], [IPAddress]) = ([], [])
      while slices.count < 10, let slice = walk.next(bench.engine, where: matches) {
        slices.append(slice.items.count)
        found += slice.items.map(\.ip)
      }
      return (slices, found, walk)
    }
    let whole = walk()
    #expect(whole.slices == [256, 256, 88] && whole.found == all && whole.walk.goesOnAfter == nil)
    let page = walk(limit: 300)
    #expect(page.slices == [256, 44] && page.walk.isFull && page.walk.goesOnAfter == all[299])
    #expect(walk(after: page.walk.goesOnAfter).found == Array(all[300...]), "nothing twice, nothing left out")
    // Whoever finds nothing looks at no more than it may.
    let none = walk(budget: 300) { _ in false }
    #expect(none.found.isEmpty && none.walk.rowsLeft == 0 && none.walk.goesOnAfter == all[299])
    let last = walk(after: none.walk.goesOnAfter, budget: 301) { $0.ip == all[599] }
    #expect(last.found == [all[599]] && last.walk.goesOnAfter == nil && last.walk.rowsLeft == 1)
    bench.engine.stop()
  }

  @Test func whatVMsUsedIsForgottenWhenTwiceAsManyOthersWereMeasured() {
    let history = UsageHistory()
    let spec = VMSpec(Resources(cpu: 1_000, memory: 512))
    func measured(_ numbers: Range<Int>) -> [(vm: VM, used: Resources)] {
      let key = VMKey(name: VMName(trusted: "a"))
      return numbers.map { (VM(key: key, id: VMID(raw: UInt64($0)), spec: spec), Resources(cpu: 500, memory: 256)) }
    }
    func knows(_ number: Int) -> Bool {
      let id = VMID(raw: UInt64(number))
      #expect((history.last(of: id) == nil) == (history.histogram(of: id) == nil))
      return history.last(of: id) != nil
    }
    let most = UsageHistory.most
    history.add(measured(1..<2))
    history.add(measured(2..<most + 1))
    history.add(measured(most + 1..<2 * most))
    #expect(knows(1) && knows(most) && knows(2 * most - 1), "one less than there is room for")
    history.add(measured(1..<2))
    #expect(history.histogram(of: VMID(raw: 1))?.samples == 2, "of both halves")
    history.add(measured(2 * most..<2 * most + 1))
    #expect(!knows(2) && knows(1) && knows(most + 1) && knows(2 * most))
  }
}
