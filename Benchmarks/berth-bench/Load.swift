import Glibc
import Platform

/// The load generator: one thread, N keep-alive connections, one request in flight on each.
///
/// A closed loop (or a paced one with `--rate`): latency is from the send to the last byte of the answer.
/// After the warm-up the histogram is emptied and the server's CPU time read, so both cover the same requests.
struct Load {
  static let unexpectedLimit = 1000
  static let reconnectLimit = 1000
  /// Without one answer for this long the run is ended as stalled.
  static let stallLimit: Int64 = 20_000_000_000

  private var plan: Plan
  private let epoll: Epoll
  private var connections: [Connection] = []
  private var report = Report()
  private var windows: WindowLog?
  private var started = 0
  private var lastAnswer: Int64 = 0
  private var measuring = false

  static func main(_ options: Options) throws(Failure) {
    var load = try Load(Plan(options))
    let report = try load.run()
    print(options.has("json") ? report.json : report.text)
    if report.unexpected > 0 {
      throw Failure("\(report.unexpected) unexpected answers, first: \(report.firstUnexpected)")
    }
  }

  private init(_ plan: Plan) throws(Failure) {
    self.plan = plan
    epoll = try Epoll()
    if let window = plan.window, let file = plan.windowsFile { windows = try WindowLog(window, file) }
    for i in 0..<plan.connections {
      let connection = try Connection(port: plan.port)
      try epoll.add(connection.descriptor, tag: i)
      connections.append(connection)
    }
  }

  private mutating func run() throws(Failure) -> Report {
    let start = MonotonicTime.now.nanoseconds
    lastAnswer = start
    if plan.warmup == 0 { try beginMeasuring(start) }
    for i in connections.indices {
      // A paced run spreads its connections over the first interval.
      if let pace = plan.pace { connections[i].due = start + pace * Int64(i) / Int64(connections.count) }
      try sendNext(i, at: start)
    }
    while true {
      for i in 0..<(try epoll.wait(milliseconds: plan.pace == nil ? 1000 : 1)) { try receive(epoll.tag(i)) }
      let now = MonotonicTime.now.nanoseconds
      if plan.pace != nil { for i in connections.indices { try sendNext(i, at: now) } }
      if !measuring && now - start >= plan.warmup { try beginMeasuring(now) }
      if isDone(now - start) { return try finish(now) }
      if now - lastAnswer > Self.stallLimit { throw Failure("no answer for \(Self.stallLimit / 1_000_000_000) s") }
      if report.unexpected > Self.unexpectedLimit { return try finish(now) }
    }
  }

  private func isDone(_ elapsed: Int64) -> Bool {
    if let count = plan.count { return report.answers >= count }
    return elapsed >= plan.warmup + plan.nanoseconds
  }

  private mutating func beginMeasuring(_ now: Int64) throws(Failure) {
    measuring = true
    report.begin(at: now, cpu: try plan.pid.map(ProcessTimes.microseconds))
  }

  private mutating func finish(_ now: Int64) throws(Failure) -> Report {
    report.end(at: now, cpu: try plan.pid.map(ProcessTimes.microseconds))
    try windows?.finish()
    return report
  }

  /// Sends the next request on connection `i` if there is one and it is due.
  private mutating func sendNext(_ i: Int, at now: Int64) throws(Failure) {
    let connection = connections[i]
    if connection.inFlight { return }
    if let pace = plan.pace {
      if now < connection.due { return }
      connection.due = max(connection.due + pace, now - pace)
    }
    if let count = plan.count, started >= count { return }
    connection.request.removeAll(keepingCapacity: true)
    plan.request.render(plan.first + started, &plan.filling, into: &connection.request)
    started += 1
    if !(try connection.send(at: now)) { try lost(i, "the connection was closed before the request") }
  }

  private mutating func receive(_ i: Int) throws(Failure) {
    let connection = connections[i]
    switch connection.read() {
    case .waiting: return
    case .unreadable(let what): throw Failure("unreadable answer: \(what)")
    case .closed: try lost(i, "the connection was closed")
    case .answered(let status):
      let now = MonotonicTime.now.nanoseconds
      lastAnswer = now
      report.answer(status, after: now - connection.sentAt, expected: plan.expected)
      try windows?.add(at: now, now - connection.sentAt)
      if plan.pace == nil { try sendNext(i, at: now) }
    }
  }

  /// A server may close a kept connection; the request on it counts as unexpected only if there was one.
  private mutating func lost(_ i: Int, _ what: String) throws(Failure) {
    if connections[i].inFlight { report.failed(what) }
    report.reconnects += 1
    guard report.reconnects <= Self.reconnectLimit else { throw Failure("over \(Self.reconnectLimit) reconnects") }
    try connections[i].reconnect()
    try epoll.add(connections[i].descriptor, tag: i)
    if plan.pace == nil { try sendNext(i, at: MonotonicTime.now.nanoseconds) }
  }
}
