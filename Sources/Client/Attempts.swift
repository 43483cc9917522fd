internal import HTTPClient

/// What to do after each try of a call: the retry policy without sockets or clocks.
struct Attempts {
  /// How a try ended.
  enum Ending {
    case answered(Answer)
    case failed(HTTPClientFault.Kind, wasSent: Bool, String)
  }

  /// What follows.
  enum Step {
    /// This is the answer, good or bad.
    case accept(Answer)
    /// Try the next place after a pause.
    case again(Duration)
    case giveUp(ClientFault)
  }

  private let policy: RetryPolicy
  private let isWrite: Bool
  private let places: Int
  private var made = 0
  private var round: Duration
  /// Why a write may have had an effect that nobody has confirmed.
  private var doubt: String?

  init(_ policy: RetryPolicy, isWrite: Bool, places: Int) {
    self.policy = policy
    self.isWrite = isWrite
    self.places = places
    round = policy.firstPause
  }

  mutating func next(after ending: Ending, left: Duration) -> Step {
    made += 1
    switch ending {
    case .answered(let answer):
      if isWrite, answer.status == 504 {
        doubt = Refusal(answer).detail
        return again(after: nil, left) ?? .giveUp(.outcomeUnknown(doubt!))
      }
      guard answer.status == 503, let seconds = answer.retryAfter else { return .accept(answer) }
      if let step = again(after: .seconds(seconds), left) { return step }
      return doubt.map { .giveUp(.outcomeUnknown($0)) } ?? .accept(answer)
    case .failed(let kind, let wasSent, let sentence):
      if isWrite, wasSent { doubt = doubt ?? sentence }
      guard kind != .invalidRequest else { return .giveUp(.invalid(sentence)) }
      // Whoever does not speak HTTP as we do will not do so the next time.
      let isHopeless = kind == .malformedAnswer || kind == .answerTooLarge
      if !isHopeless, let step = again(after: nil, left) { return step }
      if let doubt { return .giveUp(.outcomeUnknown(doubt)) }
      return .giveUp(isHopeless ? .notBerth(sentence) : .noServer(sentence))
    }
  }

  /// The next try, if there may be one; within a round there is no pause but the one that the server asks for.
  private mutating func again(after asked: Duration?, _ left: Duration) -> Step? {
    guard made < policy.attempts else { return nil }
    var pause = min(asked ?? .zero, policy.longestPause)
    if made % places == 0 {
      pause = max(pause, round)
      round = min(round * 2, policy.longestPause)
    } else if asked != nil {
      // Another place may have room.
      pause = .zero
    }
    return pause < left ? .again(pause) : nil
  }
}
