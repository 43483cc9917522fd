/// Percent-decoding of what stands in a request target; strict, because two readings of one path are two paths.
package enum HTTPTarget {
  /// Most parameters of one query string.
  package static let queryParameterLimit = 64

  /// The text of one path segment. `%2F` is a slash inside the segment; a bad escape, `%00` and what is not
  /// UTF-8 are refused.
  package static func decodeSegment(_ bytes: ArraySlice<UInt8>) throws(HTTPFault) -> String {
    try decode(bytes, plusIsSpace: false)
  }

  /// The parameters of a query string in order, repeated names included; a name without `=` has an empty value.
  package static func parseQuery(_ bytes: ArraySlice<UInt8>) throws(HTTPFault) -> [(name: String, value: String)] {
    var items: [(name: String, value: String)] = []
    for part in bytes.split(separator: 0x26) {
      guard items.count < queryParameterLimit else { throw .malformedQuery }
      let equals = part.firstIndex(of: 0x3D) ?? part.endIndex
      let name = try decode(part[..<equals], plusIsSpace: true)
      let value = try decode(part[min(equals + 1, part.endIndex)...], plusIsSpace: true)
      items.append((name, value))
    }
    return items
  }

  private static func isPlain(_ bytes: Span<UInt8>, _ plusIsSpace: Bool) -> Bool {
    for i in bytes.indices {
      let byte = bytes[i]
      if byte == 0x25 || byte >= 0x80 || byte == 0 || plusIsSpace && byte == 0x2B { return false }
    }
    return true
  }

  private static func decode(_ bytes: ArraySlice<UInt8>, plusIsSpace: Bool) throws(HTTPFault) -> String {
    // A target without escapes is ASCII, as the parser has seen to it for paths; anything else is checked below.
    if isPlain(bytes.span, plusIsSpace) { return String(decoding: bytes, as: UTF8.self) }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var i = bytes.startIndex
    while i < bytes.endIndex {
      var byte = bytes[i]
      if byte == 0x25 {
        guard i + 2 < bytes.endIndex, let high = HTTPByte.hexValue(bytes[i + 1]),
          let low = HTTPByte.hexValue(bytes[i + 2])
        else { throw .malformedEscape }
        byte = high << 4 | low
        i += 2
      } else if byte == 0x2B, plusIsSpace {
        byte = HTTPByte.space
      }
      guard byte != 0 else { throw .malformedEscape }
      out.append(byte)
      i += 1
    }
    guard let text = String(validating: out, as: UTF8.self) else { throw .malformedEscape }
    return text
  }
}
