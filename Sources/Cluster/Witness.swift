internal import Log
internal import Platform

/// Compares what nodes have under the same number: the one check that does not believe the log's medium.
struct Witness {
  /// What a comparison came to.
  enum Finding: Equatable {
    /// The same batch.
    case same
    /// This node does not have the batch (yet, or any more).
    case unknown
    /// Another batch under the same number; this node's hash.
    case differs(String)
  }

  /// The most alarms that are kept.
  static let most = 32

  /// One claim of each node waits to be looked at.
  private var claims: [String: NodeReport] = [:]
  private var raised: [String: String] = [:]

  /// What was found, by the name of the other node; stays until this node starts again.
  var alarms: [String] { raised.sorted { $0.key < $1.key }.map(\.value) }

  /// A node says which batch it has. An older claim that could not be judged yet goes first.
  mutating func claim(_ report: NodeReport) {
    guard report.sequence > 0, claims[report.node] != nil || claims.count < Roster.most else { return }
    if claims[report.node] == nil { claims[report.node] = report }
  }

  /// The other node has found it out first.
  mutating func repeatAlarm(of report: NodeReport) {
    guard raised[report.node] == nil, raised.count < Witness.most, let alarm = report.alarms.first else { return }
    raised[report.node] = alarm
  }

  /// What is to be looked at; what cannot be judged yet is put back by `settle`.
  mutating func takeClaims() -> [NodeReport] {
    defer { claims = [:] }
    return claims.values.sorted { $0.node < $1.node }
  }

  /// Remembers what was found; returns new alarms.
  mutating func settle(_ found: [(NodeReport, Finding)]) -> [String] {
    var new: [String] = []
    for case (let claim, .differs(let mine)) in found where raised[claim.node] == nil && raised.count < Witness.most {
      let alarm =
        "node \(claim.node) has another batch \(claim.sequence) (\(claim.hash.prefix(12))) than this node"
        + " (\(mine.prefix(12))): one of them was told a false history; stop both and compare `berth log dump`"
      raised[claim.node] = alarm
      new.append(alarm)
    }
    for case (let claim, .unknown) in found where claims[claim.node] == nil { claims[claim.node] = claim }
    return new
  }

  /// Looks up what this node has under the number that another one names.
  static func compare(_ claim: NodeReport, _ reader: any BatchReader) -> Finding {
    guard let head = try? reader.head(), claim.sequence <= head.sequence else { return .unknown }
    guard let mine = try? reader.batches(from: claim.sequence, limit: 1).first else { return .same }
    return mine.hash.hex == claim.hash ? .same : .differs(mine.hash.hex)
  }
}
