// HTTPServer: connections, limits, timeouts and a route table; it knows no resource.
//
// A few loops, each a thread with its own epoll instance; a connection lives on one loop for ever. A request costs
// one recv, one send and its share of an epoll_wait; a handler that answers on the loop's thread writes into the
// connection's output without lock or wake-up, one that answers later goes through the loop's inbox. What a turn of a
// loop has to send goes out at its end. TLS is a session on the connection's own socket, driven by the same loop.
//
// Invariants: one request per connection is in flight, so answers leave in order and what comes too early waits in
// the kernel; every buffer, time and count has a limit in `ServerOptions` or a named constant, and what is kept of all
// large bodies and of all unread answers has one each; a route judges the head before its body is kept; a request is
// answered exactly once (`Ticket`), by its handler or by the server when time runs out; what a client sends is either
// understood in one way or refused with a status and a sentence; a log line cannot be forged.
//
// Refused: reading until EAGAIN (level-triggered epoll says so again, a second recv per request costs a microsecond),
// edge-triggered epoll, a timer per connection (a sweep a few times a second is cheaper and all times are coarse),
// SO_REUSEPORT listeners (closing one of them resets the connections waiting at it), `Server` headers.
internal import Platform
internal import Synchronization

/// Why a server could not be made.
package struct ServerFault: Error, Hashable, Sendable {
  /// What failed, where, and why.
  package let sentence: String
}

/// An HTTP/1.1 server: made (and then listening), started, drained.
package final class Server: Sendable {
  private let state: ServerState
  private let lock = Lock()
  private let threads = Threads()

  /// Binds the address; connections wait until `start`.
  package init(_ options: ServerOptions, _ router: Router) throws(ServerFault) {
    state = try ServerState(options, router)
  }

  deinit { if threads.haveEnded { state.forgetLoops() } }

  /// The port it listens on.
  package var port: UInt16 { state.listener.address.port }

  /// Starts the loops.
  package func start() {
    lock.withLock {
      precondition(threads.all.isEmpty && !threads.haveEnded, "a server starts once")
      threads.all = state.loops.enumerated().map { index, loop in Thread(name: "http-\(index)") { loop.run() } }
    }
  }

  /// Stops accepting, answers what is in flight, closes everything, returns when all threads have ended.
  package func drain() {
    state.isDraining.store(true, ordering: .sequentiallyConsistent)
    for loop in state.loops { loop.poller.wake() }
    lock.withLock {
      for thread in threads.all { thread.join() }
      threads.all = []
      threads.haveEnded = true
    }
  }

  /// Reads the certificate files again for new connections; false when they cannot be used and the old ones stay.
  @discardableResult
  package func reloadCertificates() -> Bool { state.door?.reload() ?? true }

  /// Runs `body`; the answers that it sends on the calling thread reach the loops together, at the price of one lock
  /// and at most one wake-up for many. For whoever answers many requests at once.
  package func gatheringReplies(_ body: () -> Void) {
    for loop in state.loops { loop.beginGathering() }
    body()
    for loop in state.loops { loop.endGathering() }
  }

  /// How it is doing.
  package var metrics: ServerMetrics { state.metrics }

  // Unchecked because guarded by the server's lock.
  private final class Threads: @unchecked Sendable {
    var all: [Thread] = []
    var haveEnded = false
  }
}
