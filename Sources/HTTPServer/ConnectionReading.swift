internal import Platform
internal import Synchronization
internal import Wire

// From bytes to a handler.
extension Connection {
  /// Reads and answers as many requests as the input holds; called whenever anything has changed. What there is to
  /// send goes out at the end of the loop's turn.
  func process() {
    while step() {}
    loop.sendLater(self)
  }

  /// Sends, goes on with what waited for room in the output, and decides what to wait for.
  func sendNow() {
    flush()
    while phase != .closed, output.isEmpty, phase == .idle || phase == .head, start < filled, step() {
      while step() {}
      flush()
    }
    settle()
  }

  /// One step of the state machine; false when it needs more input, an answer, or room in the output.
  private func step() -> Bool {
    guard output.count - sent <= Self.outputHighWater else { return false }
    switch phase {
    case .idle:
      guard start < filled else { return false }
      parser.begin(at: start)
      phase = .head
      since = loop.now
      return true
    case .head: return readHead()
    case .body: return readBody()
    case .greeting, .answering, .streaming, .closing, .lingering, .closed: return false
    }
  }

  private func readHead() -> Bool {
    do throws(HTTPFault) {
      guard try parser.parse(input, upTo: filled) else { return false }
      start = parser.head.end
      try begin()
    } catch {
      refuseAndClose(Refusal(error))
    }
    return true
  }

  /// Judges a complete head and decides what becomes of the request.
  private func begin() throws(HTTPFault) {
    // Locals, since each use of a class's member would copy it.
    let head = parser.head, input = input
    pendingRefusal = nil
    current = Current()
    current.receivedAt = loop.now
    current.microsecond = loop.microsecond
    current.hasHead = true
    current.keepsAlive = head.keepsAlive
    current.identity = RequestID(head, in: input) ?? .generated(loop.nextRequestID())
    framing = head.requestFraming
    if isSurplus { return refuseAndClose(.tooManyConnections) }
    guard let method = Method(head.method, in: input) else { return refuse(.unknownMethod) }
    current.method = method
    if let refusal = loop.state.admission.refusal(method, head, input) { return refuse(refusal) }
    if let query = head.query { _ = try HTTPTarget.parseQuery(input[query.indices]) }
    switch try loop.state.router.match(method, head.path, in: input) {
    case .route(let index) where framing == .none:
      current.route = index
      dispatch(head, input)
    case .route(let index): accept(index)
    case .notAllowed(let allow): method == .options ? answerOptions(allow) : refuse(.notAllowed(allow))
    case .notFound:
      let isServerWide = method == .options && head.target.count == 1
      isServerWide ? answerOptions(Method.allowed) : refuse(.notFound)
    }
  }

  private func accept(_ index: Int) {
    current.route = index
    let limit = loop.state.router.routes[index].bodyLimit
    guard Admission.isJSON(parser.head.contentType, input) else { return refuse(.unsupportedMediaType) }
    if case .length(let count) = framing, count > limit { return refuse(Refusal(.bodyTooLarge)) }
    if !bodyIsHere, let answer = judge(index) { return refuse(answer) }
    startBody(limit: limit)
  }

  /// Whether the whole body came with the head: nothing has to be kept for it.
  private var bodyIsHere: Bool {
    guard case .length(let count) = framing else { return false }
    return count <= filled - start
  }

  /// What the route has against the request, as far as its head tells.
  private func judge(_ index: Int) -> Response? { loop.state.router.routes[index].judge(bodiless(index)) }

  /// The request as far as its head tells of it.
  private func bodiless(_ index: Int) -> Request {
    guard let method = current.method else { preconditionFailure("no request to judge") }
    return Request(
      method, current, peer: peer, certificate: certificate, bytes: input, head: parser.head,
      parameters: loop.state.router.parameters[index])
  }

  private func startBody(limit: Int) {
    phase = .body
    since = loop.now
    current.bodyLimit = limit
    decoder = HTTPChunkedDecoder()
    forgetBody()
    if case .length(let count) = framing, pendingRefusal == nil { body.reserveCapacity(min(count, BodyShare.free)) }
    if parser.head.expectsContinue, parser.head.isHTTP11, start == filled {
      output.append("HTTP/1.1 100 Continue\r\n\r\n" as StaticString)
    }
  }

  private func readBody() -> Bool {
    var isComplete = false
    if case .length(let count) = framing {
      let taken = min(filled - start, count - current.bodyBytes)
      if pendingRefusal == nil { body.append(contentsOf: input[start..<start + taken]) }
      start += taken
      current.bodyBytes += taken
      isComplete = current.bodyBytes == count
    } else {
      do throws(HTTPFault) {
        isComplete = try decoder.decode(input, from: &start, upTo: filled, into: &body, limit: current.bodyLimit)
        current.bodyBytes = body.count
      } catch {
        refuseAndClose(Refusal(error))
        return true
      }
    }
    guard hasRoomForBody() else {
      refuseAndClose(.tooManyBodies)
      return true
    }
    guard isComplete else {
      // The head stays in the buffer for the handler; the used part of the body makes room for the next.
      start = parser.head.end
      filled = start
      return false
    }
    if let refusal = pendingRefusal { answerRefusal(refusal) } else { dispatch(parser.head, input) }
    return true
  }

  /// Counts what is kept of the body; false when all connections together keep too much.
  private func hasRoomForBody() -> Bool {
    guard body.count > BodyShare.free else { return true }
    let share = share ?? BodyShare(loop.state.bodies, of: sender)
    self.share = share
    return share.grow(to: body.count)
  }

  /// Whose part of the room for bodies the request takes; nil = nobody's.
  private var sender: String? {
    guard let index = current.route else { return nil }
    return loop.state.router.routes[index].sender(bodiless(index))
  }

  /// How many times longer than up to now its peer would need for the rest of the body, or for as much as it may send.
  var bodySlowness: Double {
    var count = current.bodyLimit
    if case .length(let told) = framing { count = told }
    return Double(count - current.bodyBytes) * Double(loop.now - since) / Double(max(1, current.bodyBytes))
  }

  func forgetBody() {
    body = []
    share = nil
  }

  private func dispatch(_ head: consuming HTTPHead, _ bytes: consuming [UInt8]) {
    let current = self.current
    guard let method = current.method, let index = current.route else { preconditionFailure("no route to dispatch to") }
    phase = .answering
    since = loop.now
    let number = ticket.issue()
    var content: [UInt8] = []
    if framing != .none { swap(&content, &body) }
    var share: BodyShare?
    swap(&share, &self.share)
    let request = Request(
      method, current, body: content, share: share, peer: peer, certificate: certificate, bytes: bytes, head: head,
      parameters: loop.state.router.parameters[index])
    isHandling = true
    loop.state.router.handlers[index](request, Reply(connection: self, ticket: number))
    isHandling = false
  }

  private func answerOptions(_ allow: String) {
    guard framing == .none else { return refuse(.unsupportedMediaType) }
    answer(loop.state.admission.optionsAnswer(allow: allow, parser.head, input))
  }

  private func refuse(_ refusal: Refusal) { refuse(loop.state.options.renderRefusal(refusal)) }

  /// Turns the request down; a small body is read first, so that the connection can live on.
  private func refuse(_ answer: Response) {
    switch framing {
    case .none: answerRefusal(answer)
    case .length(let count) where count <= Self.swallowLimit && !parser.head.expectsContinue:
      pendingRefusal = answer
      startBody(limit: count)
    case .length, .chunked, .untilClose:
      current.keepsAlive = false
      answerRefusal(answer)
    }
  }

  /// Turns the request down and reads nothing more.
  func refuseAndClose(_ refusal: Refusal) {
    if phase == .head, !current.hasHead {
      current = Current()
      pendingRefusal = nil
      current.receivedAt = loop.now
      current.microsecond = loop.microsecond
      current.identity = .generated(loop.nextRequestID())
    }
    current.keepsAlive = false
    forgetBody()
    answerRefusal(loop.state.options.renderRefusal(refusal))
  }

  private func answerRefusal(_ response: Response) {
    loop.counters.refused.wrappingAdd(1, ordering: .relaxed)
    answer(response)
  }
}
