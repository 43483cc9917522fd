// fuzzes: Sources/Wire
// Fuzzes the HTTP parser. The first byte chooses the direction and how the rest is cut in two; the second parse sees
// the bytes in one piece. Whatever the input, both must agree, stay inside the buffer, and keep to their limits.
private let limit = 1 << 16

private struct Verdict: Equatable {
  var fault: HTTPFault?
  var end = 0
  var fields = 0
  var body: [UInt8] = []
}

private func verdict(_ role: HTTPHeadParser.Role, _ bytes: [UInt8], _ pieces: [Int]) -> Verdict {
  var parser = HTTPHeadParser(role)
  parser.begin(at: 0)
  var decoder = HTTPChunkedDecoder()
  var result = Verdict()
  var hasHead = false
  var position = 0
  do throws(HTTPFault) {
    for end in pieces {
      if !hasHead {
        guard try parser.parse(bytes, upTo: end) else { continue }
        hasHead = true
        position = parser.head.end
        precondition(position <= end && parser.head.fields.count <= 64)
        for field in parser.head.fields { precondition(Int(field.value.end) <= position && !field.name.isEmpty) }
        result.fields = parser.head.fields.count
        if role == .request {
          _ = try HTTPTarget.decodeSegment(bytes[parser.head.path.indices])
          if let query = parser.head.query { _ = try HTTPTarget.parseQuery(bytes[query.indices]) }
        }
      }
      if parser.head.isChunked, !decoder.isDone {
        _ = try decoder.decode(bytes, from: &position, upTo: end, into: &result.body, limit: limit)
        precondition(position <= end && result.body.count <= limit)
      }
    }
    if hasHead { result.end = position }
  } catch {
    // What was read before the fault may differ with the cuts; that there is this fault may not.
    return Verdict(fault: error)
  }
  return result
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTPParser(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 1 else { return 0 }
  let input = Array(UnsafeBufferPointer(start: data, count: count))
  let bytes = Array(input[1...])
  let role: HTTPHeadParser.Role = input[0] & 1 == 0 ? .request : .response
  let cut = Int(input[0] >> 1) * bytes.count / 128
  precondition(verdict(role, bytes, [cut, bytes.count]) == verdict(role, bytes, [bytes.count]))
  return 0
}
