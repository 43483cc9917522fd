internal import APITypes
internal import Domain

/// What came of asking one scheduler.
enum Verdict: Sendable {
  /// It said this.
  case answered(SchedulerAnswer)
  /// It took longer than it may.
  case late(Duration)
  /// It is left out, and why.
  case leftOut(String)
}

extension Advice {
  /// Bytes of a scheduler's line.
  static let lineBytes = 160

  /// What all of them say together, about `asked` of `total` nodes.
  init(_ verdicts: [(SchedulerOptions, Verdict)], asked: [NodeName], total: Int, revision: Revision) {
    self.init()
    self.revision = revision
    var refused: Set<NodeName> = []
    var scores: [NodeName: Int] = [:]
    var hasFilter = false
    for (scheduler, verdict) in verdicts {
      notes.append(Self.line(scheduler, verdict, asked: asked.count))
      guard case .answered(let answer) = verdict else { continue }
      if scheduler.filters {
        hasFilter = true
        refused.formUnion(answer.vetoes.map(\.node))
      }
      if scheduler.scores {
        for item in answer.scores { scores[item.node, default: 0] += Int(item.score) * scheduler.weight }
      }
    }
    vetoes = refused.sorted()
    hints = scores.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { Hint($0.key, UInt16(min(1_000, $0.value))) }
    guard hasFilter else { return }
    // A node that was not there when they were asked, or of which they were not, has nobody's word.
    among = asked
    if asked.count < total { notes.append("asked about \(asked.count) of \(total) nodes, and only those count") }
  }

  /// What a scheduler has to do with it, in a line.
  private static func line(_ scheduler: SchedulerOptions, _ verdict: Verdict, asked: Int) -> String {
    let what: String
    switch verdict {
    case .late(let time): what = "left out: no answer within \(Int(time / .milliseconds(1))) ms"
    case .leftOut(let why): what = "left out: \(why)"
    case .answered(let answer):
      var parts: [String] = []
      if scheduler.filters {
        let count = Set(answer.vetoes.map(\.node)).count
        let reason = answer.vetoes.first { !$0.reason.isEmpty }.map { " (\($0.node): \($0.reason))" } ?? ""
        parts.append("refuses \(count) of \(asked) nodes\(reason)")
      }
      if scheduler.scores, let best = answer.scores.max(by: { ($0.score, $1.node) < ($1.score, $0.node) }) {
        parts.append("likes \(best.node) best (\(best.score))")
      }
      what = parts.isEmpty ? "says nothing" : parts.joined(separator: ", ")
    }
    // What others have written goes into a row, and onto terminals.
    let plain = String(String.UnicodeScalarView(what.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }))
    let line = "scheduler \(scheduler.name): \(plain)"
    return line.cut(to: lineBytes)
  }
}

extension String {
  /// At most so many bytes of it.
  fileprivate func cut(to most: Int) -> String {
    guard utf8.count > most else { return self }
    var (kept, bytes) = (String.UnicodeScalarView(), 0)
    for scalar in unicodeScalars {
      bytes += UTF8.width(scalar)
      if bytes > most - 3 { break }
      kept.append(scalar)
    }
    return String(kept) + "..."
  }
}
