internal import Domain
internal import Platform
internal import VMM

/// A thread that serves some nodes in turn.
// Unchecked because what other threads touch is guarded by `lock`, and the nodes belong to the thread alone.
final class Crew: @unchecked Sendable {
  /// No call is made shorter than this, even when a lease ends sooner.
  private static let shortestCall = Duration.milliseconds(50)
  /// After a call that took longer, all nodes are looked after.
  private static let longCall: Duration = .milliseconds(100)

  private let lock = Lock()
  private let news = Condition()
  private var woken: Set<String> = []
  private var isStopping = false
  private var seen = AgentHostCounts()
  private var thread: Thread?

  init(
    _ number: Int, _ nodes: [HostedNode], _ options: AgentHostOptions, _ door: Door, polls: Bool,
    backend: @escaping @Sendable (NodeName) -> any VMBackend
  ) {
    thread = Thread(name: "agents \(number)") { [self] in
      let loops = nodes.map { node in
        NodeLoop(
          node, backend(node.name), heartbeat: options.heartbeat, polls: polls, distances: options.distances,
          clock: agentClock,
          ask: { door.ask($0, $1, within: $2) })
      }
      for (index, loop) in loops.enumerated() { loop.begin(after: options.heartbeat * index / loops.count) }
      serve(loops, patience: options.patience)
    }
  }

  var counts: AgentHostCounts { lock.withLock { seen } }

  func wake(_ name: String) {
    lock.withLock {
      woken.insert(name)
      news.signal()
    }
  }

  func stop() {
    lock.withLock {
      isStopping = true
      news.signal()
    }
  }

  func join() { thread?.join() }

  private func serve(_ loops: [NodeLoop], patience: Duration) {
    let byName = Dictionary(uniqueKeysWithValues: loops.map { ($0.node.name.text, $0) })
    while let names = next(loops) {
      for name in names { byName[name]?.wake() }
      for loop in loops where loop.due <= agentClock() {
        if lock.withLock({ isStopping }) { return }
        // Many short calls are as long as one long one: nobody's lease ends while others are served.
        lookAfter(loops)
        let before = agentClock()
        let end = loops.lazy.compactMap(\.deadline).filter { $0 > before }.min()
        let limit = end.map { min(patience, max(Self.shortestCall, $0 - before)) } ?? patience
        loop.work(patience: limit)
        if agentClock() - before > Self.longCall { lookAfter(loops) }
      }
    }
  }

  private func lookAfter(_ loops: [NodeLoop]) {
    let now = agentClock()
    for loop in loops { if let deadline = loop.deadline, deadline <= now { loop.lookAfter() } }
  }

  /// Waits until a node has something to do; the names of those that were woken, nil = it is over.
  private func next(_ loops: [NodeLoop]) -> Set<String>? {
    var sum = AgentHostCounts()
    var due: Duration?
    for loop in loops {
      due = min(due ?? loop.due, loop.due)
      sum.machines += loop.machines
      sum.reports += loop.reports
      if let trouble = loop.trouble {
        (sum.silent, sum.trouble) = (sum.silent + 1, trouble)
      } else {
        sum.connected += 1
      }
    }
    return lock.withLock {
      seen = sum
      if woken.isEmpty, !isStopping, let due {
        let rest = due - agentClock()
        if rest > .zero { _ = news.wait(lock, timeout: rest) }
      }
      if isStopping { return nil }
      defer { woken = [] }
      return woken
    }
  }
}
