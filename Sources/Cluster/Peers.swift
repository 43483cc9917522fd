internal import Client
internal import HTTPClient
internal import Platform

/// Connections to the other nodes, by where they are reached.
// Unchecked because `lock` guards `clients`.
final class Peers: @unchecked Sendable {
  /// The most places that connections are kept to.
  private static let most = 16

  private let lock = Lock()
  private var clients: [String: HTTPClient] = [:]
  private let connections: Int
  private let tls: ClientTLS?

  init(connections: Int, tls: ClientTLS?) { (self.connections, self.tls) = (connections, tls) }

  /// Whether this node and a URL differ in whether they speak TLS: then no word will pass between them.
  func isOtherwise(_ url: String) -> Bool {
    guard let address = try? ServerAddress(url) else { return false }
    return address.isEncrypted != (tls != nil)
  }

  /// The way to a node; nil when its URL is none, or not of this node's kind.
  func client(_ url: String) -> HTTPClient? {
    lock.withLock {
      if let known = clients[url] { return known }
      guard let address = try? ServerAddress(url), address.isEncrypted == (tls != nil) else { return nil }
      if clients.count >= Peers.most { clients.removeAll() }
      var options = HTTPClientOptions()
      options.maxConnections = connections + 2
      options.maxIdle = connections + 2
      options.connectTimeout = .seconds(1)
      let client = HTTPClient(address.endpoint, options: options, renewing: tls)
      clients[url] = client
      return client
    }
  }

  func close() {
    let all = lock.withLock { Array(clients.values) }
    for client in all { client.closeIdle() }
  }
}
