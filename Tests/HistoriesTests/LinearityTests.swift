import Histories
import TestSupport
import Testing

/// The checker itself: what could have happened passes, and what could not does not.
@Suite struct LinearityTests {
  private func call(
    _ action: HistoryCall.Action, _ called: Int64, _ answered: Int64?, address: UInt64 = 1, revision: UInt64? = nil
  ) -> HistoryCall {
    HistoryCall(address: address, action, called: called, answered: answered, revision: revision)
  }

  private func isImpossible(_ verdict: HistoryVerdict) -> Bool {
    if case .impossible = verdict { true } else { false }
  }

  @Test func oneAfterTheOtherIsPossible() {
    let history = [
      call(.acquired(owner: 1), 0, 1), call(.saw(owner: 1), 2, 3), call(.released(owner: 1), 4, 5),
      call(.saw(owner: nil), 6, 7), call(.acquired(owner: 2), 8, 9)
    ]
    #expect(Linearity().judge(history) == .possible)
  }

  @Test func twoOwnersAtATimeAreImpossible() {
    #expect(
      isImpossible(Linearity().judge([call(.acquired(owner: 1), 0, 10), call(.acquired(owner: 2), 5, 15)])))
  }

  @Test func overlappingCallsMayHaveEitherOrder() {
    let history = [
      call(.acquired(owner: 2), 0, 10), call(.released(owner: 1), 0, 10), call(.acquired(owner: 1), 0, 10)
    ]
    #expect(Linearity().judge(history) == .possible)
  }

  @Test func aStaleLookIsImpossible() {
    let history = [call(.acquired(owner: 1), 0, 1), call(.saw(owner: nil), 2, 3)]
    #expect(isImpossible(Linearity().judge(history)))
    #expect(Linearity().judge([history[0], call(.saw(owner: nil), 0, 3)]) == .possible)
  }

  @Test func aLostAcknowledgedCallIsImpossible() {
    let history = [call(.acquired(owner: 1), 0, 1), call(.acquired(owner: 2), 2, 3)]
    #expect(isImpossible(Linearity().judge(history)))
  }

  @Test func aCallWithoutAnAnswerMayHappenLateOrNever() {
    let lost = call(.acquired(owner: 1), 0, nil)
    #expect(Linearity().judge([lost]) == .possible)
    #expect(Linearity().judge([lost, call(.saw(owner: nil), 5, 6), call(.saw(owner: 1), 50, 60)]) == .possible)
    #expect(Linearity().judge([lost, call(.acquired(owner: 2), 5, 6)]) == .possible)
    #expect(isImpossible(Linearity().judge([lost, call(.saw(owner: 1), 5, 6), call(.saw(owner: nil), 7, 8)])))
  }

  @Test func aSearchThatIsTooLongIsNoPass() {
    var search = Linearity()
    search.limit = 3
    let history = (0..<8).map { call(.saw(owner: $0 % 2 == 0 ? nil : 1), 0, 100) } + [call(.acquired(owner: 1), 0, 100)]
    #expect(search.judge(history) == .givenUp(address: 1))
    #expect(Linearity().judge(history) == .possible)
  }

  /// Histories of calls that did take effect one after the other, their intervals stretched at random: all possible.
  /// One of them changed to what did not happen: a long enough list has some that are impossible, and what the quick
  /// check refuses by revision the search never accepts as stricter than time allows.
  @Test func whatHappenedPassesAndWhatWasForgedIsFound() {
    var found = 0
    for seed in UInt64(1)...200 {
      var random = SeededRandom(seed: seed)
      let history = happened(&random)
      #expect(Linearity().judge(history) == .possible, "seed \(seed)")
      #expect(LogOrder.judge(history) == .possible, "seed \(seed)")
      let forged = forge(history, &random)
      if isImpossible(LogOrder.judge(forged)) { found += 1 }
      if isImpossible(Linearity().judge(forged)) { #expect(isImpossible(LogOrder.judge(forged)), "seed \(seed)") }
    }
    #expect(found > 150, "only \(found) of 200 forgeries were found")
  }

  /// A true story: each call takes effect at `10 * n`, at revision n.
  private func happened(_ random: inout SeededRandom) -> [HistoryCall] {
    var holders: [UInt64: Int] = [:]
    var history: [HistoryCall] = []
    for number in 1...60 {
      let address = UInt64.random(in: 0..<4, using: &random)
      let owner = Int.random(in: 0..<5, using: &random)
      let action: HistoryCall.Action
      if Int.random(in: 0..<3, using: &random) == 0 {
        action = .saw(owner: holders[address])
      } else if let holder = holders[address] {
        action = .released(owner: holder)
        holders[address] = nil
      } else {
        action = .acquired(owner: owner)
        holders[address] = owner
      }
      let at = Int64(10 * number)
      let isLost = Int.random(in: 0..<12, using: &random) == 0
      history.append(
        HistoryCall(
          address: address, action, called: at - Int64.random(in: 0..<40, using: &random),
          answered: isLost ? nil : at + Int64.random(in: 0..<40, using: &random),
          revision: isLost ? nil : UInt64(number)))
    }
    return history
  }

  /// One answered change told as if another owner had made it.
  private func forge(_ history: [HistoryCall], _ random: inout SeededRandom) -> [HistoryCall] {
    var forged = history
    let candidates = history.indices.filter { history[$0].answered != nil }
    let index = candidates[Int.random(in: 0..<candidates.count, using: &random)]
    let call = history[index]
    let action: HistoryCall.Action =
      switch call.action {
      case .acquired(let owner): .acquired(owner: owner + 100)
      case .released(let owner): .released(owner: owner + 100)
      case .saw(let owner): .saw(owner: (owner ?? 0) + 100)
      }
    forged[index] = HistoryCall(
      address: call.address, action, called: call.called, answered: call.answered, revision: call.revision)
    return forged
  }
}

@Suite struct LogOrderTests {
  @Test func anOlderRevisionAfterANewerAnswerIsFound() {
    let history = [
      HistoryCall(address: 1, .acquired(owner: 1), called: 0, answered: 1, revision: 9),
      HistoryCall(address: 2, .saw(owner: nil), called: 5, answered: 6, revision: 8)
    ]
    guard case .impossible(address: 2, _) = LogOrder.judge(history) else {
      Issue.record("not found")
      return
    }
  }
}
