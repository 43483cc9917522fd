package import Domain

/// Something that is not as it should be.
package struct Finding: Hashable, Sendable {
  /// What kind of thing is wrong; the names are for scripts.
  package enum Kind: String, Hashable, Sendable, CaseIterable {
    /// A batch or an entry cannot be read or does not continue the one before.
    case logDamaged = "log_damaged"
    /// Batches are not there.
    case logIncomplete = "log_incomplete"
    /// A batch records another state than the entries before it lead to.
    case stateHash = "state_hash"
    /// A snapshot cannot be read or does not fit the log.
    case snapshot
    /// The newest snapshot and the log lead to different rows.
    case replaysDiffer = "replays_differ"
    /// What is computed from rows differs from what was kept up to date.
    case index
    /// The history index lacks an entry, or is ahead of the log.
    case history
    /// A row without its pool.
    case orphan
    /// An address outside what its pool may give out.
    case outsideRange = "outside_range"
    /// An address in two hands.
    case overlap
    /// One interface of an owner holds the same place twice.
    case duplicate
    /// A row that contradicts itself or the time.
    case implausible
  }

  /// What kind.
  package let kind: Kind
  /// Where and what, in words.
  package let what: String

  /// The way out.
  package var wayOut: String {
    switch kind {
    case .logDamaged, .logIncomplete, .stateHash: "keep the directory and put a backup in its place"
    case .snapshot, .history: "make it anew with `berth check --rebuild`"
    case .replaysDiffer: "keep a copy of the directory, make the snapshot anew with `berth check --rebuild`, report it"
    case .index, .orphan, .overlap, .duplicate, .implausible, .outsideRange:
      "keep the directory and report this as a bug; release what is wrong through the server, or restore a backup"
    }
  }
}

/// What a check saw.
package struct CheckReport: Sendable {
  /// At most so many findings of one kind are listed; all are counted.
  package static let listedPerKind = 20
  /// The exit code of a check that found differences.
  package static let differencesCode: Int32 = 7

  /// Findings in the order they were made.
  package private(set) var findings: [Finding] = []
  /// How many of each kind there are.
  package private(set) var counts: [Finding.Kind: Int] = [:]
  /// Batches read.
  package var batches: UInt64 = 0
  /// Entries read.
  package var entries: UInt64 = 0
  /// Rows looked at.
  package var rows = 0
  /// The newest revision of the log.
  package var revision: Revision = 0
  /// Snapshots opened.
  package var snapshots = 0
  /// Pairs looked up in the history index; nil = there was none to look at.
  package var historyPairs: UInt64?
  /// What could not be checked, and why.
  package var notes: [String] = []

  /// Starts with nothing seen.
  package init() {}

  /// Whether all is well.
  package var isSound: Bool { counts.isEmpty }
  /// Whether what is derived can be made anew: nothing is wrong with the log itself.
  package var canRebuild: Bool {
    counts[.logDamaged] == nil && counts[.logIncomplete] == nil && counts[.stateHash] == nil
  }
  /// What the command exits with.
  package var exitCode: Int32 { isSound ? 0 : CheckReport.differencesCode }

  /// Adds a finding.
  package mutating func add(_ kind: Finding.Kind, _ what: String) {
    counts[kind, default: 0] += 1
    if counts[kind, default: 0] <= CheckReport.listedPerKind { findings.append(Finding(kind: kind, what: what)) }
  }

  /// The report as lines for people.
  package var lines: [String] {
    var lines = [
      "log: \(batches) batches, \(entries) entries, newest revision \(revision)", "snapshots: \(snapshots)",
      "rows: \(rows)"
    ]
    if let historyPairs { lines.append("history index: \(historyPairs) pairs") }
    lines += notes.map { "note: \($0)" }
    for kind in Finding.Kind.allCases {
      guard let count = counts[kind] else { continue }
      let listed = findings.filter { $0.kind == kind }
      lines += listed.map { "\(kind.rawValue): \($0.what)" }
      if count > listed.count { lines.append("\(kind.rawValue): and \(count - listed.count) more") }
      if let first = listed.first { lines.append("  way out: \(first.wayOut)") }
    }
    lines.append(isSound ? "all is well" : "\(counts.values.reduce(0, +)) differences")
    return lines
  }
}
