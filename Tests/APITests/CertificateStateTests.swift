import API
import Testing

@Suite("When certificates end") struct CertificateStateTests {
  private static let day: Int64 = 86_400
  private static let cases: [(left: Int64, urgency: CertificateState.Urgency, words: String)] = [
    (31 * day, .none, "31 days"), (30 * day, .soon, "30 days"), (8 * day, .soon, "8 days"), (7 * day, .now, "7 days"),
    (day + 5, .now, "1 day:"), (1, .now, "0 days"), (0, .late, "has ended"), (-5, .late, "has ended")
  ]

  @Test(arguments: cases)
  func theNearerTheLouder(left: Int64, urgency: CertificateState.Urgency, words: String) {
    let state = CertificateState(use: "server", path: "/c.pem", endsAt: 1_000_000 + left)
    #expect(state.urgency(at: 1_000_000) == urgency)
    #expect(state.sentence(at: 1_000_000).contains(words) && state.sentence(at: 0).contains("/c.pem (server)"))
  }

  @Test func oneThatCannotBeReadIsAsIfItHadEnded() {
    let state = CertificateState(use: "etcd", path: "/c.pem", endsAt: nil)
    #expect(state.urgency(at: 0) == .late && state.sentence(at: 0).contains("cannot be read"))
  }
}
