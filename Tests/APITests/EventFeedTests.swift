import APITypes
import Addressing
import Domain
import Engine
import HTTPServer
import Log
import LogMemory
import Platform
import TestSupport
import Testing
import Wire

@testable import API

/// Events over a real server.
@Suite struct EventFeedTests {
  @Test func eventsArriveAsTheyHappen() throws {
    let bench = try EventBench()
    let stream = try bench.listen("")
    _ = try stream.comment()
    bench.house.allocate("vm-1")
    let event = try stream.event()
    #expect(event.id == bench.house.revision && event.kind == "allocated")
    #expect(event.data["actor"] == .string("test") && event.data["request_id"] == .string("r-1"))
    #expect(event.data["kind"] == .string("allocated") && event.data["revision"] == .number("\(event.id)"))
    let change = try #require(event.changes.first)
    #expect(change["type"] == .string("allocation") && change["key"] == .string("edge/10.0.0.2"))
    #expect(change["after"]?["owner"] == .string("vm-1") && change["before"] == nil)
    bench.house.release("vm-1")
    #expect(try stream.event().changes.first?["before"]?["ip"] == .string("10.0.0.2"))
    bench.stop()
  }

  @Test func aReaderGoesOnWhereItStopped() throws {
    let bench = try EventBench()
    for number in 0..<600 { bench.house.allocate("vm-\(number)", pool: "big") }
    let first = try bench.listen("?since=0")
    let seen = try (0..<300).map { _ in try first.event().id }
    #expect(seen == Array(1...300))
    first.leave()
    let second = try bench.listen("?since=0", headers: ["Last-Event-ID: 300"])
    #expect(try second.event().id == 301)
    let head = bench.house.revision
    #expect(try (302...head).allSatisfy { try second.event().id == $0 })
    bench.stop()
  }

  @Test(arguments: [
    ("kind=released", ["released"]), ("owner=vm-2", ["allocated"]), ("pool=big", ["pool_created", "allocated"]),
    ("node=host-1", ["allocated", "released"]), ("tenant=blue", ["allocated"]),
    ("pool=edge&kind=allocated", ["allocated"])
  ])
  func aFilterLetsThroughWhatItNames(_ query: String, _ kinds: [String]) throws {
    let bench = try EventBench()
    bench.house.allocate("vm-1") { $0.node = NodeName(trusted: "host-1") }
    bench.house.allocate("vm-2", pool: "big") { $0.holder.tenant = TenantName(trusted: "blue") }
    bench.house.release("vm-1")
    let stream = try bench.listen("?since=0&\(query)")
    for kind in kinds { #expect(try stream.event().kind == kind) }
    // The next thing on the line is what comes last and passes every filter.
    bench.house.allocate("vm-2", pool: query.contains("pool=edge") ? "edge" : "big") {
      ($0.node, $0.holder.interface) = (NodeName(trusted: "host-1"), InterfaceName(trusted: "eth9"))
      $0.holder.tenant = TenantName(trusted: "blue")
    }
    if !query.contains("released") { #expect(try stream.event().id == bench.house.revision) }
    bench.stop()
  }

  @Test func whoIsAheadOrTooLateIsTold() throws {
    let bench = try EventBench()
    for number in 0..<5 { bench.house.allocate("vm-\(number)") }
    #expect(try bench.refusal("?since=99") == (409, "revision_ahead"))
    bench.house.log.trim(through: 3)
    let (status, body) = try bench.body("?since=1")
    #expect(status == 410 && body.contains("history_trimmed") && body.contains("\"oldest_revision\":4"))
    #expect(try bench.listen("?since=3").event().id == 4)
    for query in ["?since=x", "?since=-1", "?kind=nothing", "?pool=A+B", "?what=1"] {
      #expect(try bench.refusal(query) == (400, "invalid_field"), "\(query)")
    }
    bench.stop()
  }

  @Test func nobodyIsLetInBeyondTheLimit() throws {
    let bench = try EventBench { $0.maxSubscribers = 2 }
    let first = try bench.listen("")
    let second = try bench.listen("")
    #expect(try bench.refusal("") == (503, "too_many_subscribers"))
    first.leave()
    // Nothing happens for nobody's sake: a change makes the feeder notice who has gone.
    #expect(
      eventually {
        bench.house.allocate("vm-x")
        return bench.feed.subscriberCount == 1
      })
    let third = try bench.listen("")
    _ = (try second.comment(), try third.comment())
    bench.stop()
  }

  @Test func oneTenantsListenersDoNotShutOutTheOthers() throws {
    let house = try HistoryBench()
    let log = house.log
    var options = EventOptions()
    (options.maxSubscribers, options.maxSubscribersEach) = (5, 2)
    let feed = EventFeed(published: { house.revision }, options: options) { () throws(LogFault) in try log.reader() }
    let refusals = Collected<EventRefusal>()
    func listen(_ scope: Scope, since: Revision? = nil) -> Sink {
      let sink = Sink()
      var filter = EventFilter()
      filter.visibility = Visibility(scope)
      feed.subscribe(filter, since: since, accept: { sink }, refuse: { refusals.add($0) })
      return sink
    }
    let acme = Scope.tenant(.acme)
    let first = [listen(acme), listen(acme)]
    _ = listen(acme)
    #expect(refusals.all == [.fullOf("tenant acme")] && EventRefusal.fullOf("").problem.code == "too_many_subscribers")
    for scope in [Scope.tenant(TenantName(trusted: "rival")), .pool(.own), .global] { _ = listen(scope) }
    #expect(refusals.all.count == 1, "others have room")
    _ = listen(.global)
    #expect(refusals.all.last == .full)
    // Who leaves makes room for his own.
    first[0].close()
    #expect(
      eventually {
        feed.notify(house.revision)
        return feed.subscriberCount == 4
      })
    _ = listen(acme, since: 99)
    #expect(eventually { refusals.all.last == .ahead(house.revision) && feed.subscriberCount == 4 })
    _ = listen(acme)
    #expect(refusals.all.count == 3 && feed.subscriberCount == 5)
    feed.stop()
    house.engine.stop()
  }

  @Test func aReaderThatReadsNothingIsDroppedAndDelaysNobody() throws {
    let bench = try EventBench { $0.stallLimit = .milliseconds(200) }
    let slow = try bench.listen("?since=0", receiveBuffer: 4_096)
    let quick = try bench.listen("?kind=allocated")
    let label = String(repeating: "x", count: 120)
    for number in 0..<3_000 {
      bench.house.allocate("vm-\(number)", pool: "big") { request in
        request.labels = Labels((0..<16).map { ("key-\($0)", label) })!
      }
      #expect(try quick.event().id == bench.house.revision)
    }
    #expect(eventually { bench.feed.subscriberCount == 1 })
    slow.leave()
    bench.stop()
  }

  @Test func anIdleStreamShowsThatItLives() throws {
    let bench = try EventBench { $0.keepAlive = .milliseconds(50) }
    let stream = try bench.listen("")
    #expect(try stream.comment() == ": revision \(bench.house.revision)")
    #expect(try stream.comment() == ": revision \(bench.house.revision)")
    bench.stop()
  }

  @Test func anEntryLargerThanAStreamsBufferArrivesWhole() throws {
    let bench = try EventBench()
    for round in 0..<3 {
      bench.house.allocate("vm-1", pool: "big") { request in
        (request.count, request.holder.interface) = (1_000, InterfaceName(trusted: "eth\(round)"))
      }
    }
    bench.house.release("vm-1")
    let stream = try bench.listen("?kind=released&since=0")
    let event = try stream.event()
    #expect(event.size > ResponseStream.bufferLimit && event.changes.count == 3_000)
    bench.stop()
  }

  /// Whoever is told that it listens may write at once, and is to hear of it.
  @Test func whatHappensOnceItListensIsHeard() throws {
    let house = try HistoryBench()
    try house.makePool("edge", "10.0.0.0/24")
    let log = house.log
    let feed = EventFeed(published: { house.revision }) { () throws(LogFault) in try log.reader() }
    house.engine.onPublish { feed.notify($0) }
    let sink = Sink()
    let before = house.revision
    feed.subscribe(
      EventFilter(), since: nil,
      accept: {
        house.allocate("vm-1")
        return sink
      }, refuse: { Issue.record("refused: \($0)") })
    #expect(eventually { sink.ids == [before + 1] }, "\(sink.ids)")
    for number in 2...200 { house.allocate("vm-\(number)") }
    #expect(eventually { sink.ids.last == house.revision } && sink.ids == Array(before + 1...house.revision))
    feed.stop()
    house.engine.stop()
  }

  /// The answer to a write may be there before the feed has been told of it.
  @Test func aFeedThatWasToldOfNothingGivesWhatIsThereWhenSomebodyComes() throws {
    let house = try HistoryBench()
    try house.makePool("edge", "10.0.0.0/24")
    let log = house.log
    let feed = EventFeed(published: { house.revision }) { () throws(LogFault) in try log.reader() }
    house.allocate("vm-1")
    let sink = Sink()
    feed.subscribe(EventFilter(), since: 0, accept: { sink }, refuse: { Issue.record("refused: \($0)") })
    #expect(eventually { sink.ids == [1, 2] }, "\(sink.ids)")
    feed.stop()
    house.engine.stop()
  }
}

/// Takes everything at once.
private final class Sink: EventSink {
  private let text = Shared("")
  private let isClosed = Shared(false)

  /// The revisions of the events so far, in the order in which they came.
  var ids: [Revision] {
    text.withLock { text in
      text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.compactMap { Revision($0.dropFirst(4)) }
    }
  }

  func write(_ bytes: [UInt8]) -> Bool {
    text.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
    return true
  }

  var waiting: Int { 0 }
  var isOpen: Bool { isClosed.withLock { !$0 } }
  func close() { isClosed.withLock { $0 = true } }
  func drop() {}
}
