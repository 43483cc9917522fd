internal import Domain
internal import Log
internal import Platform

/// What the engine's thread takes in one step.
struct Work {
  var ring: [Waiting] = []
  var events: [LogEvent] = []
  var barriers: [@Sendable (BarrierEnd) -> Void] = []
  var confirm = false
  var isStopping = false
}

/// Where other threads leave what the engine shall do: commands in a bounded ring, events of the log in their order.
// Unchecked because `lock` guards `shared`, and `capacity` and `flags` are set before other threads come or under it.
final class Inbox: @unchecked Sendable {
  /// How a submission was received.
  enum Fate { case taken, full, stopped }

  /// What the engine says of itself.
  struct Flags {
    var expiryHeld = false
    var clockHeld = false
    var storageFull = false
    var leadership: Leadership?
  }

  private struct Shared {
    var ring: [Waiting] = []
    var events: [LogEvent] = []
    var barriers: [@Sendable (BarrierEnd) -> Void] = []
    var listeners: [@Sendable (UInt64) -> Void] = []
    var adviser: (@Sendable ([VMKey]) -> Void)?
    var isStopping = false
    var isStopped = false
    var isAsleep = false
    var confirm = false
    var flags = Flags()

    /// What there is to do; nil if nothing, unless the engine must go on `always`.
    mutating func take(ring takesRing: Bool, always: Bool) -> Work? {
      let hasWork =
        !events.isEmpty || confirm || !barriers.isEmpty || (takesRing && (!ring.isEmpty || isStopping))
      guard hasWork || always else { return nil }
      var work = Work(confirm: confirm, isStopping: isStopping)
      confirm = false
      swap(&work.events, &events)
      swap(&work.barriers, &barriers)
      if takesRing { swap(&work.ring, &ring) }
      return work
    }
  }

  /// How many submissions, and how many barriers, may wait.
  var capacity = 8_192
  private let lock = Lock()
  private let wake = Condition()
  private var shared = Shared()

  func add(_ waiting: Waiting) -> Fate {
    lock.withLock {
      if shared.isStopping || shared.isStopped { return .stopped }
      if shared.ring.count >= capacity { return .full }
      shared.ring.append(waiting)
      if shared.isAsleep { wake.signal() }
      return .taken
    }
  }

  /// False when nobody will answer.
  func add(barrier done: @escaping @Sendable (BarrierEnd) -> Void) -> Bool {
    lock.withLock {
      if shared.isStopping || shared.isStopped || shared.barriers.count >= capacity { return false }
      shared.barriers.append(done)
      if shared.isAsleep { wake.signal() }
      return true
    }
  }

  /// Adds the next event of the log.
  func tell(_ event: LogEvent) {
    lock.withLock {
      shared.events.append(event)
      if shared.isAsleep { wake.signal() }
    }
  }

  /// Waits for events, before there is an engine's thread.
  func takeEvents(patience: Duration) -> [LogEvent] {
    lock.withLock {
      if shared.events.isEmpty {
        shared.isAsleep = true
        _ = wake.wait(lock, timeout: patience)
        shared.isAsleep = false
      }
      defer { shared.events = [] }
      return shared.events
    }
  }

  /// Puts events back before those that have come since.
  func putBack(_ events: [LogEvent]) { lock.withLock { shared.events = events + shared.events } }

  func confirmTime() {
    lock.withLock {
      shared.confirm = true
      wake.signal()
    }
  }

  func stop() {
    lock.withLock {
      shared.isStopping = true
      wake.signal()
    }
  }

  /// Waits once, at most for `patience`; a pulse is work without anything to do.
  func take(ring: Bool, always: Bool, patience: Duration?, isPulse: Bool) -> (Work?, isWoken: Bool) {
    lock.withLock {
      if let work = shared.take(ring: ring, always: always) { return (work, true) }
      shared.isAsleep = true
      defer { shared.isAsleep = false }
      guard let patience else {
        wake.wait(lock)
        return (nil, true)
      }
      if wake.wait(lock, timeout: patience) { return (shared.take(ring: ring, always: false), true) }
      return (isPulse ? Work(isStopping: shared.isStopping) : nil, false)
    }
  }

  // MARK: Listeners

  func add(listener: @escaping @Sendable (UInt64) -> Void) { lock.withLock { shared.listeners.append(listener) } }

  func onAdviceWanted(_ ask: @escaping @Sendable ([VMKey]) -> Void) { lock.withLock { shared.adviser = ask } }

  func wantAdvice(_ keys: [VMKey]) { lock.withLock { shared.adviser }?(keys) }

  func announce(_ revision: UInt64) {
    for listener in lock.withLock({ shared.listeners }) { listener(revision) }
  }

  /// The archive has reached `head`.
  func archived(_ head: LogHead) { announce(head.nextRevision - 1) }

  // MARK: How it is

  var flags: Flags {
    get { lock.withLock { shared.flags } }
    set { lock.withLock { shared.flags = newValue } }
  }

  var status: (flags: Flags, depth: Int, isStopped: Bool) {
    lock.withLock { (shared.flags, shared.ring.count, shared.isStopped) }
  }

  /// The thread has ended; what came too late is answered by nobody else.
  func ended() {
    let late = lock.withLock { () -> Shared in
      shared.isStopped = true
      defer { (shared.ring, shared.barriers) = ([], []) }
      return shared
    }
    for waiting in late.ring { waiting.done(.unavailable(.stopping)) }
    for barrier in late.barriers { barrier(.failed("the node is stopping")) }
  }

  /// The engine has failed: takes out what waits.
  func fail() -> [Waiting] {
    lock.withLock {
      shared.isStopped = true
      defer { shared.ring = [] }
      return shared.ring
    }
  }
}
