package import HTTPClient
internal import Platform
internal import Wire

/// How etcd is reached beyond its addresses: TLS, and who hears of what is wrong with that.
package struct EtcdDoor: Sendable {
  /// How connections are encrypted; nil = not at all.
  package var tls: ClientTLS?
  /// Told, once for each endpoint and trouble, of what keeps us from it and what to do.
  package var notice: @Sendable (String) -> Void = { _ in }

  /// Without TLS, and nobody is told.
  package init() {}

  /// Over TLS.
  package init(_ tls: ClientTLS?, notice: @escaping @Sendable (String) -> Void = { _ in }) {
    (self.tls, self.notice) = (tls, notice)
  }

  /// What keeps a node from an etcd that is there.
  enum Trouble: Hashable, Sendable {
    case tls(TLSFault.Trouble, String)
    /// etcd's JSON gateway cannot reach etcd itself.
    case gateway
    /// What answers there does not speak as etcd does.
    case foreign(String)

    /// What an answer says of it; nil = nothing is in the way.
    init?(_ answer: EtcdAnswer) {
      guard case .error(let error) = answer, Trouble.marks.contains(where: error.message.contains) else { return nil }
      self = .gateway
    }

    /// What grpc says when the gateway's own connection fails.
    private static let marks = [
      "authentication handshake failed", "TransientFailure", "connection error: desc", "connection closed"
    ]

    /// What is wrong, and what to do.
    func sentence(_ endpoint: Endpoint) -> String {
      switch self {
      case .foreign(let what): "what answers at \(endpoint) is no etcd (\(what)): is that one of https://?"
      case .gateway:
        "etcd at \(endpoint) cannot reach itself: its JSON gateway dials its own port with its server certificate, "
          + "which must serve clients too (extended key usage clientAuth, as `berth cert node` writes it)"
      case .tls(.untrusted, let what):
        "etcd at \(endpoint) is of another CA (\(what)): name the CA that signed etcd's certificate with --etcd-ca"
      case .tls(.wrongName, let what):
        "etcd at \(endpoint) shows a certificate for other names (\(what)): write in --etcd a name or an address that "
          + "it carries, or give etcd a certificate with this one"
      case .tls(.outOfDate, let what):
        "the certificate of etcd at \(endpoint) is out of date (\(what)): renew it, or set this machine's clock"
      case .tls(.turnedDown, let what):
        "etcd at \(endpoint) does not take this node's certificate (\(what)): give one of the CA in etcd's "
          + "--trusted-ca-file with --etcd-cert and --etcd-key"
      case .tls(.silent, let what), .tls(.other, let what):
        "no TLS with etcd at \(endpoint) (\(what)): is that port one of https?"
      }
    }
  }

  /// Looks at each endpoint once: what keeps us from those where TLS does, and whether any is left.
  package func look(_ endpoints: [Endpoint]) -> (troubles: [String], isShut: Bool) {
    let heard = Heard()
    let calls = EtcdCalls(endpoints, HTTPClientOptions(), EtcdDoor(tls) { heard.add($0) })
    defer { calls.close() }
    for index in endpoints.indices { _ = calls.call(.version, to: index, timeout: .seconds(2)) }
    let troubles = heard.all
    return (troubles, calls.blocked == endpoints.count)
  }

  // Unchecked because `lock` guards `lines`.
  private final class Heard: @unchecked Sendable {
    private let lock = Lock()
    private var lines: [String] = []

    func add(_ line: String) { lock.withLock { if !lines.contains(line) { lines.append(line) } } }

    var all: [String] { lock.withLock { lines } }
  }
}
