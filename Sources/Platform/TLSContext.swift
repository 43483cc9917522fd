internal import CLinux
internal import COpenSSL

/// Why TLS could not be had, in a sentence for whoever has to repair it; never holds key material.
package struct TLSFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong, as far as that says who has to do something.
  package enum Trouble: Hashable, Sendable {
    /// The peer's certificate is of no CA that is believed here.
    case untrusted
    /// The peer's certificate does not carry the name or address under which it was reached.
    case wrongName
    /// The peer's certificate has ended, or not begun.
    case outOfDate
    /// The peer does not take our certificate, or that there is none.
    case turnedDown
    /// The peer was silent for too long: it may be busy, or stopped for a while.
    case silent
    /// Anything else.
    case other
  }

  /// The sentence.
  package let sentence: String
  /// What is wrong.
  package let trouble: Trouble

  /// Joins the two.
  package init(_ sentence: String, _ trouble: Trouble = .other) { (self.sentence, self.trouble) = (sentence, trouble) }

  /// The sentence.
  package var description: String { sentence }

  /// What was tried, with the newest reason that OpenSSL has noted; forgets all that it has noted.
  static func noted(_ what: String) -> TLSFault {
    let reason = TLSReason.take()
    return TLSFault(reason.isEmpty ? what : "\(what): \(reason)")
  }
}

/// OpenSSL's notes about what went wrong on this thread.
enum TLSReason {
  /// The reason noted last, or nothing; all notes are gone afterwards.
  static func take() -> String {
    defer { ERR_clear_error() }
    let code = ERR_peek_last_error()
    guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "" }
    return unsafe String(cString: text)
  }
}

/// A certificate (with the chain above it) and its private key, as files in PEM.
package struct TLSFiles: Hashable, Sendable {
  /// The certificate, then those that lead to the authority.
  package let certificate: String
  /// The private key, without a passphrase.
  package let key: String

  /// Names the two files.
  package init(certificate: String, key: String) { (self.certificate, self.key) = (certificate, key) }
}

/// The versions of TLS that can be spoken.
package enum TLSVersion: Int, Hashable, Comparable, Sendable {
  case v12
  case v13

  /// 1.3, unless somebody asks for more.
  package static let standard = TLSVersion.v13...TLSVersion.v13

  /// The older is less.
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  var number: Int32 { self == .v12 ? TLS1_2_VERSION : TLS1_3_VERSION }
}

/// What a server asks of its clients.
package enum ClientCertificates: String, Hashable, Sendable {
  /// Nothing.
  case none
  /// A certificate is checked when there is one.
  case optional
  /// Nobody gets in without one.
  case required
}

/// What sessions are made from: versions, own certificate, and whom to trust. Never changes; new files make a new one.
// unchecked: OpenSSL counts references to a context under its own lock, and nothing here changes one that is made.
@safe package final class TLSContext: @unchecked Sendable {
  let handle: OpaquePointer

  private init(isServer: Bool, _ versions: ClosedRange<TLSVersion>) throws(TLSFault) {
    // OpenSSL writes with plain `write`: a peer that is gone must be an error, not the end of the process.
    berth_ignore_broken_pipes()
    ERR_clear_error()
    guard let handle = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
      throw .noted("cannot make a TLS context")
    }
    unsafe self.handle = handle
    guard unsafe berth_tls_prepare(handle, versions.lowerBound.number, versions.upperBound.number) == 1 else {
      throw .noted("cannot prepare a TLS context")
    }
  }

  deinit { unsafe SSL_CTX_free(handle) }

  /// For the side that accepts; `authorities` are those whose clients are believed.
  package static func server(
    _ files: TLSFiles, authorities: String? = nil, clients: ClientCertificates = .none,
    versions: ClosedRange<TLSVersion> = TLSVersion.standard
  ) throws(TLSFault) -> TLSContext {
    let context = try TLSContext(isServer: true, versions)
    try context.present(files)
    if unsafe X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context.handle))) < 0 {
      throw TLSFault("the certificate \(files.certificate) has expired")
    }
    guard clients != .none else { return context }
    guard let authorities else { throw TLSFault("client certificates need a CA to be checked by") }
    try context.trust(authorities)
    // The names of the authorities go to the clients, which choose a certificate by them.
    unsafe SSL_CTX_set_client_CA_list(context.handle, SSL_load_client_CA_file(authorities))
    let must = clients == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
    unsafe SSL_CTX_set_verify(context.handle, SSL_VERIFY_PEER | must, nil)
    return context
  }

  /// For the side that connects; without `authorities` those of the system are believed.
  package static func client(
    authorities: String? = nil, own: TLSFiles? = nil, versions: ClosedRange<TLSVersion> = TLSVersion.standard
  ) throws(TLSFault) -> TLSContext {
    let context = try TLSContext(isServer: false, versions)
    if let authorities {
      try context.trust(authorities)
    } else if unsafe SSL_CTX_set_default_verify_paths(context.handle) != 1 {
      throw .noted("cannot read the system's CAs")
    }
    if let own { try context.present(own) }
    unsafe SSL_CTX_set_verify(context.handle, SSL_VERIFY_PEER, nil)
    return context
  }

  private func present(_ files: TLSFiles) throws(TLSFault) {
    try requirePrivate(files.key)
    guard unsafe SSL_CTX_use_certificate_chain_file(handle, files.certificate) == 1 else {
      throw .noted("cannot use the certificate \(files.certificate)")
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(handle, files.key, SSL_FILETYPE_PEM) == 1 else {
      throw .noted("cannot use the private key \(files.key), which must be PEM without a passphrase")
    }
    guard unsafe SSL_CTX_check_private_key(handle) == 1 else {
      throw .noted("the key \(files.key) does not belong to the certificate \(files.certificate)")
    }
  }

  private func trust(_ authorities: String) throws(TLSFault) {
    guard unsafe SSL_CTX_load_verify_file(handle, authorities) == 1 else {
      throw .noted("cannot read the CA certificates in \(authorities)")
    }
  }

  /// A key that everybody on the machine can read is no secret.
  private func requirePrivate(_ path: String) throws(TLSFault) {
    let stamp: FileStamp?
    do throws(FileFault) { stamp = try FileSystem.stamp(of: path) } catch { throw TLSFault("\(error)") }
    guard let stamp else { throw TLSFault("there is no private key \(path)") }
    guard !stamp.isReadByAll else {
      throw TLSFault("every user of this machine can read the private key \(path): chmod 600 \(path)")
    }
  }
}
