import Domain
import Platform
import TestSupport
import Testing

@testable import Engine

private let timing = FleetTiming(lease: .seconds(15))
private func at(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: Int64(seconds * 1_000_000_000)) }
private func name(_ text: String) -> NodeName { NodeName(trusted: text) }

@Suite("Heartbeats")
struct HeartbeatTests {
  private let nodes = [name("a"), name("b")]

  @Test func aNodeIsSilentAfterALeaseAndItsLeaseHasEndedAfterTheMargin() {
    var heartbeats = Heartbeats()
    var lost: Set<NodeName> = []
    func due(_ seconds: Double) -> Heartbeats.Due {
      heartbeats.due(among: nodes, at: at(seconds), timing) { lost.contains($0) }
    }
    #expect(due(0) == Heartbeats.Due())
    for second in 1..<15 { heartbeats.hear(name("a"), nil, at: at(Double(second))) }
    #expect(due(14.9) == Heartbeats.Due())
    #expect(due(15).silent == [name("b")])
    #expect(due(15.1).silent == [name("b")], "asked again until the row says so")
    lost = [name("b")]
    #expect(due(19.9) == Heartbeats.Due())
    #expect(due(20).ended == [name("b")])
    #expect(due(20.5).ended == [], "not every quarter of a second")
    #expect(due(30).ended == [name("b")], "but again, for what did not fit the entry")
    heartbeats.hear(name("b"), nil, at: at(31))
    lost = []
    #expect(due(32).silent == [name("a")])
  }

  @Test func aNewLeaderGivesEverybodyAFullLease() {
    var heartbeats = Heartbeats()
    _ = heartbeats.due(among: nodes, at: at(0), timing) { _ in false }
    heartbeats.restart(at: at(100))
    #expect(heartbeats.due(among: nodes, at: at(114), timing) { _ in false } == Heartbeats.Due())
    #expect(heartbeats.due(among: nodes, at: at(115), timing) { _ in false }.silent == nodes)
    #expect(
      heartbeats.due(among: nodes, at: at(119), timing) { _ in true }.ended == [], "nor is a lost one's lease over")
    #expect(heartbeats.due(among: nodes, at: at(120), timing) { _ in true }.ended == nodes)
  }

  @Test func aNodeThatWasLostAndRegistersHasALeaseToReport() {
    var heartbeats = Heartbeats()
    _ = heartbeats.due(among: nodes, at: at(0), timing) { _ in false }
    #expect(heartbeats.due(among: nodes, at: at(15), timing) { _ in false }.silent == nodes)
    _ = heartbeats.due(among: nodes, at: at(60), timing) { _ in true }
    #expect(heartbeats.due(among: nodes, at: at(61), timing) { _ in false } == Heartbeats.Due())
    #expect(heartbeats.due(among: nodes, at: at(75), timing) { _ in false } == Heartbeats.Due())
    #expect(heartbeats.due(among: nodes, at: at(76), timing) { _ in false }.silent == nodes)
  }

  /// As after a change of leaders: it is lost when the new one begins, and registers just before a lease is over.
  @Test func whoRegistersWithinTheFirstLeaseOfALeaderHasAWholeOneToReport() {
    var heartbeats = Heartbeats()
    _ = heartbeats.due(among: nodes, at: at(0), timing) { _ in true }
    heartbeats.restart(at: at(0))
    #expect(heartbeats.due(among: nodes, at: at(5), timing) { _ in true } == Heartbeats.Due())
    for second in [14.0, 16, 30] {
      #expect(heartbeats.due(among: nodes, at: at(second), timing) { _ in false } == Heartbeats.Due(), "\(second)")
    }
    #expect(heartbeats.due(among: nodes, at: at(31), timing) { _ in false }.silent == nodes)
  }

  @Test func aNodeThatWasFencedAndRegistersHasALeaseToReport() {
    var heartbeats = Heartbeats()
    _ = heartbeats.due(among: nodes, at: at(0), timing) { _ in false }
    for second in [5.0, 15, 60] {
      #expect(heartbeats.due(among: nodes, at: at(second), timing) { _ in nil } == Heartbeats.Due())
    }
    #expect(heartbeats.due(among: nodes, at: at(61), timing) { _ in false } == Heartbeats.Due())
    #expect(heartbeats.due(among: nodes, at: at(75), timing) { _ in false } == Heartbeats.Due())
    #expect(heartbeats.due(among: nodes, at: at(76), timing) { _ in false }.silent == nodes)
  }

  @Test func aNodeThatIsNoneIsForgotten() {
    var heartbeats = Heartbeats()
    heartbeats.hear(name("gone"), nil, at: at(0))
    _ = heartbeats.due(among: nodes, at: at(1), timing) { _ in false }
    #expect(heartbeats.health(of: name("gone"), at: at(1)) == nil)
    #expect(heartbeats.health(of: name("a"), at: at(3))?.silent == .seconds(2))
  }

  /// Leases granted by a leader that is none any more end before its successor starts anything elsewhere, whatever the
  /// two clocks do within the margin.
  @Test(arguments: 0..<200) func noLeaseOutlivesTheSuccessorsPatience(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    func upTo(_ seconds: Double) -> Double { Double.random(in: 0...seconds, using: &random) }
    let watch = NodeWatch(timing)
    let begun = upTo(10)
    watch.begin(at: at(begun), proven: at(begun))
    var (now, lastProof, longest) = (begun, begun, begun)
    // The successor begins at any time after the last thing that the old leader brought about.
    for _ in 0..<50 {
      now += upTo(2)
      if random.next() % 3 == 0 {
        let began = max(lastProof, now - upTo(1))
        watch.prove(at: at(began))
        lastProof = began
      }
      let sent = now - upTo(0.5)
      if case .taken(let milliseconds) = watch.hear(name("a"), nil, isAlone: false, at: at(now)) {
        longest = max(longest, sent + Double(milliseconds) / 1_000)
      }
    }
    let successor = lastProof
    #expect(longest <= successor + 15 + 1e-6, "seed \(seed)")
  }

  @Test func aLeaderThatCannotProveItGrantsNothing() {
    let watch = NodeWatch(timing)
    #expect(watch.hear(name("a"), nil, isAlone: false, at: at(1)) == .notLeading)
    watch.begin(at: at(2), proven: at(1))
    #expect(watch.hear(name("a"), nil, isAlone: false, at: at(2)) == .taken(leaseMilliseconds: 14_000))
    #expect(watch.wantsProof(at: at(2)))
    #expect(watch.hear(name("a"), nil, isAlone: false, at: at(16)) == .notLeading)
    watch.prove(at: at(15))
    #expect(watch.hear(name("a"), nil, isAlone: false, at: at(16)) == .taken(leaseMilliseconds: 14_000))
    watch.end()
    watch.prove(at: at(17))
    #expect(watch.hear(name("a"), nil, isAlone: false, at: at(18)) == .notLeading, "a proof that comes too late")
    #expect(watch.hear(name("a"), nil, isAlone: true, at: at(18)) == .taken(leaseMilliseconds: 15_000))
  }
}
