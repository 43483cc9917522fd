package import Platform

/// How a client's connections are encrypted: what it shows, and whom it believes. Files may change while it lives.
package final class ClientTLS: Sendable {
  /// What a new connection needs, and which state of the files that is.
  typealias Way = (context: TLSContext, generation: Int)

  private enum Source {
    case fixed(TLSContext)
    case files(TLSRenewal)
  }

  private let source: Source
  /// What one of the URIs in the server's certificate must begin with.
  private let expected: String?

  /// Always the same.
  package init(_ context: TLSContext) { (source, expected) = (.fixed(context), nil) }

  /// Of files: whose servers are believed (nil = those of the system's CAs), and the own certificate with its key.
  /// Beyond name and CA a server may have to be known by a URI; `notice` hears of changes.
  package init(
    authorities: String?, own: TLSFiles?, serverURI expected: String? = nil,
    notice: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(TLSFault) {
    self.expected = expected
    let files = [own?.certificate, own?.key, authorities].compactMap { $0 }
    source = .files(
      try TLSRenewal(files, notice: notice) { () throws(TLSFault) in try .client(authorities: authorities, own: own) })
  }

  func way(at now: MonotonicTime) -> Way {
    switch source {
    case .fixed(let context): (context, 0)
    case .files(let renewal): renewal.context(at: now)
    }
  }

  /// Whether the server is who it must be, once its name and its CA are known to be right.
  func check(_ certificate: PeerCertificate?) throws(TLSFault) {
    guard let expected else { return }
    guard certificate?.uris.contains(where: { $0.hasPrefix(expected) }) == true else {
      throw TLSFault("the server's certificate names no \(expected)...: it is not whom it must be", .wrongName)
    }
  }
}
