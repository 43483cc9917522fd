package import Domain

/// What schedulers outside said of VMs that have no place yet: bounded, never logged, forgotten with the leader.
///
/// What was said holds for a while, or until another node takes VMs, over as many tries as there are: a refusal is not
/// forgotten on the next one.
/// A VM of which nothing was said, or too long ago, waits while they are asked, and no longer than `patience`: then it
/// is decided without them, and its explanation says so.
package struct AdviceBook {
  /// How long what was said holds, in microseconds of log time.
  package static let goodFor: LogTime = 30_000_000
  /// VMs of which it is known what was said, and those that wait for it.
  package static let most = 1_024

  /// Whom it is about; empty = there are none, and nobody waits for them.
  package var names: [String] = []
  /// How long a VM waits for them, in microseconds of log time.
  package var patience: LogTime = 5_000_000
  private var known: [VMKey: (said: Advice, at: LogTime)] = [:]
  private var since: [VMKey: LogTime] = [:]
  private var wanted: [VMKey] = []

  /// What is known.
  enum State {
    /// There are no schedulers outside.
    case unasked
    /// They said this.
    case there(Advice)
    /// They have not been heard yet.
    case awaited
  }

  /// There are no schedulers.
  package init() {}

  /// What is known of a VM; what was said before `newest` does not count. Unless it is only a question, those of whom
  /// nothing is known are noted to be asked about.
  mutating func state(of key: VMKey, at time: LogTime, newest: Revision, isQuestion: Bool) -> State {
    if names.isEmpty { return .unasked }
    if let item = known[key], time < item.at + AdviceBook.goodFor, item.said.revision >= newest {
      return .there(item.said)
    }
    if isQuestion { return .unasked }
    guard let begun = since[key] else {
      if since.count >= AdviceBook.most { since = since.filter { time < $0.value + 2 * patience } }
      guard since.count < AdviceBook.most else { return .there(without("too many VMs wait for them")) }
      since[key] = time
      wanted.append(key)
      return .awaited
    }
    if time < begun + patience { return .awaited }
    since[key] = nil
    return .there(without("nothing was heard in \(patience / 1_000_000) s"))
  }

  private func without(_ why: String) -> Advice {
    var advice = Advice()
    advice.notes = ["schedulers left out (\(names.joined(separator: ", "))): \(why)"]
    return advice
  }

  /// VMs of which it is known what was said.
  var count: Int { known.count }

  /// Until when a VM waits for what they say; nil = it does not.
  func awaited(_ key: VMKey, at time: LogTime) -> LogTime? {
    since[key].map { $0 + patience }.flatMap { time < $0 ? $0 : nil }
  }

  /// They spoke; of what was before `newest` they are asked again, and the VM waits no longer for that.
  mutating func take(_ said: Advice, of key: VMKey, at time: LogTime, newest: Revision) {
    if names.isEmpty { return }
    if known.count >= AdviceBook.most, known[key] == nil {
      known = known.filter { time < $0.value.at + AdviceBook.goodFor }
      if known.count >= AdviceBook.most, let oldest = known.min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) }) {
        known[oldest.key] = nil
      }
    }
    known[key] = (said, time)
    if said.revision >= newest { since[key] = nil } else if since[key] != nil { wanted.append(key) }
  }

  /// A VM has a place: the next time they are asked again.
  mutating func forget(_ key: VMKey) {
    if names.isEmpty { return }
    (known[key], since[key]) = (nil, nil)
  }

  /// The VMs that they are to be asked about, each told of once.
  package mutating func takeWanted() -> [VMKey] {
    if wanted.isEmpty { return [] }
    defer { wanted = [] }
    return wanted
  }
}
