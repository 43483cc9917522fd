import Domain
import Testing

@testable import Ledger

@Suite struct DistanceTests {
  @Test func distancesThatChangeAllTheTimeWakeWhoWaitsNowAndThenAndTheLastCounts() {
    let desk = Desk()
    desk.node("n1") { $0.topology.datacenter = "ams" }
    func measure(_ microseconds: UInt32) {
      desk.ask(.fleet(.measured([Latency(from: "ams", to: "fra", microseconds: microseconds)])))
      desk.schedule()
    }
    desk.create("near") {
      $0.interfaces = []
      ($0.locality.latencyFrom, $0.locality.maxLatency) = ("fra", 5_000)
    }
    // It is refused so often that it rests for long.
    for _ in 0..<12 {
      desk.pass(seconds: 60)
      desk.schedule()
    }
    measure(90_000)
    #expect(desk.vm("near").state == .pending && desk.ledger.nextWork ?? 0 > desk.time + 50_000_000, "it was woken")
    for _ in 0..<10 {
      desk.pass(seconds: 1)
      measure(3_000)
    }
    #expect(desk.vm("near").state == .pending)
    desk.pass(seconds: 20)
    desk.schedule()
    #expect(desk.vm("near").node == nodeName("n1"), "what was measured meanwhile is not lost")
  }
}
