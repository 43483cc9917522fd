import Addressing
import Domain
import TestSupport

@testable import Ledger

/// Drives a fleet as engine and agents do, and looks after each batch whether everything holds.
final class FleetHarness {
  struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  let tables = Tables(seed: 3)
  let ledger: Ledger
  private(set) var time: LogTime = 1_000_000_000
  private(set) var revision: Revision = 0
  private var batch: [Entry] = []
  private(set) var log: [(bytes: [UInt8], time: LogTime)] = []
  private(set) var said: [String] = []
  private(set) var answers: [String: Int] = [:]
  var keepsTrace = false
  var agents = Agents()
  var proofs = FleetProofs()

  init() { ledger = Ledger(tables) }

  func run(_ steps: [FleetStep]) throws {
    for step in steps { try take(step) }
    try endBatch(isDurable: true)
    try letItSettle()
    try proofs.atTheEnd(self)
  }

  private func take(_ step: FleetStep) throws {
    var asking = FleetAsking(random: SeededRandom(seed: step.numbers), tables: tables, time: time)
    switch step.kind {
    case .commit: return try endBatch(isDurable: true)
    case .refuse: return try endBatch(isDurable: false)
    case .pass:
      try endBatch(isDurable: true)
      time += LogTime([1, 31, 90][asking.number(0...2)]) * 1_000_000
      return try expire()
    case .agent:
      let name = asking.name()
      if let command = agents.act(as: name, tables, &asking.random) { try decide(command, step.numbers) }
    default:
      guard let command = asking.command(step.kind) else { return }
      // Leases end long after it is known that their nodes are lost.
      let isAlone = Ledger.isStructural(command) || step.kind == .leases
      if isAlone { try endBatch(isDurable: true) }
      if case .fleet(.leasesEnded(let names)) = command { agents.leasesEnded(names, tables) }
      try decide(command, step.numbers, isDry: !isAlone && asking.oneIn(15))
      if isAlone { try endBatch(isDurable: true) }
    }
    if batch.count >= 5 { try endBatch(isDurable: !asking.oneIn(5)) }
  }

  private func decide(_ command: Command, _ seed: UInt64, isDry: Bool = false) throws {
    let next = revision + Revision(batch.count) + 1
    let submission = Submission(command, actor: "t", requestID: "r", asked: "", dryRun: isDry)
    let decision = ledger.decide(submission, Ledger.Context(revision: next, time: time, seed: seed))
    let name = FleetHarness.name(decision.outcome)
    answers[name, default: 0] += 1
    if keepsTrace {
      said.append("\(next): \(command)\(isDry ? " (dry run)" : "")\n    -> \(name) \(words(decision.outcome))")
    }
    guard let entry = decision.entry else { return }
    if isDry { throw Failure("a dry run made an entry") }
    let again = try Entry(decoding: entry.encoded)
    if again.encoded != entry.encoded { throw Failure("an entry changes when it is read and written") }
    if case .fleet(let answer) = decision.outcome {
      guard case .fleet(let told) = again.outcome, told == answer else {
        throw Failure("\(command): the entry answers \(again.outcome) instead of \(answer)")
      }
    }
    try proofs.look(at: entry)
    batch.append(entry)
  }

  func endBatch(isDurable: Bool) throws {
    if isDurable {
      ledger.seal(&batch)
      for entry in batch {
        tables.apply(entry.effects, revision: entry.revision, time: time)
        log.append((entry.encoded, time))
        agents.learn(entry)
      }
      ledger.published(batch)
      revision += Revision(batch.count)
    } else {
      ledger.revoke()
    }
    if keepsTrace, !batch.isEmpty { said.append(isDurable ? "durable" : "refused") }
    if isDurable { proofs.remember(batch) }
    let isEmpty = batch.isEmpty
    batch = []
    if !isEmpty { try proofs.afterABatch(self) }
  }

  private func expire() throws {
    let due = ledger.popDue(at: time, limit: 1_024)
    if !due.isEmpty { try decide(.expire(due), 0) }
    try endBatch(isDurable: true)
  }

  /// What waits is done, or rests: never is there work without end.
  private func letItSettle() throws {
    for _ in 0..<200 {
      guard let work = ledger.nextWork, work <= time else { return }
      try decide(.fleet(.schedule), 1)
      try endBatch(isDurable: true)
    }
    throw Failure("there is always something to schedule")
  }

  private static func name(_ outcome: Outcome) -> String {
    switch outcome {
    case .rejected(let refusal): refusal.code.rawValue
    case .fleet(.vms(let vms, let isNew)): "\(isNew ? "new" : "vm") \(vms.first?.vm.state.name ?? "-")"
    case .fleet(let answer): "\(answer)".split(separator: "(").first.map(String.init) ?? ""
    default: "\(outcome)".split(separator: "(").first.map(String.init) ?? ""
    }
  }

  private func words(_ outcome: Outcome) -> String {
    switch outcome {
    case .rejected(let refusal): refusal.detail
    case .fleet(.vms(let vms, _)):
      vms.map { "\($0.vm.key.name) on \($0.vm.node?.text ?? "-") \($0.grants.map { "\($0.allocation.ip)" })" }.joined()
    default: ""
    }
  }
}

/// What runs where, whatever the rows say; agents know only what they were told, and that may be old.
struct Agents {
  struct Carried {
    var key: VMKey
    var isLeased: Bool
    let addresses: [IPAddress]
  }

  private(set) var carried: [NodeName: [VMID: Carried]] = [:]
  private var desired: [NodeName: [VM]] = [:]
  private var epochs: [NodeName: UInt64] = [:]
  private var over: Set<String> = []

  /// One thing that a node does, and what it says of it.
  mutating func act(as name: NodeName, _ tables: Tables, _ random: inout SeededRandom) -> Command? {
    guard let node = tables.node(name) else { return nil }
    if epochs[name] != node.epoch || node.state == .lost || node.state == .fenced {
      guard random.oneIn(2) else { return nil }
      (epochs[name], desired[name]) = (node.epoch, nil)
      return node.state == .lost || node.state == .fenced ? .fleet(.registerNode(node)) : nil
    }
    if desired[name] == nil || !random.oneIn(3) { fetch(name, tables) }
    let reports = (desired[name] ?? []).compactMap { vm in
      random.oneIn(3) ? nil : act(on: vm, as: name, tables, &random)
    }
    return reports.isEmpty ? nil : .fleet(.reportVMs(name, epoch: node.epoch, reports))
  }

  private mutating func fetch(_ name: NodeName, _ tables: Tables) {
    let list = tables.vms(on: name).filter { $0.duty(of: name) != nil }
    desired[name] = list
    let wanted = Dictionary(uniqueKeysWithValues: list.map { ($0.id, $0) })
    for id in (carried[name] ?? [:]).keys {
      if let vm = wanted[id], vm.duty(of: name) != .prepare {
        carried[name]?[id]?.isLeased = vm.isLeased
      } else {
        carried[name]?[id] = nil
      }
    }
  }

  private mutating func act(
    on vm: VM, as name: NodeName, _ tables: Tables, _ random: inout SeededRandom
  ) -> VMReport? {
    let isHere = carried[name]?[vm.id] != nil
    let mark = "\(name) \(vm.id.raw) \(vm.epoch)"
    func say(_ fact: VMReport.Fact) -> VMReport { VMReport(id: vm.id, epoch: vm.epoch, fact: fact) }
    switch vm.duty(of: name) {
    case .run:
      if over.contains(mark) { return say(.failed) }
      if random.oneIn(8) {
        carried[name]?[vm.id] = nil
        over.insert(mark)
        return say(random.oneIn(2) ? .failed : .gone)
      }
      if !isHere { start(vm, name, tables) }
      return say(isHere || random.oneIn(2) ? .running : .starting)
    case .receive:
      // The node that it leaves lets the newest placement alone have it, and only when it knows of it.
      guard let source = vm.leaving, tables.vm(vm.key)?.epoch == vm.epoch, !over.contains(mark) else { return nil }
      if isHere { return say(.running) }
      guard desired[source]?.contains(where: { $0.id == vm.id && $0.epoch == vm.epoch }) ?? false else { return nil }
      guard carried[source]?[vm.id] != nil, !random.oneIn(4) else {
        over.insert(mark)
        return say(.failed)
      }
      carried[source]?[vm.id] = nil
      start(vm, name, tables)
      return say(.running)
    case .stop:
      carried[name]?[vm.id] = nil
      over.insert(mark)
      return say(.gone)
    case .prepare:
      // Whatever is told of a standby is not believed.
      return random.oneIn(4) ? say(random.pick(VMReport.Fact.allCases)) : nil
    case .keep, .wait, nil: return nil
    }
  }

  private mutating func start(_ vm: VM, _ name: NodeName, _ tables: Tables) {
    let addresses = tables.grants(of: vm).map(\.allocation.ip)
    carried[name, default: [:]][vm.id] = Carried(key: vm.key, isLeased: vm.isLeased, addresses: addresses)
  }

  /// The host itself cuts off what it was told to.
  mutating func leasesEnded(_ names: [NodeName], _ tables: Tables) {
    for name in names where tables.node(name)?.state == .lost {
      carried[name] = carried[name]?.filter { !$0.value.isLeased }
      desired[name] = nil
    }
  }

  /// Fences power hosts off; who forces a deletion has looked.
  mutating func learn(_ entry: Entry) {
    for effect in entry.effects {
      if case .fleet(.node(let node)) = effect.row, node.state == .fenced {
        (carried[node.name], desired[node.name]) = (nil, nil)
      }
      if entry.kind == .vmDeleted, case .fleet(.vm(let vm)) = effect.row, !effect.isPut {
        for name in carried.keys { carried[name]?[vm.id] = nil }
        for name in desired.keys { desired[name]?.removeAll { $0.id == vm.id } }
      }
    }
  }
}
