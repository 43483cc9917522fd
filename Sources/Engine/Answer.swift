// Engine: the single writer.
//
// One thread takes whatever waits in a bounded ring, decides all of it at one log time, appends one batch, and
// answers everybody once that batch is durable: group commit without a timer. `Core` is that as a step over events,
// driven by the engine's thread or by a test; `Engine` adds the thread, the ring and the lock under which many
// threads read what is published.
//
// An answer leaves only when everything it saw is durable. Refusals and repeats wait for the batch they were decided
// in, and share its fate. A refused append throws the pending decisions away and the published state stays; an append
// whose end nobody knows ends the process (an embedded log cannot ask again), and the next start reads what is really
// there.
//
// Refused: a lock around the ledger (next-free computed outside it is how addresses are given twice), a separate log
// thread (measured: worth nothing), a timer that gathers batches (latency for nothing: what waits during a flush is
// the next batch).
package import Domain
package import Log

/// The answer to a submission.
package enum Answer: Sendable {
  /// Decided; with the revision of its entry, or of the state it was answered from.
  case outcome(Outcome, Revision)
  /// Not decided, or not kept.
  case unavailable(Unavailable)
}

/// Why a submission was not answered with an outcome.
package enum Unavailable: Hashable, Sendable {
  /// No room to store anything; reads go on.
  case storageFull
  /// The engine is stopping or has failed.
  case stopping
  /// Nobody knows whether it happened.
  case unknownOutcome
  /// The log refused for this reason.
  case refused(String)
  /// This node does not lead; who does, if it is known.
  case notLeading(Leader?)
  /// The log has lost history that this node has; says what to run.
  case lost(String)
}

/// Why an engine cannot be opened over a log.
package enum EngineFault: Error, Sendable {
  /// The log or a snapshot is damaged, missing or foreign.
  case log(String)
  /// What the log holds does not add up to the hashes it carries, or cannot be read by this version.
  case state(String)
}

extension EngineFault: CustomStringConvertible {
  /// What is wrong and what to do.
  package var description: String {
    switch self {
    case .log(let text): text
    case .state(let text): "\(text): run `berth check`, then restore a backup; nothing was changed"
    }
  }
}
