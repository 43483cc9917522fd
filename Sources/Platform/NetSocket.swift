internal import CLinux

/// What a nonblocking transfer did.
package enum Transfer: Hashable, Sendable {
  case bytes(Int)
  case wouldBlock
  /// The peer has ended its side (receiving only).
  case ended
  case failed(Int32)
}

/// A stream socket, nonblocking and close-on-exec; closed when the last reference goes.
package final class Socket: Sendable {
  let descriptor: Int32

  init(adopting descriptor: Int32) {
    precondition(descriptor >= 0, "a socket needs an open descriptor")
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Receives into `buffer` at `offset`, at most up to its end.
  package func receive(into buffer: inout [UInt8], at offset: Int) -> Transfer {
    precondition(offset < buffer.count, "no room to receive into")
    let got = unsafe buffer.withUnsafeMutableBytes { raw in
      unsafe recv(descriptor, raw.baseAddress! + offset, raw.count - offset, 0)
    }
    return got == 0 ? .ended : Self.transfer(got)
  }

  /// What a receive would say, without taking a byte.
  package func peek() -> Transfer {
    var byte: UInt8 = 0
    let got = unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK))
    return got == 0 ? .ended : Self.transfer(got)
  }

  /// Sends `bytes` from `offset` up to `end`; never raises SIGPIPE.
  package func send(_ bytes: [UInt8], from offset: Int, upTo end: Int? = nil) -> Transfer {
    let end = end ?? bytes.count
    precondition(offset >= 0 && offset < end && end <= bytes.count, "nothing to send")
    let sent = unsafe bytes.withUnsafeBytes { raw in
      unsafe CLinux.send(descriptor, raw.baseAddress! + offset, end - offset, Int32(MSG_NOSIGNAL))
    }
    return Self.transfer(sent)
  }

  /// Tells the peer that nothing more will be sent.
  package func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Whether the socket becomes readable (or writable) before `deadline`; blocks the calling thread.
  package func wait(toSend: Bool = false, until deadline: MonotonicTime?) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(toSend ? POLLOUT : POLLIN), revents: 0)
    while true {
      let left = deadline.map { max(0, ($0 - .now + 999_999) / 1_000_000) }
      let result = unsafe poll(&entry, 1, Int32(clamping: left ?? -1))
      if result > 0 { return true }
      if result < 0, berth_errno() != EINTR { return true }  // the next transfer tells what is wrong
      if result == 0, let deadline, MonotonicTime.now >= deadline { return false }
    }
  }

  private static func transfer(_ count: Int) -> Transfer {
    if count >= 0 { return .bytes(count) }
    let error = berth_errno()
    return error == EAGAIN || error == EINTR ? .wouldBlock : .failed(error)
  }

  func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    // An option that the kernel does not have costs speed or comfort, never correctness.
    _ = unsafe setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Sends small writes at once instead of waiting for more.
  package func sendWithoutDelay() { setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
}

/// Why a socket could not be had; the sentence names the address.
package struct NetFault: Error, Hashable, Sendable {
  /// The system's error number, 0 when a name did not resolve or time ran out.
  package let code: Int32
  /// What failed, where, and why.
  package let sentence: String

  init(_ what: String, code: Int32 = berth_errno()) {
    self.code = code
    let why = unsafe String(cString: strerror(code))
    sentence = code == 0 ? what : "\(what): \(why)"
  }
}
