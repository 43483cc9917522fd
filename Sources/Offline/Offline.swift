// Offline: looks after the media while no server runs on them: check, rebuild, dump.
//
// Everything here is handed its media and hands back values: a report, a count, lines. Nothing prints, exits or knows
// a file name, so the same code checks a directory, a copy of one and a log in memory. The media may be too damaged
// to serve, which is when they are checked: whatever is wrong is a finding with a place and a way out, and the check
// goes on behind it as far as that means anything.
//
// `check` reads, it never mends. What it replays it replays twice, from the beginning where the log is whole and from
// the newest snapshot, and both must come to the hashes that the batches carry and to the same rows; then the rows
// themselves must make sense. `rebuild` makes anew what is derived (history index, snapshot), from the log alone where
// it is whole, and refuses when that from which it is derived is damaged.
//
// Refused: repairing a log. A log that was patched to look whole is worth less than a backup; a way out is a `restore`.
package import Log

/// What offline commands work on.
package struct Media {
  /// Opens the log anew, for one thread.
  package let log: () throws(LogFault) -> any BatchReader
  /// The snapshots; nil = there are none to look at.
  package let snapshots: (any SnapshotStore)?
  /// Opens the history index; nil = there is none to look at.
  package let history: () throws(LogFault) -> (any HistoryReader)?

  /// Hands media over.
  package init(
    log: @escaping () throws(LogFault) -> any BatchReader, snapshots: (any SnapshotStore)?,
    history: @escaping () throws(LogFault) -> (any HistoryReader)?
  ) {
    (self.log, self.snapshots, self.history) = (log, snapshots, history)
  }
}
