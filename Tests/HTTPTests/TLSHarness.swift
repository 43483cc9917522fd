import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

/// A CA with certificates, as files that go with the test.
final class Certificates {
  let directory = TemporaryDirectory()
  private let authority: CertificateAuthority
  var authorityFile: String { directory.file("ca.pem") }

  init(_ name: String = "Test CA") throws {
    let pair = try CertificateAuthority.make(name: name, .days(2))
    authority = try CertificateAuthority(pair)
    Files.write(pair.certificate, to: authorityFile)
  }

  /// Makes a certificate that others can connect to under these names; an existing one is replaced.
  @discardableResult
  func issue(
    _ name: String, dns: [String] = ["localhost"], addresses: [String] = ["127.0.0.1"],
    _ lifetime: CertificateLifetime = .days(1)
  ) throws -> TLSFiles {
    var subject = CertificateSubject(commonName: name, uri: "berth://node/\(name)")
    (subject.dnsNames, subject.addresses) = (dns, addresses)
    let pair = try authority.issue(subject, lifetime)
    let files = TLSFiles(certificate: directory.file("\(name).pem"), key: directory.file("\(name).key"))
    for (path, bytes) in [(files.key, pair.key), (files.certificate, pair.certificate)] {
      try FileSystem.remove(path)
      try File(path, .createNew).write(bytes, at: 0)
    }
    return files
  }

  /// What a server needs that asks for client certificates.
  func server(_ clients: ClientCertificates = .required) throws -> ServerTLS {
    var tls = ServerTLS(try issue("server"))
    tls.clientAuthorities = authorityFile
    tls.clients = clients
    return tls
  }

  func client(_ name: String? = "client") throws -> TLSContext {
    try .client(authorities: authorityFile, own: try name.map { try issue($0) })
  }
}

/// What a server has told its operator.
final class Notices: @unchecked Sendable {
  private let lock = Lock()
  private var lines: [String] = []

  func add(_ line: String) { lock.withLock { lines.append(line) } }

  var all: [String] { lock.withLock { lines } }
}

/// A server that speaks TLS, for the time of `body`.
func withTLSServer(
  _ tls: ServerTLS, routes: [Route] = testRoutes(), configure: (inout ServerOptions) -> Void = { _ in },
  _ body: (Server) throws -> Void
) throws {
  try withServer(routes) {
    $0.tls = tls
    configure(&$0)
  } _: {
    try body($0)
  }
}

/// A raw connection behind a finished handshake.
func secureClient(_ server: Server, _ context: TLSContext, host: String = "localhost") throws -> RawClient {
  let client = try RawClient(port: server.port)
  try client.socket.secure(context, server: host)
  try client.socket.handshake(until: .now + RawClient.patience)
  return client
}

func httpsClient(_ server: Server, _ context: TLSContext, host: String = "localhost") -> HTTPClient {
  HTTPClient(.tcp(host: host, port: server.port), tls: context)
}

/// Passes bytes on one at a time, both ways, so that every record arrives cut everywhere.
final class Dribble: @unchecked Sendable {
  private let listener: Listener
  private let threads: [Thread]

  init(to port: UInt16) throws {
    let listener = try Listener(host: "127.0.0.1", port: 0)
    self.listener = listener
    let target = try #require(try SocketAddress.resolve(host: "127.0.0.1", port: port).first)
    let gate = Pair()
    threads = [
      Thread(name: "dribble-in") {
        while true {
          if case .connection(let near, _) = listener.accept() {
            guard let far = try? Socket.connect(to: target, until: .now + RawClient.patience) else {
              return gate.put(nil)
            }
            near.sendWithoutDelay()
            gate.put((near, far))
            return Self.pass(from: near, to: far)
          }
          if gate.isOver { return }
          gate.rest()
        }
      },
      Thread(name: "dribble-out") {
        guard let (near, far) = gate.take() else { return }
        Self.pass(from: far, to: near)
      }
    ]
    self.gate = gate
  }

  private let gate: Pair
  var port: UInt16 { listener.address.port }

  func end() {
    gate.put(nil)
    for thread in threads { thread.join() }
  }

  private static func pass(from: Socket, to: Socket) {
    var buffer = [UInt8](repeating: 0, count: 1)
    let deadline = MonotonicTime.now + .seconds(60)
    while true {
      switch from.receive(into: &buffer, at: 0) {
      case .bytes:
        while to.send(buffer, from: 0) == .wouldBlock { _ = to.wait(toSend: true, until: deadline) }
      case .wouldBlock: guard from.wait(until: deadline) else { return }
      case .ended, .failed: return to.endSending()
      }
    }
  }

  private final class Pair: @unchecked Sendable {
    private let lock = Lock()
    private let changed = Condition()
    private var pair: (Socket, Socket)?
    private var isClosed = false

    var isOver: Bool { lock.withLock { isClosed } }

    func put(_ value: (Socket, Socket)?) {
      lock.withLock {
        if let value { pair = value }
        isClosed = isClosed || value == nil
        changed.broadcast()
      }
    }

    func rest() { lock.withLock { _ = changed.wait(lock, timeout: .milliseconds(2)) } }

    func take() -> (Socket, Socket)? {
      lock.withLock {
        while pair == nil, !isClosed { changed.wait(lock) }
        return pair
      }
    }
  }
}
