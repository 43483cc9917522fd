// Histories: what clients saw, and whether it could have happened.
//
// A history is a list of calls, each with the moment it was made, the moment its answer came, and what the answer
// said. Two questions are asked of it.
//
// `Linearity`: could all calls have taken effect one after the other, each at some moment between its call and its
// answer? Searched as Wing and Gong did, with Lowe's memory of configurations that were tried; one address at a time,
// because what happens to one address says nothing about another. A call whose answer never came may have taken effect
// at any later moment, or never. The search is bounded, and a search that was given up says so: it is no pass.
//
// `LogOrder`: each answer names the revision it was given at, so the order is known and need only be checked, in linear
// time: an answer that came before another call was made has no later revision, and one after the other the answers
// tell one story. This scales to millions of calls; the search samples.
//
// Histories come from the simulator, and from a real cluster as lines of JSON (`HistoryFile`).
//
// Refused: one model of the whole pool (the state space explodes, and "some free address" is not deterministic): an
// allocation is judged by the address that it returned.

/// One call and what came of it.
package struct HistoryCall: Hashable, Sendable {
  /// What was asked and answered about one address.
  package enum Action: Hashable, Sendable {
    /// The owner was given the address.
    case acquired(owner: Int)
    /// The owner's hold of the address ended.
    case released(owner: Int)
    /// The address was seen in the hands of this owner, nil = free.
    case saw(owner: Int?)
  }

  /// The address, as any number.
  package let address: UInt64
  /// What happened, or for a call without an answer what may have happened.
  package let action: Action
  /// When the call was made, in any unit.
  package let called: Int64
  /// When the answer came; nil = nobody knows what happened.
  package let answered: Int64?
  /// The revision the answer named, if it did.
  package let revision: UInt64?

  /// Notes a call.
  package init(address: UInt64, _ action: Action, called: Int64, answered: Int64?, revision: UInt64? = nil) {
    precondition(answered.map { $0 >= called } ?? true, "an answer before its call")
    (self.address, self.action, self.called, self.answered) = (address, action, called, answered)
    self.revision = revision
  }
}

/// What came of a check.
package enum HistoryVerdict: Hashable, Sendable {
  /// It could have happened so.
  case possible
  /// It could not, and which address shows it.
  case impossible(address: UInt64, why: String)
  /// The search of this address was given up.
  case givenUp(address: UInt64)
}
