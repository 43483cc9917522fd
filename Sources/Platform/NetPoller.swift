internal import CLinux

/// What a descriptor is watched for.
package struct Interest: OptionSet, Sendable {
  /// The bits as epoll knows them.
  package let rawValue: UInt32
  /// Takes epoll's bits.
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  /// There is something to receive or to accept, or the peer has ended.
  package static let receive = Interest(rawValue: EPOLLIN.rawValue)
  /// There is room to send.
  package static let send = Interest(rawValue: EPOLLOUT.rawValue)
  /// The connection is broken; always watched for.
  package static let broken = Interest(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
}

/// An epoll instance, level-triggered, with its event that other threads raise to wake it; used by one thread.
// unchecked: the event array belongs to the thread that waits; only `wake` may be called by others.
@safe package final class Poller: @unchecked Sendable {
  /// Most events taken by one wait.
  package static let batch = 256
  private static let wakeToken = UInt64.max

  private let descriptor: Int32
  private let event: Int32
  private let events: UnsafeMutablePointer<epoll_event>

  /// Makes the instance and its wake event.
  package init() throws(NetFault) {
    descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard descriptor >= 0 else { throw NetFault("cannot make an epoll instance") }
    event = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    unsafe events = .allocate(capacity: Self.batch)
    unsafe events.initialize(repeating: epoll_event(), count: Self.batch)
    guard event >= 0 else { throw NetFault("cannot make an eventfd") }
    control(EPOLL_CTL_ADD, event, Interest.receive.rawValue, Self.wakeToken)
  }

  deinit {
    unsafe events.deallocate()
    close(descriptor)
    if event >= 0 { close(event) }
  }

  /// Watches a connection; `token` comes back with its events.
  package func add(_ socket: Socket, _ interest: Interest, token: UInt64) {
    control(EPOLL_CTL_ADD, socket.descriptor, interest.rawValue, token)
  }

  /// Changes what a connection is watched for.
  package func change(_ socket: Socket, _ interest: Interest, token: UInt64) {
    control(EPOLL_CTL_MOD, socket.descriptor, interest.rawValue, token)
  }

  /// Watches a listener that several pollers share; one of them is woken for a connection.
  package func add(_ listener: Listener, token: UInt64) {
    control(EPOLL_CTL_ADD, listener.descriptor, Interest.receive.rawValue | EPOLLEXCLUSIVE.rawValue, token)
  }

  /// Stops watching a listener.
  package func remove(_ listener: Listener) { control(EPOLL_CTL_DEL, listener.descriptor, 0, 0) }

  /// Waits up to `milliseconds` (-1 = for ever); how many events can be asked for.
  package func wait(milliseconds: Int32) -> Int {
    let count = unsafe epoll_wait(descriptor, events, Int32(Self.batch), milliseconds)
    precondition(count >= 0 || berth_errno() == EINTR, "epoll_wait failed with \(berth_errno())")
    return max(0, Int(count))
  }

  /// Event `index` of the last wait; nil for a call of `wake`.
  package func event(_ index: Int) -> (token: UInt64, interest: Interest)? {
    precondition(index >= 0 && index < Self.batch, "there is no event \(index)")
    let token = unsafe events[index].data.u64
    if token == Self.wakeToken {
      var value: UInt64 = 0
      _ = unsafe read(event, &value, 8)
      return nil
    }
    return (token, Interest(rawValue: unsafe events[index].events))
  }

  /// Makes a wait that is under way, or the next one, return; from any thread.
  package func wake() {
    var one: UInt64 = 1
    _ = unsafe write(event, &one, 8)
  }

  private func control(_ operation: Int32, _ target: Int32, _ events: UInt32, _ token: UInt64) {
    var entry = unsafe epoll_event(events: events, data: epoll_data_t(u64: token))
    let result = unsafe epoll_ctl(descriptor, operation, target, &entry)
    precondition(result == 0, "epoll_ctl failed with \(berth_errno())")
  }
}
