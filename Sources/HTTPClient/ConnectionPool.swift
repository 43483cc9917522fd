internal import Platform

/// The connections of a client that nobody uses, and the count of those that somebody does.
///
/// A caller takes a turn, with a connection or with the right to make one, and gives it back. Turns are bounded;
/// without one a caller waits.
// Unchecked because all that changes is guarded by `lock`.
final class ConnectionPool: @unchecked Sendable {
  private struct Idle {
    let connection: ClientConnection
    let since: MonotonicTime
  }

  private let options: HTTPClientOptions
  private let lock = Lock()
  private let turnIsFree = Condition()
  /// Oldest first; the newest is used first, so that what is not needed grows old.
  private var idle: [Idle] = []
  private var counts = HTTPClientMetrics()

  init(_ options: HTTPClientOptions) {
    precondition(options.maxConnections > 0, "a client needs a connection")
    self.options = options
  }

  var metrics: HTTPClientMetrics {
    lock.withLock {
      var counts = counts
      counts.idle = idle.count
      return counts
    }
  }

  /// Waits for a turn; nil means that the caller has to connect. Connections of another state of the certificate files
  /// are closed.
  func take(_ generation: Int, until deadline: MonotonicTime) throws(HTTPClientFault) -> ClientConnection? {
    try lock.withLock { () throws(HTTPClientFault) in
      try waitForTurn(until: deadline)
      counts.inUse += 1
      evictOld()
      while let last = idle.popLast() {
        // A server that closed it, or sent something that nobody asked for, is noticed here nearly always.
        if last.connection.generation == generation, last.connection.looksAlive {
          counts.reused += 1
          return last.connection
        }
        counts.evicted += 1
      }
      return nil
    }
  }

  /// Ends a turn; nil when the connection is closed or was never made.
  func giveBack(_ connection: ClientConnection?) {
    lock.withLock {
      counts.inUse -= 1
      if let connection { idle.append(Idle(connection: connection, since: .now)) }
      if idle.count > options.maxIdle {
        idle.removeFirst()
        counts.evicted += 1
      }
      evictOld()
      turnIsFree.signal()
    }
  }

  func noteCreated() { lock.withLock { counts.created += 1 } }

  func noteDead() { lock.withLock { counts.evicted += 1 } }

  func closeIdle() {
    lock.withLock {
      counts.evicted += idle.count
      idle.removeAll()
    }
  }

  private func waitForTurn(until deadline: MonotonicTime) throws(HTTPClientFault) {
    guard counts.inUse >= options.maxConnections else { return }
    counts.waited += 1
    counts.waiting += 1
    defer { counts.waiting -= 1 }
    while counts.inUse >= options.maxConnections {
      let left = deadline - .now
      guard left > 0, turnIsFree.wait(lock, timeout: .nanoseconds(left)) || counts.inUse < options.maxConnections else {
        throw HTTPClientFault(.busy, wasSent: false, "all \(options.maxConnections) connections stayed in use")
      }
    }
  }

  private func evictOld() {
    let now = MonotonicTime.now
    while let first = idle.first, first.since + options.idleTimeout <= now {
      idle.removeFirst()
      counts.evicted += 1
    }
  }
}
