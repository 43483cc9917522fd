internal import Platform
internal import Wire

/// The head of an answer, taken out of the connection's buffer.
struct AnswerHead {
  let status: Int
  let headers: [(name: String, value: String)]
  let framing: HTTPBodyFraming
}

/// One connection with the bytes that have arrived on it; one caller at a time.
final class ClientConnection {
  private static let firstBuffer = 16 << 10
  private static let interimLimit = 8

  private let socket: Socket
  /// Which state of the certificate files it was made with.
  let generation: Int
  private var parser: HTTPHeadParser
  private var buffer = [UInt8](repeating: 0, count: firstBuffer)
  /// The bytes of the buffer that have arrived and are not used yet.
  private var start = 0
  private var end = 0
  private var wasSent = false
  private var allowsReuse = false
  /// Whether no byte has come back since the request was sent.
  private(set) var isSilent = true

  init(_ socket: Socket, headLimit: Int, generation: Int = 0) {
    (self.socket, self.generation) = (socket, generation)
    parser = HTTPHeadParser(.response, limits: .init(head: headLimit, fields: 256))
  }

  /// Whether another request may follow: the last answer was complete and both sides keep the connection.
  var isReusable: Bool { allowsReuse && start == end }

  /// Whether the peer has neither ended nor said anything unasked.
  var looksAlive: Bool { socket.peek() == .wouldBlock }

  /// Sends a whole request and reads the head of its answer.
  func exchange(_ request: [UInt8], isHead: Bool, until deadline: MonotonicTime) throws(HTTPClientFault) -> AnswerHead {
    wasSent = false
    allowsReuse = false
    isSilent = true
    start = 0
    end = 0
    try send(request, until: deadline)
    for _ in 0..<Self.interimLimit {
      parser.begin(at: start)
      while try !parse() { try receive(until: deadline) }
      start = parser.head.end
      guard parser.head.status < 200 else { return answer(isHead: isHead) }
      guard parser.head.status != 101 else { throw malformed("the server changed the protocol unasked") }
    }
    throw malformed("the server sent over \(Self.interimLimit) interim answers")
  }

  /// Reads the body into `body`; `each` sees it after every piece, may empty it, and ends the reading with false.
  func readBody(
    _ head: AnswerHead, limit: Int, into body: inout [UInt8], until deadline: () -> MonotonicTime,
    each: (inout [UInt8]) -> Bool
  ) throws(HTTPClientFault) {
    var remaining = 0
    if case .length(let length) = head.framing { remaining = length }
    guard remaining <= limit else { throw tooLarge(limit) }
    var chunks = HTTPChunkedDecoder()
    var isDone = head.framing == .none
    while true {
      if !isDone { isDone = try take(head.framing, &remaining, &chunks, limit: limit, into: &body) }
      let goesOn = each(&body)
      if isDone { return }
      guard goesOn else { break }
      guard try receive(until: deadline(), endIsFine: head.framing == .untilClose) else { break }
    }
    allowsReuse = false
  }

  /// Moves what the buffer holds of the body; true when the body is complete.
  private func take(
    _ framing: HTTPBodyFraming, _ remaining: inout Int, _ chunks: inout HTTPChunkedDecoder, limit: Int,
    into body: inout [UInt8]
  ) throws(HTTPClientFault) -> Bool {
    switch framing {
    case .none: return true
    case .length:
      let count = min(remaining, end - start)
      body.append(contentsOf: buffer[start..<start + count])
      start += count
      remaining -= count
      return remaining == 0
    case .chunked:
      do throws(HTTPFault) {
        return try chunks.decode(buffer, from: &start, upTo: end, into: &body, limit: limit)
      } catch { throw error == .bodyTooLarge ? tooLarge(limit) : malformed(error.sentence) }
    case .untilClose:
      guard end - start <= limit - body.count else { throw tooLarge(limit) }
      body.append(contentsOf: buffer[start..<end])
      start = end
      return false
    }
  }

  private func parse() throws(HTTPClientFault) -> Bool {
    do throws(HTTPFault) { return try parser.parse(buffer, upTo: end) } catch {
      if error == .headTooLarge || error == .tooManyFields || error == .requestLineTooLong {
        throw fault(.answerTooLarge, "the head of the answer is too large")
      }
      throw malformed(error.sentence)
    }
  }

  private func answer(isHead: Bool) -> AnswerHead {
    let head = parser.head
    let headers = head.fields.map { (name: buffer.text($0.name).lowercased(), value: buffer.text($0.value)) }
    allowsReuse = head.keepsAlive
    return AnswerHead(status: head.status, headers: headers, framing: head.responseFraming(toHead: isHead))
  }

  // MARK: - Bytes

  /// Sends all of the request. When the server stops listening halfway, its answer (too large, say) may be there
  /// already, so the failure is left to the reading that follows.
  private func send(_ request: [UInt8], until deadline: MonotonicTime) throws(HTTPClientFault) {
    var sent = 0
    while sent < request.count {
      switch socket.send(request, from: sent) {
      case .bytes(let count): sent += count
      case .wouldBlock:
        guard socket.wait(toSend: true, until: deadline) else {
          throw fault(.timedOut, "the server did not take the request in time")
        }
      case .ended, .failed: return
      }
    }
    wasSent = true
  }

  /// Waits for more bytes and takes them; false when the peer has ended and that is fine.
  @discardableResult
  private func receive(until deadline: MonotonicTime, endIsFine: Bool = false) throws(HTTPClientFault) -> Bool {
    makeRoom()
    while true {
      switch socket.receive(into: &buffer, at: end) {
      case .bytes(let count):
        end += count
        isSilent = false
        return true
      case .wouldBlock:
        guard socket.wait(until: deadline) else { throw fault(.timedOut, "the answer did not come in time") }
      case .ended where endIsFine: return false
      case .ended, .failed:
        // A server tells after the handshake that it lets nobody in without a certificate: it has read nothing.
        if isSilent, let refusal = socket.tlsRefusal {
          throw HTTPClientFault(
            .notConnected, wasSent: false, "the server turns our certificate down: \(refusal)", tls: .turnedDown)
        }
        throw fault(
          .connectionLost, isSilent ? "the server closed the connection" : "the answer was cut off")
      }
    }
  }

  /// Used bytes are forgotten once all are used; a head that fills the buffer gets a larger one, up to the
  /// parser's limit.
  private func makeRoom() {
    let isInHead = parser.head.end == 0
    if start == end, !isInHead {
      start = 0
      end = 0
    }
    if end == buffer.count { buffer.append(contentsOf: [UInt8](repeating: 0, count: buffer.count)) }
  }

  private func malformed(_ sentence: String) -> HTTPClientFault {
    fault(.malformedAnswer, "the answer is not acceptable HTTP: \(sentence)")
  }

  private func tooLarge(_ limit: Int) -> HTTPClientFault {
    fault(.answerTooLarge, "the answer's body is over \(limit) bytes")
  }

  private func fault(_ kind: HTTPClientFault.Kind, _ sentence: String) -> HTTPClientFault {
    HTTPClientFault(kind, wasSent: wasSent, sentence)
  }
}
