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
    let one = book.all(at: at(70)).first { $0.latency.from == "dc-0" }
    #expect(one?.reporters == LatencyBook.reportersMax && one?.latency.microseconds == 9, "the oldest made room")
  }
}
