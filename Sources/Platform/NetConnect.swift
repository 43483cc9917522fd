internal import CLinux

extension Socket {
  /// Connects to `address` before `deadline`; blocks the calling thread.
  package static func connect(to address: SocketAddress, until deadline: MonotonicTime) throws(NetFault) -> Socket {
    let descriptor = berth_socket(address.family)
    guard descriptor >= 0 else { throw NetFault("cannot open a socket for \(address.text)") }
    let socket = Socket(adopting: descriptor)
    if address.family != AF_UNIX { socket.sendWithoutDelay() }
    let result = unsafe address.withPointer { unsafe berth_connect(descriptor, $0, $1) }
    if result == 0 { return socket }
    guard berth_errno() == EINPROGRESS || berth_errno() == EINTR else {
      throw NetFault("cannot connect to \(address.text)")
    }
    guard socket.wait(toSend: true, until: deadline) else {
      throw NetFault("cannot connect to \(address.text) in time", code: 0)
    }
    var error: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    _ = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
    guard error == 0 else { throw NetFault("cannot connect to \(address.text)", code: error) }
    return socket
  }

  /// Shrinks the kernel's receive buffer, so that a test can be a slow reader without sending megabytes.
  package func limitReceiveBuffer(_ bytes: Int32) { setOption(SOL_SOCKET, SO_RCVBUF, bytes) }

  /// Makes closing send a reset instead of an orderly end.
  package func resetOnClose() {
    var value = linger(l_onoff: 1, l_linger: 0)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
  }
}
