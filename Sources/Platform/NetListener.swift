internal import CLinux

/// What asking for a waiting connection gave.
package enum Accepted: Sendable {
  case connection(Socket, peer: SocketAddress)
  /// Nobody waits, or who waited is gone.
  case none
  /// No descriptor or memory for it now; ask again later, not at once.
  case exhausted
}

/// A listening TCP socket.
package final class Listener: Sendable {
  /// Most connections that the kernel keeps waiting for us.
  package static let backlog: Int32 = 1024

  let descriptor: Int32
  /// Where it listens, with the port that the system chose when 0 was asked.
  package let address: SocketAddress

  /// Listens on the first address of `host`; port 0 = any free one.
  package init(host: String, port: UInt16) throws(NetFault) {
    let place = "\(host):\(port)"
    guard var bound = try SocketAddress.resolve(host: host, port: port).first else {
      throw NetFault("\(place) has no address", code: 0)
    }
    let descriptor = berth_socket(bound.family)
    guard descriptor >= 0 else { throw NetFault("cannot open a socket for \(place)") }
    var one: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, size)
    // Inherited by every accepted connection, which saves a system call for each.
    _ = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, size)
    guard unsafe bound.withPointer({ unsafe berth_bind(descriptor, $0, $1) }) == 0,
      listen(descriptor, Self.backlog) == 0,
      unsafe bound.withMutablePointer({ unsafe berth_socket_name(descriptor, $0, &$1) }) == 0
    else {
      let fault = NetFault("cannot listen on \(place)")
      close(descriptor)
      throw fault
    }
    self.descriptor = descriptor
    address = bound
  }

  deinit { close(descriptor) }

  /// Refuses new connections from now on; those still waiting are reset.
  package func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Takes one waiting connection, if there is one.
  package func accept() -> Accepted {
    var peer = SocketAddress()
    peer.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let descriptor = unsafe peer.withMutablePointer { unsafe berth_accept_from(self.descriptor, $0, &$1) }
    if descriptor >= 0 { return .connection(Socket(adopting: descriptor), peer: peer) }
    switch berth_errno() {
    case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
    default: return .none
    }
  }
}
