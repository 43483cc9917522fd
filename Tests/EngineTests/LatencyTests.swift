import Domain
import Platform
import Testing

@testable import Engine

private func at(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: Int64(seconds * 1_000_000_000)) }
private func to(_ datacenter: String, _ microseconds: UInt32) -> Latency {
  Latency(from: "", to: datacenter, microseconds: microseconds)
}

@Suite("Latencies between datacenters") struct LatencyTests {
  private func name(_ text: String) -> NodeName { NodeName(trusted: text) }

  @Test func theMedianOfThoseWhoMeasuredIsBelievedWhicheverWayTheyLooked() {
    var book = LatencyBook()
    book.hear(name("a"), in: "fra", [to("ams", 3_000), to("fra", 7)], at: at(0))
    book.hear(name("b"), in: "fra", [to("ams", 90_000)], at: at(1))
    book.hear(name("c"), in: "ams", [to("fra", 4_000)], at: at(2))
    let all = book.all(at: at(3))
    #expect(all.map(\.latency) == [Latency(from: "ams", to: "fra", microseconds: 4_000)], "its own is none")
    #expect(all[0].reporters == 3 && all[0].age == .seconds(1))
    // Who says it again is heard once.
    book.hear(name("b"), in: "fra", [to("ams", 3_500)], at: at(4))
    #expect(book.all(at: at(4))[0].latency.microseconds == 3_500)
  }

  @Test func whatIsNotSaidAgainIsForgotten() {
    var book = LatencyBook()
    book.hear(name("a"), in: "fra", [to("ams", 3_000)], at: at(0))
    #expect(book.news(at: at(1)) == [Latency(from: "ams", to: "fra", microseconds: 3_000)])
    #expect(book.all(at: at(599)).count == 1 && book.all(at: at(601)).isEmpty)
    #expect(book.news(at: at(601)) == [], "and that is news")
    #expect(book.news(at: at(700)) == nil)
  }

  @Test func onlyWhatDiffersByATenthIsNews() {
    var book = LatencyBook()
    #expect(book.news(at: at(0)) == nil)
    book.hear(name("a"), in: "fra", [to("ams", 3_000)], at: at(0))
    #expect(book.news(at: at(1)) != nil)
    book.hear(name("a"), in: "fra", [to("ams", 3_250)], at: at(2))
    #expect(book.news(at: at(3)) == nil)
    book.hear(name("a"), in: "fra", [to("ams", 3_400)], at: at(4))
    #expect(book.news(at: at(4.5)) != nil)
    book.hear(name("a"), in: "fra", [to("osl", 1)], at: at(4.6))
    #expect(book.news(at: at(4.7)) == nil, "not more often than once a second")
    #expect(book.news(at: at(6))?.count == 2)
    book.restart()
    #expect(book.all(at: at(6)).isEmpty, "a new leader begins to listen anew")
  }

  @Test func theBookIsBounded() {
    var book = LatencyBook()
    for pair in 0..<2 * LatencyBook.pairsMax { book.hear(name("a"), in: "fra", [to("dc-\(pair)", 5)], at: at(0)) }
    #expect(book.all(at: at(1)).count == LatencyBook.pairsMax)
    for node in 0..<2 * LatencyBook.reportersMax {
      book.hear(name("n-\(node)"), in: "fra", [to("dc-0", 9)], at: at(Double(node)))
    }
    #expect(book.all(at: at(0)).contains { $0.latency.from == "dc-1" }, "the first are kept")
    let one = book.all(at: at(70)).first { $0.latency.from == "dc-0" }
    #expect(one?.reporters == LatencyBook.reportersMax && one?.latency.microseconds == 9, "the oldest made room")
  }

  @Test func namesThatANodeMakesUpGiveWayToDatacentersInWhichNodesLive() {
    var book = LatencyBook()
    func shown(_ time: Double) -> Set<String> {
      Set(book.all(at: at(time)).map { "\($0.latency.from) \($0.latency.to)" })
    }
    for datacenter in ["fra", "ams", "osl"] { book.hear(from: datacenter, at: at(0)) }
    book.hear(name("a"), in: "fra", [to("ams", 3_000)], at: at(0))
    let madeUp = (0..<2 * LatencyBook.pairsMax).map { to("made-up-\($0)", 5) }
    book.hear(name("liar"), in: "fra", madeUp, at: at(1))
    #expect(shown(1).count == LatencyBook.pairsMax)
    book.hear(name("b"), in: "osl", [to("ams", 9_000)], at: at(2))
    #expect(shown(2) == ["ams fra", "ams osl"], "all that were made up went at once")
    book.hear(name("liar"), in: "fra", madeUp, at: at(2))
    book.hear(name("b"), in: "osl", [to("fra", 7_000)], at: at(4))
    #expect(shown(4) == ["ams fra", "ams osl", "fra osl"])
    #expect(book.news(at: at(4))?.count == 3)
  }

  @Test func ofMorePairsThanThereIsRoomForTheOneThatWasNotSaidForLongestGoes() {
    var book = LatencyBook()
    let places = (10..<60).map { "dc-\($0)" }
    let pairs = places.flatMap { one in places.filter { one < $0 }.map { (one, $0) } }
    for place in places { book.hear(from: place, at: at(0)) }
    for (one, other) in pairs.prefix(LatencyBook.pairsMax) { book.hear(name("a"), in: one, [to(other, 5)], at: at(0)) }
    func isKnown(_ pair: Int) -> Bool {
      book.all(at: at(21)).contains { ($0.latency.from, $0.latency.to) == pairs[pair] }
    }
    let (first, next) = (0, LatencyBook.pairsMax)
    for pair in [first, next, next + 1] {
      book.hear(name("a"), in: pairs[pair].0, [to(pairs[pair].1, 5)], at: at(20))
    }
    #expect(isKnown(first) && isKnown(next) && !isKnown(1), "the second has not been said again")
    #expect(!isKnown(next + 1), "one a second: who has more of them than there is room for pays little")
    #expect(book.all(at: at(21)).count == LatencyBook.pairsMax)
  }
}
