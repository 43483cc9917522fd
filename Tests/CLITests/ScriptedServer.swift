import Glibc
import TestSupport

/// A request as a scripted server saw it.
struct Seen: Sendable {
  let method: String
  let target: String
  let headers: [String: String]
  let body: String

  var path: String { String(target.prefix { $0 != "?" }) }
}

/// What a scripted server does about a request.
enum Scripted: Sendable {
  case answer(Int, String, headers: [String: String] = [:])
  /// Closes the connection without a word.
  case drop
  /// Sends exactly this and closes.
  case raw(String)

  static func ok(_ body: String) -> Scripted { .answer(200, body) }

  /// A refusal as Berth writes it.
  static func problem(
    _ status: Int, _ code: String, _ detail: String, more: String = "", headers: [String: String] = [:]
  ) -> Scripted {
    let body =
      #"{"type":"about:blank","title":"T","status":\#(status),"code":"\#(code)","detail":"\#(detail)"\#(more)}"#
    return .answer(status, body, headers: headers)
  }
}

/// A server on 127.0.0.1 that answers one request after the other as a test says, one per connection.
// Unchecked because the thread only touches what is constant or shared under a lock.
final class ScriptedServer: @unchecked Sendable {
  let port: UInt16
  private let listener: Int32
  private let script: @Sendable (Seen) -> Scripted
  private let log = Shared<[Seen]>([])
  private var thread = pthread_t()

  init(_ script: @escaping @Sendable (Seen) -> Scripted) {
    self.script = script
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    precondition(result, "cannot listen on 127.0.0.1: errno \(errno)")
    port = UInt16(bigEndian: address.sin_port)
    let box = Unmanaged.passUnretained(self).toOpaque()
    pthread_create(
      &thread, nil,
      { raw in
        Unmanaged<ScriptedServer>.fromOpaque(raw!).takeUnretainedValue().serve()
        return nil
      }, box)
  }

  /// Answers all requests in order; one more than there are answers gets a 500.
  convenience init(_ answers: Scripted...) {
    let rest = Shared(answers)
    self.init { _ in rest.withLock { $0.isEmpty ? .problem(500, "no_more", "the script is over") : $0.removeFirst() } }
  }

  /// What has been asked so far.
  var seen: [Seen] { log.withLock { $0 } }

  var url: String { "http://127.0.0.1:\(port)" }

  /// Ends the thread; a test must call it, the thread itself keeps no reference.
  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    pthread_join(thread, nil)
    close(listener)
  }

  private func serve() {
    while true {
      let connection = accept(listener, nil, nil)
      guard connection >= 0 else { return }
      if let request = read(connection) {
        log.withLock { $0.append(request) }
        send(script(request), to: connection, toHead: request.method == "HEAD")
      }
      close(connection)
    }
  }

  private func read(_ connection: Int32) -> Seen? {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      if let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let start = lines[0].split(separator: " ").map(String.init)
        let headers = Dictionary(
          uniqueKeysWithValues: lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            return (parts[0].lowercased(), String(parts[1].drop { $0 == " " }))
          })
        let body = bytes[end.upperBound...]
        if body.count >= headers["content-length"].flatMap({ Int($0) }) ?? 0 {
          return Seen(
            method: start[0], target: start[1], headers: headers, body: String(decoding: body, as: UTF8.self))
        }
      }
      let count = recv(connection, &piece, piece.count, 0)
      guard count > 0 else { return nil }
      bytes += piece[..<count]
    }
  }

  private func send(_ scripted: Scripted, to connection: Int32, toHead: Bool) {
    let text: String
    switch scripted {
    case .drop: return
    case .raw(let raw): text = raw
    case .answer(let status, let body, let headers):
      let more = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
      let type = status < 400 ? "application/json" : "application/problem+json"
      text =
        "HTTP/1.1 \(status) X\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
        + "Connection: close\r\n\(more)\r\n\(body)"
    }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

/// Runs `body` with a server and stops it after.
func withServer<T>(_ server: ScriptedServer, _ body: (ScriptedServer) throws -> T) rethrows -> T {
  defer { server.stop() }
  return try body(server)
}
