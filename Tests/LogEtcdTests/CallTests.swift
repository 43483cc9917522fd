import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

@testable import LogEtcd

/// Calls over connections to a gateway that answers when it is told to.
@Suite struct CallTests {
  /// A renewal must not wait behind an append that hangs, also when a thread has just been woken for that.
  @Test func callsThatAreMadeTogetherAreUnderWayTogether() throws {
    // Whoever comes waits for so many.
    let waiting = Shared<(replies: [Reply], wanted: Int)>(([], 1))
    let route = Route(.get, "/version") { _, reply in
      let all = waiting.withLock { waiting -> [Reply] in
        waiting.replies.append(reply)
        guard waiting.replies.count == waiting.wanted else { return [] }
        defer { waiting.replies = [] }
        return waiting.replies
      }
      let body = Array(#"{"etcdserver":"3.5.28","etcdcluster":"3.5.0"}"#.utf8)
      for reply in all {
        reply.send(Response(status: 200, contentType: "application/json", headers: [], body: body))
      }
    }
    let server = try Server(ServerOptions(), Router([route]))
    server.start()
    for round in 1...30 {
      let calls = EtcdCalls([.tcp(host: "127.0.0.1", port: server.port)], HTTPClientOptions())
      // The first leaves one thread that rests, which cannot take all that follow.
      var isSound = true
      for together in [1, 5] {
        waiting.withLock { $0.wanted = together }
        let answered = Shared(0)
        for _ in 0..<together {
          calls.send(.version, to: 0, timeout: .seconds(600)) { result in
            if case .success = result { answered.withLock { $0 += 1 } }
          }
        }
        isSound = eventually(deadline: .seconds(10)) { answered.withLock { $0 } == together }
        #expect(isSound, "round \(round), \(together) together")
      }
      // Or nobody could end the calls.
      let left = waiting.withLock { waiting -> [Reply] in
        defer { waiting = ([], 1) }
        return waiting.replies
      }
      for reply in left { reply.send(Response(status: 503, contentType: nil, headers: [])) }
      calls.close()
      if !isSound { break }
    }
    server.drain()
  }

  /// It may be stopped for a moment, or starting beside others: that is waited for, like one that is not there yet.
  @Test func anEtcdThatIsSilentIsNoReasonToEnd() throws {
    let listener = try Listener(host: "127.0.0.1", port: 0)
    defer { listener.stop() }
    let door = EtcdDoor(try ClientTLS(authorities: nil, own: nil))
    let found = door.look([.tcp(host: "127.0.0.1", port: listener.address.port)])
    #expect(!found.isShut && found.troubles.isEmpty, "\(found)")
  }
}
