internal import CLinux
internal import COpenSSL

/// How far a handshake is.
package enum TLSProgress: Hashable, Sendable {
  case done
  case wantsReceive
  case wantsSend
  /// It came to nothing; the reason in OpenSSL's words.
  case failed(String)
}

/// The encrypted side of one socket, which it belongs to: nonblocking, driven by whoever owns the socket.
// unchecked: a session has one owner at a time, like its socket.
@safe final class TLSSession: @unchecked Sendable {
  private let handle: OpaquePointer
  private let isServer: Bool
  private(set) var isReady = false
  /// Why the peer has turned our certificate down, if it has: it tells after its own side of the handshake is done.
  private(set) var refusal: String?
  /// What was wrong when the handshake failed.
  private(set) var trouble = TLSFault.Trouble.other
  /// After a fatal error OpenSSL forbids saying goodbye.
  private var isBroken = false

  /// `server`: for a client, the name or address that the peer's certificate must carry; nil for a server.
  init(_ context: TLSContext, descriptor: Int32, server: String?) throws(TLSFault) {
    ERR_clear_error()
    guard let handle = unsafe SSL_new(context.handle) else { throw .noted("cannot make a TLS session") }
    unsafe self.handle = handle
    isServer = server == nil
    guard unsafe SSL_set_fd(handle, descriptor) == 1 else { throw .noted("cannot join TLS and a socket") }
    guard let server else {
      unsafe SSL_set_accept_state(handle)
      return
    }
    unsafe SSL_set_connect_state(handle)
    try expect(server)
  }

  deinit { unsafe SSL_free(handle) }

  private func expect(_ server: String) throws(TLSFault) {
    var binary = in6_addr()
    let isAddress = unsafe inet_pton(AF_INET, server, &binary) == 1 || inet_pton(AF_INET6, server, &binary) == 1
    if isAddress {
      guard unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), server) == 1 else {
        throw .noted("\(server) cannot be looked for in a certificate")
      }
      return
    }
    unsafe SSL_set_hostflags(handle, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    guard unsafe SSL_set1_host(handle, server) == 1, unsafe berth_tls_ask_for(handle, server) == 1 else {
      throw .noted("\(server) cannot be looked for in a certificate")
    }
  }

  /// Goes on with the handshake as far as it goes without waiting.
  func handshake() -> TLSProgress {
    ERR_clear_error()
    let result = unsafe SSL_do_handshake(handle)
    if result == 1 {
      isReady = true
      return .done
    }
    switch unsafe SSL_get_error(handle, result) {
    case SSL_ERROR_WANT_READ: return .wantsReceive
    case SSL_ERROR_WANT_WRITE: return .wantsSend
    default:
      isBroken = true
      return .failed(failure)
    }
  }

  /// Why the handshake failed: what is wrong with the peer's certificate, if that is it.
  private var failure: String {
    let verdict = unsafe SSL_get_verify_result(handle)
    let alert = berth_error_reason(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET
    let reason = TLSReason.take()
    trouble = Self.aboutCertificates.contains(alert) ? .turnedDown : Self.trouble(of: verdict)
    if verdict != X509_V_OK, let words = unsafe X509_verify_cert_error_string(verdict) {
      return unsafe "the peer's certificate is refused: \(String(cString: words))"
    }
    return reason.isEmpty ? "the peer ended the handshake" : reason
  }

  private static func trouble(of verdict: Int) -> TLSFault.Trouble {
    switch Int32(verdict) {
    case X509_V_OK: .other
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .wrongName
    case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: .outOfDate
    default: .untrusted
    }
  }

  /// Whether received bytes wait inside, for which the socket will not become readable.
  var hasPending: Bool { unsafe isReady && SSL_has_pending(handle) == 1 }

  func receive(_ target: UnsafeMutableRawBufferPointer, peeking: Bool = false) -> Transfer {
    ERR_clear_error()
    let room = Int32(clamping: target.count)
    let got = unsafe peeking ? SSL_peek(handle, target.baseAddress, room) : SSL_read(handle, target.baseAddress, room)
    return transfer(got)
  }

  func send(_ source: UnsafeRawBufferPointer) -> Transfer {
    ERR_clear_error()
    return transfer(unsafe SSL_write(handle, source.baseAddress, Int32(clamping: source.count)))
  }

  private func transfer(_ count: Int32) -> Transfer {
    if count > 0 { return .bytes(Int(count)) }
    switch unsafe SSL_get_error(handle, count) {
    // Reading never has to send first, nor sending to receive: renegotiation is off. An update of keys that a peer
    // asks for goes out with our next bytes.
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wouldBlock
    case SSL_ERROR_ZERO_RETURN: return .ended
    case SSL_ERROR_SYSCALL:
      isBroken = true
      let code = berth_errno()
      return .failed(code == 0 ? ECONNRESET : code)
    default:
      // An end without a goodbye is here too: somebody may have cut the connection to shorten what was said.
      isBroken = true
      let alert = berth_error_reason(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET
      let words = TLSReason.take()
      if Self.aboutCertificates.contains(alert) { refusal = words }
      return .failed(EPROTO)
    }
  }

  /// The alerts of RFC 8446 by which a peer turns a certificate down.
  private static let aboutCertificates: [Int32] = [42, 43, 44, 45, 46, 48, 49, 116]

  /// Tells the peer that nothing more will be sent, as far as it goes without waiting.
  func sayGoodbye() {
    guard isReady, !isBroken else { return }
    ERR_clear_error()
    _ = unsafe SSL_shutdown(handle)
    ERR_clear_error()
  }

  /// Who the peer is, if it has shown a certificate that was verified.
  var peer: PeerCertificate? {
    guard unsafe SSL_get_verify_result(handle) == X509_V_OK, let certificate = unsafe SSL_get0_peer_certificate(handle)
    else { return nil }
    return unsafe PeerCertificate(certificate, authority: berth_tls_authority(handle))
  }

  /// `TLSv1.3` or `TLSv1.2`.
  var version: String { unsafe String(cString: SSL_get_version(handle)) }
}

/// Who the other side is, by a certificate that was verified.
package final class PeerCertificate: Sendable {
  /// Its URIs, such as `berth://node/a`.
  package let uris: [String]
  /// Its DNS names.
  package let dnsNames: [String]
  /// SHA-256 of the whole certificate.
  package let fingerprint: SHA256Digest
  /// SHA-256 of the CA that it leads to, by which one CA is told from another.
  package let authority: SHA256Digest?
  /// The last second, since 1970, in which it is good.
  package let endsAt: Int64

  /// At most this many names of a kind are read.
  package static let namesMax = 64

  /// The URIs, then the DNS names.
  package var names: [String] { uris + dnsNames }

  fileprivate init(_ certificate: OpaquePointer, authority: OpaquePointer?) {
    let names = unsafe Self.names(of: certificate)
    uris = names.uris
    dnsNames = names.dns
    fingerprint = unsafe Self.fingerprint(certificate)
    endsAt = unsafe Int64(berth_x509_ends(certificate))
    self.authority = unsafe authority.map { unsafe Self.fingerprint($0) }
  }

  static func names(of certificate: OpaquePointer) -> (uris: [String], dns: [String]) {
    var found: [(kind: Int32, text: String)] = []
    unsafe withUnsafeMutablePointer(to: &found) { list in
      unsafe berth_x509_names(
        certificate,
        { to, kind, text, length in
          let bytes = unsafe UnsafeBufferPointer(start: text, count: Int(length))
          // A name with a NUL or a line feed in it is meant to be taken for another.
          guard length > 0, unsafe bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return }
          let name = unsafe String(decoding: bytes, as: UTF8.self)
          unsafe to!.assumingMemoryBound(to: [(kind: Int32, text: String)].self).pointee.append((kind, name))
        }, list)
    }
    return (
      found.filter { $0.kind == 0 }.prefix(namesMax).map(\.text),
      found.filter { $0.kind == 1 }.prefix(namesMax).map(\.text)
    )
  }

  static func fingerprint(_ certificate: OpaquePointer) -> SHA256Digest {
    var bytes = [UInt8](repeating: 0, count: 32)
    var count: UInt32 = 32
    let done = unsafe X509_digest(certificate, EVP_sha256(), &bytes, &count)
    precondition(done == 1 && count == 32, "a certificate has no digest")
    return SHA256Digest(bytes: bytes)
  }
}
