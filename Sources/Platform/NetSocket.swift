internal import CLinux

/// What a nonblocking transfer did.
package enum Transfer: Hashable, Sendable {
  case bytes(Int)
  case wouldBlock
  /// The peer has ended its side (receiving only).
  case ended
  case failed(Int32)
}

/// A stream socket, nonblocking and close-on-exec; closed when the last reference goes. With a TLS session everything
/// that is sent and received goes through it.
// unchecked: `session` is set by whoever has just made the socket, before anybody else sees it.
package final class Socket: @unchecked Sendable {
  let descriptor: Int32
  private var session: TLSSession?

  init(adopting descriptor: Int32) {
    precondition(descriptor >= 0, "a socket needs an open descriptor")
    self.descriptor = descriptor
  }

  /// Encrypts the connection from its first byte on; the handshake is still to be done. The side that connects names
  /// the `server` that it expects in the certificate.
  package func secure(_ context: TLSContext, server: String? = nil) throws(TLSFault) {
    precondition(session == nil, "a connection is encrypted once")
    session = try TLSSession(context, descriptor: descriptor, server: server)
  }

  deinit { close(descriptor) }

  /// Receives into `buffer` at `offset`, at most up to its end.
  package func receive(into buffer: inout [UInt8], at offset: Int) -> Transfer {
    precondition(offset < buffer.count, "no room to receive into")
    if let session {
      return unsafe buffer.withUnsafeMutableBytes { raw in
        unsafe session.receive(UnsafeMutableRawBufferPointer(rebasing: raw[offset...]))
      }
    }
    return receiveRaw(into: &buffer, at: offset)
  }

  /// As `receive`, but takes what is on the wire, encrypted or not: for throwing it away.
  package func receiveRaw(into buffer: inout [UInt8], at offset: Int) -> Transfer {
    precondition(offset < buffer.count, "no room to receive into")
    let got = unsafe buffer.withUnsafeMutableBytes { raw in
      unsafe recv(descriptor, raw.baseAddress! + offset, raw.count - offset, 0)
    }
    return got == 0 ? .ended : Self.transfer(got)
  }

  /// What a receive would say, without taking a byte.
  package func peek() -> Transfer {
    var byte: UInt8 = 0
    if let session {
      return unsafe withUnsafeMutableBytes(of: &byte) { unsafe session.receive($0, peeking: true) }
    }
    let got = unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK))
    return got == 0 ? .ended : Self.transfer(got)
  }

  /// Sends `bytes` from `offset` up to `end`; never raises SIGPIPE.
  package func send(_ bytes: [UInt8], from offset: Int, upTo end: Int? = nil) -> Transfer {
    let end = end ?? bytes.count
    precondition(offset >= 0 && offset < end && end <= bytes.count, "nothing to send")
    if let session {
      return unsafe bytes.withUnsafeBytes { raw in
        unsafe session.send(UnsafeRawBufferPointer(rebasing: raw[offset..<end]))
      }
    }
    let sent = unsafe bytes.withUnsafeBytes { raw in
      unsafe CLinux.send(descriptor, raw.baseAddress! + offset, end - offset, Int32(MSG_NOSIGNAL))
    }
    return Self.transfer(sent)
  }

  /// Tells the peer that nothing more will be sent.
  package func endSending() {
    session?.sayGoodbye()
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Says goodbye if the connection is encrypted, before it is closed.
  package func sayGoodbye() { session?.sayGoodbye() }

  // MARK: TLS

  /// Goes on with the handshake; done for a connection that is not encrypted.
  package func handshake() -> TLSProgress { session?.handshake() ?? .done }

  /// Whether received bytes wait inside the TLS session, for which no poller will tell.
  package var hasPending: Bool { session?.hasPending ?? false }

  /// Why the peer has turned our certificate down, when that is why a transfer failed.
  package var tlsRefusal: String? { session?.refusal }

  /// Who the peer is, if it has shown a certificate that was verified.
  package var peerCertificate: PeerCertificate? { session?.peer }

  /// `TLSv1.3` or `TLSv1.2`; nil when the connection is not encrypted.
  package var tlsVersion: String? { session?.version }

  /// Does the whole handshake before `deadline`; blocks the calling thread.
  package func handshake(until deadline: MonotonicTime) throws(TLSFault) {
    while true {
      let progress = handshake()
      if progress == .done { return }
      if case .failed(let reason) = progress {
        throw TLSFault("no TLS connection: \(reason)", session?.trouble ?? .other)
      }
      guard wait(toSend: progress == .wantsSend, until: deadline) else {
        throw TLSFault("the TLS handshake took too long", .silent)
      }
    }
  }

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
