import APITypes
import Domain
import Engine
import HTTPServer
import Log
import LogMemory
import Platform
import TestSupport
import Testing
import Wire

@testable import API

/// A house with pools, a feed and a server that serves nothing but events.
final class EventBench {
  let house: HistoryBench
  let feed: EventFeed
  private let server: Server

  init(_ change: (inout EventOptions) -> Void = { _ in }) throws {
    let house = try HistoryBench()
    try house.makePool("edge", "10.0.0.0/24")
    var options = EventOptions()
    change(&options)
    let log = house.log
    let feed = EventFeed(published: { house.revision }, options: options) { () throws(LogFault) in try log.reader() }
    house.engine.onPublish { feed.notify($0) }
    let route = Route(.get, "/api/v1/events") { request, reply in
      let refuse: @Sendable (Problem) -> Void = { problem in
        reply.send(
          Response(
            status: problem.status, contentType: "application/problem+json", body: problem.encoded(title: "No")))
      }
      do throws(Problem) { try feed.answer(request, reply, refuse: refuse) } catch { refuse(error) }
    }
    server = try Server(ServerOptions(), Router([route]))
    server.start()
    (self.house, self.feed) = (house, feed)
    _ = try? house.makePool("big", "10.1.0.0/16")
  }

  func stop() {
    feed.stop()
    server.drain()
    house.engine.stop()
  }

  func listen(_ query: String, headers: [String] = [], receiveBuffer: Int32? = nil) throws -> EventReader {
    let reader = try EventReader(port: server.port, query, headers, receiveBuffer)
    try #require(reader.status == 200)
    return reader
  }

  func refusal(_ query: String) throws -> (Int, String) {
    let (status, body) = try body(query)
    guard case .string(let code)? = try JSONValue(parsing: Array(body.utf8))["code"] else { return (status, "") }
    return (status, code)
  }

  func body(_ query: String) throws -> (Int, String) {
    let reader = try EventReader(port: server.port, query, ["Connection: close"], nil)
    return (reader.status, try reader.rest())
  }
}

func == (a: (Int, String), b: (Int, String)) -> Bool { a.0 == b.0 && a.1 == b.1 }

/// Reads a stream of events the way a browser does.
final class EventReader {
  struct Event {
    let id: UInt64
    let kind: String
    let data: JSONValue
    let size: Int

    var changes: [JSONValue] {
      if case .array(let changes)? = data["changes"] { changes } else { [] }
    }
  }

  struct Silence: Error {}

  private var socket: Socket?
  private(set) var status = 0
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)
  private var start = 0
  private var filled = 0
  private var isChunked = false
  private var chunks = HTTPChunkedDecoder()
  private var text: [UInt8] = []
  private var line = 0

  init(port: UInt16, _ query: String, _ headers: [String], _ receiveBuffer: Int32?) throws {
    let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
    let socket = try Socket.connect(to: address, until: .now + .seconds(10))
    self.socket = socket
    if let receiveBuffer { socket.limitReceiveBuffer(receiveBuffer) }
    let lines = ["GET /api/v1/events\(query) HTTP/1.1", "Host: 127.0.0.1"] + headers
    _ = socket.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8), from: 0)
    var parser = HTTPHeadParser(.response)
    parser.begin(at: 0)
    while try !parser.parse(buffer, upTo: filled) { guard try receive() else { throw Silence() } }
    status = parser.head.status
    start = parser.head.end
    if case .chunked = parser.head.responseFraming(toHead: false) { isChunked = true }
  }

  /// Closes the connection.
  func leave() { socket = nil }

  /// The next event, comments passed over.
  func event() throws -> Event {
    while true {
      let block = try self.block()
      if block.first?.first == UInt8(ascii: ":") { continue }
      var fields: [String: [UInt8]] = [:]
      for line in block {
        let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1)
        fields[String(decoding: parts[0], as: UTF8.self)] = Array(parts[1].dropFirst())
      }
      let data = try #require(fields["data"])
      let id = try #require(fields["id"].flatMap { UInt64(String(decoding: $0, as: UTF8.self)) })
      return Event(
        id: id, kind: String(decoding: fields["event"] ?? [], as: UTF8.self),
        data: try JSONValue(parsing: data, limits: .generous), size: data.count)
    }
  }

  /// The next comment; an event in its place is an error.
  func comment() throws -> String {
    let block = try block()
    try #require(block.count == 1 && block[0].first == UInt8(ascii: ":"))
    return String(decoding: block[0], as: UTF8.self)
  }

  /// All that follows until the server closes.
  func rest() throws -> String {
    while status == 200 || text.isEmpty, try more() {}
    return String(decoding: text, as: UTF8.self)
  }

  private func block() throws -> [[UInt8]] {
    var lines: [[UInt8]] = []
    while true {
      let line = try nextLine()
      if line.isEmpty { return lines }
      lines.append(line)
    }
  }

  private func nextLine() throws -> [UInt8] {
    var from = line
    while true {
      if let end = text[from...].firstIndex(of: 0x0A) {
        defer {
          line = end + 1
          if line > 1 << 20 {
            text.removeFirst(line)
            line = 0
          }
        }
        return Array(text[line..<end])
      }
      from = text.count
      guard try more() else { throw Silence() }
    }
  }

  /// Takes more of the body in; false at its end.
  private func more() throws -> Bool {
    if start == filled {
      (start, filled) = (0, 0)
      guard try receive() else { return false }
    }
    guard isChunked else {
      text += buffer[start..<filled]
      start = filled
      return true
    }
    let before = text.count
    if try chunks.decode(buffer, from: &start, upTo: filled, into: &text, limit: 1 << 30) { return text.count > before }
    if text.count > before { return true }
    // What is left is the beginning of a chunk's head.
    buffer.replaceSubrange(0..<filled - start, with: Array(buffer[start..<filled]))
    (start, filled) = (0, filled - start)
    return try receive()
  }

  private func receive() throws -> Bool {
    let deadline = MonotonicTime.now + .seconds(20)
    while let socket {
      switch socket.receive(into: &buffer, at: filled) {
      case .bytes(let count):
        filled += count
        return true
      case .wouldBlock: guard socket.wait(until: deadline) else { throw Silence() }
      case .ended, .failed: return false
      }
    }
    return false
  }
}
