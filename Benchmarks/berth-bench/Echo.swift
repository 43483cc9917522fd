import Glibc

/// The limit: one epoll loop that answers every complete request with the same 112 bytes of JSON.
struct Echo {
  static let connectionLimit = 4096
  static let bufferSize = 8192
  static let body =
    #"{"ip":"10.0.0.2","vm_id":"vm-0000000000001","gateway":"10.0.0.1","network":"10.0.0.0/8","hostname":"host-00001"}"#

  /// Unread bytes of one connection.
  private final class Connection {
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: Echo.bufferSize)
    var filled = 0
    deinit { bytes.deallocate() }
  }

  private let epoll: Epoll
  private let listener: Int32
  private let answer: [UInt8]
  private var connections = [Connection?](repeating: nil, count: Echo.connectionLimit)

  static func main(_ options: Options) throws(Failure) {
    guard let port = try options.integer("port", in: 1...65535) else { throw Failure("--port is required") }
    var echo = try Echo(port: port)
    while true { try echo.turn() }
  }

  private init(port: Int) throws(Failure) {
    precondition(Self.body.utf8.count == 112, "the fixed answer has \(Self.body.utf8.count) bytes, not 112")
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 112\r\n\r\n"
    answer = Array((head + Self.body).utf8)
    epoll = try Epoll()
    listener = try Socket.listen(port: port)
    try epoll.add(listener, tag: Int(listener))
  }

  private mutating func turn() throws(Failure) {
    for i in 0..<(try epoll.wait(milliseconds: -1)) {
      let descriptor = Int32(epoll.tag(i))
      if descriptor == listener { try acceptAll() } else { serve(descriptor) }
    }
  }

  private mutating func acceptAll() throws(Failure) {
    while true {
      let descriptor = accept(listener, nil, nil)
      guard descriptor >= 0 else { return }
      guard descriptor < Self.connectionLimit else {
        close(descriptor)
        continue
      }
      Socket.prepare(descriptor)
      connections[Int(descriptor)] = Connection()
      try epoll.add(descriptor, tag: Int(descriptor))
    }
  }

  private mutating func serve(_ descriptor: Int32) {
    guard let connection = connections[Int(descriptor)] else { return }
    let got = recv(descriptor, connection.bytes + connection.filled, Self.bufferSize - connection.filled, 0)
    if got < 0 && errno == EAGAIN { return }
    guard got > 0 else { return drop(descriptor) }
    connection.filled += got
    while let length = request(connection) {
      // The answer always fits the socket's buffer of a client that reads; another kind of client is dropped.
      guard send(descriptor, answer, answer.count, Int32(MSG_NOSIGNAL)) == answer.count else {
        return drop(descriptor)
      }
      connection.filled -= length
      memmove(connection.bytes, connection.bytes + length, connection.filled)
    }
    if connection.filled == Self.bufferSize { drop(descriptor) }
  }

  /// The length of the first request with its body, once it is complete.
  private func request(_ connection: Connection) -> Int? {
    guard let head = MessageScan.headLength(connection.bytes, connection.filled) else { return nil }
    let length = head + (MessageScan.contentLength(connection.bytes, head) ?? 0)
    return length <= connection.filled ? length : nil
  }

  private mutating func drop(_ descriptor: Int32) {
    connections[Int(descriptor)] = nil
    close(descriptor)
  }
}
