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
  /// Most bytes of a line beside path and peer: the time, a method, four numbers, an id, and what separates them.
  private static let lineRoom = 32 + 8 + 4 * 20 + RequestID.limit + 16

  private let sink: (@Sendable ([UInt8]) -> Void)?
  private var lines: [UInt8] = []
  /// The text of the current second, with the point after it.
  private var second: [UInt8] = []

  init(_ sink: (@Sendable ([UInt8]) -> Void)?) { self.sink = sink }

  var isOn: Bool { sink != nil }
  var isEmpty: Bool { lines.isEmpty }

  /// What one line says about an answer.
  struct Entry {
    let microsecond: Int
    let method: Method?
    let path: ByteRange?
    let status: Int
    let bytes: Int
    let nanoseconds: Int64
    let identity: RequestID
  }

  /// The clock has reached another second.
  mutating func begin(second: [UInt8]) { self.second = second + [0x2E] }

  mutating func add(_ entry: Entry, peer: String, from buffer: [UInt8]) {
    let path = entry.path.map { $0.indices.prefix(Self.pathLimit) } ?? 0..<0
    let second = self.second
    lines.append(addingCapacity: Self.lineRoom + path.count + peer.utf8.count) { line in
      line.append(second, second.indices)
      line.append(padded: UInt64(entry.microsecond), digits: 6)
      line.append("Z " as StaticString)
      line.append(entry.method?.name ?? "-")
      line.append(0x20)
      if path.isEmpty { line.append(0x2D) } else { line.append(buffer, path) }
      line.append(0x20)
      line.append(decimal: UInt64(entry.status))
      line.append(0x20)
      line.append(decimal: UInt64(entry.bytes))
      line.append(0x20)
      line.append(decimal: UInt64(max(0, entry.nanoseconds)) / 1000)
      line.append(0x20)
      entry.identity.append(to: &line, from: buffer)
      line.append(0x20)
      line.append(peer)
      line.append(0x0A)
    }
    if lines.count >= Self.flushSize { flush() }
  }

  mutating func flush() {
    guard !lines.isEmpty else { return }
    sink?(lines)
    lines.removeAll(keepingCapacity: true)
  }
}
