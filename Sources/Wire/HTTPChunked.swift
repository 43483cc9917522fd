/// Takes the framing off a chunked body, in pieces of any size.
///
/// No extensions; trailer fields are checked like header fields and dropped, since nothing may depend on a
/// header that arrives after the body was acted upon.
package struct HTTPChunkedDecoder: Sendable {
  private enum Stage { case size, data, dataEnd, trailer, done }

  /// Longest trailer in bytes.
  package static let trailerLimit = 4 << 10
  /// A chunk size has at most this many digits.
  package static let sizeDigits = 8

  private var stage = Stage.size
  private var remaining = 0
  private var digits = 0
  private var trailerBytes = 0
  private var pending: [UInt8] = []
  private var sawReturn = false

  /// A decoder that stands before the first chunk.
  package init() {}

  /// Whether the last chunk and the trailer have been read.
  package var isDone: Bool { stage == .done }

  /// Reads `buffer` from `position` up to `end`, appends data to `body` (at most `limit` bytes in it) and moves
  /// `position` past what was used; true when the body is complete.
  package mutating func decode(
    _ buffer: [UInt8], from position: inout Int, upTo end: Int, into body: inout [UInt8], limit: Int
  ) throws(HTTPFault) -> Bool {
    while position < end, stage != .done {
      if stage == .data {
        let count = min(remaining, end - position)
        guard body.count + count <= limit else { throw .bodyTooLarge }
        body.append(contentsOf: buffer[position..<position + count])
        position += count
        remaining -= count
        if remaining == 0 { stage = .dataEnd }
      } else {
        let byte = buffer[position]
        position += 1
        switch stage {
        case .size: try readSize(byte, room: limit - body.count)
        case .dataEnd: if try lineEnds(byte) { stage = .size }
        default: try readTrailer(byte)
        }
      }
    }
    return stage == .done
  }

  private mutating func readSize(_ byte: UInt8, room: Int) throws(HTTPFault) {
    if !sawReturn, let digit = HTTPByte.hexValue(byte) {
      digits += 1
      guard digits <= Self.sizeDigits else { throw .malformedChunk }
      remaining = remaining << 4 | Int(digit)
      return
    }
    if byte == 0x3B || byte == HTTPByte.space || byte == HTTPByte.tab { throw .chunkExtension }
    guard digits > 0 else { throw .malformedChunk }
    if try lineEnds(byte) {
      guard remaining <= room else { throw .bodyTooLarge }
      stage = remaining == 0 ? .trailer : .data
      digits = 0
    }
  }

  /// Expects CR, then LF; true after both.
  private mutating func lineEnds(_ byte: UInt8) throws(HTTPFault) -> Bool {
    if sawReturn {
      guard byte == HTTPByte.lineFeed else { throw .malformedChunk }
      sawReturn = false
      return true
    }
    guard byte == HTTPByte.carriageReturn else { throw byte == HTTPByte.lineFeed ? .bareLineFeed : .malformedChunk }
    sawReturn = true
    return false
  }

  private mutating func readTrailer(_ byte: UInt8) throws(HTTPFault) {
    trailerBytes += 1
    guard trailerBytes <= Self.trailerLimit else { throw .trailerTooLarge }
    guard byte == HTTPByte.lineFeed else { return pending.append(byte) }
    guard pending.last == HTTPByte.carriageReturn else { throw .bareLineFeed }
    if pending.count == 1 {
      stage = .done
      return
    }
    _ = try HTTPField(ByteRange(0, pending.count - 1), pending.span)
    pending.removeAll(keepingCapacity: true)
  }
}
