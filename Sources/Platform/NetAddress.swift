internal import CLinux

/// An address that a socket can be bound or connected to.
package struct SocketAddress: Sendable {
  var storage = sockaddr_storage()
  var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

  init() {}

  /// The addresses of `host` and `port`; a name is looked up and may have several. Blocks on the resolver: whoever
  /// has a deadline asks a `NameLookup`.
  package static func resolve(host: String, port: UInt16) throws(NetFault) -> [SocketAddress] {
    try resolve(host: host, port: port, flags: AI_NUMERICSERV)
  }

  /// The address that `host` is; nil if it is a name.
  static func numeric(_ host: String, port: UInt16) -> SocketAddress? {
    (try? resolve(host: host, port: port, flags: AI_NUMERICSERV | AI_NUMERICHOST))?.first
  }

  private static func resolve(host: String, port: UInt16, flags: Int32) throws(NetFault) -> [SocketAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = flags
    var list: UnsafeMutablePointer<addrinfo>?
    let result = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard result == 0 else {
      let why = unsafe String(cString: gai_strerror(result))
      throw NetFault("cannot resolve \(host): \(why)", code: 0)
    }
    defer { unsafe freeaddrinfo(list) }
    var found: [SocketAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
      var address = SocketAddress()
      address.length = unsafe entry.pointee.ai_addrlen
      _ = unsafe memcpy(&address.storage, entry.pointee.ai_addr, Int(address.length))
      found.append(address)
      unsafe next = entry.pointee.ai_next
    }
    return found
  }

  /// The address of a unix socket; the path has at most 107 bytes.
  package static func unix(_ path: String) throws(NetFault) -> SocketAddress {
    let bytes = Array(path.utf8)
    var address = SocketAddress()
    let offset = MemoryLayout<sa_family_t>.size
    guard !bytes.isEmpty, bytes.count <= 107 else {
      throw NetFault("the socket path \(path) is empty or over 107 bytes", code: 0)
    }
    address.storage.ss_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.storage) { raw in
      for (i, byte) in bytes.enumerated() { unsafe raw[offset + i] = byte }
      unsafe raw[offset + bytes.count] = 0
    }
    address.length = socklen_t(offset + bytes.count + 1)
    return address
  }

  var family: Int32 { Int32(storage.ss_family) }

  func withPointer<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
    unsafe withUnsafePointer(to: storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
    }
  }

  mutating func withMutablePointer<T>(_ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> T) -> T {
    var count = length
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, &count) }
    }
    length = count
    return result
  }

  /// The port, 0 for a unix socket.
  package var port: UInt16 {
    // sin_port and sin6_port lie at the same place.
    family == AF_UNIX ? 0 : unsafe withUnsafeBytes(of: storage) { unsafe UInt16($0[2]) << 8 | UInt16($0[3]) }
  }

  /// 127.0.0.0/8, ::1 or a unix socket.
  package var isLoopback: Bool {
    unsafe withUnsafeBytes(of: storage) { raw in
      switch family {
      case AF_INET: unsafe raw[4] == 127
      case AF_INET6: unsafe raw[8..<23].allSatisfy { $0 == 0 } && raw[23] == 1
      default: family == AF_UNIX
      }
    }
  }

  /// `127.0.0.1:80`, `[::1]:80` or `unix`.
  package var text: String {
    if family == AF_UNIX { return "unix" }
    var name = [CChar](repeating: 0, count: 64)
    let result = unsafe withPointer { pointer, length in
      unsafe getnameinfo(pointer, length, &name, 64, nil, 0, Int32(NI_NUMERICHOST))
    }
    guard result == 0 else { return "unknown" }
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return family == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
