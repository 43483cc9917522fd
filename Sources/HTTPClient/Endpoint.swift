internal import Platform

/// A place that answers HTTP.
package enum Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// A host name or an address (IPv6 without brackets) and a port.
  case tcp(host: String, port: UInt16)
  /// The path of a unix socket.
  case unix(path: String)

  /// `host:port`, or the path of the socket.
  package var description: String {
    switch self {
    case .tcp(let host, let port): "\(host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host):\(port)"
    case .unix(let path): path
    }
  }

  var hostHeader: String {
    if case .unix = self { "localhost" } else { description }
  }
}

/// The bounds of a client.
package struct HTTPClientOptions: Hashable, Sendable {
  /// Most connections at once, in use or idle; further callers wait.
  package var maxConnections = 16
  /// Most connections kept while nobody uses them.
  package var maxIdle = 4
  /// How long an unused connection is kept; less than the server's own 60 s, so that it is we who close it.
  package var idleTimeout = Duration.seconds(45)
  /// How long connecting may take, within the request's own timeout.
  package var connectTimeout = Duration.seconds(5)
  /// Largest head of an answer.
  package var headLimit = 64 << 10
  /// Largest body of an answer that is not streamed.
  package var bodyLimit = 16 << 20

  /// The usual bounds.
  package init() {}
}

/// What a client's pool has done since it was made, and what it holds now.
package struct HTTPClientMetrics: Hashable, Sendable {
  /// Connections made.
  package internal(set) var created = 0
  /// Requests that found a connection waiting.
  package internal(set) var reused = 0
  /// Connections closed because they were idle too long, too many, or found dead.
  package internal(set) var evicted = 0
  /// Callers that had to wait for a connection.
  package internal(set) var waited = 0
  /// Connections that nobody uses.
  package internal(set) var idle = 0
  /// Connections, or the right to make one, in a caller's hands.
  package internal(set) var inUse = 0
  /// Callers that are waiting.
  package internal(set) var waiting = 0
}
