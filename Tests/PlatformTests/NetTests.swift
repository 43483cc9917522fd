import Platform
import Testing

@Suite struct NetTests {
  private let deadline = MonotonicTime.now + .seconds(10)

  private func pair() throws -> (Listener, client: Socket, server: Socket) {
    let listener = try Listener(host: "127.0.0.1", port: 0)
    let client = try Socket.connect(to: listener.address, until: deadline)
    while true {
      if case .connection(let server, let peer) = listener.accept() {
        #expect(peer.isLoopback)
        return (listener, client, server)
      }
      try #require(MonotonicTime.now < deadline)
    }
  }

  @Test func bytesGoThroughAConnection() throws {
    let (_, client, server) = try pair()
    var buffer = [UInt8](repeating: 0, count: 8)
    #expect(server.receive(into: &buffer, at: 0) == .wouldBlock)
    #expect(client.send([1, 2, 3], from: 1) == .bytes(2))
    #expect(server.wait(until: deadline))
    #expect(server.peek() == .bytes(1))
    #expect(server.receive(into: &buffer, at: 4) == .bytes(2))
    #expect(buffer == [0, 0, 0, 0, 2, 3, 0, 0])
    client.endSending()
    #expect(server.wait(until: deadline))
    #expect(server.receive(into: &buffer, at: 0) == .ended)
  }

  @Test func aBrokenConnectionIsAValueNotASignal() throws {
    var (listener, client, server): (Listener, Socket?, Socket) = try pair()
    client?.resetOnClose()
    client = nil
    #expect(server.wait(until: deadline))
    var results: [Transfer] = []
    for _ in 0..<2 { results.append(server.send([1], from: 0)) }
    #expect(results.contains { if case .failed = $0 { true } else { false } })
    #expect(listener.address.port != 0)
    listener = try Listener(host: "127.0.0.1", port: 0)
  }

  @Test func nobodyListeningIsAFaultWithTheAddress() throws {
    let port: UInt16
    do { port = try Listener(host: "127.0.0.1", port: 0).address.port }
    let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
    let fault = #expect(throws: NetFault.self) { try Socket.connect(to: address, until: deadline) }
    #expect(fault?.sentence.contains("127.0.0.1:\(port)") == true)
  }

  @Test func aTakenPortIsAFaultWithTheAddress() throws {
    let listener = try Listener(host: "127.0.0.1", port: 0)
    let fault = #expect(throws: NetFault.self) { try Listener(host: "127.0.0.1", port: listener.address.port) }
    #expect(fault?.sentence.contains("cannot listen on 127.0.0.1:\(listener.address.port)") == true)
  }

  @Test func aWaitEndsAtItsDeadline() throws {
    let (_, client, server) = try pair()
    #expect(!client.wait(until: .now + .milliseconds(20)))
    server.endSending()
    #expect(client.wait(until: deadline))
  }

  @Test func addressesKnowWhetherTheyAreLoopback() throws {
    for (host, isLoopback) in [
      ("127.9.9.9", true), ("::1", true), ("10.0.0.1", false), ("::", false), ("0.0.0.0", false)
    ] {
      #expect(try SocketAddress.resolve(host: host, port: 80)[0].isLoopback == isLoopback, "\(host)")
    }
    #expect(try SocketAddress.resolve(host: "::1", port: 80)[0].text == "[::1]:80")
    #expect(try SocketAddress.resolve(host: "10.0.0.1", port: 443)[0].text == "10.0.0.1:443")
    #expect(throws: NetFault.self) { try SocketAddress.unix("/" + String(repeating: "a", count: 107)) }
    #expect(try SocketAddress.unix("/" + String(repeating: "a", count: 106)).isLoopback)
  }

  @Test func aPollerIsWokenFromAnotherThread() throws {
    let poller = try Poller()
    let thread = Thread(name: "waker") { poller.wake() }
    #expect(poller.wait(milliseconds: 10_000) == 1)
    #expect(poller.event(0) == nil)
    thread.join()
    #expect(poller.wait(milliseconds: 0) == 0, "a wake-up is taken once")
  }

  @Test func aPollerTellsWhoIsReady() throws {
    let (_, client, server) = try pair()
    let poller = try Poller()
    poller.add(server, .receive, token: 42)
    #expect(poller.wait(milliseconds: 0) == 0)
    _ = client.send([1], from: 0)
    #expect(poller.wait(milliseconds: 10_000) == 1)
    #expect(poller.event(0)?.token == 42)
    poller.change(server, [], token: 42)
    #expect(poller.wait(milliseconds: 0) == 0, "a paused connection is not told of")
  }
}
