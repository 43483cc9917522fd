extension HTTPField {
  /// Splits one header line; refuses folding, a space before the colon, and control characters.
  init(_ line: ByteRange, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    let end = Int(line.end)
    var i = Int(line.start)
    if bytes[i] == HTTPByte.space || bytes[i] == HTTPByte.tab { throw .foldedField }
    while i < end, HTTPByte.isToken(bytes[i]) { i += 1 }
    name = ByteRange(Int(line.start), i)
    guard i < end, !name.isEmpty, bytes[i] == 0x3A else {
      throw i < end && bytes[i] < 0x20 && bytes[i] != HTTPByte.tab ? .controlCharacter : .malformedField
    }
    var start = i + 1
    var stop = end
    while start < stop, bytes[start] == HTTPByte.space || bytes[start] == HTTPByte.tab { start += 1 }
    while stop > start, bytes[stop - 1] == HTTPByte.space || bytes[stop - 1] == HTTPByte.tab { stop -= 1 }
    i = start
    while i < stop {
      guard HTTPByte.isFieldText(bytes[i]) else { throw .controlCharacter }
      i += 1
    }
    value = ByteRange(start, stop)
  }
}

extension HTTPHead {
  /// Remembers the fields on which framing and routing depend; each of them may stand once.
  mutating func note(_ field: HTTPField, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    switch field.name.count {
    case 4 where bytes.matches(field.name, "host"):
      guard host == nil else { throw .repeatedHost }
      host = field.value
    case 6 where bytes.matches(field.name, "origin"):
      guard origin == nil else { throw .repeatedField }
      origin = field.value
    case 6 where bytes.matches(field.name, "expect"):
      guard bytes.matches(field.value, "100-continue") else { throw .unsupportedExpectation }
      expectsContinue = true
    case 10 where bytes.matches(field.name, "connection"):
      noteConnection(field.value, bytes)
    case 12 where bytes.matches(field.name, "content-type"):
      guard contentType == nil else { throw .repeatedField }
      contentType = field.value
    case 14 where bytes.matches(field.name, "content-length"):
      guard contentLength == nil else { throw .repeatedLength }
      contentLength = try decimal(field.value, bytes)
    case 17 where bytes.matches(field.name, "transfer-encoding"):
      guard !isChunked else { throw .repeatedEncoding }
      guard bytes.matches(field.value, "chunked") else { throw .unsupportedEncoding }
      isChunked = true
    default: break
    }
  }

  private mutating func noteConnection(_ value: ByteRange, _ bytes: borrowing Span<UInt8>) {
    var start = Int(value.start)
    while start < Int(value.end) {
      var stop = start
      while stop < Int(value.end), bytes[stop] != 0x2C { stop += 1 }
      var last = stop
      while start < last, bytes[start] == HTTPByte.space || bytes[start] == HTTPByte.tab { start += 1 }
      while last > start, bytes[last - 1] == HTTPByte.space || bytes[last - 1] == HTTPByte.tab { last -= 1 }
      let token = ByteRange(start, last)
      if bytes.matches(token, "close") { saysClose = true }
      if bytes.matches(token, "keep-alive") { saysKeepAlive = true }
      start = stop + 1
    }
  }

  private func decimal(_ value: ByteRange, _ bytes: borrowing Span<UInt8>) throws(HTTPFault) -> Int {
    guard !value.isEmpty, value.count <= 18 else { throw .malformedLength }
    var number = 0
    for i in value.indices {
      guard HTTPByte.isDigit(bytes[i]) else { throw .malformedLength }
      number = number * 10 + Int(bytes[i] - 0x30)
    }
    return number
  }

  /// A request names one well-formed host, and an absolute target names the same.
  mutating func checkHost(_ bytes: borrowing Span<UInt8>) throws(HTTPFault) {
    guard let host else {
      if isHTTP11 { throw .missingHost }
      if authority != nil { throw .targetMismatch }
      return
    }
    guard let parts = HTTPHost(host, bytes) else { throw .malformedHost }
    hostName = parts.name
    guard let authority else { return }
    guard authority.count == host.count else { throw .targetMismatch }
    for i in 0..<host.count
    where HTTPByte.lowercased(bytes[Int(host.start) + i]) != HTTPByte.lowercased(bytes[Int(authority.start) + i]) {
      throw .targetMismatch
    }
  }
}
