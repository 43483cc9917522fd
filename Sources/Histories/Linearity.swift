/// Searches for an order in which all calls about one address make sense.
package struct Linearity {
  /// The most steps of one search.
  package var limit = 2_000_000

  /// A search with the usual bound.
  package init() {}

  /// Judges a history, address by address.
  package func judge(_ history: [HistoryCall]) -> HistoryVerdict {
    var byAddress: [UInt64: [HistoryCall]] = [:]
    for call in history { byAddress[call.address, default: []].append(call) }
    var givenUp: HistoryVerdict?
    for address in byAddress.keys.sorted() {
      switch Search(byAddress[address] ?? []).run(limit: limit) {
      case true?: continue
      case false?: return .impossible(address: address, why: "no order of its calls makes sense")
      case nil: givenUp = givenUp ?? .givenUp(address: address)
      }
    }
    return givenUp ?? .possible
  }
}

/// The state of one address: who holds it.
private struct Holder: Hashable {
  var owner: Int?

  /// The state after `action`; nil = it cannot have happened here.
  func after(_ action: HistoryCall.Action) -> Holder? {
    switch action {
    case .acquired(let owner): self.owner == nil ? Holder(owner: owner) : nil
    case .released(let owner): self.owner == owner ? Holder(owner: nil) : nil
    case .saw(let owner): self.owner == owner ? self : nil
    }
  }
}

/// One search: the calls' beginnings and ends as a linked list, from which calls are lifted as they take effect.
private struct Search {
  private struct Event {
    let call: Int
    let isEnd: Bool
    var previous: Int
    var next: Int
  }

  private struct Step {
    let call: Int
    let before: Holder
  }

  private struct Configuration: Hashable {
    let done: [UInt64]
    let state: Holder
  }

  private let calls: [HistoryCall]
  /// Event 0 is the list's head; its end is -1.
  private var events: [Event]
  private var begin: [Int]
  private var end: [Int]
  private var open: Int

  init(_ calls: [HistoryCall]) {
    self.calls = calls
    var moments: [(at: Int64, isEnd: Bool, call: Int)] = []
    for (index, call) in calls.enumerated() {
      moments.append((call.called, false, index))
      if let answered = call.answered { moments.append((answered, true, index)) }
    }
    // An answer at the moment of another's call may be of either order: the call comes first.
    moments.sort { ($0.at, $0.isEnd ? 1 : 0, $0.call) < ($1.at, $1.isEnd ? 1 : 0, $1.call) }
    events = [Event(call: -1, isEnd: false, previous: -1, next: moments.isEmpty ? -1 : 1)]
    begin = Array(repeating: 0, count: calls.count)
    end = Array(repeating: 0, count: calls.count)
    for (index, moment) in moments.enumerated() {
      let place = index + 1
      events.append(
        Event(call: moment.call, isEnd: moment.isEnd, previous: index, next: place == moments.count ? -1 : place + 1))
      if moment.isEnd { end[moment.call] = place } else { begin[moment.call] = place }
    }
    open = calls.count { $0.answered != nil }
  }

  private mutating func unlink(_ place: Int) {
    guard place > 0 else { return }
    let event = events[place]
    events[event.previous].next = event.next
    if event.next >= 0 { events[event.next].previous = event.previous }
  }

  private mutating func relink(_ place: Int) {
    guard place > 0 else { return }
    let event = events[place]
    events[event.previous].next = place
    if event.next >= 0 { events[event.next].previous = place }
  }

  /// True = an order was found, false = there is none, nil = given up.
  consuming func run(limit: Int) -> Bool? {
    var search = self
    return search.find(limit)
  }

  private mutating func find(_ limit: Int) -> Bool? {
    var state = Holder()
    var done = [UInt64](repeating: 0, count: (calls.count + 63) / 64)
    var seen: Set<Configuration> = []
    var stack: [Step] = []
    var place = events[0].next
    var steps = 0
    // Calls without an answer need not happen.
    while open > 0 {
      steps += 1
      if steps > limit { return nil }
      let call = place >= 0 ? events[place].call : -1
      if place >= 0, !events[place].isEnd {
        if let next = state.after(calls[call].action) {
          done[call / 64] |= 1 << UInt64(call % 64)
          if seen.insert(Configuration(done: done, state: next)).inserted {
            stack.append(Step(call: call, before: state))
            lift(call)
            state = next
            place = events[0].next
            continue
          }
          done[call / 64] &= ~(1 << UInt64(call % 64))
        }
        place = events[place].next
        continue
      }
      // The end of a call that has not happened yet, or of the list: go back and let the last one happen later.
      guard let last = stack.popLast() else { return false }
      done[last.call / 64] &= ~(1 << UInt64(last.call % 64))
      state = last.before
      lower(last.call)
      place = events[begin[last.call]].next
    }
    return true
  }

  private mutating func lift(_ call: Int) {
    unlink(begin[call])
    unlink(end[call])
    if calls[call].answered != nil { open -= 1 }
  }

  private mutating func lower(_ call: Int) {
    relink(end[call])
    relink(begin[call])
    if calls[call].answered != nil { open += 1 }
  }
}
