import HTTPClient
import HTTPServer
import Platform
import Testing

@Suite struct ClientStreamTests {
  private func event(_ number: Int) -> [UInt8] { Array("data: \(number)\n\n".utf8) }

  @Test func eventsArriveWhileTheStreamGoesOn() throws {
    let streams = Streams()
    try withServer([streams.route] + testRoutes()) { server in
      let client = HTTPClient(.tcp(host: "127.0.0.1", port: server.port))
      let opened = OpenedStream(streams, first: event(0))
      defer { opened.join() }
      var seen: [UInt8] = []
      let response = try client.stream(ClientRequest("GET", "/events")) { response, piece in
        #expect(response.status == 200)
        seen += piece
        // The next event is written only after this one has been read.
        let count = seen.count / event(0).count
        if count < 3 { #expect(opened.stream.write(event(count))) } else { opened.stream.close() }
        return true
      }
      #expect(response.header("content-type") == "text/event-stream")
      #expect(seen == event(0) + event(1) + event(2))
      #expect(try client.send(ClientRequest("GET", "/hello")).text == "hello you")
      #expect(client.metrics.created == 1)
    }
  }

  @Test func aReaderThatHasEnoughClosesTheConnection() throws {
    let streams = Streams()
    try withServer([streams.route]) { server in
      let client = HTTPClient(.tcp(host: "127.0.0.1", port: server.port))
      let opened = OpenedStream(streams, first: event(0))
      defer { opened.join() }
      _ = try client.stream(ClientRequest("GET", "/events")) { _, _ in false }
      #expect(client.metrics.idle == 0 && client.metrics.inUse == 0)
      eventually("the server notices") { !opened.stream.write(event(1)) }
    }
  }

  @Test func silenceEndsAStreamAfterItsQuietTime() throws {
    try withPeer { _, connection in
      _ = connection.request()
      connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
      _ = connection.request()
    } _: { (client) throws in
      var seen: [UInt8] = []
      let result = Result { () throws(HTTPClientFault) in
        try client.stream(ClientRequest("GET", "/"), quiet: .milliseconds(50)) { _, piece in
          seen += piece
          return true
        }
      }
      #expect(fault(result)?.kind == .timedOut)
      #expect(seen == Array("hi".utf8))
    }
  }
}

/// The stream that the next request opens, with its first event written by a thread of its own, because the
/// test's thread is busy reading.
private final class OpenedStream: @unchecked Sendable {
  private let lock = Lock()
  private var thread: Thread?
  private var opened: ResponseStream?

  init(_ streams: Streams, first: [UInt8]) {
    thread = Thread(name: "first-event") { [self] in
      guard let stream = try? streams.next() else { return }
      lock.withLock { opened = stream }
      _ = stream.write(first)
    }
  }

  func join() { thread?.join() }

  var stream: ResponseStream { lock.withLock { opened! } }
}
