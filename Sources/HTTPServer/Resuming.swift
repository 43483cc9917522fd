internal import Wire

// For handlers that have to wait for something before they can answer, and that pass requests on.
extension Reply {
  /// Runs `work`, which may answer, on the connection's own loop; never when the request has been given up meanwhile.
  package func resume(_ work: @escaping @Sendable () -> Void) { connection.loop.deliver(.resume(connection, work)) }
}

extension Request {
  /// Path and query as they were sent.
  package var target: String {
    guard let query = head.query else { return path }
    return "\(path)?\(bytes.text(query))"
  }
}
