internal import Platform
internal import Synchronization
internal import Wire

// From bytes to a handler.
extension Connection {
  /// Reads and answers as many requests as the input holds, then sends; called whenever anything has changed.
  func process() {
    if output.capacity == 0 { output = loop.takeOutput() }
    repeat {
      while step() {}
      flush()
    } while phase != .closed && output.isEmpty && (phase == .idle || phase == .head) && start < filled && step()
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
    case .answering, .streaming, .closing, .lingering, .closed: return false
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
    case .route(let index): accept(index)
    case .notAllowed(let allow): method == .options ? answerOptions(allow) : refuse(.notAllowed(allow))
    case .notFound:
      let isServerWide = method == .options && head.target.count == 1
      isServerWide ? answerOptions(Method.allowed) : refuse(.notFound)
    }
  }

  private func accept(_ index: Int) {
    current.route = index
    guard framing != .none else { return dispatch() }
    let limit = loop.state.router.routes[index].bodyLimit
    guard Admission.isJSON(parser.head.contentType, input) else { return refuse(.unsupportedMediaType) }
    if case .length(let count) = framing, count > limit { return refuse(Refusal(.bodyTooLarge)) }
    startBody(limit: limit)
  }

  private func startBody(limit: Int) {
    phase = .body
    since = loop.now
    current.bodyLimit = limit
    decoder = HTTPChunkedDecoder()
    body = []
    if case .length(let count) = framing { body.reserveCapacity(min(count, Self.swallowLimit)) }
    if parser.head.expectsContinue, parser.head.isHTTP11, start == filled {
      output.append("HTTP/1.1 100 Continue\r\n\r\n" as StaticString)
    }
  }

  private func readBody() -> Bool {
    var isComplete = false
    if case .length(let count) = framing {
      let taken = min(filled - start, count - body.count)
      body.append(contentsOf: input[start..<start + taken])
      start += taken
      isComplete = body.count == count
    } else {
      do throws(HTTPFault) {
        isComplete = try decoder.decode(input, from: &start, upTo: filled, into: &body, limit: current.bodyLimit)
      } catch {
        refuseAndClose(Refusal(error))
        return true
      }
    }
    guard isComplete else {
      // The head stays in the buffer for the handler; the used part of the body makes room for the next.
      start = parser.head.end
      filled = start
      return false
    }
    if let refusal = pendingRefusal { answerRefusal(refusal) } else { dispatch() }
    return true
  }

  private func dispatch() {
    let current = self.current
    guard let method = current.method, let index = current.route else { preconditionFailure("no route to dispatch to") }
    phase = .answering
    since = loop.now
    let number = ticket.issue()
    let router = loop.state.router
    let request = Request(
      method: method, body: body, peer: peer, receivedAt: current.receivedAt, identity: current.identity,
      bytes: input, head: parser.head, parameterSegments: router.parameterSegments[index])
    body = []
    loop.handling = self
    router.handlers[index](request, Reply(connection: self, ticket: number))
    loop.handling = nil
  }

  private func answerOptions(_ allow: String) {
    guard framing == .none else { return refuse(.unsupportedMediaType) }
    answer(loop.state.admission.optionsAnswer(allow: allow, parser.head, input))
  }

  /// Turns the request down; a small body is read first, so that the connection can live on.
  private func refuse(_ refusal: Refusal) {
    switch framing {
    case .none: answerRefusal(refusal)
    case .length(let count) where count <= Self.swallowLimit && !parser.head.expectsContinue:
      pendingRefusal = refusal
      startBody(limit: count)
    case .length, .chunked, .untilClose: refuseAndClose(refusal)
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
    answerRefusal(refusal)
  }

  func answerRefusal(_ refusal: Refusal) {
    loop.counters.refused.wrappingAdd(1, ordering: .relaxed)
    answer(loop.state.options.renderRefusal(refusal))
  }
}
