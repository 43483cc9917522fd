import Cluster
import Engine
import Log
import Testing

private let leader = Leader(epoch: 3, node: "b", url: "http://b:1")

@Suite("The tries of a request that is passed on")
struct PassAttemptsTests {
  /// An object, because expectations cannot change values.
  private final class Tries {
    private var attempts: PassAttempts
    init(_ attempts: PassAttempts) { self.attempts = attempts }
    func isFinal(_ result: PassAttempts.Result) -> Bool { attempts.isFinal(result) }
    func next(_ leadership: Leadership, isTimeLeft: Bool) -> PassAttempts.Step {
      attempts.next(leadership, isTimeLeft: isTimeLeft)
    }
  }

  private func attempts(changes: Bool = true, isOnce: Bool = false) -> Tries {
    Tries(PassAttempts(changes: changes, isOnce: isOnce))
  }

  @Test func theLeaderIsAskedAndItsAnswerIsTheAnswer() {
    let tries = attempts()
    #expect(tries.next(.following(leader), isTimeLeft: true) == .ask(leader))
    for status in [200, 201, 404, 409, 422, 401] {
      #expect(tries.isFinal(.answered(status: status, code: nil)))
    }
    #expect(tries.isFinal(.answered(status: 503, code: "storage_full")))
  }

  @Test func whileNobodyLeadsItWaitsAndThenSaysThatNothingWasDone() {
    let tries = attempts()
    #expect(tries.next(.following(nil), isTimeLeft: true) == .wait)
    #expect(tries.next(.takingOver(epoch: 4), isTimeLeft: true) == .wait)
    #expect(tries.next(.following(nil), isTimeLeft: false) == .giveUp(isCertain: true))
  }

  @Test func aNodeThatHasBecomeTheLeaderDecidesItself() {
    #expect(attempts().next(.leading(epoch: 4), isTimeLeft: true) == .here)
  }

  @Test func whatMayHaveBeenDoneBeforeIsInDoubtFromTheBeginning() {
    let tries = Tries(PassAttempts(changes: true, isOnce: false, isDoubtful: true))
    #expect(!tries.isFinal(.answered(status: 503, code: "storage_full")))
    #expect(tries.next(.following(nil), isTimeLeft: false) == .giveUp(isCertain: false))
    #expect(tries.isFinal(.answered(status: 201, code: nil)))
  }

  @Test func aFormerLeadersRefusalIsNoAnswer() {
    let tries = attempts()
    #expect(!tries.isFinal(.answered(status: 503, code: "no_leader")))
    #expect(!tries.isFinal(.answered(status: 503, code: "stopping")))
    #expect(tries.next(.following(leader), isTimeLeft: false) == .giveUp(isCertain: true))
  }

  @Test func onceARequestHasLeftOnlyAnAnswerEndsTheDoubt() {
    let tries = attempts()
    #expect(!tries.isFinal(.failed(wasSent: false)))
    #expect(tries.next(.following(nil), isTimeLeft: false) == .giveUp(isCertain: true))
    #expect(!tries.isFinal(.failed(wasSent: true)))
    #expect(!tries.isFinal(.failed(wasSent: false)))
    #expect(!tries.isFinal(.answered(status: 503, code: "no_leader")))
    #expect(!tries.isFinal(.answered(status: 503, code: "busy")), "a later try that did nothing proves nothing")
    #expect(tries.next(.following(nil), isTimeLeft: false) == .giveUp(isCertain: false))
    #expect(tries.isFinal(.answered(status: 201, code: nil)))
  }

  @Test func anUnknownOutcomeIsAskedForAgain() {
    let tries = attempts()
    #expect(!tries.isFinal(.answered(status: 504, code: "outcome_unknown")))
    #expect(tries.next(.following(leader), isTimeLeft: true) == .ask(leader))
    #expect(tries.next(.following(leader), isTimeLeft: false) == .giveUp(isCertain: false))
  }

  @Test func aQuestionIsNeverInDoubt() {
    let tries = attempts(changes: false)
    #expect(!tries.isFinal(.failed(wasSent: true)))
    #expect(tries.next(.following(nil), isTimeLeft: false) == .giveUp(isCertain: true))
  }

  @Test func whatIsAskedOnceIsAskedOnce() {
    let tries = attempts(changes: false, isOnce: true)
    #expect(tries.next(.following(nil), isTimeLeft: true) == .giveUp(isCertain: true))
    #expect(tries.next(.following(leader), isTimeLeft: true) == .ask(leader))
    #expect(!tries.isFinal(.failed(wasSent: true)))
    #expect(tries.next(.following(leader), isTimeLeft: true) == .giveUp(isCertain: true))
  }
}
