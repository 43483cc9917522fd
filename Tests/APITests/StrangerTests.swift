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
  return try rest(of: socket)
}

/// What comes up to the end of a connection.
private func rest(of socket: Socket) throws -> String {
  let deadline = MonotonicTime.now + .seconds(10)
  var (buffer, filled) = ([UInt8](repeating: 0, count: 16 << 10), 0)
  while true {
    switch socket.receive(into: &buffer, at: filled) {
    case .bytes(let count): filled += count
    case .wouldBlock: try #require(socket.wait(until: deadline), "nothing came")
    case .ended, .failed: return String(decoding: buffer[..<filled], as: UTF8.self)
    }
  }
}

/// Sends a head and that many bytes of its body, which is never whole.
private func unfinished(_ head: String, _ count: Int, at port: UInt16) throws -> Socket {
  let address = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
  let deadline = MonotonicTime.now + .seconds(10)
  let socket = try Socket.connect(to: address, until: deadline)
  let bytes = Array(head.utf8) + [UInt8](repeating: 32, count: count)
  var sent = 0
  while sent < bytes.count {
    switch socket.send(bytes, from: sent) {
    case .bytes(let more): sent += more
    case .wouldBlock: try #require(socket.wait(toSend: true, until: deadline), "it is not taken")
    case .ended, .failed: return socket
    }
  }
  return socket
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

  /// A tenant with two tokens is one.
  @Test func aTenantsBodiesTakeItsOwnPartOfTheRoomWhicheverTokenSendsThem() throws {
    let house = try House(bodyRoomEach: 300_000)
    let admin = try house.key(.clusterAdmin)
    let (one, two) = (try house.key(.operator, .tenant(.acme)), try house.key(.operator, .tenant(.acme)))
    let other = try house.key(.operator, .tenant(TenantName(trusted: "blue")))
    func head(_ key: String) -> String {
      "POST /api/v1/vms HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + "Authorization: Bearer \(key)\r\nContent-Length: 900000\r\n\r\n"
    }
    let first = try unfinished(head(one), 200_000, at: house.server.port)
    #expect(eventually { house.server.metrics.bodyBytes == 200_000 })
    let refused = try unfinished(head(two), 200_000, at: house.server.port)
    #expect(try rest(of: refused).hasPrefix("HTTP/1.1 503 "))
    #expect(eventually { house.server.metrics.bodyBytes == 200_000 })
    let others = try [other, admin].map { try unfinished(head($0), 200_000, at: house.server.port) }
    #expect(eventually { house.server.metrics.bodyBytes == 600_000 }, "\(house.server.metrics.bodyBytes)")
    for socket in [first] + others { socket.endSending() }
    #expect(eventually { house.server.metrics.bodyBytes == 0 })
  }
}
