// What agents say on its way to Berth, and what Berth says: as the API does it, with the real rules for who is heard, what
// is news and what a node is to do. A message is lost, comes late or twice; a node that does not lead passes it on.
internal import API
internal import APITypes
internal import Agent
internal import AgentHost
internal import Domain
internal import Engine
internal import Ledger
internal import TestSupport

/// A call of an agent on its way.
struct HostCall {
  let host: Host
  let number: Int
  let life: Int
  let message: NodeMessage
  /// Until when the answer may be held back.
  let until: Int64
}

extension Hosts {
  /// How often it is looked whether an answer that is held back may go.
  private static let waitStep: Int64 = 20_000

  func call(_ host: Host, _ message: NodeMessage, _ patience: Duration) {
    host.calls += 1
    host.call = host.calls
    var wait = Duration.zero
    if case .report(let report, _, let asked) = message {
      wait = asked
      note(host, "says to \(host.server): \(report.vms.map { "\($0.id.raw)@\($0.epoch) \($0.fact)" })")
    }
    let call = HostCall(
      host: host, number: host.calls, life: host.life, message: message, until: world.now + host.inWorld(wait))
    later(host.inWorld(patience)) { [unowned self] in end(call.number, host, call.life, .failed("no answer")) }
    guard !isCut(host, host.server) else { return }
    let server = host.server
    var copies = 1
    if !world.isCalm, world.random.oneIn(30) { copies = world.random.oneIn(2) ? 0 : 2 }
    for _ in 0..<copies {
      var delay = world.delay()
      if !world.isCalm, copies == 2 || world.random.oneIn(30) {
        world.saw(copies == 2 ? "an agent's call came twice" : "an agent's call came late")
        delay = Int64.random(in: 0...6_000_000, using: &world.random)
      }
      later(delay) { [unowned self] in arrive(call, at: server, isPassed: false) { self.answer(call, from: server, $0) }
      }
    }
  }

  private func isCut(_ host: Host, _ server: Int) -> Bool { host.cuts[server] > world.now }

  private func answer(_ call: HostCall, from server: Int, _ reply: NodeReply) {
    guard !isCut(call.host, server), world.isCalm || !world.random.oneIn(30) else { return }
    later(world.delay()) { [unowned self] in end(call.number, call.host, call.life, reply) }
  }

  /// A call has come to a node of Berth.
  private func arrive(_ call: HostCall, at index: Int, isPassed: Bool, _ reply: @escaping (NodeReply) -> Void) {
    let node = world.nodes[index]
    guard node.machine != nil else { return reply(.failed("nobody listens")) }
    if node.pausedUntil > world.now {
      return later(node.pausedUntil - world.now) { [unowned self] in arrive(call, at: index, isPassed: isPassed, reply)
      }
    }
    switch call.message {
    case .register(let body): register(call, body, at: index, isPassed, reply)
    case .report(let report, _, _): hear(call, report, at: index, isPassed, reply)
    }
  }

  /// From a node that does not lead to the one that does, once.
  private func pass(
    _ call: HostCall, from index: Int, _ isPassed: Bool, _ reply: @escaping (NodeReply) -> Void
  ) {
    guard !isPassed, let leader = engine(index).leader,
      let other = world.nodes.firstIndex(where: { $0.name == leader }),
      other != index, !world.apart.contains(where: { $0.parts(index, other) && $0.until > world.now })
    else { return reply(.failed("no leader")) }
    let life = world.nodes[index].life
    later(world.delay()) { [unowned self] in
      arrive(call, at: other, isPassed: true) { answered in
        self.later(self.world.delay()) {
          guard self.world.nodes[index].life == life else { return }
          self.world.saw("an agent's call was passed on")
          reply(answered)
        }
      }
    }
  }

  private func register(
    _ call: HostCall, _ body: NodeBody, at index: Int, _ isPassed: Bool, _ reply: @escaping (NodeReply) -> Void
  ) {
    guard engine(index).decides else { return pass(call, from: index, isPassed, reply) }
    var node = Node(name: call.host.node.name, physical: body.capacity)
    node.topology = body.topology ?? Topology()
    engine(index).ask(.fleet(.registerNode(node))) { answer in
      switch answer {
      case .outcome(.fleet(.node(let row, _)), _): reply(.registered(epoch: row.epoch, effective: row.effective))
      case .outcome, .unavailable: reply(.failed("not registered"))
      }
    }
  }

  private func hear(
    _ call: HostCall, _ report: AgentReport, at index: Int, _ isPassed: Bool, _ reply: @escaping (NodeReply) -> Void
  ) {
    let (engine, name) = (engine(index), call.host.node.name)
    switch engine.hear(name, epoch: report.epoch, at: world.clock(of: world.nodes[index])) {
    case .unknownNode, .staleEpoch: return reply(.unknown)
    case .notLeading:
      return pass(call, from: index, isPassed) { [unowned self] passed in
        // The leader hears, and this node holds the answer back while there is no news.
        guard case .answered(let answer) = passed, answer.desired == nil else { return reply(passed) }
        respond(call, report, answer.lease, at: index, until: call.until, reply)
      }
    case .taken(let milliseconds):
      if world.nodes.indices.contains(where: { $0 != index && world.nodes[$0].engine.leads }) {
        world.saw("a deposed leader heard an agent")
      }
      let lease = Duration.milliseconds(milliseconds)
      let until = isPassed ? 0 : call.until
      let news = engine.core.tables.news(among: report.vms, of: name, seen: report.seenRevision)
      if news.isEmpty { return respond(call, report, lease, at: index, until: until, reply) }
      engine.ask(.fleet(.reportVMs(name, epoch: report.epoch, news))) { [unowned self] answer in
        switch answer {
        case .outcome(.rejected(let why), _): reply(why.code == .staleEpoch ? .unknown : .failed(why.detail))
        case .outcome: respond(call, report, lease, at: index, until: until, reply)
        case .unavailable: reply(.failed("no answer"))
        }
      }
    }
  }

  /// Answers a report when something of the node has changed, or when it has waited long enough.
  private func respond(
    _ call: HostCall, _ report: AgentReport, _ lease: Duration, at index: Int, until: Int64,
    _ reply: @escaping (NodeReply) -> Void
  ) {
    let (tables, name) = (engine(index).core.tables, call.host.node.name)
    guard let row = tables.node(name) else { return reply(.unknown) }
    let hasChanged = report.seenRevision == 0 || tables.changed(name) > report.seenRevision
    if !hasChanged, until > world.now {
      let life = world.nodes[index].life
      return later(Hosts.waitStep) { [unowned self] in
        guard world.nodes[index].life == life else { return }
        let pause = max(0, world.nodes[index].pausedUntil - world.now)
        later(pause) { self.respond(call, report, lease, at: index, until: until, reply) }
      }
    }
    var answer = ReportAnswer(
      epoch: row.epoch, leaseMilliseconds: Int(lease.microseconds / 1_000),
      heartbeatMilliseconds: Int(plan.timing.heartbeat.microseconds / 1_000), revision: tables.revision, desired: nil)
    if hasChanged { answer.desired = engine(index).desired(name) }
    reply(.answered(Acknowledgement(answer)))
  }
}
