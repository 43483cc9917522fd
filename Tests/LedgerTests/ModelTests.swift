import Domain
import Synchronization
import TestSupport
import Testing

@testable import Ledger

/// The ledger against a model that is obviously right: random sequences, a failing one cut down to what matters.
@Suite struct ModelTests {
  static let sequencesPerRun = 125
  static let base = SeededRandom(announcedAs: "ModelTests").seed

  /// One failing sequence, cut down, says more than eighty.
  static let hasFailed = Atomic(false)

  @Test(arguments: 0..<80) func doesWhatTheModelForetells(run: Int) {
    for number in 0..<ModelTests.sequencesPerRun {
      if ModelTests.hasFailed.load(ordering: .relaxed) { return }
      let seed = ModelTests.base &+ UInt64(run * ModelTests.sequencesPerRun + number)
      var random = SeededRandom(seed: seed)
      let steps = Step.sequence(&random, length: 30)
      guard let failure = ModelTests.failure(of: steps), !ModelTests.hasFailed.exchange(true, ordering: .relaxed) else {
        continue
      }
      let (short, why) = shrunk(steps, failure) { ModelTests.failure(of: $0) }
      Issue.record("BERTH_SEED=\(seed) fails with \(short.count) steps:\n\(ModelTests.trace(short))\n\(why)")
      return
    }
  }

  /// The sequences are worth something only if they meet every answer: each kind, and each refusal that they can provoke.
  @Test func sequencesMeetEveryAnswer() throws {
    var answers: [String: Int] = [:]
    var random = SeededRandom(seed: 1)
    for _ in 0..<500 {
      let harness = Harness()
      try harness.run(Step.sequence(&random, length: 30))
      answers.merge(harness.answers) { $0 + $1 }
    }
    let unprovoked: Set<Rejection.Code> = [
      .noDefaultPool, .tooManyPools, .tooManyReservations, .tooManyForOwner, .managedByVM, .tooLarge, .tooManyTokens
    ]
    let kinds = [
      "pool", "poolDeleted", "reservation", "reservationDeleted", "granted", "repeated", "released", "allocation",
      "expired", "imported", "suggestion", "freeBlocks", "replay", "token", "tokenSpent",
      "tokenRevoked", "enrolled", "enrolledBefore"
    ]
    let codes = Rejection.Code.allCases.filter { !unprovoked.contains($0) && !fleetCodes.contains($0) }.map(\.rawValue)
    for name in kinds + codes { #expect(answers[name, default: 0] > 0, "never met: \(name)") }
  }

  private static func failure(of steps: [Step]) -> String? {
    do {
      try Harness().run(steps)
      return nil
    } catch { return "\(error)" }
  }

  private static func trace(_ steps: [Step]) -> String {
    let harness = Harness()
    harness.keepsTrace = true
    try? harness.run(steps)
    return harness.said.joined(separator: "\n")
  }
}
