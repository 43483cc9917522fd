internal import Platform
internal import Synchronization
internal import Wire

// From an answer to bytes.
extension Connection {
  /// Writes the answer to the current request; the caller has claimed its ticket or is the server itself.
  func answer(_ response: Response) {
    let keeps = current.keepsAlive && !loop.isDraining && !response.endsConnection
    let hasBody = current.method != .head && response.status != 204 && response.status != 304
    append(response, framing: .length(response.body.count), keepsAlive: keeps, withBody: hasBody)
    let bytes = hasBody ? response.body.count : 0
    complete(status: response.status, bytes: bytes)
    finish(keepsAlive: keeps)
  }

  /// Begins an answer in pieces.
  func start(_ response: Response, _ stream: ResponseStream) {
    let isChunked = parser.head.isHTTP11
    current.keepsAlive = current.keepsAlive && isChunked && !loop.isDraining
    append(response, framing: isChunked ? .chunked : .untilClose, keepsAlive: current.keepsAlive, withBody: false)
    if current.method == .head {
      stream.abandon()
      complete(status: response.status, bytes: 0)
      return finish(keepsAlive: current.keepsAlive)
    }
    current.streamStatus = response.status
    current.streamBytes = 0
    phase = .streaming
    since = loop.now
    self.stream = stream
    if loop.isDraining { stream.close() }
  }

  private func append(
    _ response: Response, framing: ResponseHeadWriter.Framing, keepsAlive: Bool, withBody: Bool
  ) {
    // Taken out of the object while it is written to: each access to an object's member is checked against others.
    var out: [UInt8] = []
    swap(&out, &output)
    if out.capacity == 0 { out = loop.takeOutput() }
    let head = ResponseHeadWriter(isHTTP11: parser.head.isHTTP11, keepsAlive: keepsAlive, framing: framing)
    head.begin(response, date: loop.timestamps.date, current.identity, from: input, to: &out)
    if loop.state.admission.hasCORS, current.hasHead {
      loop.state.admission.appendCORS(parser.head, input, to: &out)
    }
    head.end(&out)
    if withBody { out.append(contentsOf: response.body) }
    swap(&out, &output)
  }

  private func finish(keepsAlive: Bool) {
    current.hasHead = false
    phase = keepsAlive ? .idle : .closing
    since = loop.now
  }

  /// Counts and logs an answered request.
  func complete(status: Int, bytes: Int) {
    let current = self.current, loop = self.loop
    loop.counters.requests.wrappingAdd(1, ordering: .relaxed)
    let duration = MonotonicTime.now - current.receivedAt
    loop.state.options.onCompletion?(
      Completion(route: current.route, method: current.method, status: status, nanoseconds: duration))
    guard loop.log.isOn else { return }
    loop.log.add(
      AccessLog.Entry(
        microsecond: current.microsecond, method: current.method,
        path: current.hasHead || phase == .streaming ? parser.head.path : nil, status: status, bytes: bytes,
        nanoseconds: duration, identity: current.identity),
      peer: peer, from: input)
  }

  /// Sends as much output as the kernel takes.
  func flush() {
    while sent < output.count, let socket {
      switch socket.send(output, from: sent) {
      case .bytes(let count):
        sent += count
        taken += count
        progressAt = loop.now
      case .wouldBlock: return countUnread(output.count)
      case .ended, .failed: return close()
      }
    }
    guard sent > 0 else { return }
    output.removeAll(keepingCapacity: true)
    sent = 0
    countUnread(0)
  }

  /// Counts what the connection keeps for a peer that does not take it at once.
  func countUnread(_ count: Int) {
    guard count != unread else { return }
    if unread == 0 {
      unreadSince = loop.now
      taken = 0
    }
    loop.counters.unread.wrappingAdd(count - unread, ordering: .relaxed)
    unread = count
  }

  /// How many times longer than up to now its peer would need for the rest.
  var slowness: Double {
    Double(unread - sent) * Double(loop.now - unreadSince) / Double(max(1, taken))
  }

  /// Decides what to wait for.
  func settle() {
    if phase == .streaming { pump() }
    guard phase != .closed else { return }
    guard output.isEmpty else { return watch(.send) }
    if output.capacity > Loop.keptOutput { output = [] }
    switch phase {
    case .closing: if let socket { linger(socket) }
    case .lingering: watch(.receive)
    case .idle, .head, .body:
      watch(.receive)
      if let socket, socket.hasPending { loop.readLater(self) }
    case .answering, .streaming: if interest == .send { watch(.receive) }
    case .greeting, .closed: break
    }
  }

  func writable() {
    if phase == .greeting, let socket { return greet(socket) }
    flush()
    guard output.isEmpty, phase != .closed else { return }
    process()
  }

  /// Moves what has been written to the stream on to the kernel.
  private func pump() {
    while output.isEmpty, phase == .streaming, let stream {
      guard case .bytes(let bytes, let isLast) = stream.take() else { return drop() }
      append(chunk: bytes)
      if isLast {
        if parser.head.isHTTP11 { output.append("0\r\n\r\n" as StaticString) }
        complete(status: current.streamStatus, bytes: current.streamBytes)
        self.stream = nil
        finish(keepsAlive: current.keepsAlive && !loop.isDraining)
        return process()
      }
      if bytes.isEmpty { return }
      flush()
    }
    if let stream, stream.isOverrun { drop() }
  }

  private func append(chunk bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    if output.capacity == 0 { output = loop.takeOutput() }
    current.streamBytes += bytes.count
    guard parser.head.isHTTP11 else { return output.append(contentsOf: bytes) }
    output.append(hex: UInt64(bytes.count), digits: 8)
    output.append("\r\n" as StaticString)
    output.append(contentsOf: bytes)
    output.append("\r\n" as StaticString)
  }

  /// Looks whether time has run out; called by the loop a few times a second.
  func checkTime(_ options: ServerOptions) {
    let now = loop.now
    if unread > 0, isTooSlow(options) { return drop() }
    switch phase {
    case .greeting where now > since + options.handshakeTimeout: drop()
    case .idle where output.isEmpty && now > since + options.idleTimeout: close()
    case .idle where now > since + Self.bufferPatience: releaseBuffers()
    case .head where now > since + options.headerTimeout: expire(.headerTimeout)
    case .body where now > since + options.headerTimeout + bodyTime(options): expire(.bodyTimeout)
    case .answering where now > since + options.requestTimeout:
      if ticket.abandon() { expire(current.method?.isWrite == true ? .unansweredWrite : .unansweredRead) }
    case .lingering where now > since + Self.lingerTime: close()
    case .greeting, .idle, .head, .body, .answering, .streaming, .closing, .lingering, .closed: break
    }
  }

  private func bodyTime(_ options: ServerOptions) -> Duration { time(for: current.bodyBytes, options) }

  /// Whether the peer has taken nothing for too long, or on the whole too little.
  private func isTooSlow(_ options: ServerOptions) -> Bool {
    loop.now > max(progressAt, unreadSince) + options.writeTimeout
      || loop.now > unreadSince + options.writeTimeout + time(for: taken, options)
  }

  /// How long so many bytes may be on their way.
  private func time(for bytes: Int, _ options: ServerOptions) -> Duration {
    .milliseconds(bytes * 1000 / max(1, options.minimumRate))
  }

  /// Ends the request because its peer is too slow.
  func expire(_ refusal: Refusal) {
    loop.counters.dropped.wrappingAdd(1, ordering: .relaxed)
    refuseAndClose(refusal)
    process()
  }
}
