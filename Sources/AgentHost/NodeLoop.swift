package import APITypes
package import Agent
package import Domain
package import VMM

/// What a node says to Berth.
package enum NodeMessage: Sendable {
  /// What it has.
  case register(NodeBody)
  /// How it is; the answer may be kept back so long while there is no news.
  case report(AgentReport, Measured, wait: Duration)
}

/// What a node has measured, as far as it is due.
package struct Measured: Hashable, Sendable {
  /// What is in use, of VMs too when that is due.
  package var usage: UsageBody
  /// How far other datacenters are.
  package var latencies: [ReportBody.Latency] = []
  /// In what time its owner takes it back; nil = nobody has said so.
  package var reclaim: Duration?

  /// Only what is in use.
  package init(_ usage: UsageBody) { self.usage = usage }
}

/// What comes of it.
package enum NodeReply: Sendable {
  /// It is registered under this epoch, and may promise so much.
  case registered(epoch: UInt64, effective: Resources)
  /// The report was taken.
  case answered(Acknowledgement)
  /// Berth does not know this registration, or knows a newer one.
  case unknown
  /// Berth said no, or nobody answered.
  case failed(String)
}

/// One node: its agent, its machines, and when it has to do something. Whoever calls it sees to it that only one does.
package final class NodeLoop {
  /// Asks Berth, for at most so long.
  package typealias Ask = (NodeName, NodeMessage, Duration) -> NodeReply

  /// Everything is told again with each so many-th report.
  static let wholeEvery = 30
  /// Never are two reports closer than this.
  static let spacing = Duration.milliseconds(20)
  static let firstPause = Duration.milliseconds(200)
  static let longestPause = Duration.seconds(5)
  /// How often one looks after machines of a backend that cannot say when something changes.
  static let lookEvery = Duration.milliseconds(500)
  /// How often it is told what each VM uses.
  static let usageEvery = Duration.seconds(10)
  /// More steps in a row are a backend that does not keep the contract.
  static let stepsMax = 16

  /// What it registers.
  package let node: HostedNode
  /// What runs its machines.
  package let backend: any VMBackend
  /// What it decides.
  package private(set) var agent: Agent
  /// When it must be given time again.
  package private(set) var due = Duration.zero
  /// By when it must be, lest something runs without a lease.
  package private(set) var deadline: Duration?
  /// Why its last call failed; nil = it did not.
  package private(set) var trouble: String? = "not registered yet"
  /// Reports that were answered.
  package private(set) var reports = 0
  /// Machines that are up.
  package private(set) var machines = 0

  private let begun: Duration
  private let clock: () -> Duration
  private let ask: Ask
  /// What Berth was asked and has not answered yet.
  private var asked: (message: NodeMessage, at: Duration)?
  private let polls: Bool
  private let distances: Distances
  private var usageDue = Duration.zero
  /// Which measurement of distances was acknowledged.
  private var toldRound = 0
  /// And which one is in the report under way.
  private var askedRound = 0
  private var heartbeat: Duration
  private var nextCall = Duration.zero
  /// No call before this.
  private var notBefore = Duration.zero
  private var failures = 0
  private var isRegistered = false
  private var isWoken = false

  /// A node that has not said anything yet; with `polls` it leaves its reports with Berth until there is news. `leaseEnd`
  /// is what is left of a process before this one, `flaws` are for the simulator.
  package init(
    _ node: HostedNode, _ backend: any VMBackend, heartbeat: Duration, polls: Bool, distances: Distances = .unknown,
    leaseEnd: Duration? = nil, flaws: AgentFlaws = [], clock: @escaping () -> Duration, ask: @escaping Ask
  ) {
    self.distances = distances
    (self.node, self.backend, self.heartbeat, self.polls) = (node, backend, heartbeat, polls)
    (self.clock, self.ask, begun) = (clock, ask, clock())
    agent = Agent(capacity: node.body.capacity, capabilities: backend.capabilities, leaseEnd: leaseEnd, flaws: flaws)
  }

  /// Something of this node has changed.
  package func wake() {
    isWoken = true
    due = .zero
  }

  /// Puts off the first call, so that thousands do not come at once.
  package func begin(after pause: Duration) {
    nextCall = clock() + pause
    due = nextCall
  }

  /// Does what is to be done now, with at most one call, which takes at most `patience`.
  package func work(patience: Duration) {
    if let message = question(within: patience) { take(ask(node.name, message, patience)) }
  }

  /// Does what needs no call; what Berth is to be asked now, if anything, and then `take` is to follow.
  package func question(within patience: Duration) -> NodeMessage? {
    act()
    let now = clock()
    let observed = backend.observe()
    let wants = now >= nextCall || isRegistered && (isWoken || agent.isUrgent(observed))
    guard wants, now >= notBefore else {
      plan()
      return nil
    }
    isWoken = false
    let message = isRegistered ? report(observed, now, patience) : .register(node.body)
    asked = (message, now)
    return message
  }

  /// Takes what came of the question.
  package func take(_ reply: NodeReply) {
    guard let (message, at) = asked else { preconditionFailure("an answer to no question") }
    asked = nil
    switch message {
    case .register: registered(reply)
    case .report(let report, _, let wait): answered(reply, report, wait, at)
    }
    act()
    plan()
  }

  /// Only what needs no call: what must be cut, what must go.
  package func lookAfter() {
    act()
    plan()
  }

  private func act() {
    for _ in 0..<Self.stepsMax {
      let actions = agent.actions(backend.observe(), now: clock())
      for action in actions { perform(action) }
      // What goes down takes its time; everything else may make room for more.
      if !actions.contains(where: { if case .stop = $0 { false } else { true } }) { return }
    }
  }

  private func perform(_ action: AgentAction) {
    switch action {
    case .cut(let id, let epoch): backend.stop(id, epoch: epoch, graceSeconds: 0)
    case .stop(let id, let epoch, let grace): backend.stop(id, epoch: epoch, graceSeconds: grace)
    case .remove(let id, let epoch): backend.remove(id, epoch: epoch)
    case .ensure(let order): backend.ensure(order)
    case .prepare(let order): backend.prepare(order)
    }
  }

  private func report(_ observed: [ObservedVM], _ now: Duration, _ patience: Duration) -> NodeMessage {
    let isWhole = reports % Self.wholeEvery == Self.wholeEvery - 1
    let report = agent.report(observed, now: now, isWhole: isWhole)
    var wait = Duration.zero
    if polls, !agent.isUrgent(observed) { wait = min(heartbeat, backend.quietFor ?? Self.lookEvery, patience / 2) }
    let (measured, round) = measured(observed, now)
    askedRound = round
    return .report(report, measured, wait: wait)
  }

  private func answered(_ reply: NodeReply, _ report: AgentReport, _ wait: Duration, _ now: Duration) {
    switch reply {
    case .answered(let answer):
      agent.acknowledged(report, answer)
      toldRound = askedRound
      if usageDue <= now { usageDue = now + Self.usageEvery }
      (reports, failures, trouble) = (reports + 1, 0, nil)
      if answer.heartbeat > .zero { heartbeat = answer.heartbeat }
      let after = clock()
      notBefore = now + Self.spacing
      // An answer that was kept back is followed by the next question; from all others on counts the heartbeat.
      let wasHeld = wait > .zero && (answer.desired != nil || after - now >= wait / 2)
      nextCall = !polls ? now + heartbeat : wasHeld ? after : after + min(heartbeat, .milliseconds(100))
    case .unknown:
      isRegistered = false
      (nextCall, notBefore) = (.zero, .zero)
      fail("Berth asks it to register again")
    case .failed(let why): fail(why)
    case .registered: fail("Berth did not take the report")
    }
  }

  /// How much of the notice of the node's owner is left; nil = there is none.
  private func notice(at now: Duration) -> Duration? {
    guard let reclaim = node.reclaim, now >= begun + reclaim.after else { return nil }
    let left = begun + reclaim.after + reclaim.notice - now
    return left > .zero ? left : nil
  }

  private func registered(_ reply: NodeReply) {
    switch reply {
    case .registered(let epoch, let effective):
      agent.registered(epoch: epoch)
      agent.capacity = effective
      // Only an answered report shows that all is well: two agents of one name register again and again.
      (isRegistered, trouble) = (true, nil)
      (nextCall, notBefore) = (.zero, .zero)
    case .failed(let why): fail(why)
    case .answered, .unknown: fail("Berth did not register it")
    }
  }

  private func fail(_ why: String) {
    trouble = why
    let pause = min(Self.longestPause, Self.firstPause * (1 << min(failures, 10)))
    failures += 1
    notBefore = clock() + pause
    nextCall = notBefore
  }

  private func plan() {
    let observed = backend.observe()
    machines = observed.count { $0.phase.isUp }
    deadline = agent.deadline(observed)
    let now = clock()
    var next = nextCall
    if isRegistered, isWoken || agent.isUrgent(observed) { next = now }
    next = max(next, notBefore)
    if !observed.isEmpty { next = min(next, now + (backend.quietFor ?? Self.lookEvery)) }
    if let deadline, deadline > now { next = min(next, deadline) }
    due = next
  }

  /// What is to be told of use and distances now, and which measurement of distances that is.
  private func measured(_ observed: [ObservedVM], _ now: Duration) -> (Measured, round: Int) {
    let running = observed.filter { $0.phase == .running }
    // What the backend cannot tell is taken to be in use.
    var usage = UsageBody(
      running.reduce(into: .none) { sum, machine in sum = sum + (machine.used ?? machine.order.resources) })
    if usageDue <= now {
      for machine in running.prefix(Limits.count) { if let used = machine.used { usage.add(machine.id, used) } }
    }
    var measured = Measured(usage)
    let (round, latencies) = distances.latencies(from: node.body.topology?.datacenter, at: now)
    if round != toldRound { measured.latencies = latencies }
    measured.reclaim = notice(at: now)
    return (measured, round)
  }
}
