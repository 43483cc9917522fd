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

  var stamps: [FileStamp?] {
    // A file that cannot be looked at is another than one that can.
    [files.certificate, files.key, clientAuthorities ?? files.key].map { try? FileSystem.stamp(of: $0) }
  }
}

/// What new connections are encrypted with: read again when the files have changed, while those that live go on with
/// what they began with. A change is noticed by the next connection, and looked for at most once a second.
// Unchecked because everything mutable is guarded by `lock`.
final class TLSDoor: @unchecked Sendable {
  private static let patience = Duration.seconds(1)

  private let wish: ServerTLS
  private let notice: @Sendable (String) -> Void
  private let lock = Lock()
  private var current: TLSContext
  private var stamps: [FileStamp?]
  private var nextLook: MonotonicTime
  private var nextComplaint = MonotonicTime(nanoseconds: 0)

  init(_ wish: ServerTLS, _ notice: @escaping @Sendable (String) -> Void) throws(TLSFault) {
    self.wish = wish
    self.notice = notice
    stamps = wish.stamps
    current = try wish.context()
    nextLook = .now + Self.patience
  }

  /// For a new connection.
  func context(at now: MonotonicTime) -> TLSContext {
    lock.withLock {
      if now >= nextLook {
        nextLook = now + Self.patience
        let found = wish.stamps
        if found != stamps { read(found) }
      }
      return current
    }
  }

  /// Reads the files whether they look changed or not; false when they cannot be used.
  func reload() -> Bool { lock.withLock { read(wish.stamps) } }

  @discardableResult
  private func read(_ found: [FileStamp?]) -> Bool {
    // Said once for each state of the files.
    stamps = found
    do throws(TLSFault) {
      current = try wish.context()
      notice("new connections use the certificate that \(wish.files.certificate) holds now")
      return true
    } catch {
      notice("the changed certificate files cannot be used, the old ones stay: \(error)")
      return false
    }
  }

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
