internal import Log
internal import Platform
internal import Wire

/// The nodes that have told the leader of themselves, and when.
struct Roster {
  /// A node that was not heard of for so long is told to be silent.
  static let silence = Duration.seconds(5)
  /// A node that was not heard of for so long is forgotten.
  static let memory = Duration.seconds(24 * 3_600)
  /// The most nodes that are remembered.
  static let most = 64

  /// A node, and how long ago it was heard.
  struct Seen {
    let report: NodeReport
    let agoMilliseconds: Int64
    var isSilent: Bool { Duration.milliseconds(agoMilliseconds) > Roster.silence }
  }

  private var heard: [String: (report: NodeReport, at: MonotonicTime)] = [:]

  /// Remembers what a node says; true when it was not known before, or silent.
  mutating func hear(_ report: NodeReport, at now: MonotonicTime) -> Bool {
    let before = heard[report.node]
    guard before != nil || heard.count < Roster.most else { return false }
    heard[report.node] = (report, now)
    return before.map { $0.at + Roster.silence < now } ?? true
  }

  /// The one who reads the least of the log, of those who are remembered.
  mutating func least(at now: MonotonicTime) -> NodeReport? {
    seen(at: now).map(\.report).min { $0.reads < $1.reads }
  }

  /// Everybody who is remembered, by name.
  mutating func seen(at now: MonotonicTime) -> [Seen] {
    heard = heard.filter { $0.value.at + Roster.memory > now }
    return heard.values.map { Seen(report: $0.report, agoMilliseconds: max(0, now - $0.at) / 1_000_000) }
      .sorted { $0.report.node < $1.report.node }
  }
}

/// The cluster as one node knows it.
package struct ClusterView: Sendable {
  let own: NodeReport
  let others: [Roster.Seen]

  /// Everything, for people and scripts.
  package var encoded: [UInt8] {
    var out = JSONWriter(capacity: 4_096)
    out.object { out in
      out.key("leader")
      out.leader(own.leader)
      out.field("answered_by", own.node)
      out.field("revision", own.revision)
      out.key("nodes")
      out.array { out in
        var rows = others.filter { $0.report.node != own.node }.map { seen in
          var seen = seen
          seen = Roster.Seen(report: ClusterView.behind(own, seen.report), agoMilliseconds: seen.agoMilliseconds)
          return seen
        }
        rows.append(Roster.Seen(report: own, agoMilliseconds: 0))
        for row in rows.sorted(by: { $0.report.node < $1.report.node }) { out.report(row.report, seen: row) }
      }
      out.field("alarms", alarms)
      out.key("etcd")
      out.store(own.store)
    }
    return out.finish()
  }

  /// How far a node is behind, by what it last said and what is known here.
  private static func behind(_ own: NodeReport, _ report: NodeReport) -> NodeReport {
    var report = report
    report.lag = own.revision > report.revision ? own.revision - report.revision : 0
    return report
  }

  private var alarms: [String] {
    others.reduce(into: own.alarms) { all, seen in
      for alarm in seen.report.alarms where !all.contains(alarm) { all.append(alarm) }
    }
  }
}
