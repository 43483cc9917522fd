import CLinux
import Glibc

/// The kernel's readiness queue, level-triggered, with a number per descriptor.
final class Epoll {
  static let eventLimit = 512
  private let descriptor: Int32
  private let events: UnsafeMutablePointer<epoll_event>

  init() throws(Failure) {
    descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard descriptor >= 0 else { throw .system("epoll_create1") }
    events = .allocate(capacity: Self.eventLimit)
    events.initialize(repeating: epoll_event(), count: Self.eventLimit)
  }

  deinit {
    close(descriptor)
    events.deallocate()
  }

  /// Reports `tag` whenever `descriptor` can be read.
  func add(_ watched: Int32, tag: Int) throws(Failure) {
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(tag)))
    guard epoll_ctl(descriptor, EPOLL_CTL_ADD, watched, &event) == 0 else { throw .system("epoll_ctl") }
  }

  /// Waits up to `milliseconds` (-1: for ever) and says how many descriptors are ready.
  func wait(milliseconds: Int32) throws(Failure) -> Int {
    let count = epoll_wait(descriptor, events, Int32(Self.eventLimit), milliseconds)
    if count < 0 && errno != EINTR { throw .system("epoll_wait") }
    return max(0, Int(count))
  }

  /// The tag of the ready descriptor at `index` of the last wait.
  func tag(_ index: Int) -> Int { Int(events[index].data.u64) }
}
