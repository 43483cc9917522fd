internal import CLinux
internal import COpenSSL

/// A certificate and its private key, in PEM.
package struct CertificatePair: Sendable {
  /// The certificate.
  package let certificate: [UInt8]
  /// The key: write it where its owner alone can read it.
  package let key: [UInt8]

  /// Joins the two.
  package init(certificate: [UInt8], key: [UInt8]) { (self.certificate, self.key) = (certificate, key) }
}

/// A certificate made for somebody else's key.
package struct SignedCertificate: Sendable {
  /// The certificate, in PEM.
  package let certificate: [UInt8]
  /// SHA-256 of the public key in it.
  package let publicKey: SHA256Digest
}

/// Whom a certificate is for.
package struct CertificateSubject: Sendable {
  /// The name for people.
  package var commonName: String
  /// Who it is to Berth, such as `berth://node/a`.
  package var uri: String
  /// Under which names others connect to it.
  package var dnsNames: [String] = []
  /// Under which addresses others connect to it.
  package var addresses: [String] = []

  /// Names whom it is for.
  package init(commonName: String, uri: String) { (self.commonName, self.uri) = (commonName, uri) }
}

/// From when to when a certificate is good, in seconds from now.
package struct CertificateLifetime: Sendable {
  let from: Int
  let to: Int

  /// Both in seconds from now.
  package init(from: Int, to: Int) {
    precondition(from < to, "a certificate that ends before it begins")
    (self.from, self.to) = (from, to)
  }

  /// So many days; it begins an hour ago, for machines whose clocks are behind.
  package static func days(_ count: Int) -> Self {
    precondition((1...36_500).contains(count), "a certificate of \(count) days")
    return Self(from: -3600, to: count * 86_400)
  }
}

/// A certificate authority for those who have none: signs certificates (ECDSA over P-256, SHA-256) that serve for both
/// sides of a connection, because a node connects as well as it accepts, and etcd's gateway dials its own server.
// unchecked: nothing changes after it was made, and OpenSSL locks what it counts.
@safe package final class CertificateAuthority: @unchecked Sendable {
  private let certificate: OpaquePointer
  private let key: OpaquePointer

  /// Reads an authority.
  package init(_ pair: CertificatePair) throws(TLSFault) {
    guard let certificate = unsafe PEMText.reading(pair.certificate, { unsafe PEM_read_bio_X509($0, nil, nil, nil) })
    else { throw .noted("the CA's certificate cannot be read") }
    guard
      let key = unsafe PEMText.reading(pair.key, { unsafe PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil) })
    else {
      unsafe X509_free(certificate)
      throw .noted("the CA's key cannot be read")
    }
    unsafe (self.certificate, self.key) = (certificate, key)
    guard unsafe X509_check_private_key(certificate, key) == 1 else {
      throw .noted("the CA's key does not belong to its certificate")
    }
    guard unsafe X509_check_ca(certificate) == 1 else { throw TLSFault("the certificate is not that of a CA") }
  }

  deinit {
    unsafe X509_free(certificate)
    unsafe EVP_PKEY_free(key)
  }

  /// Makes an authority that signs itself.
  package static func make(name: String, _ lifetime: CertificateLifetime) throws(TLSFault) -> CertificatePair {
    try requireText(name)
    return try unsafe signed(by: nil, lifetime, commonName: name) { (certificate, issuer) throws(TLSFault) in
      try unsafe extend(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
      try unsafe extend(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign")
      try unsafe extend(certificate, issuer, NID_subject_key_identifier, "hash")
    }
  }

  /// Makes a key and a certificate for `subject`.
  package func issue(_ subject: CertificateSubject, _ lifetime: CertificateLifetime) throws(TLSFault) -> CertificatePair
  {
    try unsafe issue(subject, lifetime, to: nil)
  }

  /// Makes a certificate for the key in a request, in which nothing else is believed. The inner fault is the authority's
  /// own; the one that is thrown is the request's.
  package func sign(
    _ request: [UInt8], _ subject: CertificateSubject, _ lifetime: CertificateLifetime
  ) throws(TLSFault) -> Result<SignedCertificate, TLSFault> {
    try unsafe Self.reading(request) { (key, digest) throws(TLSFault) in
      do throws(TLSFault) {
        let certificate = try unsafe issue(subject, lifetime, to: key).certificate
        return .success(SignedCertificate(certificate: certificate, publicKey: digest))
      } catch { return .failure(error) }
    }
  }

  private static func reading<T>(
    _ request: [UInt8], _ take: (OpaquePointer, SHA256Digest) throws(TLSFault) -> T
  ) throws(TLSFault) -> T {
    ERR_clear_error()
    guard let asked = unsafe PEMText.reading(request, { unsafe PEM_read_bio_X509_REQ($0, nil, nil, nil) }) else {
      throw .noted("there is no request for a certificate in PEM")
    }
    defer { unsafe X509_REQ_free(asked) }
    guard let wanted = unsafe X509_REQ_get0_pubkey(asked), unsafe X509_REQ_verify(asked, wanted) == 1 else {
      throw .noted("the request is not signed with the key that it is for")
    }
    var digest = [UInt8](repeating: 0, count: 32)
    guard unsafe EVP_PKEY_get_security_bits(wanted) >= leastSecurityBits,
      unsafe berth_public_key_digest(wanted, &digest) == 1
    else { throw TLSFault("the key is too weak: make an EC key of P-256, or RSA of 2048 bits or more") }
    return try unsafe take(wanted, SHA256Digest(bytes: digest))
  }

  private static let leastSecurityBits: Int32 = 112

  /// The authority's own certificate.
  package func ownCertificate() throws(TLSFault) -> [UInt8] {
    try unsafe PEMText.written { unsafe PEM_write_bio_X509($0, certificate) }
  }

  private func issue(
    _ subject: CertificateSubject, _ lifetime: CertificateLifetime, to publicKey: OpaquePointer?
  ) throws(TLSFault) -> CertificatePair {
    try Self.requireText(subject.commonName)
    let names = try Self.alternativeNames(subject)
    return try unsafe Self.signed(
      by: (certificate, key), lifetime, commonName: subject.commonName, to: publicKey
    ) {
      (certificate, issuer) throws(TLSFault) in
      try unsafe Self.extend(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE")
      try unsafe Self.extend(certificate, issuer, NID_key_usage, "critical,digitalSignature")
      try unsafe Self.extend(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth")
      try unsafe Self.extend(certificate, issuer, NID_subject_key_identifier, "hash")
      try unsafe Self.extend(certificate, issuer, NID_authority_key_identifier, "keyid")
      try unsafe Self.extend(certificate, issuer, NID_subject_alt_name, names)
    }
  }

  // MARK: Checking what is asked for

  /// OpenSSL reads the list in a notation of its own, so nothing may stand in it that means more than itself.
  private static func alternativeNames(_ subject: CertificateSubject) throws(TLSFault) -> String {
    var names = ["URI:\(subject.uri)"]
    guard subject.uri.utf8.allSatisfy({ isWord($0) || $0 == 0x3A || $0 == 0x2F }) else {
      throw TLSFault("'\(subject.uri)' cannot be a name in a certificate")
    }
    for name in subject.dnsNames {
      guard (1...253).contains(name.utf8.count), name.utf8.allSatisfy(isWord) else {
        throw TLSFault("'\(name)' is no DNS name")
      }
      names.append("DNS:\(name)")
    }
    for address in subject.addresses {
      var binary = in6_addr()
      guard unsafe inet_pton(AF_INET, address, &binary) == 1 || inet_pton(AF_INET6, address, &binary) == 1 else {
        throw TLSFault("'\(address)' is no IP address")
      }
      names.append("IP:\(address)")
    }
    return names.joined(separator: ",")
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2E || byte == 0x2D || byte == 0x5F
  }

  static func requireText(_ name: String) throws(TLSFault) {
    guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
      throw TLSFault("a name in a certificate has 1 to 64 printable ASCII characters")
    }
  }

  // MARK: Making

  private static func signed(
    by authority: (certificate: OpaquePointer, key: OpaquePointer)?, _ lifetime: CertificateLifetime,
    commonName: String, to publicKey: OpaquePointer? = nil,
    _ extend: (_ certificate: OpaquePointer, _ issuer: OpaquePointer) throws(TLSFault) -> Void
  ) throws(TLSFault) -> CertificatePair {
    ERR_clear_error()
    let own = unsafe publicKey == nil ? berth_new_p256_key() : nil
    defer { unsafe EVP_PKEY_free(own) }
    guard let key = unsafe publicKey ?? own, let certificate = unsafe X509_new() else {
      throw .noted("cannot make a key")
    }
    defer { unsafe X509_free(certificate) }
    let issuer = unsafe authority?.certificate ?? certificate
    let name = unsafe X509_get_subject_name(certificate)
    let done =
      unsafe X509_set_version(certificate, 2) == 1 && berth_x509_random_serial(certificate) == 1
      && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, commonName, -1, -1, 0) == 1
      && X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1
      && X509_gmtime_adj(X509_getm_notBefore(certificate), lifetime.from) != nil
      && X509_gmtime_adj(X509_getm_notAfter(certificate), lifetime.to) != nil
      && X509_set_pubkey(certificate, key) == 1
    guard done else { throw .noted("cannot make a certificate") }
    if unsafe ASN1_TIME_compare(X509_get0_notAfter(certificate), X509_get0_notAfter(issuer)) > 0 {
      throw TLSFault("the CA itself ends before that: ask for fewer, or make a new CA")
    }
    try unsafe extend(certificate, issuer)
    guard unsafe X509_sign(certificate, authority?.key ?? key, EVP_sha256()) > 0 else {
      throw .noted("cannot sign a certificate")
    }
    return unsafe CertificatePair(
      certificate: try PEMText.written { unsafe PEM_write_bio_X509($0, certificate) },
      // Whose key it is keeps it.
      key: own == nil
        ? [] : try PEMText.written { unsafe PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) })
  }

  private static func extend(
    _ certificate: OpaquePointer, _ issuer: OpaquePointer, _ nid: Int32, _ value: String
  ) throws(TLSFault) {
    guard unsafe berth_x509_extend(certificate, issuer, nid, value) == 1 else {
      throw .noted("cannot write '\(value)' into a certificate")
    }
  }
}
