internal import Histories
internal import Log

/// What clients asked and were told about single addresses, for the checkers of histories.
struct Calls {
  private var asked: [UInt64: Int64] = [:]
  private var looks: [UInt64: Int64] = [:]
  /// What the log says that an operation changed, and at which revision.
  private var changes: [UInt64: [(revision: UInt64, change: StoryLine.Change)]] = [:]
  private var answered: [UInt64: Int64] = [:]
  private(set) var history: [HistoryCall] = []

  mutating func ask(_ operation: UInt64, at time: Int64) { asked[operation] = time }
  mutating func askLook(_ ticket: UInt64, at time: Int64) { looks[ticket] = time }

  /// Whether an operation gave or took an address.
  func hasChanged(_ operation: UInt64) -> Bool { changes[operation] != nil }

  /// A batch was written: what it says happened then, if nobody asked for it.
  mutating func wrote(_ story: [StoryLine], at time: Int64) {
    var operations: [UInt64: UInt64] = [:]
    for line in story { if let operation = line.operation { operations[line.revision] = operation } }
    for line in story {
      guard let change = line.change else { continue }
      if let operation = operations[line.revision] {
        changes[operation, default: []].append((line.revision, change))
      } else {
        history.append(change.call(called: time, answered: time, revision: line.revision))
      }
    }
  }

  mutating func acknowledged(_ operation: UInt64, at time: Int64) { answered[operation] = time }

  mutating func looked(_ ticket: UInt64, _ ip: String, _ owner: UInt64?, revision: UInt64, at time: Int64) {
    guard let begun = looks.removeValue(forKey: ticket) else { return }
    history.append(
      HistoryCall(
        address: Calls.number(ip), .saw(owner: owner.map { Int($0) }), called: begun, answered: time,
        revision: revision))
  }

  /// All calls; those that nobody heard the end of may have happened or not, as the log knows.
  func all() -> [HistoryCall] {
    var calls = history
    for operation in changes.keys.sorted() {
      for (revision, change) in changes[operation] ?? [] {
        let end = answered[operation]
        calls.append(
          change.call(called: asked[operation] ?? 0, answered: end, revision: end == nil ? nil : revision))
      }
    }
    return calls
  }

  static func number(_ ip: String) -> UInt64 {
    ip.split(separator: ".").reduce(0) { $0 << 8 | (UInt64($1) ?? 0) }
  }
}

extension StoryLine.Change {
  fileprivate func call(called: Int64, answered: Int64?, revision: UInt64?) -> HistoryCall {
    HistoryCall(
      address: Calls.number(ip), isGiven ? .acquired(owner: Int(owner)) : .released(owner: Int(owner)),
      called: called, answered: answered, revision: revision)
  }
}

extension World {
  /// Whether what clients saw could have happened. An etcd that came back from a backup has lost what they saw.
  func checkCalls() {
    guard truth.restores == 0 else { return }
    let calls = self.calls.all()
    guard !calls.isEmpty else { return }
    saw("a history was judged")
    for _ in calls { saw("calls judged") }
    for (name, verdict) in [("linearity", Linearity().judge(calls)), ("the log's order", LogOrder.judge(calls))] {
      switch verdict {
      case .possible: break
      case .impossible(let address, let why): violate("\(name) of address \(address): \(why)")
      case .givenUp: saw("the search of a history was given up")
      }
    }
  }
}
