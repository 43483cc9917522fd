import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

@testable import LogEtcd

/// Calls over connections to a gateway that answers when it is told to.
@Suite struct CallTests {
  /// A renewal must not wait behind an append that hangs, also when a thread has just become free.
  @Test func callsThatAreMadeTogetherAreUnderWayTogether() throws {
    let waiting = Shared<[Reply]>([])
    let together = 5
    let route = Route(.get, "/version") { _, reply in
      let all = waiting.withLock { waiting -> [Reply] in
        waiting.append(reply)
        guard waiting.count == together else { return [] }
        defer { waiting = [] }
        return waiting
      }
      let body = Array(#"{"etcdserver":"3.5.28","etcdcluster":"3.5.0"}"#.utf8)
      for reply in all {
        reply.send(Response(status: 200, contentType: "application/json", headers: [], body: body))
      }
    }
    let server = try Server(ServerOptions(), Router([route]))
    server.start()
    let calls = EtcdCalls([.tcp(host: "127.0.0.1", port: server.port)], HTTPClientOptions())
    let answered = Shared(0)
    // From the second time on threads are there, some of them only just free.
    for round in 1...50 {
      for _ in 0..<together {
        calls.send(.version, to: 0, timeout: .seconds(600)) { result in
          if case .success = result { answered.withLock { $0 += 1 } }
        }
      }
      #expect(eventually { answered.withLock { $0 } == round * together }, "round \(round)")
      if answered.withLock({ $0 }) < round * together { break }
    }
    for reply in waiting.withLock({ $0 }) { reply.send(Response(status: 503, contentType: nil, headers: [])) }
    calls.close()
    server.drain()
  }
}
