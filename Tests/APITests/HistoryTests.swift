import Addressing
import Domain
import Engine
import Log
import LogMemory
import TestSupport
import Testing

@testable import API

@Suite struct HistoryTests {
  @Test func aQuestionIsAnsweredByTheRunningHistory() throws {
    let bench = try HistoryBench()
    try bench.makePool("edge", "10.0.0.0/24")
    let history = History(bench.engine, MemoryHistory())
    bench.allocate("vm-1")
    bench.release("vm-1")
    bench.allocate("vm-2") { $0.address = IPAddress("10.0.0.2") }
    let page = try intervals(history, HistoryQuery(.ip(IPAddress("10.0.0.2")!)))
    #expect(page.items.map(\.allocation.owner.text) == ["vm-1", "vm-2"])
    #expect(page.items[0].to != nil && page.items[1].to == nil && page.next == nil)
    #expect(eventually { history.through == bench.revision })
    history.stop()
    bench.engine.stop()
  }

  @Test func whatHappenedBeforeTheTimeIsToldAndNotWhatCameAfter() throws {
    let bench = try HistoryBench()
    try bench.makePool("edge", "10.0.0.0/24")
    bench.allocate("vm-1")
    let then = bench.now
    bench.release("vm-1")
    let history = History(bench.engine, MemoryHistory())
    let slot = Handed<Result<[PastMatch], HistoryFault>>()
    #expect(history.matches(IPAddress("10.0.0.2")!, at: then) { slot.put($0) })
    #expect(try slot.take().get().map { $0.allocation?.owner.text } == ["vm-1"])
    let later = Handed<Result<[PastMatch], HistoryFault>>()
    #expect(history.matches(IPAddress("10.0.0.2")!, at: bench.now) { later.put($0) })
    #expect(try later.take().get().map { $0.allocation == nil && $0.isUsable } == [true])
    history.stop()
    bench.engine.stop()
  }

  @Test func anIndexThatKnowsMoreThanTheLogIsMadeAnew() throws {
    let bench = try HistoryBench()
    try bench.makePool("edge", "10.0.0.0/24")
    let index = MemoryHistory()
    try index.add([], through: 1_000)
    let history = History(bench.engine, index)
    bench.allocate("vm-1")
    #expect(eventually { history.through == bench.revision })
    let page = try intervals(history, HistoryQuery(.owner(.standard, OwnerName(trusted: "vm-1"))))
    #expect(page.items.count == 1)
    history.stop()
    bench.engine.stop()
  }

  @Test func beforeATrimmedLogIsGoneAndSaysSo() throws {
    let bench = try HistoryBench()
    try bench.makePool("edge", "10.0.0.0/24")
    let start = bench.now
    for number in 0..<5 { bench.allocate("vm-\(number)") }
    bench.log.trim(through: 3)
    let history = History(bench.engine, MemoryHistory())
    var query = HistoryQuery(.owner(.standard, OwnerName(trusted: "vm-0")))
    query.from = start
    #expect(throws: HistoryFault.trimmed(oldest: 4)) { try intervals(history, query) }
    query.from = nil
    #expect(try intervals(history, query).items.map(\.to) == [nil])
    history.stop()
    bench.engine.stop()
  }

  @Test func aPlaceSurvivesItsText() {
    let place = HistoryPlace(oldest: 3, head: 90, revision: 17, told: 2)
    #expect(HistoryPlace(place.text) == place)
    for text in ["", "1 2 3", "a 1 1 1", "1 5 9 0", "0 1 1 1"] { #expect(HistoryPlace(text) == nil) }
  }

  @Test func aReplayedAnswerIsFoundByItsRevision() throws {
    let bench = try HistoryBench()
    try bench.makePool("edge", "10.0.0.0/24")
    bench.allocate("vm-1")
    let log = bench.log
    let access = LogAccess(name: "test") { () throws(LogFault) in try log.reader() }
    let there = Handed<String?>()
    #expect(access.entry(at: 2) { there.put((try? $0.get())?.entry.kind.name) })
    #expect(there.take() == "allocated")
    let absent = Handed<Bool>()
    #expect(access.entry(at: 99) { absent.put((try? $0.get()) != nil) })
    #expect(absent.take() == false)
    access.stop()
    #expect(!access.perform { _ in }, "a stopped thread takes nothing")
    bench.engine.stop()
  }

  @Test func whoReadsMuchHearsThatNobodyWaitsForItAnyMore() throws {
    let bench = try HistoryBench()
    let log = bench.log
    let access = LogAccess(name: "test", patience: .milliseconds(20)) { () throws(LogFault) in try log.reader() }
    let (first, second) = (Handed<Bool>(), Handed<Bool>())
    // The first goes on until its time is over; by then that of the second is over too.
    #expect(access.perform { cursor in first.put(eventually { cursor.isOver() }) })
    #expect(access.perform { cursor in second.put(eventually { cursor.isOver() }) })
    #expect(first.take() && second.take())
    access.stop()
    let patient = LogAccess(name: "test") { () throws(LogFault) in try log.reader() }
    let (begun, ended) = (Handed<Bool>(), Handed<Bool>())
    #expect(
      patient.perform { cursor in
        begun.put(cursor.isOver())
        ended.put(eventually { cursor.isOver() })
      })
    #expect(!begun.take())
    patient.stop()
    #expect(ended.take(), "a stop waits for nobody's million entries")
    bench.engine.stop()
  }

  @Test func ofOneAskerOnlyAFewQuestionsWait() throws {
    let bench = try HistoryBench()
    let log = bench.log
    let access = LogAccess(name: "test", limit: 4, mostEach: 2) { () throws(LogFault) in try log.reader() }
    let (begun, goOn) = (Handed<Bool>(), Shared(false))
    #expect(
      access.perform { _ in
        begun.put(true)
        _ = eventually { goOn.withLock { $0 } }
      })
    #expect(begun.take())
    let taken = ["a", "a", "a", "b", "c", "d"].map { access.perform(asker: $0) { _ in } }
    #expect(taken == [true, true, false, true, true, false], "two of each, four in all")
    goOn.withLock { $0 = true }
    #expect(eventually { access.perform(asker: "a") { _ in } })
    access.stop()
    bench.engine.stop()
  }

  private func intervals(
    _ history: History, _ query: HistoryQuery
  ) throws -> (items: [OwnershipInterval], next: HistoryPlace?) {
    let slot = Handed<Result<(items: [OwnershipInterval], next: HistoryPlace?), HistoryFault>>()
    #expect(history.intervals(query) { slot.put($0) })
    return try slot.take().get()
  }
}
