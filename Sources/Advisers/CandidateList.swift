internal import APITypes
internal import Domain
internal import Engine
internal import Ledger

/// The nodes that a question is about: those that might have the VM, those with room first. Of more than
/// `SchedulerOptions.nodesMax` it has a part, another one with each turn.
struct CandidateList {
  var candidates: [SchedulerQuestion.Candidate] = []
  /// How many might have it in all.
  var total = 0
  /// As of when.
  var revision: Revision = 0

  init(_ key: VMKey, _ spec: VMSpec, _ engine: Engine, turn: Int) {
    var roomy: [SchedulerQuestion.Candidate] = []
    var full: [SchedulerQuestion.Candidate] = []
    let names: [NodeName]
    // The oldest look counts: of what came later nothing may be here.
    (names, revision) = engine.read { ($0.nodeNames, $0.revision) }
    for start in stride(from: 0, to: names.count, by: 128) {
      engine.read { tables in
        for name in names[start..<min(start + 128, names.count)] {
          guard let node = tables.node(name), spec.node ?? name == name, node.mightHave(spec) else { continue }
          let (used, vms) = tables.carried(by: name)
          let candidate = SchedulerQuestion.Candidate(node, allocated: used, vms: vms)
          if spec.resources.fits(in: node.effective - used) { roomy.append(candidate) } else { full.append(candidate) }
        }
      }
    }
    total = roomy.count + full.count
    candidates = Self.part(roomy, SchedulerOptions.nodesMax, turn: turn)
    candidates += Self.part(full, SchedulerOptions.nodesMax - candidates.count, turn: turn)
  }

  private static func part(
    _ all: [SchedulerQuestion.Candidate], _ most: Int, turn: Int
  ) -> [SchedulerQuestion.Candidate] {
    guard all.count > most else { return all }
    guard most > 0 else { return [] }
    let start = turn * most % all.count
    return (0..<most).map { all[(start + $0) % all.count] }
  }
}

extension Node {
  /// Whether it takes VMs, and could have such a one if it were empty.
  fileprivate func mightHave(_ spec: VMSpec) -> Bool {
    state == .ready && spec.resources.fits(in: physical) && (spec.backend.map { backends.contains($0) } ?? true)
      && (isSpot ? spec.spot != .never : spec.spot != .only)
  }
}
