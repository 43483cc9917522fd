internal import Wire

/// The log lines of one loop, gathered so that a request costs no system call.
///
/// A line is `time method path status bytes duration_us request_id peer`. Paths have been through the parser, so
/// they hold printable ASCII without spaces; ids have passed their own check. Queries may hold secrets and are
/// left out.
struct AccessLog {
  /// Lines are handed over when they are this many bytes.
  static let flushSize = 32 << 10
  /// Longest path that is written out.
  static let pathLimit = 1 << 10

  private let sink: (@Sendable ([UInt8]) -> Void)?
  private var lines: [UInt8] = []

  init(_ sink: (@Sendable ([UInt8]) -> Void)?) { self.sink = sink }

  var isOn: Bool { sink != nil }
  var isEmpty: Bool { lines.isEmpty }

  /// What one line says about an answer.
  struct Entry {
    let second: [UInt8]
    let microsecond: Int
    let method: Method?
    let path: ByteRange?
    let status: Int
    let bytes: Int
    let nanoseconds: Int64
    let identity: RequestID
    let peer: String
  }

  mutating func add(_ entry: Entry, from buffer: [UInt8]) {
    lines.append(contentsOf: entry.second)
    lines.append(0x2E)
    lines.append(padded: entry.microsecond, digits: 6)
    lines.append("Z " as StaticString)
    if let method = entry.method { lines.append(method.rawValue) } else { lines.append(0x2D) }
    lines.append(0x20)
    if let path = entry.path {
      lines.append(contentsOf: buffer[path.indices.prefix(Self.pathLimit)])
    } else {
      lines.append(0x2D)
    }
    lines.append(0x20)
    lines.append(decimal: entry.status)
    lines.append(0x20)
    lines.append(decimal: entry.bytes)
    lines.append(0x20)
    lines.append(decimal: Int(entry.nanoseconds / 1000))
    lines.append(0x20)
    entry.identity.append(to: &lines, from: buffer)
    lines.append(0x20)
    lines.append(entry.peer)
    lines.append(0x0A)
    if lines.count >= Self.flushSize { flush() }
  }

  mutating func flush() {
    guard !lines.isEmpty else { return }
    sink?(lines)
    lines.removeAll(keepingCapacity: true)
  }
}
