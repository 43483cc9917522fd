// Telemetry: what the house says about itself, as numbers and as lines.
//
// Numbers: counters and histograms are atomics that their owner holds directly, so that counting is one or two
// additions without a lock or a lookup; gauges are closures that are asked when somebody scrapes. Names, label names
// and the number of label combinations are fixed where a metric is made: a wrong name is our bug and traps at start,
// a label value from outside can never make memory grow (past the limit it is counted as `other`).
//
// Lines: one event is one line, in text or JSON, with every value escaped and cut to a length, so that no input
// can forge a line, colour a terminal or fill a disk with one request. Lines go through a bounded buffer with a thread
// of its own: when nobody reads our standard error, lines are dropped and counted, and requests go on.
//
// Refused: a metrics library with scopes and global state (what is not handed in cannot be tested), summaries and
// quantiles computed here (they do not add up over nodes), sampled traces (nothing reads them yet).
internal import Platform

/// State that is reached only while its lock is held.
// Unchecked because the compiler cannot see that every access to `state` is inside `lock`.
final class Guarded<State>: @unchecked Sendable {
  private let lock = Lock()
  private var state: State

  init(_ state: State) { self.state = state }

  func withLock<T>(_ body: (inout State) -> T) -> T { lock.withLock { body(&state) } }
}
