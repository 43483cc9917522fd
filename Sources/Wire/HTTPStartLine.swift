extension HTTPHead {
  /// Reads `METHOD SP target SP HTTP/1.x`.
  mutating func readRequestLine(_ line: ByteRange, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    let end = Int(line.end)
    var i = Int(line.start)
    while i < end, HTTPByte.isToken(bytes[i]) { i += 1 }
    guard i < end else { throw .malformedRequestLine }
    method = ByteRange(Int(line.start), i)
    guard !method.isEmpty, bytes[i] == HTTPByte.space else {
      throw bytes[i] < 0x20 ? .controlCharacter : .malformedRequestLine
    }
    let start = i + 1
    i = start
    var question: Int?
    while i < end, bytes[i] != HTTPByte.space {
      let byte = bytes[i]
      if byte < 0x20 || byte == 0x7F { throw .controlCharacter }
      if byte > 0x7F || byte == 0x23 { throw .malformedTarget }
      if byte == 0x3F, question == nil { question = i }
      i += 1
    }
    guard i < end, i > start else { throw .malformedRequestLine }
    target = ByteRange(start, i)
    try readVersion(ByteRange(i + 1, end), bytes)
    try readTarget(question: question, bytes)
  }

  /// Reads `HTTP/1.x SP status [SP reason]`.
  mutating func readStatusLine(_ line: ByteRange, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    let start = Int(line.start), end = Int(line.end)
    guard line.count >= 12, bytes[start + 8] == HTTPByte.space else { throw .malformedStatusLine }
    try readVersion(ByteRange(start, start + 8), bytes)
    status = 0
    for i in start + 9..<start + 12 {
      guard HTTPByte.isDigit(bytes[i]) else { throw .malformedStatusLine }
      status = status * 10 + Int(bytes[i] - 0x30)
    }
    guard status >= 100 else { throw .malformedStatusLine }
    reason = ByteRange(end, end)
    if line.count > 12 {
      guard bytes[start + 12] == HTTPByte.space else { throw .malformedStatusLine }
      for i in start + 13..<end where !HTTPByte.isFieldText(bytes[i]) { throw .controlCharacter }
      reason = ByteRange(start + 13, end)
    }
  }

  private mutating func readVersion(_ version: ByteRange, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    let start = Int(version.start)
    guard version.count == 8, bytes[start] == 0x48, bytes[start + 1] == 0x54, bytes[start + 2] == 0x54,
      bytes[start + 3] == 0x50, bytes[start + 4] == 0x2F, HTTPByte.isDigit(bytes[start + 5]),
      bytes[start + 6] == 0x2E, HTTPByte.isDigit(bytes[start + 7])
    else { throw .malformedRequestLine }
    guard bytes[start + 5] == 0x31, bytes[start + 7] <= 0x31 else { throw .unsupportedVersion }
    isHTTP11 = bytes[start + 7] == 0x31
  }

  /// Splits the target into authority, path and query: `/path?query`, `http://host/path?query` or `*`.
  private mutating func readTarget(question: Int?, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    let end = Int(target.end)
    var start = Int(target.start)
    if bytes[start] != 0x2F {
      if target.count == 1, bytes[start] == 0x2A {
        path = target
        return
      }
      guard let scheme = schemeLength(bytes) else { throw .malformedTarget }
      let hostStart = start + scheme
      start = hostStart
      while start < end, bytes[start] != 0x2F, bytes[start] != 0x3F { start += 1 }
      authority = ByteRange(hostStart, start)
      // An absolute target without a path would need one made up; nobody sends it.
      guard start < end, bytes[start] == 0x2F else { throw .malformedTarget }
    }
    path = ByteRange(start, question ?? end)
    query = question.map { ByteRange($0 + 1, end) }
  }

  private func schemeLength(_ bytes: borrowing Span<UInt8>) -> Int? {
    let start = Int(target.start)
    if target.count > 7, bytes.matches(ByteRange(start, start + 7), "http://") { return 7 }
    if target.count > 8, bytes.matches(ByteRange(start, start + 8), "https://") { return 8 }
    return nil
  }
}
