import Domain
import Placement
import TestSupport
import Testing

/// Who waits, and who is next.
@Suite struct QueueTests {
  private func next(_ queue: inout PendingQueue, _ time: LogTime = 0, _ shares: [String: UInt64] = [:]) -> String? {
    guard let item = queue.next(at: time, share: { shares[$0.text] ?? 0 }) else { return nil }
    queue.remove(item.key)
    return item.key.name.text
  }

  @Test func byPriorityThenFairShareThenFirstCome() {
    var queue = PendingQueue()
    queue.add(key("low", tenant: "t1"), priority: 100, order: 1)
    queue.add(key("rich", tenant: "t1"), priority: 500, order: 2)
    queue.add(key("poor-2", tenant: "t2"), priority: 500, order: 4)
    queue.add(key("poor-1", tenant: "t2"), priority: 500, order: 3)
    queue.add(key("top", tenant: "t3"), priority: 900, order: 5)
    let shares: [String: UInt64] = ["t1": 10, "t2": 5, "t3": 90]
    let order = (0..<6).map { _ in next(&queue, 0, shares) ?? "-" }
    #expect(order == ["top", "poor-1", "poor-2", "rich", "low", "-"])
  }

  @Test func whoIsRefusedHoldsUpNobodyAndIsTriedAtLeastOnceAMinute() {
    var queue = PendingQueue()
    queue.add(key("big"), priority: 500, order: 1)
    var time: LogTime = 0
    var gaps: [LogTime] = []
    for round in 0..<20 as Range<UInt64> {
      let item = queue.next(at: time, share: { _ in 0 })
      #expect(item?.key.name.text == "big")
      if let item { queue.refused(item, at: time) }
      // Somebody small who comes later is served in between.
      queue.add(key("small-\(round)"), priority: 400, order: round + 2)
      #expect(next(&queue, time) == "small-\(round)")
      let wake = queue.nextTime ?? 0
      gaps.append(wake - time)
      time = wake
    }
    #expect(gaps == gaps.sorted() && gaps.last == PendingQueue.longestRest)
    // Back from its rest it stands before those who came later.
    queue.add(key("later"), priority: 500, order: 99)
    #expect(next(&queue, time) == "big" && next(&queue, time) == "later" && queue.count == 0)
  }

  @Test func theMostImportantAreToldWhetherTheyRestOrNot() {
    var random = SeededRandom(announcedAs: "who waits")
    var queue = PendingQueue()
    var all: [(priority: UInt16, order: UInt64)] = []
    for order in 0..<1_000 as Range<UInt64> {
      all.append((UInt16.random(in: 0..<20, using: &random), order))
      let tenant = "t\(Int.random(in: 0..<5, using: &random))"
      queue.add(key("v\(order)", tenant: tenant), priority: all[Int(order)].priority, order: order)
    }
    for _ in 0..<300 {
      if let item = queue.next(at: 0, share: { _ in 0 }), !random.oneIn(3) { queue.refused(item, at: 0) }
    }
    let sorted = all.sorted { ($1.priority, $0.order) < ($0.priority, $1.order) }.map { "v\($0.order)" }
    for most in [0, 1, 10, 468, 999, 1_000, 5_000] {
      #expect(queue.mostImportant(most).map(\.name.text) == Array(sorted.prefix(most)), "of \(most)")
    }
  }

  @Test func freeRoomWakesAll() {
    var queue = PendingQueue()
    queue.add(key("a"), priority: 500, order: 1)
    if let item = queue.next(at: 0, share: { _ in 0 }) { queue.refused(item, at: 0) }
    #expect(next(&queue) == nil)
    queue.wakeAll()
    #expect(next(&queue) == "a")
  }
}
