internal import Wire

/// Puts answers on the wire.
struct ResponseHeadWriter {
  let status: Int
  let contentType: StaticString?
  let headers: [(String, String)]
  let isHTTP11: Bool
  let keepsAlive: Bool

  /// Body framing of an answer.
  enum Framing { case length(Int), chunked, untilClose }

  /// Appends status line and headers; `common` adds those that every answer has.
  func append(to out: inout [UInt8], date: [UInt8], framing: Framing, common: (inout [UInt8]) -> Void) {
    if status == 200 {
      out.append("HTTP/1.1 200 OK\r\nDate: " as StaticString)
    } else {
      out.append("HTTP/1.1 " as StaticString)
      out.append(decimal: status)
      out.append(0x20)
      out.append(reasonPhrase(status))
      out.append("\r\nDate: " as StaticString)
    }
    out.append(contentsOf: date)
    if let contentType, status != 204, status != 304 {
      out.append("\r\nContent-Type: " as StaticString)
      out.append(contentType)
    }
    append(framing, to: &out)
    for (name, value) in headers {
      out.append("\r\n" as StaticString)
      out.append(headerValue: name)
      out.append(": " as StaticString)
      out.append(headerValue: value)
    }
    common(&out)
    if !keepsAlive {
      out.append("\r\nConnection: close" as StaticString)
    } else if !isHTTP11 {
      out.append("\r\nConnection: keep-alive" as StaticString)
    }
    out.append("\r\n\r\n" as StaticString)
  }

  private func append(_ framing: Framing, to out: inout [UInt8]) {
    switch framing {
    case .length(let count) where status != 204 && status != 304:
      out.append("\r\nContent-Length: " as StaticString)
      out.append(decimal: count)
    case .chunked: out.append("\r\nTransfer-Encoding: chunked" as StaticString)
    case .length, .untilClose: break
    }
  }
}
