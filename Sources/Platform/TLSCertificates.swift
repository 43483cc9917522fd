internal import CLinux
internal import COpenSSL

/// What a certificate in a file says, without anybody showing it.
package struct CertificateFacts: Hashable, Sendable {
  /// SHA-256 of the whole certificate.
  package let fingerprint: SHA256Digest
  /// Its URIs, such as `berth://node/a`.
  package let uris: [String]
  /// Seconds since 1970 at which it ends.
  package let endsAt: Int64

  /// The certificates in a file in PEM, in their order; throws when there is none.
  package static func read(_ path: String) throws(TLSFault) -> [CertificateFacts] {
    try unsafe each(in: path) { certificate in
      unsafe CertificateFacts(
        fingerprint: PeerCertificate.fingerprint(certificate), uris: PeerCertificate.names(of: certificate).uris,
        endsAt: Int64(berth_x509_ends(certificate)))
    }
  }

  /// Whether the first certificate in a file carries a host name or an address.
  package static func carries(_ path: String, name: String) throws(TLSFault) -> Bool {
    try unsafe each(in: path) { certificate in unsafe berth_x509_carries(certificate, name) == 1 }[0]
  }

  /// Whether the first certificate in a file leads to a CA of another one, and serves both sides of a connection.
  package static func leads(_ path: String, to authorities: String) -> Bool {
    unsafe berth_x509_leads_to(path, authorities) == 1
  }

  private static func each<T>(in path: String, _ take: (OpaquePointer) -> T) throws(TLSFault) -> [T] {
    ERR_clear_error()
    defer { ERR_clear_error() }
    guard let input = unsafe BIO_new_file(path, "r") else { throw .noted("cannot read the certificate \(path)") }
    defer { unsafe BIO_free(input) }
    var all: [T] = []
    while let certificate = unsafe PEM_read_bio_X509(input, nil, nil, nil) {
      unsafe all.append(take(certificate))
      unsafe X509_free(certificate)
    }
    guard !all.isEmpty else { throw TLSFault("there is no certificate in \(path)") }
    return all
  }
}

/// The CAs in a file, by fingerprint; read again when it has changed.
// Unchecked because everything mutable is guarded by `lock`.
package final class AuthorityList: @unchecked Sendable {
  private static let patience = Duration.seconds(1)

  private let path: String
  private let lock = Lock()
  private var known: Set<SHA256Digest>
  private var stamp: FileStamp?
  private var nextLook: MonotonicTime

  /// Reads the file.
  package init(_ path: String) throws(TLSFault) {
    self.path = path
    stamp = try? FileSystem.stamp(of: path)
    known = Set(try CertificateFacts.read(path).map(\.fingerprint))
    nextLook = .now + AuthorityList.patience
  }

  /// Whether a CA is one of them.
  package func contains(_ authority: SHA256Digest) -> Bool {
    lock.withLock {
      let now = MonotonicTime.now
      if now >= nextLook {
        nextLook = now + AuthorityList.patience
        let found = try? FileSystem.stamp(of: path)
        if found != stamp {
          stamp = found
          // A file that cannot be read leaves things as they are: TLS itself says what is wrong with it.
          if let read = try? CertificateFacts.read(path) { known = Set(read.map(\.fingerprint)) }
        }
      }
      return known.contains(authority)
    }
  }
}

/// A key and a request for a certificate for it: the key stays where it was made.
package struct CertificateRequest: Sendable {
  /// The request, in PEM.
  package let request: [UInt8]
  /// The key, in PEM: write it where its owner alone can read it.
  package let key: [UInt8]

  /// Makes a key and a request, or a request for a key that is there already.
  package static func make(name: String, key pem: [UInt8]? = nil) throws(TLSFault) -> CertificateRequest {
    try CertificateAuthority.requireText(name)
    ERR_clear_error()
    let key =
      unsafe pem.map {
        unsafe PEMText.reading($0) { unsafe PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil) }
      }
      ?? berth_new_p256_key()
    guard let key = unsafe key else { throw .noted("the key cannot be made or read") }
    defer { unsafe EVP_PKEY_free(key) }
    guard let request = unsafe berth_x509_request(key, name) else { throw .noted("cannot make a request") }
    defer { unsafe X509_REQ_free(request) }
    return unsafe CertificateRequest(
      request: try PEMText.written { unsafe PEM_write_bio_X509_REQ($0, request) },
      key: try PEMText.written { unsafe PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) })
  }
}

/// OpenSSL's objects as text and back.
enum PEMText {
  static func written(_ write: (OpaquePointer) -> Int32) throws(TLSFault) -> [UInt8] {
    guard let memory = unsafe BIO_new(BIO_s_mem()) else { throw .noted("no memory for PEM") }
    defer { unsafe BIO_free(memory) }
    var bytes: UnsafeMutablePointer<CChar>?
    guard unsafe write(memory) == 1 else { throw .noted("cannot write PEM") }
    let count = unsafe berth_bio_bytes(memory, &bytes)
    return unsafe UnsafeRawBufferPointer(start: bytes, count: count).map { $0 }
  }

  static func reading<T>(_ pem: [UInt8], _ read: (OpaquePointer) -> T?) -> T? {
    unsafe pem.withUnsafeBytes { bytes in
      guard let memory = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else { return nil }
      defer { unsafe BIO_free(memory) }
      return unsafe read(memory)
    }
  }
}
