internal import Platform
internal import Synchronization

/// What other threads send to a loop; at most one answer and one stream notice per connection wait at a time.
enum Delivery: Sendable {
  case answer(Connection, Response)
  case stream(Connection, Response, ResponseStream)
  case streamChanged(Connection, ResponseStream)
  case adopt(Socket, SocketAddress, isSurplus: Bool)
  case resume(Connection, @Sendable () -> Void)
}

/// Numbers that others read while the loop counts.
final class Counters: Sendable {
  let open = Atomic<Int>(0)
  let accepted = Atomic<Int>(0)
  let requests = Atomic<Int>(0)
  let refused = Atomic<Int>(0)
  let failedHandshakes = Atomic<Int>(0)
  let dropped = Atomic<Int>(0)
  let unread = Atomic<Int>(0)
}

/// One thread with its epoll instance and its share of the connections.
///
/// Other threads reach it through the inbox: an append under a lock, and a write to the eventfd only when the
/// loop has said that it sleeps. It says so first and looks into the inbox afterwards, so no delivery is missed.
// Unchecked because everything but `inbox` (under its lock), atomics and the poller's `wake` belongs to the loop's thread.
final class Loop: @unchecked Sendable {
  static let inputSize = 4 << 10
  static let bodyRoom = 64 << 10
  static let keptBuffers = 64
  static let keptOutput = 64 << 10
  static let acceptBatch = 16
  private static let listenerToken = UInt64.max - 1

  let state: ServerState
  let poller: Poller
  let counters: Counters
  var now = MonotonicTime.now
  var microsecond = 0
  var timestamps = Timestamps()
  var log: AccessLog
  private(set) var isDraining = false

  private var connections: [Connection?] = []
  private var freeSlots: [Int] = []
  private var generation: UInt64 = 0
  private var unread: [Connection] = []
  private var handshakes = 0
  private var unsent: [Connection] = []
  /// Answers wait for no more than so many others.
  private static let unsentMost = 32
  private var inputs: [[UInt8]] = []
  private var outputs: [[UInt8]] = []
  private var requestSeed = Entropy.uint64()
  private var nextSweep = MonotonicTime.now
  private var isAccepting = false
  private var drainDeadline = MonotonicTime(nanoseconds: .max)

  private let identity = Atomic<UInt>(0)
  private let sleeps = Atomic<Bool>(false)
  private let waiting = Atomic<Int>(0)
  private let lock = Lock()
  private var inbox: [Delivery] = []
  private var taken: [Delivery] = []

  /// The thread whose deliveries are gathered, 0 = none; `gathered` is that thread's.
  private let gatherer = Atomic<UInt>(0)
  private var gathered: [Delivery] = []
  /// So many are handed over without waiting for the rest: the loop works on them meanwhile.
  private static let gatheredMost = 32

  init(_ state: ServerState, _ counters: Counters) throws(NetFault) {
    self.state = state
    self.counters = counters
    log = AccessLog(state.options.accessLog)
    poller = try Poller()
  }

  // MARK: from other threads

  /// Whether the caller runs on the loop's thread.
  var isOwnThread: Bool { identity.load(ordering: .relaxed) == ThreadIdentity.current }

  /// Hands something to the loop.
  func deliver(_ delivery: Delivery) {
    if gatherer.load(ordering: .relaxed) == ThreadIdentity.current {
      gathered.append(delivery)
      if gathered.count >= Self.gatheredMost { handOver() }
      return
    }
    lock.withLock {
      inbox.append(delivery)
      waiting.store(inbox.count, ordering: .sequentiallyConsistent)
    }
    wakeIfIdle()
  }

  /// From here to `endGathering` what the calling thread delivers is handed over together; another thread that
  /// gathers at the same time gathers nothing.
  func beginGathering() {
    _ = gatherer.compareExchange(expected: 0, desired: ThreadIdentity.current, ordering: .acquiring)
  }

  func endGathering() {
    guard gatherer.load(ordering: .relaxed) == ThreadIdentity.current else { return }
    if !gathered.isEmpty { handOver() }
    gatherer.store(0, ordering: .releasing)
  }

  private func handOver() {
    lock.withLock {
      if inbox.isEmpty { swap(&inbox, &gathered) } else { inbox += gathered }
      waiting.store(inbox.count, ordering: .sequentiallyConsistent)
    }
    gathered.removeAll(keepingCapacity: true)
    wakeIfIdle()
  }

  private func wakeIfIdle() {
    if sleeps.exchange(false, ordering: .sequentiallyConsistent) { poller.wake() }
  }

  // MARK: the loop

  /// Serves until drained.
  func run() {
    identity.store(ThreadIdentity.current, ordering: .relaxed)
    setAccepting(true)
    tick()
    while !(isDraining && counters.open.load(ordering: .sequentiallyConsistent) == 0) {
      sleeps.store(true, ordering: .sequentiallyConsistent)
      let isAwaited = waiting.load(ordering: .sequentiallyConsistent) > 0 || !unread.isEmpty
      let count = poller.wait(milliseconds: isAwaited ? 0 : patience)
      sleeps.store(false, ordering: .relaxed)
      tick()
      for index in 0..<count { if let event = poller.event(index) { handle(event.token, event.interest) } }
      takeInbox()
      readAll()
      sendAll()
      if count == 0 { log.flush() }
      if now >= nextSweep { sweep() }
    }
    takeInbox()
    sendAll()
    log.flush()
  }

  private func tick() {
    now = .now
    let wall = WallClock.microseconds
    if timestamps.update(toSecond: wall / 1_000_000) { log.begin(second: timestamps.second) }
    microsecond = Int(wall % 1_000_000)
    if !isDraining, state.isDraining.load(ordering: .sequentiallyConsistent) { startDraining() }
  }

  /// How long there is nothing to do but wait.
  private var patience: Int32 {
    if !log.isEmpty { return min(50, state.sweepMilliseconds) }
    let hasTimes = isDraining || !isAccepting || counters.open.load(ordering: .relaxed) > 0
    return hasTimes ? state.sweepMilliseconds : -1
  }

  private func handle(_ token: UInt64, _ interest: Interest) {
    if token == Self.listenerToken { return acceptSome() }
    let slot = Int(token & 0xFFFF_FFFF)
    guard slot < connections.count, let connection = connections[slot], connection.token == token else { return }
    connection.handle(interest)
  }

  private func takeInbox() {
    guard waiting.load(ordering: .relaxed) > 0 else { return }
    lock.withLock {
      swap(&inbox, &taken)
      waiting.store(0, ordering: .relaxed)
    }
    for delivery in taken { accept(delivery) }
    taken.removeAll(keepingCapacity: true)
  }

  private func accept(_ delivery: Delivery) {
    switch delivery {
    case .answer(let connection, let response):
      guard connection.phase == .answering else { return }
      connection.answer(response)
      connection.process()
    case .stream(let connection, let head, let stream):
      guard connection.phase == .answering else { return stream.abandon() }
      connection.start(head, stream)
      connection.process()
    case .streamChanged(let connection, let stream):
      guard connection.phase == .streaming, connection.stream === stream else { return }
      connection.settle()
    case .adopt(let socket, let peer, let isSurplus): adopt(socket, peer, isSurplus: isSurplus)
    case .resume(let connection, let work):
      guard connection.phase == .answering else { return }
      connection.isHandling = true
      work()
      connection.isHandling = false
      connection.process()
    }
  }

  private func sweep() {
    nextSweep = now + .milliseconds(Int(state.sweepMilliseconds))
    for connection in connections { connection?.checkTime(state.options) }
    expireBodies()
    dropUnread()
    if !isDraining { setAccepting(state.hasRoom && handshakes < state.options.maxHandshakes) }
    if isDraining, now > drainDeadline { for connection in connections { connection?.close() } }
    sendAll()
  }

  /// While bodies take more than half of their room, those of this loop are given up that would need longest for the rest,
  /// so that nobody fills it slowly and shuts the others out. Each has had the time of a head.
  private func expireBodies() {
    let most = state.options.bodyRoom / 2
    guard state.bodies.bytes > most else { return }
    let slow = connections.compactMap(\.self).filter {
      $0.phase == .body && $0.share != nil && now > $0.since + state.options.headerTimeout
    }
    for connection in slowestFirst(slow, \.bodySlowness) {
      guard state.bodies.bytes > most else { return }
      connection.expire(.bodyTimeout)
    }
  }

  /// While more waits for peers than may, those go that would need longest for the rest. Whoever has just begun to read
  /// has a moment, so that fast readers of large answers are not taken for slow ones; until the next look there may be more.
  private func dropUnread() {
    guard state.unread > state.options.outputRoom else { return }
    let slow = connections.compactMap(\.self).filter {
      $0.unread > 0 && now > $0.unreadSince + state.options.outputPatience
    }
    for connection in slowestFirst(slow, \.slowness) {
      guard state.unread > state.options.outputRoom else { return }
      connection.drop()
    }
  }

  private func slowestFirst(_ connections: [Connection], _ slowness: (Connection) -> Double) -> [Connection] {
    connections.map { ($0, slowness($0)) }.sorted { $0.1 > $1.1 }.map(\.0)
  }

  // MARK: TLS

  /// The handshake of a connection is over, for good or ill.
  func endHandshake() {
    handshakes -= 1
    if !isAccepting, !isDraining, handshakes + 1 == state.options.maxHandshakes { setAccepting(state.hasRoom) }
  }

  /// Reads again in the next turn what has been received and waits inside a TLS session.
  func readLater(_ connection: Connection) {
    guard !connection.readsLater else { return }
    connection.readsLater = true
    unread.append(connection)
  }

  private func readAll() {
    guard !unread.isEmpty else { return }
    var batch: [Connection] = []
    swap(&batch, &unread)
    for connection in batch {
      connection.readsLater = false
      if connection.isReading { connection.readable() }
    }
  }

  // MARK: sending

  /// Answers of one turn are sent together: who waits for them is woken once and finds several, and our own code
  /// and the kernel's take turns in the caches less often.
  func sendLater(_ connection: Connection) {
    guard !connection.sendsLater else { return }
    connection.sendsLater = true
    unsent.append(connection)
    if unsent.count >= Self.unsentMost { sendAll() }
  }

  private func sendAll() {
    // Sending may put others on the list.
    while !unsent.isEmpty {
      var batch: [Connection] = []
      swap(&batch, &unsent)
      for connection in batch {
        connection.sendsLater = false
        connection.sendNow()
      }
      batch.removeAll(keepingCapacity: true)
      if unsent.isEmpty { swap(&batch, &unsent) }
    }
  }

  // MARK: connections

  private func setAccepting(_ wanted: Bool) {
    guard wanted != isAccepting else { return }
    isAccepting = wanted
    if wanted {
      poller.add(state.listener, token: Self.listenerToken)
    } else {
      poller.remove(state.listener)
    }
  }

  private func acceptSome() {
    for _ in 0..<Self.acceptBatch {
      guard isAccepting || isDraining else { return }
      switch state.listener.accept() {
      case .none: return
      case .exhausted: return setAccepting(false)  // the next sweep tries again
      case .connection(let socket, let peer):
        let isSurplus = state.count >= state.options.maxConnections
        let loop = state.chooseLoop(self)
        loop.counters.accepted.wrappingAdd(1, ordering: .relaxed)
        if loop === self {
          adopt(socket, peer, isSurplus: isSurplus)
        } else {
          loop.deliver(.adopt(socket, peer, isSurplus: isSurplus))
        }
        let isBusy = !state.hasRoom || handshakes >= state.options.maxHandshakes
        if isBusy, !isDraining { setAccepting(false) }
      }
    }
  }

  private func adopt(_ socket: Socket, _ peer: SocketAddress, isSurplus: Bool) {
    if let door = state.door {
      do throws(TLSFault) { try socket.secure(door.context(at: now)) } catch {
        counters.open.wrappingSubtract(1, ordering: .relaxed)
        return door.complain(peer.text, error.sentence, at: now)
      }
      handshakes += 1
    }
    let slot = freeSlots.popLast() ?? connections.count
    if slot == connections.count { connections.append(nil) }
    generation = (generation + 1) & 0x7FFF_FFFF
    let token = generation << 32 | UInt64(slot)
    let connection = Connection(
      socket, peer: peer.text, isSurplus: isSurplus, loop: self, slot: slot, token: token)
    connections[slot] = connection
    poller.add(socket, .receive, token: token)
    // The first request is often here already.
    connection.readable()
    if isDraining { retire(connection) }
  }

  func remove(_ connection: Connection) {
    connections[connection.slot] = nil
    freeSlots.append(connection.slot)
    counters.open.wrappingSubtract(1, ordering: .relaxed)
  }

  private func startDraining() {
    isDraining = true
    drainDeadline = now + state.options.drainTimeout
    nextSweep = now
    setAccepting(false)
    // Who has connected by now is served.
    for _ in 0..<Int(Listener.backlog) / Self.acceptBatch { acceptSome() }
    state.listener.stop()
    for connection in connections { if let connection { retire(connection) } }
    sendAll()
  }

  private func retire(_ connection: Connection) {
    if connection.phase == .greeting { return connection.close() }
    if connection.phase == .idle { connection.readable() }
    if connection.phase == .idle, connection.output.isEmpty { connection.close() }
    connection.stream?.close()
  }

  // MARK: buffers

  func nextRequestID() -> UInt64 {
    requestSeed &+= 0x9E37_79B9_7F4A_7C15
    var z = requestSeed
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  func takeInput() -> [UInt8] {
    inputs.isEmpty ? [UInt8](repeating: 0, count: Self.inputSize) : inputs.removeLast()
  }

  func giveBack(input: [UInt8]) {
    if input.count == Self.inputSize, inputs.count < Self.keptBuffers { inputs.append(input) }
  }

  func takeOutput() -> [UInt8] {
    if !outputs.isEmpty { return outputs.removeLast() }
    var output: [UInt8] = []
    output.reserveCapacity(Self.inputSize)
    return output
  }

  func giveBack(output: [UInt8]) {
    let isUseful = output.capacity > 0 && output.capacity <= Self.keptOutput
    if isUseful, outputs.count < Self.keptBuffers { outputs.append(output) }
  }
}
