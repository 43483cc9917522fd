package import Platform

/// How a server's connections are encrypted.
package struct ServerTLS: Hashable, Sendable {
  /// The server's own certificate and key.
  package var files: TLSFiles
  /// The CAs whose clients are believed, in PEM.
  package var clientAuthorities: String?
  /// What is asked of clients.
  package var clients = ClientCertificates.none
  /// Whether TLS 1.2 is spoken too.
  package var allowsTLS12 = false

  /// Names the server's certificate; clients are asked for none.
  package init(_ files: TLSFiles) { self.files = files }

  func context() throws(TLSFault) -> TLSContext {
    try .server(files, authorities: clientAuthorities, clients: clients, versions: (allowsTLS12 ? .v12 : .v13)...(.v13))
  }
}

/// What new connections are encrypted with, and what is said of those that come to nothing.
// Unchecked because everything mutable is guarded by `lock`.
final class TLSDoor: @unchecked Sendable {
  private static let patience = Duration.seconds(1)

  private let renewal: TLSRenewal
  private let notice: @Sendable (String) -> Void
  private let lock = Lock()
  private var nextComplaint = MonotonicTime(nanoseconds: 0)

  init(_ wish: ServerTLS, _ notice: @escaping @Sendable (String) -> Void) throws(TLSFault) {
    self.notice = notice
    let files = [wish.files.certificate, wish.files.key, wish.clientAuthorities ?? wish.files.key]
    renewal = try TLSRenewal(files, notice: notice) { () throws(TLSFault) in try wish.context() }
  }

  /// For a new connection.
  func context(at now: MonotonicTime) -> TLSContext { renewal.context(at: now).context }

  /// Reads the files whether they look changed or not; false when they cannot be used.
  func reload() -> Bool { renewal.reload() }

  /// Says why a client was not let in, at most once a second: anybody can be refused as often as he likes.
  func complain(_ peer: String, _ reason: String, at now: MonotonicTime) {
    let isTime = lock.withLock { () -> Bool in
      guard now >= nextComplaint else { return false }
      nextComplaint = now + Self.patience
      return true
    }
    if isTime { notice("no TLS connection with \(peer): \(reason)") }
  }
}
