import Glibc

/// TCP over the loopback, the only network of the benchmark.
enum Socket {
  static func listen(port: Int) throws(Failure) -> Int32 {
    let descriptor = try make()
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    guard withLoopback(port, { bind(descriptor, $0, $1) }) == 0 else { throw .system("bind to port \(port)") }
    guard Glibc.listen(descriptor, 1024) == 0 else { throw .system("listen") }
    makeNonblocking(descriptor)
    return descriptor
  }

  /// A connected socket that no longer blocks.
  static func connect(port: Int) throws(Failure) -> Int32 {
    let descriptor = try make()
    guard withLoopback(port, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
      let failure = Failure.system("connect to 127.0.0.1:\(port)")
      close(descriptor)
      throw failure
    }
    prepare(descriptor)
    return descriptor
  }

  static func prepare(_ descriptor: Int32) {
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    makeNonblocking(descriptor)
  }

  private static func make() throws(Failure) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw .system("socket") }
    return descriptor
  }

  private static func makeNonblocking(_ descriptor: Int32) {
    let result = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    precondition(result == 0, "fcntl failed on a socket of ours")
  }

  private static func withLoopback(
    _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
    }
  }
}
