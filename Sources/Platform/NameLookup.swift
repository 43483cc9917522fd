/// The addresses of a host, for whoever cannot wait as long as the resolver may take: a name is looked up on a thread of
/// its own, one at a time, and an answer that is late serves the next who asks.
// Unchecked because `lock` guards what changes.
package final class NameLookup: @unchecked Sendable {
  private let host: String
  private let port: UInt16
  private let lookUp: @Sendable (String, UInt16) throws(NetFault) -> [SocketAddress]
  private let lock = Lock()
  private let changed = Condition()
  private var isAsking = false
  private var answer: Result<[SocketAddress], NetFault>?
  private var known: [SocketAddress]?

  /// Looks nothing up yet.
  package init(
    host: String, port: UInt16,
    _ lookUp: @escaping @Sendable (String, UInt16) throws(NetFault) -> [SocketAddress] = {
      host, port throws(NetFault) in
      try SocketAddress.resolve(host: host, port: port)
    }
  ) {
    (self.host, self.port, self.lookUp) = (host, port, lookUp)
  }

  /// What the resolver says before `until`; after that what it said last, if it ever did.
  package func addresses(until: MonotonicTime) throws(NetFault) -> [SocketAddress] {
    if let address = SocketAddress.numeric(host, port: port) { return [address] }
    let answer = lock.withLock { () -> Result<[SocketAddress], NetFault> in
      if !isAsking {
        (isAsking, self.answer) = (true, nil)
        _ = Thread(name: "names") { self.ask() }
      }
      while self.answer == nil, .now < until {
        _ = changed.wait(lock, timeout: .nanoseconds(max(1, until - .now)))
      }
      if let answer = self.answer { return answer }
      if let known { return .success(known) }
      return .failure(NetFault("cannot resolve \(host) in time: the resolver does not answer", code: 0))
    }
    return try answer.get()
  }

  private func ask() {
    let found: Result<[SocketAddress], NetFault>
    do throws(NetFault) { found = .success(try lookUp(host, port)) } catch { found = .failure(error) }
    lock.withLock {
      (isAsking, answer) = (false, found)
      if case .success(let addresses) = found { known = addresses }
      changed.broadcast()
    }
  }
}
