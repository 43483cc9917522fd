internal import Platform
internal import Synchronization
internal import Wire

/// One client's connection: a state machine that its loop drives with `readable`, `writable` and answers.
///
/// One request is in flight at a time; the bytes of the next ones stay in the input buffer (and then in the
/// kernel), so pipelined answers leave in order and a flood of requests presses back on the sender.
// Unchecked because everything but `ticket` is touched by the loop's thread alone.
final class Connection: @unchecked Sendable {
  enum Phase {
    /// The TLS handshake is under way.
    case greeting
    /// Between requests.
    case idle
    case head
    case body
    /// A handler has the request.
    case answering
    case streaming
    /// The last answer is being sent.
    case closing
    /// Everything is sent; the rest of what the peer sends is read, so that no reset destroys our answer.
    case lingering
    case closed
  }

  /// The request in flight.
  struct Current {
    var method: Method?
    var route: Int?
    var identity = RequestID.generated(0)
    var receivedAt = MonotonicTime(nanoseconds: 0)
    var microsecond = 0
    var keepsAlive = false
    var hasHead = false
    var bodyLimit = 0
    /// Bytes of the body that have come.
    var bodyBytes = 0
    var streamStatus = 0
    var streamBytes = 0
  }

  /// Pending output over which no further request is begun.
  static let outputHighWater = 256 << 10
  /// Largest body read only to be refused politely.
  static let swallowLimit = 64 << 10
  /// Bytes and time granted to a peer that still sends after our last answer.
  static let lingerBytes = 256 << 10
  static let lingerTime = Duration.seconds(1)
  /// How long an idle connection keeps its buffers.
  static let bufferPatience = Duration.milliseconds(500)

  let loop: Loop
  let slot: Int
  let token: UInt64
  let peer: String
  /// Over the limit of connections: one refusal, then the end.
  let isSurplus: Bool
  let ticket = Ticket()
  /// Whether a handler is running: its answer needs no inbox. Means something on the loop's thread only.
  var isHandling = false

  var socket: Socket?
  /// Who the client is, if it has shown a certificate.
  var certificate: PeerCertificate?
  var interest = Interest.receive
  var phase = Phase.idle
  /// When the phase began.
  var since: MonotonicTime

  var input: [UInt8] = []
  /// The first byte not yet used, and the end of what was received.
  var start = 0
  var filled = 0
  var parser: HTTPHeadParser
  var framing = HTTPBodyFraming.none
  var decoder = HTTPChunkedDecoder()
  var body: [UInt8] = []
  /// What `body` takes of the room for all bodies.
  var share: BodyShare?
  var current = Current()
  /// What the request will be told once its body has been read, of which nothing is kept.
  var pendingRefusal: Response?

  var output: [UInt8] = []
  var sent = 0
  /// Whether it is on the loop's list of those that send at the end of the turn.
  var sendsLater = false
  /// Whether it is on the loop's list of those that read again in the next turn.
  var readsLater = false
  var progressAt: MonotonicTime
  /// Bytes of output that wait for the peer, counted by the loop; since when there are any, and how many it has taken since.
  var unread = 0
  var unreadSince: MonotonicTime
  var taken = 0
  var stream: ResponseStream?

  init(_ socket: Socket, peer: String, isSurplus: Bool, loop: Loop, slot: Int, token: UInt64) {
    self.socket = socket
    self.peer = peer
    self.isSurplus = isSurplus
    self.loop = loop
    self.slot = slot
    self.token = token
    since = loop.now
    progressAt = loop.now
    unreadSince = loop.now
    if loop.state.door != nil { phase = .greeting }
    parser = HTTPHeadParser(.request, limits: loop.state.options.head)
  }

  /// Whether the caller is the handler that the loop has called.
  var isHandlingHere: Bool { loop.isOwnThread && isHandling }

  /// Takes what epoll said.
  func handle(_ event: Interest) {
    if !event.isDisjoint(with: .broken), !event.contains(.receive) { return close() }
    if event.contains(.send) { writable() }
    if event.contains(.receive) { readable() }
  }

  func readable() {
    guard let socket else { return }
    switch phase {
    case .closed: return
    case .greeting: greet(socket)
    case .answering, .closing: watch([])
    case .streaming:
      switch socket.peek() {
      case .bytes: watch([])
      case .wouldBlock: return
      case .ended, .failed: close()
      }
    case .lingering: discard(socket)
    case .idle, .head, .body:
      makeRoom()
      switch socket.receive(into: &input, at: filled) {
      case .bytes(let count):
        filled += count
        process()
      case .wouldBlock: return
      case .ended, .failed: close()
      }
    }
  }

  /// Whether it waits for bytes of a request.
  var isReading: Bool { phase == .idle || phase == .head || phase == .body }

  /// Goes on with the TLS handshake.
  func greet(_ socket: Socket) {
    switch socket.handshake() {
    case .wantsReceive: watch(.receive)
    case .wantsSend: watch(.send)
    case .done:
      certificate = socket.peerCertificate
      enter(.idle)
      loop.endHandshake()
      watch(.receive)
      // The first request often came with the end of the handshake.
      readable()
    case .failed(let reason):
      loop.counters.failedHandshakes.wrappingAdd(1, ordering: .relaxed)
      loop.state.door?.complain(peer, reason, at: loop.now)
      loop.endHandshake()
      linger(socket)
    }
  }

  /// Ends our side and reads what the peer still sends, so that no reset destroys what we said last: an answer, or the
  /// alert that tells why there is none.
  func linger(_ socket: Socket) {
    socket.endSending()
    enter(.lingering)
    current.streamBytes = 0
    start = 0
    filled = 0
    watch(.receive)
  }

  private func enter(_ next: Phase) {
    phase = next
    since = loop.now
  }

  private func discard(_ socket: Socket) {
    makeRoom()
    guard case .bytes(let count) = socket.receiveRaw(into: &input, at: 0) else { return close() }
    current.streamBytes += count
    if current.streamBytes > Self.lingerBytes { close() }
  }

  /// Makes the input buffer hold at least one more byte.
  private func makeRoom() {
    if input.isEmpty {
      input = loop.takeInput()
      start = 0
      filled = 0
    }
    if start == filled, phase == .idle {
      start = 0
      filled = 0
    }
    guard filled == input.count, phase != .lingering else { return }
    if start > 0, phase != .body {
      let left = filled - start
      for i in 0..<left { input[i] = input[start + i] }
      start = 0
      filled = left
      if phase == .head { parser.begin(at: 0) }
    } else {
      let isKept = phase == .body && pendingRefusal == nil
      input.append(contentsOf: repeatElement(0, count: isKept ? Loop.bodyRoom : input.count))
    }
  }

  /// Gives the buffers back, so that a connection that does nothing costs little; done by the loop's look at times,
  /// not after each request, whose cost it would add to.
  func releaseBuffers() {
    guard start == filled, output.isEmpty else { return }
    if !input.isEmpty { loop.giveBack(input: input) }
    if output.capacity > 0 { loop.giveBack(output: output) }
    input = []
    output = []
    start = 0
    filled = 0
  }

  func watch(_ wanted: Interest) {
    guard wanted != interest, let socket else { return }
    interest = wanted
    loop.poller.change(socket, wanted, token: token)
  }

  /// Ends the connection at once.
  func close() {
    guard phase != .closed else { return }
    if phase == .streaming { complete(status: current.streamStatus, bytes: current.streamBytes) }
    if phase == .greeting { loop.endHandshake() }
    phase = .closed
    socket?.sayGoodbye()
    _ = ticket.abandon()
    stream?.abandon()
    stream = nil
    socket = nil
    input = []
    output = []
    forgetBody()
    countUnread(0)
    loop.remove(self)
  }

  /// Ends the connection because the peer is too slow.
  func drop() {
    loop.counters.dropped.wrappingAdd(1, ordering: .relaxed)
    close()
  }
}
