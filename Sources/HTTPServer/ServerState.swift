internal import Platform
internal import Synchronization

/// What all loops of a server share.
// Unchecked because `loops` is set before any thread starts and let go after all have ended.
final class ServerState: @unchecked Sendable {
  /// Connections over the limit that are still told 503; beyond them the kernel lets clients wait.
  static let surplusConnections = 64

  let options: ServerOptions
  let router: Router
  let admission: Admission
  let listener: Listener
  /// Encrypts new connections; nil = they are not.
  let door: TLSDoor?
  let isDraining = Atomic<Bool>(false)
  /// The room for all bodies.
  let bodies: BodyRoom
  let counters: [Counters]
  /// How often times are looked at.
  let sweepMilliseconds: Int32
  private(set) var loops: [Loop] = []

  /// Lets the loops go, whose threads have ended; they and the state hold each other.
  func forgetLoops() { loops = [] }

  init(_ options: ServerOptions, _ router: Router) throws(ServerFault) {
    precondition(options.loops > 0 && options.maxConnections > 0, "a server needs a loop and a connection")
    self.options = options
    self.router = router
    bodies = BodyRoom(options)
    do throws(TLSFault) {
      door = try options.tls.map { (tls) throws(TLSFault) in try TLSDoor(tls, options.notice) }
    } catch { throw ServerFault(sentence: error.sentence) }
    let counters = (0..<options.loops).map { _ in Counters() }
    self.counters = counters
    do throws(NetFault) { listener = try Listener(host: options.host, port: options.port) } catch {
      throw ServerFault(sentence: error.sentence)
    }
    admission = Admission(options, isLoopback: listener.address.isLoopback)
    let shortest = min(
      options.headerTimeout, options.idleTimeout, options.requestTimeout, options.writeTimeout, options.drainTimeout,
      options.handshakeTimeout, options.outputPatience)
    let parts = (shortest / 4).components
    sweepMilliseconds = Int32(
      clamping: max(5, min(250, parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000)))
    do throws(NetFault) {
      for counters in counters { loops.append(try Loop(self, counters)) }
    } catch { throw ServerFault(sentence: error.sentence) }
  }

  /// Connections open now.
  var count: Int { counters.reduce(0) { $0 + $1.open.load(ordering: .relaxed) } }

  /// Bytes of answers that wait for their readers now.
  var unread: Int { counters.reduce(0) { $0 + $1.unread.load(ordering: .relaxed) } }

  /// Whether another connection may be accepted, if only to be refused.
  var hasRoom: Bool { count < options.maxConnections + Self.surplusConnections }

  /// Who takes the next connection, already counted as open there; the asking loop when no other is less busy.
  func chooseLoop(_ asking: Loop) -> Loop {
    var best = asking
    for loop in loops
    where loop.counters.open.load(ordering: .relaxed) < best.counters.open.load(ordering: .relaxed) { best = loop }
    best.counters.open.wrappingAdd(1, ordering: .sequentiallyConsistent)
    // A loop that drains ends when it has no connection; only after our count did it surely see this one.
    guard best !== asking, isDraining.load(ordering: .sequentiallyConsistent) else { return best }
    best.counters.open.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    asking.counters.open.wrappingAdd(1, ordering: .sequentiallyConsistent)
    return asking
  }

  var metrics: ServerMetrics {
    var sum = ServerMetrics()
    sum.bodyBytes = bodies.bytes
    sum.unreadBytes = unread
    for counters in counters {
      sum.open += counters.open.load(ordering: .relaxed)
      sum.accepted += counters.accepted.load(ordering: .relaxed)
      sum.requests += counters.requests.load(ordering: .relaxed)
      sum.failedHandshakes += counters.failedHandshakes.load(ordering: .relaxed)
      sum.refused += counters.refused.load(ordering: .relaxed)
      sum.dropped += counters.dropped.load(ordering: .relaxed)
    }
    return sum
  }
}
