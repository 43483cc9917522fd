/// Checks a history whose answers name their revisions: the log's order is the only candidate.
package enum LogOrder {
  /// Judges all answered calls that name a revision.
  package static func judge(_ history: [HistoryCall]) -> HistoryVerdict {
    let known = history.filter { $0.answered != nil && $0.revision != nil }
    if let verdict = checkTime(known) { return verdict }
    var byAddress: [UInt64: [HistoryCall]] = [:]
    for call in known { byAddress[call.address, default: []].append(call) }
    let unknown = Dictionary(grouping: history.filter { $0.answered == nil }, by: \.address)
    for address in byAddress.keys.sorted() {
      let calls = byAddress[address] ?? []
      if let why = tell(calls, mayHaveHappened: unknown[address] ?? []) {
        return .impossible(address: address, why: why)
      }
    }
    return .possible
  }

  /// A call that was made after another's answer has come is answered at no earlier revision.
  private static func checkTime(_ known: [HistoryCall]) -> HistoryVerdict? {
    let byCall = known.sorted { $0.called < $1.called }
    let byAnswer = known.sorted { ($0.answered ?? 0) < ($1.answered ?? 0) }
    var newest: UInt64 = 0
    var next = 0
    for call in byCall {
      while next < byAnswer.count, let answered = byAnswer[next].answered, answered < call.called {
        newest = max(newest, byAnswer[next].revision ?? 0)
        next += 1
      }
      if let revision = call.revision, revision < newest {
        return .impossible(
          address: call.address, why: "answered at revision \(revision) after somebody was told of revision \(newest)")
      }
    }
    return nil
  }

  /// The changes of one address in the order of their revisions, each look between them; nil = they tell one story.
  private static func tell(_ calls: [HistoryCall], mayHaveHappened unknown: [HistoryCall]) -> String? {
    var changes: [(revision: UInt64, action: HistoryCall.Action)] = []
    var looks: [(revision: UInt64, owner: Int?)] = []
    for call in calls {
      guard let revision = call.revision else { continue }
      if case .saw(let owner) = call.action {
        looks.append((revision, owner))
      } else {
        changes.append((revision, call.action))
      }
    }
    changes.sort { $0.revision < $1.revision }
    looks.sort { $0.revision < $1.revision }
    var story = Story(unknown: unknown.map(\.action))
    var next = 0
    for change in changes {
      while next < looks.count, looks[next].revision < change.revision {
        if let why = story.look(looks[next].owner, at: looks[next].revision) { return why }
        next += 1
      }
      if let why = story.take(change.action, at: change.revision) { return why }
    }
    for look in looks[next...] { if let why = story.look(look.owner, at: look.revision) { return why } }
    return nil
  }

  /// Who holds the address, as far as the story has been told; what nobody was told of fills its gaps, once each.
  private struct Story {
    var owner: Int?
    var unknown: [HistoryCall.Action]

    mutating func take(_ action: HistoryCall.Action, at revision: UInt64) -> String? {
      switch action {
      case .acquired(let new):
        guard reach(nil) else { return "given to \(new) at revision \(revision) while \(owner ?? -1) held it" }
        owner = new
      case .released(let old):
        guard reach(old) else { return "taken from \(old) at revision \(revision), who did not hold it" }
        owner = nil
      case .saw(let seen): return look(seen, at: revision)
      }
      return nil
    }

    mutating func look(_ seen: Int?, at revision: UInt64) -> String? {
      reach(seen)
        ? nil
        : "seen at revision \(revision) with \(seen.map { "\($0)" } ?? "nobody") while \(owner.map { "\($0)" } ?? "nobody") held it"
    }

    /// Gets to a state by what may have happened without an answer.
    private mutating func reach(_ wanted: Int?) -> Bool {
      if owner == wanted { return true }
      if let held = owner {
        guard use(.released(owner: held)) else { return false }
        owner = nil
        if wanted == nil { return true }
      }
      guard let wanted, use(.acquired(owner: wanted)) else { return false }
      owner = wanted
      return true
    }

    private mutating func use(_ action: HistoryCall.Action) -> Bool {
      guard let index = unknown.firstIndex(of: action) else { return false }
      unknown.remove(at: index)
      return true
    }
  }
}
