import Glibc

extension Load {
  /// One keep-alive connection with at most one request in flight.
  final class Connection {
    static let headLimit = 16384

    /// What a turn of reading gave.
    enum Progress {
      case waiting
      case answered(status: Int)
      case closed
      case unreadable(String)
    }

    private(set) var descriptor: Int32
    private let port: Int
    private let input = UnsafeMutablePointer<UInt8>.allocate(capacity: headLimit)
    private var filled = 0
    private var bodyLeft: Int?
    private var status = 0
    var request: [UInt8] = []
    var sentAt: Int64 = 0
    /// When the next request is due, in a run with a pace.
    var due: Int64 = 0
    var inFlight = false

    init(port: Int) throws(Failure) {
      self.port = port
      descriptor = try Socket.connect(port: port)
    }

    deinit {
      close(descriptor)
      input.deallocate()
    }

    func reconnect() throws(Failure) {
      close(descriptor)
      descriptor = try Socket.connect(port: port)
      filled = 0
      bodyLeft = nil
      inFlight = false
    }

    /// Sends the whole request; false when the connection is gone.
    func send(at now: Int64) throws(Failure) -> Bool {
      sentAt = now
      inFlight = true
      let sent = Glibc.send(descriptor, request, request.count, Int32(MSG_NOSIGNAL))
      if sent == request.count { return true }
      // One request is a few hundred bytes in an empty socket buffer: a short write cannot happen.
      if sent >= 0 { throw Failure("the kernel took \(sent) of \(request.count) bytes") }
      return false
    }

    /// Reads what is there.
    func read() -> Progress {
      let got = recv(descriptor, input + filled, Self.headLimit - filled, 0)
      if got < 0 && (errno == EAGAIN || errno == EINTR) { return .waiting }
      guard got > 0 else { return .closed }
      if !inFlight { return .unreadable("bytes that nobody asked for") }
      filled += got
      if bodyLeft == nil {
        guard let head = MessageScan.headLength(input, filled) else {
          return filled == Self.headLimit ? .unreadable("a head over \(Self.headLimit) bytes") : .waiting
        }
        guard let status = MessageScan.status(input, head) else { return .unreadable("no HTTP/1.1 status") }
        guard let length = MessageScan.contentLength(input, head) else {
          return .unreadable("status \(status) without Content-Length")
        }
        self.status = status
        bodyLeft = length
        filled -= head
      }
      // Only the length of a body matters here; its bytes are dropped as they come.
      bodyLeft! -= filled
      filled = 0
      if bodyLeft! < 0 { return .unreadable("more bytes than Content-Length said") }
      if bodyLeft! > 0 { return .waiting }
      bodyLeft = nil
      inFlight = false
      return .answered(status: status)
    }
  }
}
