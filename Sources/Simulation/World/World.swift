internal import LogEtcd
internal import Log
internal import Platform
internal import TestSupport

/// Several nodes over one etcd, in one thread and from one seed.
package final class World {
  enum Event {
    /// From the network; what comes over a connection to an etcd that has been restored since is cut off.
    case input(node: Int, life: Int, EtcdInput, age: Int)
    case wake(node: Int, life: Int, at: Int64)
    case step(node: Int, life: Int)
    case arrive(Journey)
    case watches
    case client
    case fault
    case act(() -> Void)
  }

  final class Node {
    let name: String
    var machine: EtcdMachine?
    let engine: any SimulatedEngine
    /// Counts its starts, so that what was meant for an earlier one is dropped.
    var life = 0
    var pausedUntil: Int64 = 0
    var wedgedUntil: Int64 = 0
    var wakeAt: Int64 = -1
    /// What its time since boot is ahead of the world's.
    let clockOffset: Int64
    /// What its wall clock is ahead of the world's.
    var skew: Int64 = 0
    var isLost = false
    init(name: String, engine: any SimulatedEngine, clockOffset: Int64) {
      (self.name, self.engine, self.clockOffset) = (name, engine, clockOffset)
    }
  }

  let plan: WorldPlan
  /// What makes this run this run.
  package let seed: UInt64
  var random: SeededRandom
  let etcd = SimulatedEtcd()
  var nodes: [Node] = []
  var members: [Member] = []
  var watches: [WatchStream] = []
  var cuts: [Cut] = []
  /// Nodes that do not reach each other.
  var apart: [Apart] = []
  let sites: Sites
  /// The fleet, if there is one.
  private(set) var hosts: Hosts?
  var queue = EventQueue<Event>()
  var now: Int64 = 0
  var truth = Truth()
  var calls = Calls()
  var backups: [EtcdBackup] = []
  var isPeace = false
  /// Nothing lies and nothing is lost.
  var isCalm: Bool { isPeace || plan.isOnlyApart }
  /// How often a node began to lead.
  var leaderships = 0
  var nextOperation: UInt64 = 1
  var nextTicket: UInt64 = 1
  /// What was said about the first thing that must not be.
  package private(set) var violation: String?
  /// A number that two equal runs share.
  package private(set) var trace: UInt64 = 0xCBF2_9CE4_8422_2325
  /// How often what is interesting happened.
  package var seen: [(name: String, count: Int)] = []
  /// Lines for a person who looks into one run.
  package var log: ((String) -> Void)?

  /// Sets everything up; nothing happens before `run`.
  package init(seed: UInt64, plan: WorldPlan = WorldPlan()) {
    self.seed = seed
    self.plan = plan
    random = SeededRandom(seed: seed)
    sites = Sites(count: plan.sites, offset: Int.random(in: 0..<5, using: &random))
    etcd.shortestLease = sites.shortestLease
    members = (0..<plan.members).map { _ in Member() }
    for index in 0..<plan.nodes {
      nodes.append(
        Node(
          name: "n\(index)", engine: plan.engine(random.next()),
          clockOffset: Int64.random(in: 0...1_000_000_000, using: &random)))
      nodes[index].skew = keptSkew()
    }
    for what in ["\(plan.sites) sites", plan.restores ? "with restores" : "without restores"] {
      saw("seeds: " + what)
    }
    saw(nodes[0].engine is CoreEngine ? "seeds: the real engine" : "seeds: the toy")
    hosts = plan.fleet.map { Hosts($0, self) }
    etcd.onPut = { [unowned self] key, value in self.truth.put(key, value, in: self) }
  }

  /// Runs trouble, then peace; nil when nothing went wrong, else what did.
  package func run() -> String? {
    // What is left in it holds the parts of the world that would have done it, and they hold each other.
    defer { queue = EventQueue() }
    for index in nodes.indices {
      queue.add(.act { [unowned self] in self.boot(index) }, at: Int64.random(in: 0...300_000, using: &random))
    }
    hosts?.begin()
    queue.add(.watches, at: 1_000)
    queue.add(.client, at: 500_000)
    queue.add(.fault, at: 1_500_000)
    queue.add(.act { [unowned self] in self.heal() }, at: plan.trouble)
    let end = plan.trouble + plan.peace
    while violation == nil, let (at, event) = queue.next(), at <= end {
      precondition(at >= now, "the world's time goes back")
      now = at
      handle(event)
    }
    if violation == nil { checkPeace() }
    return violation
  }

  func violate(_ what: String) {
    guard violation == nil else { return }
    violation = "seed \(seed), \(now / 1_000) ms: \(what)"
    note("VIOLATION \(what)")
  }

  func note(_ text: @autoclosure () -> String) {
    if let log { log("\(now / 1_000) \(text())") }
  }

  func fold(_ numbers: UInt64...) {
    for number in numbers { trace = (trace ^ number) &* 0x100_0000_01B3 }
  }

  func saw(_ name: String) {
    if let index = seen.firstIndex(where: { $0.name == name }) {
      seen[index].count += 1
    } else {
      seen.append((name, 1))
    }
  }

  /// So many batches may wait for room in a node's archive; as `Archiver.limit`, but within reach of a run.
  static let archiveLagMost = 40

  // MARK: Events

  private func handle(_ event: Event) {
    switch event {
    case .input(let node, let life, let input, let age):
      if age == truth.restores {
        deliver(input, to: node, life)
      } else if case .answer(let id, _) = input {
        deliver(.failed(id, .unknown("the connection broke")), to: node, life)
      } else if case .watch = input {
        // Was never read.
      } else {
        deliver(input, to: node, life)
      }
    case .wake(let node, let life, let at):
      if nodes[node].wakeAt == at { deliver(.tick, to: node, life) }
    case .step(let node, let life): stepEngine(node, life)
    case .arrive(let journey): arrive(journey)
    case .watches:
      etcd.expire(now: now)
      pumpWatches()
      queue.add(.watches, at: now + 3_000)
    case .client:
      client()
      queue.add(.client, at: now + Int64.random(in: 5_000...80_000, using: &random))
    case .fault:
      guard !isPeace else { return }
      fault()
      queue.add(.fault, at: now + Int64.random(in: 1...2 * plan.faultEvery, using: &random))
    case .act(let act): act()
    }
  }

  /// Starts a node's process.
  func boot(_ index: Int) {
    let node = nodes[index]
    guard node.machine == nil, !node.isLost else { return }
    guard !node.engine.isArchiveFull else {
      return queue.add(.act { [unowned self] in self.boot(index) }, at: now + 500_000)
    }
    if abs(node.skew) > World.kept {
      // What a clock says at the start is believed: it must be right by then (docs/cluster.md).
      saw("a clock was set right before a start")
      node.skew = keptSkew()
    }
    node.life += 1
    node.wakeAt = -1
    var options = EtcdOptions(node: node.name, url: "http://\(node.name)", endpoints: plan.members)
    options.flaws = plan.flaws
    node.machine = EtcdMachine(options, seed: random.next())
    node.engine.start(clock(of: node))
    note("\(node.name) starts with \(node.engine.archived.map { "batch \($0.sequence)" } ?? "nothing")")
    deliver(.start(after: node.engine.archived), to: index, node.life)
    queue.add(.step(node: index, life: node.life), at: now + 10_000)
  }

  /// Hands an input to a node's machine, later if the node is paused, and does what the machine wants.
  func deliver(_ input: EtcdInput, to index: Int, _ life: Int) {
    let node = nodes[index]
    guard node.life == life, let machine = node.machine else { return }
    if node.pausedUntil > now {
      return queue.add(.input(node: index, life: life, input, age: truth.restores), at: node.pausedUntil)
    }
    let actions = machine.handle(input, now: now + node.clockOffset)
    for action in actions where nodes[index].life == life {
      switch action {
      case .send(let id, let request, let endpoint, let timeout):
        send(from: index, id: id, request, to: endpoint, timeout: timeout)
      case .watch(let id, let watch, let endpoint): openWatch(from: index, id: id, watch, at: endpoint)
      case .unwatch(let id): watches.removeAll { $0.node == index && $0.life == life && $0.id == id }
      case .wake(let at):
        node.wakeAt = at - node.clockOffset
        queue.add(.wake(node: index, life: life, at: node.wakeAt), at: max(now, node.wakeAt))
      case .tell(let event): tell(event, to: index)
      }
    }
    hear(index)
  }

  private func tell(_ event: LogEvent, to index: Int) {
    let node = nodes[index]
    let engine = node.engine
    note("\(node.name) < \(event.brief)")
    fold(UInt64(index), UInt64(now), event.mark)
    let led = engine.leads
    engine.take(event)
    if engine.leads, !led {
      saw("a node leads")
      leaderships += 1
      // A leader that found history lost does not lead, but its lease goes on for a while.
      if truth.isLate, truth.restores == 0 { violate("\(node.name) began to lead long after peace had come") }
      if abs(node.skew) > World.kept { saw("a node with a wrong clock leads") }
    }
    truth.told(event, to: index, in: self)
    hear(index)
  }

  private func stepEngine(_ index: Int, _ life: Int) {
    let node = nodes[index]
    guard node.life == life, node.machine != nil else { return }
    let resume = max(node.pausedUntil, node.wedgedUntil)
    // It looks again before that: peace may have ended what held it.
    guard resume <= now else { return queue.add(.step(node: index, life: life), at: min(resume, now + 100_000)) }
    if node.engine.archiveLag > World.archiveLagMost {
      saw("a node stopped because of a full archive")
      crash(index)
      return queue.add(.act { [unowned self] in self.boot(index) }, at: now + 500_000)
    }
    node.engine.isClockRight = abs(node.skew) <= World.kept
    for wish in node.engine.step(clock(of: node)) {
      switch wish {
      case .append(let batch): deliver(.append(batch), to: index, life)
      case .barrier(let number): deliver(.barrier(number), to: index, life)
      case .publish(let image): deliver(.publish(image), to: index, life)
      }
    }
    deliver(.stepped, to: index, life)
    hear(index)
    queue.add(.step(node: index, life: life), at: now + Int64.random(in: 1_000...30_000, using: &random))
  }

  /// Takes what an engine says.
  func hear(_ index: Int) {
    for report in nodes[index].engine.reports() { truth.heard(report, from: index, in: self) }
  }

  /// Ends a node's process at once; what its archive had not flushed may be lost.
  func crash(_ index: Int) {
    let node = nodes[index]
    guard node.machine != nil else { return }
    note("\(node.name) crashes")
    node.machine = nil
    node.life += 1
    node.pausedUntil = 0
    node.wedgedUntil = 0
    watches.removeAll { $0.node == index }
    node.engine.crash(unsynced: Int.random(in: 0...3, using: &random))
    truth.forgot(index, in: self)
  }

  // MARK: Clients

  private func client() {
    let index = Int.random(in: 0..<nodes.count, using: &random)
    let node = nodes[index]
    guard node.machine != nil, node.pausedUntil <= now else { return }
    if random.oneIn(3) {
      let ticket = nextTicket
      nextTicket += 1
      truth.asked(ticket)
      calls.askLook(ticket, at: now)
      node.engine.read(ticket)
    } else {
      // Clients look for the leader; now and then one believes an old one.
      for candidate in [index] + nodes.indices.filter({ $0 != index }) {
        guard nodes[candidate].machine != nil, nodes[candidate].pausedUntil <= now else { continue }
        if apart.contains(where: { $0.parts(index, candidate) && $0.until > now }) {
          if nodes[candidate].engine.leads { saw("a write could not be passed on") }
          continue
        }
        guard nodes[candidate].engine.write(nextOperation) else { continue }
        if candidate != index { saw("a write was passed on") }
        truth.asked(write: nextOperation)
        calls.ask(nextOperation, at: now)
        nextOperation += 1
        break
      }
    }
    hear(index)
  }
}

extension LogEvent {
  /// A few words for a person.
  var brief: String {
    switch self {
    case .opened(let head): "opened at \(head.sequence)"
    case .bootstrap(let image): "bootstrap after \(image.anchor.sequence)"
    case .applied(let stored): "applied \(stored.batch.sequence) of epoch \(stored.batch.epoch)"
    case .takeover(let epoch): "takeover \(epoch)"
    case .leads(let epoch): "leads \(epoch)"
    case .follows(let leader): "follows \(leader.map { "\($0.node)@\($0.epoch)" } ?? "nobody")"
    case .ended(let end): "ended \(end)"
    case .barrier(let through, let end): "barrier \(through) \(end)"
    case .lost(let why): "lost: \(why)"
    }
  }

  /// A number for the trace.
  var mark: UInt64 {
    switch self {
    case .opened(let head): 1 << 56 | head.sequence
    case .bootstrap(let image): 2 << 56 | image.anchor.sequence
    case .applied(let stored): 3 << 56 ^ stored.hash.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    case .takeover(let epoch): 4 << 56 | epoch
    case .leads(let epoch): 5 << 56 | epoch
    case .follows(let leader): 6 << 56 | (leader?.epoch ?? 0)
    case .ended(.durable): 7 << 56
    case .ended(.refused): 8 << 56
    case .ended(.unknown): 9 << 56
    case .barrier(let through, _): 10 << 56 | through
    case .lost: 11 << 56
    }
  }
}
