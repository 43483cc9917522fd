// The HTTP/1.1 parser, one for both directions.
//
// It reads a head line by line out of a buffer that only grows, and remembers offsets, so a head that arrives
// in one piece is looked at once and copied never. A line is judged when it is complete and its size when the
// limit is passed, so how the network cut the bytes cannot change the verdict (a property test holds it to that).
//
// Leniency is how requests get smuggled past a proxy that reads them differently. So there is none: a bare line
// feed, a folded field, a space before the colon, a second Content-Length even if equal, a length beside an
// encoding, any encoding but `chunked`: each is a refusal with a status and a sentence, and the connection ends.
// The one liberty is a single empty line before a request, which RFC 9112 asks servers to ignore.

/// Reads one head after the other from a buffer that grows.
package struct HTTPHeadParser: Sendable {
  /// Which kind of start line is expected.
  package enum Role: Sendable { case request, response }

  /// How much head is accepted.
  package struct Limits: Sendable {
    /// Longest start line in bytes.
    package var startLine: Int
    /// Largest head in bytes.
    package var head: Int
    /// Most header fields.
    package var fields: Int

    /// Limits for what a stranger may send.
    package init(startLine: Int = 8 << 10, head: Int = 16 << 10, fields: Int = 64) {
      self.startLine = startLine
      self.head = head
      self.fields = fields
    }
  }

  private enum Stage { case beforeStart, start, fields }

  /// What has been read; complete once `parse` has said so.
  package private(set) var head = HTTPHead()
  private let role: Role
  private let limits: Limits
  private var stage = Stage.beforeStart
  private var origin = 0
  private var lineStart = 0
  private var scanned = 0

  /// A parser that expects a head at offset 0.
  package init(_ role: Role, limits: Limits = Limits()) {
    self.role = role
    self.limits = limits
  }

  /// Forgets everything and expects a head at `offset` of the buffer.
  package mutating func begin(at offset: Int) {
    head.reset()
    stage = .beforeStart
    origin = offset
    lineStart = offset
    scanned = offset
  }

  /// Reads on in `buffer` up to `end`; true when the head is complete, false when more bytes are needed.
  package mutating func parse(_ buffer: [UInt8], upTo end: Int) throws(HTTPFault) -> Bool {
    let bytes = buffer.span
    while true {
      let i = HTTPByte.lineEnd(bytes, from: scanned, upTo: end)
      scanned = i
      try checkSize(upTo: i)
      guard i < end else { return false }
      scanned = i + 1
      guard i > lineStart, bytes[i - 1] == HTTPByte.carriageReturn else { throw .bareLineFeed }
      let line = ByteRange(lineStart, i - 1)
      lineStart = i + 1
      if try accept(line, bytes) {
        head.end = lineStart
        try finish(bytes)
        return true
      }
    }
  }

  private func checkSize(upTo end: Int) throws(HTTPFault) {
    if stage != .fields, end - lineStart > limits.startLine { throw .requestLineTooLong }
    if end - origin >= limits.head { throw .headTooLarge }
  }

  /// Takes one line without its end; true after the blank line.
  private mutating func accept(_ line: ByteRange, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) -> Bool {
    switch stage {
    case .beforeStart where line.isEmpty && role == .request:
      stage = .start
    case .beforeStart, .start:
      stage = .fields
      try role == .request ? head.readRequestLine(line, bytes) : head.readStatusLine(line, bytes)
    case .fields:
      if line.isEmpty { return true }
      guard head.fields.count < limits.fields else { throw .tooManyFields }
      let field = try HTTPField(line, bytes)
      head.fields.append(field)
      try head.note(field, bytes)
    }
    return false
  }

  private mutating func finish(_ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    if head.isChunked {
      if head.contentLength != nil { throw .lengthAndEncoding }
      if !head.isHTTP11 { throw .encodingBeforeHTTP11 }
    }
    if role == .request { try head.checkHost(bytes) }
  }
}
