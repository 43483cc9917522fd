package import HTTPClient

/// Where a Berth answers, as people write it: `http://host:port`, `https://host:port`, `host:port`, `host`, `[::1]:8080`, `unix:/path`.
package struct ServerAddress: Hashable, Sendable {
  /// Taken when nobody names one.
  package static let standardPort: UInt16 = 8080

  /// How it is reached.
  package let endpoint: Endpoint
  /// Whether connections are encrypted.
  package let isEncrypted: Bool

  /// Why a text names no server.
  package struct Fault: Error, Hashable, Sendable {
    /// The rule that it breaks, as a sentence that follows the text.
    package let rule: String
  }

  /// Reads one address; `standardPort` is taken when it names no port.
  package init(_ text: String, standardPort: UInt16 = ServerAddress.standardPort) throws(Fault) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(text.hasPrefix("unix://") ? 7 : 5))
      guard path.hasPrefix("/"), path.utf8.count < 108 else {
        throw Fault(rule: "must name a socket by its full path, of fewer than 108 bytes")
      }
      endpoint = .unix(path: path)
      isEncrypted = false
      return
    }
    isEncrypted = text.hasPrefix("https://")
    var rest = isEncrypted ? String(text.dropFirst(8)) : text.hasPrefix("http://") ? String(text.dropFirst(7)) : text
    if rest.hasSuffix("/") { rest.removeLast() }
    let isPlain = rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") }
    guard isPlain else { throw Fault(rule: "is no server: write http://HOST:PORT") }
    let (host, port) = Self.split(rest)
    guard !host.isEmpty else { throw Fault(rule: "names no host: write http://HOST:PORT") }
    guard let number = port.map({ UInt16($0) }) ?? standardPort, number > 0,
      port?.utf8.allSatisfy({ (48...57).contains($0) }) != false
    else { throw Fault(rule: "has no port from 1 to 65535") }
    endpoint = .tcp(host: host, port: number)
  }

  /// Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
  private static func split(_ text: String) -> (host: String, port: String?) {
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      let host = String(text[text.index(after: text.startIndex)..<end])
      let behind = text[text.index(after: end)...]
      return behind.isEmpty ? (host, nil) : behind.hasPrefix(":") ? (host, String(behind.dropFirst())) : ("", nil)
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count == 2 ? (String(parts[0]), String(parts[1])) : (text, nil)
  }
}
