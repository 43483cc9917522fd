import Domain
import Synchronization
import TestSupport
import Testing

@testable import Ledger

/// Random lives of small fleets; a failing one is cut down to what matters.
@Suite struct FleetModelTests {
  static let sequencesPerRun = 20
  static let base = SeededRandom(announcedAs: "FleetModelTests").seed

  /// One failing sequence, cut down, says more than many.
  static let hasFailed = Atomic(false)

  @Test(arguments: 0..<40) func s0_32_andS0_34_whateverHappensNodesVMsAndAddressesAgree(run: Int) {
    for number in 0..<FleetModelTests.sequencesPerRun {
      if FleetModelTests.hasFailed.load(ordering: .relaxed) { return }
      let seed = FleetModelTests.base &+ UInt64(run * FleetModelTests.sequencesPerRun + number)
      var random = SeededRandom(seed: seed)
      let steps = FleetStep.sequence(&random, length: 60)
      guard let failure = FleetModelTests.failure(of: steps),
        !FleetModelTests.hasFailed.exchange(true, ordering: .relaxed)
      else { continue }
      let (short, why) = shrunk(steps, failure) { FleetModelTests.failure(of: $0) }
      Issue.record("BERTH_SEED=\(seed) fails with \(short.count) steps:\n\(FleetModelTests.trace(short))\n\(why)")
      return
    }
  }

  /// The sequences are worth something only if they meet what they look for.
  @Test func livesMeetEveryAnswer() throws {
    var answers: [String: Int] = [:]
    var random = SeededRandom(seed: 1)
    for _ in 0..<300 {
      let harness = FleetHarness()
      try harness.run(FleetStep.sequence(&random, length: 60))
      answers.merge(harness.answers) { $0 + $1 }
    }
    let unprovoked: Set<Rejection.Code> = [.tooManyNodes, .tooManyVMs]
    let kinds = [
      "new placed", "new pending", "new stopped", "vm stopping", "vm stopped", "vm placed", "vm pending",
      "vm migrating",
      "vmDeleted", "node", "nodeDeleted", "quota", "quotaDeleted", "capacity", "capacityDeleted", "changed", "plan"
    ]
    for name in kinds + fleetCodes.subtracting(unprovoked).map(\.rawValue) {
      #expect(answers[name, default: 0] > 0, "never met: \(name)")
    }
  }

  private static func failure(of steps: [FleetStep]) -> String? {
    do {
      try FleetHarness().run(steps)
      return nil
    } catch { return "\(error)" }
  }

  private static func trace(_ steps: [FleetStep]) -> String {
    let harness = FleetHarness()
    harness.keepsTrace = true
    try? harness.run(steps)
    return harness.said.joined(separator: "\n")
  }
}
