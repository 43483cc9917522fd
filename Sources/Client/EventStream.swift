/// One server-sent event.
package struct ServerEvent: Hashable, Sendable {
  /// Its number in the stream, empty when the server gave none.
  package var id = ""
  /// Its kind; `message` when the server gave none.
  package var kind = "message"
  /// What it says.
  package var data = ""

  /// Makes an event.
  package init(id: String = "", kind: String = "message", data: String = "") {
    (self.id, self.kind, self.data) = (id, kind, data)
  }
}

/// Turns the bytes of `text/event-stream` into events.
package struct EventParser: Sendable {
  /// A longer line is no event of ours.
  package static let lineMax = 8 << 20

  private var line: [UInt8] = []
  private var event = ServerEvent()
  private var hasData = false
  private var lastWasReturn = false

  /// Starts before the first event.
  package init() {}

  /// The events that are complete with these bytes; nil when a line or an event is over its limit.
  package mutating func feed(_ bytes: [UInt8]) -> [ServerEvent]? {
    var events: [ServerEvent] = []
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex { $0 == 0x0A || $0 == 0x0D } ?? bytes.count
      line += bytes[start..<end]
      if line.count + event.data.utf8.count > Self.lineMax { return nil }
      // A line feed right behind a return ends the same line.
      let isSecond = end == start && lastWasReturn
      lastWasReturn = end < bytes.count && bytes[end] == 0x0D
      start = end + 1
      guard end < bytes.count, !(isSecond && bytes[end] == 0x0A) else { continue }
      if let event = endOfLine() { events.append(event) }
    }
    return events
  }

  private mutating func endOfLine() -> ServerEvent? {
    defer { line.removeAll(keepingCapacity: true) }
    if line.isEmpty {
      defer { (event, hasData) = (ServerEvent(id: event.id), false) }
      return hasData ? event : nil
    }
    let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    var value = line[min(colon + 1, line.endIndex)...]
    if value.first == 0x20 { value = value.dropFirst() }
    let text = String(decoding: value, as: UTF8.self)
    switch String(decoding: line[..<colon], as: UTF8.self) {
    case "id": event.id = text
    case "event": event.kind = text
    case "data":
      event.data = hasData ? event.data + "\n" + text : text
      hasData = true
    default: break  // A comment, or something that a later server says.
    }
    return nil
  }
}

extension Client {
  /// Most times in a row that a stream of events is opened again without one event in between.
  package static let reopeningsMax = 10

  /// Follows the events of a call until `each` returns false; when the stream breaks it goes on behind the last event.
  package func events(_ call: Call, since: String?, _ each: (ServerEvent) -> Bool) throws(ClientFault) {
    var last = since
    var failures = 0
    while true {
      var parser = EventParser()
      var isDone = false
      var isTooLong = false
      do throws(ClientFault) {
        try stream(call.asking("since", last)) { piece in
          guard let events = parser.feed(piece) else {
            isTooLong = true
            return false
          }
          for event in events {
            if !event.id.isEmpty { last = event.id }
            failures = 0
            if !each(event) {
              isDone = true
              return false
            }
          }
          return true
        }
      } catch {
        guard case .cutOff = error else { throw error }
      }
      if isDone { return }
      if isTooLong { throw .notBerth("an event is longer than \(EventParser.lineMax) bytes") }
      failures += 1
      pause(policy.firstPause)
      if failures > Self.reopeningsMax { throw .noServer("the stream of events ended \(failures) times without one") }
    }
  }
}
