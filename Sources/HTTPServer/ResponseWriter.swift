internal import Wire

/// Puts the heads of answers on the wire.
struct ResponseHeadWriter {
  let isHTTP11: Bool
  let keepsAlive: Bool
  let framing: Framing

  /// Body framing of an answer.
  enum Framing { case length(Int), chunked, untilClose }

  /// Most bytes of a head beside its headers' names and values: what stands in the texts below, with room to spare.
  private static let fixedRoom = 256 + RequestID.limit

  /// Appends status line and headers up to the request's id; more headers may follow, and then `end`.
  func begin(_ response: Response, date: [UInt8], _ identity: RequestID, from input: [UInt8], to out: inout [UInt8]) {
    var room = Self.fixedRoom + date.count
    if let type = response.contentType { room += type.utf8CodeUnitCount }
    if let stamp = response.stamp { room += stamp.name.utf8CodeUnitCount + 24 }
    for (name, value) in response.headers { room += name.utf8.count + value.utf8.count + 4 }
    out.append(addingCapacity: room) { head in
      appendStart(response.status, date, to: &head)
      if let type = response.contentType, response.status != 204, response.status != 304 {
        head.append("\r\nContent-Type: " as StaticString)
        head.append(type)
      }
      appendFraming(response.status, to: &head)
      if let stamp = response.stamp {
        head.append("\r\n" as StaticString)
        head.append(stamp.name)
        head.append(": " as StaticString)
        head.append(decimal: stamp.value)
      }
      for (name, value) in response.headers {
        head.append("\r\n" as StaticString)
        head.append(headerValue: name)
        head.append(": " as StaticString)
        head.append(headerValue: value)
      }
      head.append("\r\nX-Request-Id: " as StaticString)
      identity.append(to: &head, from: input)
    }
  }

  /// Appends what ends a head.
  func end(_ out: inout [UInt8]) {
    if keepsAlive, isHTTP11 { return out.append("\r\n\r\n" as StaticString) }
    let text: StaticString = keepsAlive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n"
    out.append(text)
  }

  private func appendStart(_ status: Int, _ date: [UInt8], to head: inout OutputSpan<UInt8>) {
    switch status {
    case 200: head.append("HTTP/1.1 200 OK\r\nDate: " as StaticString)
    case 201: head.append("HTTP/1.1 201 Created\r\nDate: " as StaticString)
    default:
      head.append("HTTP/1.1 " as StaticString)
      head.append(decimal: UInt64(status))
      head.append(0x20)
      head.append(reasonPhrase(status))
      head.append("\r\nDate: " as StaticString)
    }
    head.append(date, date.indices)
  }

  private func appendFraming(_ status: Int, to head: inout OutputSpan<UInt8>) {
    switch framing {
    case .length(let count) where status != 204 && status != 304:
      head.append("\r\nContent-Length: " as StaticString)
      head.append(decimal: UInt64(count))
    case .chunked: head.append("\r\nTransfer-Encoding: chunked" as StaticString)
    case .length, .untilClose: break
    }
  }
}
