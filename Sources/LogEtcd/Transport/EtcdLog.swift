package import HTTPClient
package import Log
internal import Platform

/// The log in etcd: the machine, turned by whichever thread brings it something, and connections for what it asks.
// Unchecked because the compiler cannot see the rule: `machine`, `shownAt` and `told` belong to the one thread that has
// set `isTurning`; the rest is guarded by `lock`.
package final class EtcdLog: SharedLog, @unchecked Sendable {
  /// Inputs that may wait before a watch has to.
  private static let maxWaiting = 1_024
  /// Microseconds that a shown status may be old while things happen.
  private static let showEvery: Int64 = 100_000

  private let options: EtcdOptions
  private let calls: EtcdCalls
  private let machine: EtcdMachine
  private let lock = Lock()
  private let changed = Condition()
  private var inputs: [EtcdInput] = []
  private var watches: [UInt64] = []
  private var thens: [@Sendable (AppendEnd) -> Void] = []
  private var told: @Sendable (LogEvent) -> Void = { _ in }
  private var shownHead: LogHead
  private var shownStatus = SharedLogStatus()
  private var shownAt = Int64.min / 2
  private var isClosing = false
  private var thread: Thread?
  /// Whether some thread has the machine.
  private var isTurning = false
  /// When the machine wants to be turned although nothing has come, and until when the clock's thread sleeps.
  private var wake: Int64?
  private var sleepsUntil = Int64.min
  /// Whether a watch waits until inputs have been handled.
  private var watchesWait = false

  /// Prepares a log; nothing is connected before `start`. Connections are made as `client` says.
  package init(
    _ options: EtcdOptions, endpoints: [Endpoint], door: EtcdDoor = EtcdDoor(),
    client: HTTPClientOptions = HTTPClientOptions(), seed: UInt64 = Entropy.uint64()
  ) {
    precondition(options.endpoints == endpoints.count, "the options count other endpoints")
    self.options = options
    calls = EtcdCalls(endpoints, client, door)
    machine = EtcdMachine(options, seed: seed)
    shownHead = machine.toldHead
  }

  // MARK: For every thread

  /// The newest batch that has been told.
  package var head: LogHead { lock.withLock { shownHead } }

  /// How the log and its connections are.
  package var status: SharedLogStatus { lock.withLock { shownStatus } }

  /// Begins to follow the log.
  package func start(after head: LogHead?, tell: @escaping @Sendable (LogEvent) -> Void) {
    lock.withLock {
      precondition(thread == nil, "a log is started once")
      told = tell
      thread = Thread(name: "berth-etcd") { self.run() }
    }
    push(.start(after: head))
  }

  /// Appends; `then` is called on the log's thread, between the events.
  package func append(_ batch: Batch, then: @escaping @Sendable (AppendEnd) -> Void) {
    lock.withLock {
      thens.append(then)
      inputs.append(.append(batch))
    }
    turn()
  }

  /// Asks for proof that this node is up to date.
  package func barrier(_ number: UInt64) { push(.barrier(number)) }

  /// The engine goes on.
  package func stepped() { push(.stepped) }

  /// Publishes a snapshot.
  package func publish(_ image: SnapshotImage) { push(.publish(image)) }

  /// Ends an epoch by hand.
  package func depose(epoch: UInt64) { push(.depose(epoch)) }

  /// Nothing to do here: etcd keeps its own house, and trimming follows snapshots.
  package func maintain(idle: Bool) {}

  /// A reader that asks etcd itself.
  package func reader() throws(LogFault) -> any BatchReader { EtcdReader(calls, options) }

  /// Gives up leadership and ends the thread; what is still under way is not waited for.
  package func close() {
    let thread = lock.withLock { () -> Thread? in
      guard !isClosing else { return nil }
      inputs.append(.resign)
      isClosing = true
      changed.broadcast()
      return self.thread
    }
    guard let thread else { return calls.close() }
    turn()
    thread.join()
    calls.close()
  }

  private func push(_ input: EtcdInput) {
    lock.withLock {
      guard !isClosing else { return }
      // One step says as much as many.
      if case .stepped = input, case .stepped = inputs.last { return }
      inputs.append(input)
    }
    turn()
  }

  // MARK: Whoever turns the machine

  private static var microseconds: Int64 { MonotonicTime.now.nanoseconds / 1_000 }

  /// Lets the machine handle what waits, on this thread, unless another thread is at it and will see it too: a thread
  /// that only passed inputs on would be one more to be woken on each way.
  private func turn(tick: Bool = false) {
    var isTick = tick
    while true {
      let work = lock.withLock { () -> [EtcdInput] in
        if isTurning { return [] }
        let work = inputs.isEmpty && isTick ? [.tick] : inputs
        inputs = []
        isTurning = !work.isEmpty
        return work
      }
      if work.isEmpty { return }
      isTick = false
      for input in work {
        for action in machine.handle(input, now: EtcdLog.microseconds) { perform(action) }
        show()
      }
      lock.withLock {
        isTurning = false
        // Who waits: a watch for room, the clock's thread for an earlier time or for the end.
        if watchesWait || isClosing || wake.map({ $0 < sleepsUntil }) ?? false { changed.broadcast() }
      }
    }
  }

  /// The clock's thread: turns the machine when it is time.
  private func run() {
    while true {
      let isOver = lock.withLock { () -> Bool in
        while true {
          if isClosing, !isTurning, inputs.isEmpty { return true }
          let left = (wake ?? .max) - EtcdLog.microseconds
          if left <= 0, !isTurning { break }
          sleepsUntil = wake ?? .max
          defer { sleepsUntil = .min }
          // While the machine is turned, whoever does it says when it is done only to those who must know.
          if wake == nil {
            changed.wait(lock)
          } else {
            _ = changed.wait(lock, timeout: .microseconds(max(left, 1_000)))
          }
        }
        wake = nil
        return false
      }
      if isOver { return }
      turn(tick: true)
    }
  }

  private func show() {
    let head = machine.toldHead
    let now = EtcdLog.microseconds
    let status = now - shownAt >= EtcdLog.showEvery ? machine.status : nil
    if status != nil { shownAt = now }
    lock.withLock {
      shownHead = head
      if let status { shownStatus = status }
    }
  }

  private func perform(_ action: EtcdAction) {
    switch action {
    case .send(let id, let request, let endpoint, let timeout):
      calls.send(request, to: endpoint, timeout: .microseconds(timeout)) { result in
        switch result {
        case .success(let answer): self.push(.answer(id, answer))
        case .failure(let failure): self.push(.failed(id, failure.failure))
        }
      }
    case .watch(let id, let watch, let endpoint):
      lock.withLock { watches.append(id) }
      calls.watch(watch, at: endpoint) { message in self.watched(id, message) }
    case .unwatch(let id): lock.withLock { watches.removeAll { $0 == id } }
    case .tell(.ended(let end)):
      let then = lock.withLock { thens.removeFirst() }
      show()
      then(end)
    case .tell(let event):
      show()
      told(event)
    case .wake(let at): lock.withLock { wake = at }
    }
  }

  /// A message of a watch, nil at its end; false when nobody wants more. Waits while too much is waiting already.
  private func watched(_ id: UInt64, _ message: EtcdWatchMessage?) -> Bool {
    let isWanted = lock.withLock { () -> Bool in
      while inputs.count >= EtcdLog.maxWaiting, !isClosing {
        watchesWait = true
        _ = changed.wait(lock, timeout: .milliseconds(5))
      }
      watchesWait = false
      guard watches.contains(id), !isClosing else { return false }
      if let message { inputs.append(.watch(id, message)) } else { inputs.append(.watchEnded(id)) }
      if message == nil { watches.removeAll { $0 == id } }
      return true
    }
    if isWanted { turn() }
    return isWanted
  }
}
