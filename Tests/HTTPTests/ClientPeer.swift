import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing

/// A server that does exactly what a test says, connection by connection, right or wrong.
final class ScriptedPeer: @unchecked Sendable {
  /// One accepted connection; blocks, and gives up after ten seconds.
  final class Connection: @unchecked Sendable {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    fileprivate init(_ descriptor: Int32) {
      self.descriptor = descriptor
      var patience = timeval(tv_sec: 10, tv_usec: 0)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// The head of the next request, once its body is here too; nil when the client has ended.
    func request() -> String? {
      while true {
        if let blank = buffer.prefix(16 << 10).firstRange(of: Array("\r\n\r\n".utf8)) {
          let head = String(decoding: buffer[..<blank.upperBound], as: UTF8.self)
          let length = head.firstMatch(of: /Content-Length: (\d+)/).flatMap { Int($0.1) } ?? 0
          while buffer.count < blank.upperBound + length { guard receive() else { return nil } }
          buffer.removeFirst(blank.upperBound + length)
          return head
        }
        guard receive() else { return nil }
      }
    }

    /// Takes a part of what has arrived, however little.
    @discardableResult
    func receive() -> Bool {
      var bytes = [UInt8](repeating: 0, count: 64 << 10)
      let count = recv(descriptor, &bytes, bytes.count, 0)
      if count > 0 { buffer += bytes[..<count] }
      return count > 0
    }

    func write(_ text: String) {
      let bytes = Array(text.utf8)
      _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Over a unix socket: waits until the client has taken everything.
    func waitUntilRead() {
      eventually("the client has read") {
        var waiting: Int32 = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &waiting) == 0 && waiting == 0
      }
    }

    func writeSlowly(_ text: String) { for byte in text.unicodeScalars { write(String(byte)) } }

    /// Ends both directions; on loopback the client's side knows when this returns.
    func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  let endpoint: Endpoint
  private let descriptor: Int32
  private let directory = TemporaryDirectory()
  private let threads = Threads()

  init(unix: Bool = false, _ script: @escaping @Sendable (Int, Connection) -> Void) {
    let listener = socket(unix ? AF_UNIX : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if unix {
      let path = directory.file("socket")
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
      bindAndListen(listener, address)
      endpoint = .unix(path: path)
    } else {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      bindAndListen(listener, address)
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(listener, $0, &length) }
      }
      endpoint = .tcp(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
    }
    descriptor = listener
    let threads = threads
    threads.add(
      Thread(name: "peer") {
        var count = 0
        while case let accepted = accept(listener, nil, nil), accepted >= 0 {
          let connection = Connection(accepted)
          let number = count
          count += 1
          threads.add(Thread(name: "peer-\(number)") { script(number, connection) })
        }
      })
  }

  /// From now on whoever connects is refused.
  func stopListening() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Stops accepting and waits for the scripts; the client's connections must be closed before.
  func stop() {
    shutdown(descriptor, Int32(SHUT_RDWR))
    while let thread = threads.next() { thread.join() }
    close(descriptor)
  }
}

/// The accepting thread, then those it has started.
private final class Threads: @unchecked Sendable {
  private let lock = Lock()
  private var threads: [Thread] = []
  func add(_ thread: Thread) { lock.withLock { threads.append(thread) } }
  func next() -> Thread? { lock.withLock { threads.isEmpty ? nil : threads.removeFirst() } }
}

private func bindAndListen<A>(_ descriptor: Int32, _ address: A) {
  let bound = withUnsafePointer(to: address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<A>.size)) }
  }
  precondition(bound == 0 && listen(descriptor, 64) == 0, "the peer cannot listen: errno \(errno)")
}

/// Runs `body` with a client of a scripted peer and cleans up behind both.
func withPeer(
  unix: Bool = false, options: HTTPClientOptions = HTTPClientOptions(),
  _ script: @escaping @Sendable (Int, ScriptedPeer.Connection) -> Void, _ body: (HTTPClient) throws -> Void
) throws {
  let peer = ScriptedPeer(unix: unix, script)
  let client = HTTPClient(peer.endpoint, options: options)
  defer {
    client.closeIdle()
    peer.stop()
  }
  try body(client)
}

/// A number that several threads raise.
final class Counter: @unchecked Sendable {
  private let lock = Lock()
  private var count = 0
  var value: Int { lock.withLock { count } }
  func increase() { lock.withLock { count += 1 } }
}

func outcome(_ client: HTTPClient, _ request: ClientRequest) -> Result<ClientResponse, HTTPClientFault> {
  Result { () throws(HTTPClientFault) in try client.send(request) }
}

func fault<T>(_ result: Result<T, HTTPClientFault>) -> HTTPClientFault? {
  if case .failure(let fault) = result { fault } else { nil }
}

extension ClientResponse {
  var text: String { String(decoding: body, as: UTF8.self) }
}
