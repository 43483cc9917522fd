internal import Wire

/// The methods that routes can have.
package enum Method: String, Sendable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"
  // Known, so that they are refused as not allowed and not as unheard of; no route has one of them.
  case trace = "TRACE"
  case query = "QUERY"

  /// All that some route may have, as `Allow` lists them.
  static let allowed = allCases.filter { $0 != .trace && $0 != .query }.map(\.rawValue).joined(separator: ", ")

  /// Whether it asks for a change, which a page of another origin may not.
  package var isWrite: Bool {
    switch self {
    case .post, .put, .patch, .delete: true
    case .get, .head, .options, .trace, .query: false
    }
  }

  /// The method in `range`, case-sensitive as the RFC says; nil when it is none of ours.
  init?(_ range: ByteRange, in buffer: [UInt8]) {
    let start = Int(range.start)
    switch (range.count, buffer[start]) {
    case (3, 0x47): self = .get
    case (4, 0x48): self = .head
    case (4, 0x50): self = .post
    case (3, 0x50): self = .put
    case (5, 0x50): self = .patch
    case (6, 0x44): self = .delete
    case (7, 0x4F): self = .options
    case (5, 0x54): self = .trace
    case (5, 0x51): self = .query
    default: return nil
    }
    let name = self.name
    guard range.indices.allSatisfy({ unsafe buffer[$0] == name.utf8Start[$0 - start] }) else { return nil }
  }

  /// The raw value, for writing.
  var name: StaticString {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .patch: "PATCH"
    case .delete: "DELETE"
    case .options: "OPTIONS"
    case .trace: "TRACE"
    case .query: "QUERY"
    }
  }

  /// A dense number for tables.
  var index: Int {
    switch self {
    case .get: 0
    case .head: 1
    case .post: 2
    case .put: 3
    case .patch: 4
    case .delete: 5
    case .options: 6
    case .trace: 7
    case .query: 8
    }
  }
}
