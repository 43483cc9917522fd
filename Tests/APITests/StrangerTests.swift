import API
import Domain
import Platform
import TestSupport
import Testing

/// What comes back to `head` alone, up to the end of the connection.
private func answer(to head: String, at port: UInt16) throws -> String {
  let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
  let deadline = MonotonicTime.now + .seconds(10)
  let socket = try Socket.connect(to: address, until: deadline)
  guard case .bytes(head.utf8.count) = socket.send(Array(head.utf8), from: 0) else { return "" }
  var (buffer, filled) = ([UInt8](repeating: 0, count: 16 << 10), 0)
  while true {
    switch socket.receive(into: &buffer, at: filled) {
    case .bytes(let count): filled += count
    case .wouldBlock: try #require(socket.wait(until: deadline), "nothing came")
    case .ended, .failed: return String(decoding: buffer[..<filled], as: UTF8.self)
    }
  }
}

@Suite("Strangers at the door") struct StrangerTests {
  @Test func strangersAreTurnedAwayByTheirHeadAndNothingOfTheirBodiesIsKept() throws {
    var security = Security()
    security.isRequired = true
    let house = try House(network: nil, security: security)
    _ = try house.key(.clusterAdmin)
    let viewer = try house.key(.viewer)
    let routes = [
      ("POST", "/api/v1/imports"), ("POST", "/api/v1/ip/allocate"), ("PATCH", "/api/v1/pools/p"),
      ("PUT", "/api/v1/nodes/n")
    ]
    for (method, path) in routes {
      let head =
        "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n"
      let told = try answer(to: head + "\r\n", at: house.server.port)
      #expect(told.hasPrefix("HTTP/1.1 401 ") && told.contains("\r\nWWW-Authenticate: Bearer"), "\(path): \(told)")
      #expect(told.contains("\r\nConnection: close") && told.contains(#""code":"unauthorized""#))
      let known = try answer(to: head + "Authorization: Bearer \(viewer)\r\n\r\n", at: house.server.port)
      #expect(known.hasPrefix("HTTP/1.1 403 ") && known.contains(#""code":"forbidden""#), "\(path): \(known)")
      let wrong = try answer(to: head + "Authorization: Bearer \(viewer)x\r\n\r\n", at: house.server.port)
      #expect(wrong.hasPrefix("HTTP/1.1 401 "), "\(path): \(wrong)")
    }
    let metrics = try house.call("GET", "/metrics", key: viewer, expect: 200).text
    #expect(metrics.contains(#"berth_auth_denials_total{code="forbidden"} 4"#), "each is counted once")
    #expect(metrics.contains("berth_http_body_bytes 0"))
  }
}
