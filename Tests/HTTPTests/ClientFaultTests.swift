import HTTPClient
import Platform
import TestSupport
import Testing

private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite struct ClientFaultTests {
  @Test func nobodyListeningMeansThatNothingWasSent() {
    let peer = ScriptedPeer { _, _ in }
    peer.stop()
    let fault = fault(outcome(HTTPClient(peer.endpoint), ClientRequest("POST", "/", body: [])))
    #expect(fault?.kind == .notConnected)
    #expect(fault?.wasSent == false)
    let nowhere = HTTPClient(.unix(path: "/tmp/berth-no-such-socket"))
    #expect(HTTPTests.fault(outcome(nowhere, ClientRequest("GET", "/")))?.kind == .notConnected)
  }

  @Test func aReusedConnectionThatDiesInSilenceIsReplacedOnceForAnIdempotentRequest() throws {
    try withPeer { number, connection in
      _ = connection.request()
      connection.write(ok)
      // The first connection swallows its second request.
      if number == 0 { _ = connection.request() } else { while connection.request() != nil { connection.write(ok) } }
    } _: { (client) throws in
      #expect(try client.send(ClientRequest("GET", "/1")).text == "ok")
      #expect(try client.send(ClientRequest("GET", "/2")).text == "ok")
      #expect(client.metrics.created == 2)
      #expect(client.metrics.reused == 1)
      #expect(client.metrics.evicted == 1)
    }
  }

  @Test func aPostThatMayHaveArrivedIsNotSentTwiceUnlessAllowed() throws {
    try withPeer { number, connection in
      _ = connection.request()
      connection.write(ok)
      if number < 1 { _ = connection.request() } else { while connection.request() != nil { connection.write(ok) } }
    } _: { (client) throws in
      #expect(try client.send(ClientRequest("GET", "/")).text == "ok")
      let fault = fault(outcome(client, ClientRequest("POST", "/", body: [0x31])))
      #expect(fault?.kind == .connectionLost)
      #expect(fault?.wasSent == true)
      #expect(client.metrics.created == 1)
    }
    try withPeer { number, connection in
      _ = connection.request()
      connection.write(ok)
      if number < 1 { _ = connection.request() } else { while connection.request() != nil { connection.write(ok) } }
    } _: { (client) throws in
      #expect(try client.send(ClientRequest("GET", "/")).text == "ok")
      #expect(try client.send(ClientRequest("POST", "/", body: [0x31], mayRepeat: true)).text == "ok")
      #expect(client.metrics.created == 2)
    }
  }

  /// The commonest fault of all: who was asked is killed before it answers.
  @Test func aRepeatThatIsRefusedDoesNotUndoTheFirstTry() throws {
    let peer = Shared<ScriptedPeer?>(nil)
    let made = ScriptedPeer { _, connection in
      _ = connection.request()
      connection.write(ok)
      _ = connection.request()
      peer.withLock { $0 }?.stopListening()
    }
    peer.withLock { $0 = made }
    let client = HTTPClient(made.endpoint)
    #expect(try client.send(ClientRequest("GET", "/")).text == "ok")
    let fault = fault(outcome(client, ClientRequest("POST", "/", body: [0x31], mayRepeat: true)))
    #expect(fault?.kind == .notConnected && fault?.wasSent == true, "\(String(describing: fault))")
    client.closeIdle()
    peer.withLock { $0 = nil }
    made.stop()
  }

  @Test func aRequestThatDidNotLeaveCompletelyMayBeSentAgainWhateverItIs() throws {
    // More than the kernel's buffers hold, so that the connection dies while we are still sending.
    let body = [UInt8](repeating: 0x20, count: 32 << 20)
    try withPeer { number, connection in
      _ = connection.request()
      connection.write(ok)
      if number == 0 { connection.receive() } else { while connection.request() != nil { connection.write(ok) } }
    } _: { (client) throws in
      #expect(try client.send(ClientRequest("GET", "/")).text == "ok")
      #expect(try client.send(ClientRequest("POST", "/", body: body)).text == "ok")
      #expect(client.metrics.created == 2)
    }
  }

  @Test func aFreshConnectionThatDiesIsNotTriedAgain() throws {
    try withPeer { _, connection in
      _ = connection.request()
    } _: { (client) throws in
      let fault = fault(outcome(client, ClientRequest("GET", "/")))
      #expect(fault?.kind == .connectionLost)
      #expect(fault?.wasSent == true)
      #expect(client.metrics.created == 1)
      #expect(client.metrics.inUse == 0)
    }
  }

  @Test func anAnswerThatNeverComesEndsAtTheDeadline() throws {
    try withPeer { _, connection in
      while connection.request() != nil {}
    } _: { (client) throws in
      let fault = fault(outcome(client, ClientRequest("GET", "/", timeout: .milliseconds(50))))
      #expect(fault?.kind == .timedOut)
      #expect(fault?.wasSent == true)
      #expect(client.metrics.idle == 0 && client.metrics.inUse == 0)
    }
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
  ])
  func anAnswerCutOffIsLostNotShort(_ answer: String) throws {
    try withPeer { _, connection in
      _ = connection.request()
      connection.write(answer)
    } _: { (client) throws in
      let fault = fault(outcome(client, ClientRequest("GET", "/")))
      #expect(fault?.kind == .connectionLost)
      #expect(fault?.wasSent == true)
      #expect(client.metrics.created == 1)
    }
  }

  @Test(arguments: [
    "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    String(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: 9)
  ])
  func aMalformedAnswerIsRefused(_ answer: String) throws {
    try withPeer { _, connection in
      _ = connection.request()
      connection.write(answer)
      _ = connection.request()
    } _: { (client) throws in
      let fault = fault(outcome(client, ClientRequest("GET", "/")))
      #expect(fault?.kind == .malformedAnswer)
      #expect(fault?.wasSent == true)
      #expect(client.metrics.idle == 0)
    }
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n12345678901",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: 2000))\r\n\r\n"
  ])
  func anAnswerOverTheLimitsIsRefused(_ answer: String) throws {
    var options = HTTPClientOptions()
    options.bodyLimit = 10
    options.headLimit = 1024
    try withPeer(options: options) { _, connection in
      _ = connection.request()
      connection.write(answer)
      _ = connection.request()
    } _: { (client) throws in
      #expect(fault(outcome(client, ClientRequest("GET", "/")))?.kind == .answerTooLarge)
    }
  }

  @Test func textThatWouldForgeAHeadIsRefusedUnsent() {
    let client = HTTPClient(.tcp(host: "127.0.0.1", port: 9))
    for request in [
      ClientRequest("GET", "/ HTTP/1.1\r\nX: y"), ClientRequest("GET", "/\r\n"), ClientRequest("GET", "no-slash"),
      ClientRequest("GET", "/a#b"), ClientRequest("GET", "/é"), ClientRequest("get", "/"), ClientRequest("", "/"),
      ClientRequest("GET", "/", headers: [("X", "a\r\nY: b")]), ClientRequest("GET", "/", headers: [("X\r\nY", "a")]),
      ClientRequest("GET", "/", headers: [("X:", "a")]), ClientRequest("GET", "/", headers: [("", "a")]),
      ClientRequest("GET", "/", headers: [("Host", "a")]),
      ClientRequest("GET", "/", headers: [("content-length", "1")]),
      ClientRequest("GET", "/", headers: [("Transfer-Encoding", "chunked")])
    ] {
      let fault = fault(outcome(client, request))
      #expect(fault?.kind == .invalidRequest && fault?.wasSent == false, "\(request)")
    }
    #expect(client.metrics.created == 0)
  }

  /// What a server takes a node of a cluster can pass on.
  @Test(
    arguments: [0x00...0x08, 0x09...0x09, 0x0A...0x1F, 0x20...0x7E, 0x7F...0x7F, 0x80...0xFF] as [ClosedRange<UInt32>])
  func aValueMayHaveWhatServersTake(_ range: ClosedRange<UInt32>) {
    let client = HTTPClient(.unix(path: "/nobody"))
    for scalar in range.compactMap(Unicode.Scalar.init) {
      let request = ClientRequest("GET", "/", headers: [("X", "a\(Character(scalar))b")])
      let isTaken = fault(outcome(client, request))?.kind == .notConnected
      #expect(isTaken == (scalar.value == 0x09 || scalar.value >= 0x20 && scalar.value != 0x7F), "\(scalar.value)")
    }
  }
}
