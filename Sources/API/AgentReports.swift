package import APITypes
internal import Cluster
package import Domain
internal import Engine
internal import HTTPServer
package import Ledger
internal import Platform
internal import Wire

/// The longest that an answer to an agent is held back.
private let longestWait = 30_000

/// How agents speak with Berth.
let agentEndpoints: [Endpoint] = [
  Endpoint(
    method: .post, pattern: "/api/v1/nodes/{node}/report", id: "reportVMs", tag: "nodes", permission: .agentReport,
    summary: """
      An agent says that its node lives and what became of VMs, and is told what to run. `desired` is null when nothing \
      of the node has changed since `seen_revision`; with `wait_ms` the answer is held until something has. What changes \
      nothing leaves no entry.
      """,
    query: [.init("wait_ms", "How long to hold the answer back; default 0.", .integer(0, longestWait, standard: 0))],
    body: Schemas.report, answers: [.init(200, "The lease, and what to run.", Schemas.reportAnswer)],
    refusals: [.init(404, "node_not_found"), .init(409, "stale_epoch")], isCommand: true, passing: passReport,
    handler: report)
]

/// One report on its way to its answer.
private struct Report: Sendable {
  var call: Call
  let node: NodeName
  var body: ReportBody
  let until: MonotonicTime
  /// When it came: an old answer is none.
  var lease = 0

  init(_ call: Call) throws(Problem) {
    self.call = call
    node = try call.node()
    try call.checkAgent(of: node)
    until = .now + .milliseconds(try call.integer("wait_ms", 0...longestWait) ?? 0)
    body = try call.body(ReportBody.init(decoding:))
  }

  /// What of it is news: the rest would change nothing, and needs no turn of the engine's.
  func news() -> [VMReport] {
    if body.vms.isEmpty { return [] }
    return call.api.engine.read { $0.news(among: body.vms, of: node, seen: body.seenRevision) }
  }

  /// Decides what is news, in as many entries as it takes, and answers.
  func take(_ isDry: Bool) throws(Problem) {
    guard let seconds = body.reclaimSeconds, call.api.engine.read({ $0.node(node)?.reclaimAt }) == nil else {
      return try takeNews(isDry)
    }
    let next: @Sendable () -> Void = { goOn { () throws(Problem) in try takeNews(isDry) } }
    try call.decide(.fleet(.reclaimNode(node, seconds: seconds)), isDry: isDry, otherwise: next) { _ in next() }
  }

  private func takeNews(_ isDry: Bool, fewerThan before: Int = .max) throws(Problem) {
    let news = news()
    // An entry takes as many rows as it has room for; what is left is news still, and less than before.
    guard !news.isEmpty, news.count < before else { return answer() }
    // What cannot be written now is told again with the next whole report; the lease must not hang on it.
    let anyway: @Sendable () -> Void = { goOn { () throws(Problem) in answer() } }
    try call.decide(.fleet(.reportVMs(node, epoch: body.epoch, news)), isDry: isDry, otherwise: anyway) { _ in
      goOn { () throws(Problem) in
        if isDry { answer() } else { try takeNews(isDry, fewerThan: news.count) }
      }
    }
  }

  /// The next step, back on the connection's loop.
  private func goOn(_ step: @escaping @Sendable () throws(Problem) -> Void) {
    call.reply.resume {
      do throws(Problem) { try step() } catch { call.refuse(error) }
    }
  }

  /// Keeps what was measured of the VMs that the node has.
  func keepUsage() {
    guard let usage = body.usage, !usage.vms.isEmpty else { return }
    let used = Dictionary(usage.vms.map { ($0.id, $0.amounts) }, uniquingKeysWith: { one, _ in one })
    let vms = call.api.engine.read { $0.vms(on: node) }
    call.api.usage.add(vms.compactMap { vm in used[vm.id].map { (vm, $0) } })
  }

  /// Answers, at once or when something of the node changes.
  func answer() {
    let changed = call.api.engine.read { $0.changed(node) }
    guard body.seenRevision > 0, changed <= body.seenRevision else { return send(hasChanged: true) }
    guard until > .now else { return send(hasChanged: false) }
    // Thousands wait: none of them keeps what has been read.
    var waiting = self
    waiting.call.request = call.request.withoutBody
    waiting.body = ReportBody(epoch: body.epoch, seenRevision: body.seenRevision)
    let isTaken = call.api.agents.wait(for: node, after: body.seenRevision, until: until) { [waiting] hasChanged in
      waiting.call.reply.resume { waiting.send(hasChanged: hasChanged) }
    }
    // As many wait as may: this one comes back at its own pace.
    if !isTaken { send(hasChanged: false) }
  }

  private func send(hasChanged: Bool) {
    let engine = call.api.engine
    let (row, revision) = engine.read { ($0.node(node), $0.revision) }
    guard let row else { return call.refuse(.noNode(node)) }
    var answer = ReportAnswer(
      epoch: row.epoch, leaseMilliseconds: lease, heartbeatMilliseconds: engine.heartbeatMilliseconds,
      revision: revision, desired: nil)
    if hasChanged { (answer.desired, answer.revision) = desired() }
    var out = JSONWriter(capacity: 256 + 768 * (answer.desired?.count ?? 0))
    out.answer(answer)
    call.send(out.finish(), revision: revision)
  }

  /// What the node is to have: its VMs as of one revision, and their addresses a few in each hold of the lock. What
  /// changes meanwhile is newer than that revision, so it is told again.
  private func desired() -> ([DesiredVM], Revision) {
    let engine = call.api.engine
    let (vms, revision) = engine.read { ($0.vms(on: node), $0.revision) }
    var list: [DesiredVM] = []
    var rest = vms[...]
    while !rest.isEmpty {
      let slice = rest.prefix(32)
      rest = rest.dropFirst(32)
      list += engine.read { tables in slice.compactMap { tables.desired($0, on: node) } }
    }
    return (list, revision)
  }
}

extension Tables {
  /// Those of a node's reports that would change something; it knows what is to be as of entry `seen`.
  package func news(among reports: [VMReport], of node: NodeName, seen: Revision) -> [VMReport] {
    // The others may have a batch before the leader has heard that it is durable: what the node says of that is news.
    if seen > revision { return reports }
    let mine = vms(on: node, among: Set(reports.map(\.id)))
    let known = Dictionary(mine.map { ($0.id, $0) }, uniquingKeysWith: { one, _ in one })
    return reports.filter { report in
      guard let vm = known[report.id], vm.epoch == report.epoch else { return false }
      switch (report.fact, vm.state) {
      case (.running, .running), (.starting, .starting): return vm.leaving != nil
      default: return true
      }
    }
  }

  /// What a node is to do about a VM; nil = nothing, and what it still has of it goes.
  package func desired(_ vm: VM, on node: NodeName) -> DesiredVM? {
    guard let duty = vm.duty(of: node) else { return nil }
    var action = DesiredVM.Action.run
    var grace = vm.spec.graceSeconds
    switch duty {
    case .run, .receive: break
    case .keep: action = .keep
    case .wait: return nil
    case .prepare: action = .prepare
    case .stop(let seconds): (action, grace) = (.stop, min(seconds, secondsLeft(of: node)))
    }
    // A standby has no address before it takes over.
    let interfaces = duty == .prepare ? [] : interfaces(of: vm)
    var desired = DesiredVM(vm, action: action, isIncoming: duty == .receive, interfaces: interfaces)
    desired.graceSeconds = grace
    return desired
  }

  /// How long a node has that its owner takes back.
  private func secondsLeft(of node: NodeName) -> UInt32 {
    guard let end = self.node(node)?.reclaimAt else { return .max }
    return end > now ? UInt32(clamping: (end - now) / 1_000_000) : 0
  }
}

@Sendable private func report(_ call: Call) throws(Problem) {
  var report = try Report(call)
  let isDry = try call.flag("dry_run")
  if isDry {
    guard let row = call.api.engine.read({ $0.node(report.node) }) else { throw .noNode(report.node) }
    if row.epoch != report.body.epoch { throw .staleEpoch(report.node, row.epoch) }
  } else {
    switch call.api.engine.heartbeat(
      report.node, epoch: report.body.epoch, usage: report.body.usage.map(NodeUsage.init),
      latencies: report.body.latencies.map { Latency(from: "", to: $0.datacenter, microseconds: $0.microseconds) })
    {
    case .taken(let lease): report.lease = lease
    case .unknownNode: throw .noNode(report.node)
    case .staleEpoch(let epoch): throw .staleEpoch(report.node, epoch)
    case .notLeading: return try passReport(call)
    }
    report.keepUsage()
  }
  try report.take(isDry)
}

extension NodeUsage {
  fileprivate init(_ body: UsageBody) { self.init(used: body.amounts, vms: body.vms.map { OfVM($0.id, $0.amounts) }) }
}

extension Engine {
  /// How often agents are to report.
  fileprivate var heartbeatMilliseconds: Int { Int(fleetTiming.heartbeat / .milliseconds(1)) }
}

/// On a node that does not lead: the leader hears the report, and this node holds the answer back, because it sees as
/// well as the leader when something has changed and the threads that pass requests on are few.
@Sendable private func passReport(_ call: Call) throws(Problem) {
  let report = try Report(call)
  let target = call.request.path + (try call.flag("dry_run") ? "?dry_run=true" : "")
  try call.passOn(target: target) { passed in
    guard passed.status == 200, report.until > .now, let answer = try? ReportAnswer(decoding: passed.body),
      answer.desired == nil
    else { return false }
    var waiting = report
    waiting.lease = answer.leaseMilliseconds
    call.reply.resume { [waiting] in waiting.answer() }
    return true
  }
}

extension BerthAPI {
  /// How many agents' answers are held back.
  package var waitingAgents: Int { agents.count }
}

extension Problem {
  fileprivate static func staleEpoch(_ node: NodeName, _ epoch: UInt64) -> Problem {
    Problem(
      Rejection(
        .staleEpoch, "node \(node) is at epoch \(epoch), or was given up: register it again", field: "epoch"
      ).with("epoch", epoch))
  }
}
