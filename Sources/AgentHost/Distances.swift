internal import APITypes
internal import Platform

/// How far other datacenters are, as a process of agents knows it.
package enum Distances: Sendable {
  /// It does not.
  case unknown
  /// It pretends: from one of these to the next it is so far.
  case pretended([String], step: Duration)
  /// It measures.
  case measured(DistanceMeter)

  /// How often it is told anew.
  static let every = Duration.seconds(60)

  /// From a node's datacenter, and which measurement that is; 0 = none yet.
  func latencies(from datacenter: String?, at now: Duration) -> (round: Int, latencies: [ReportBody.Latency]) {
    switch self {
    case .unknown: return (0, [])
    case .pretended(let names, let step):
      guard let own = names.firstIndex(where: { $0 == datacenter }) else { return (0, []) }
      let far = names.indices.filter { $0 != own }.map { other in
        ReportBody.Latency(names[other], UInt32(clamping: Int64(step * abs(other - own) / .microseconds(1))))
      }
      return (1 + Int(now / Self.every), Array(far.prefix(ReportBody.latenciesMax)))
    case .measured(let meter): return meter.latest
    }
  }
}

/// Measures once a minute how long it takes to connect to a place in each of some datacenters: the median of a few.
// Unchecked because `lock` guards what changes.
package final class DistanceMeter: @unchecked Sendable {
  /// A place to connect to, and the datacenter it stands for.
  package struct Target: Hashable, Sendable {
    /// The datacenter.
    package let datacenter: String
    /// The host, by name or address.
    package let host: String
    /// Its port.
    package let port: UInt16

    /// Names them.
    package init(datacenter: String, host: String, port: UInt16) {
      (self.datacenter, self.host, self.port) = (datacenter, host, port)
    }
  }

  /// Places of one process.
  package static let targetsMax = 64
  /// Connections of which the median counts.
  static let tries = 3
  /// How long one may take.
  static let patience = Duration.seconds(2)

  private let targets: [(target: Target, names: NameLookup)]
  private let every: Duration
  private let lock = Lock()
  private let end = Condition()
  private var seen: (round: Int, latencies: [ReportBody.Latency]) = (0, [])
  private var isStopping = false
  private var thread: Thread?

  /// Starts the thread.
  package convenience init(_ targets: [Target]) { self.init(targets, every: Distances.every) }

  init(_ targets: [Target], every: Duration) {
    self.targets = targets.map { ($0, NameLookup(host: $0.host, port: $0.port)) }
    self.every = every
    lock.withLock { thread = Thread(name: "agent distances") { self.run() } }
  }

  var latest: (round: Int, latencies: [ReportBody.Latency]) { lock.withLock { seen } }

  /// Ends the thread, after the connection that it is trying.
  package func stop() {
    let thread = lock.withLock { () -> Thread? in
      isStopping = true
      end.broadcast()
      defer { self.thread = nil }
      return self.thread
    }
    thread?.join()
  }

  private func run() {
    while true {
      var found: [ReportBody.Latency] = []
      for (target, names) in targets {
        if lock.withLock({ isStopping }) { return }
        if let microseconds = Self.median(of: names) { found.append(.init(target.datacenter, microseconds)) }
      }
      let isOver = lock.withLock { () -> Bool in
        seen = (seen.round + 1, found)
        if !isStopping { _ = end.wait(lock, timeout: every) }
        return isStopping
      }
      if isOver { return }
    }
  }

  /// nil = it cannot be reached.
  static func median(of names: NameLookup) -> UInt32? {
    guard let address = (try? names.addresses(until: .now + patience))?.first else { return nil }
    var times: [Int64] = []
    for _ in 0..<tries {
      let began = MonotonicTime.now
      // Whether it can be reached is the question.
      guard (try? Socket.connect(to: address, until: began + patience)) != nil else { return nil }
      times.append(MonotonicTime.now - began)
    }
    return microseconds(median: times)
  }

  /// The median of times in nanoseconds; what takes less than a microsecond takes one.
  static func microseconds(median times: [Int64]) -> UInt32 {
    UInt32(clamping: max(1, times.sorted()[times.count / 2] / 1_000))
  }
}
