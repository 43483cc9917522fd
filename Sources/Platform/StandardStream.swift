internal import CLinux

/// The three streams that a process is born with.
package enum StandardStream: Int32, Sendable {
  /// Where answers to questions come from.
  case input = 0
  /// Where results go.
  case output = 1
  /// Where remarks and errors go.
  case error = 2

  /// Whether a person sits at the other end.
  package var isTerminal: Bool { isatty(rawValue) == 1 }

  /// The columns of the terminal; nil when it is none or does not say.
  package var columns: Int? {
    let columns = berth_terminal_columns(rawValue)
    return columns > 0 ? Int(columns) : nil
  }

  /// Writes all of `bytes`; false when nobody reads them any more.
  @discardableResult package func write(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe CLinux.write(rawValue, $0.baseAddress, $0.count) }
      if count < 0, berth_errno() == EINTR { continue }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// The next bytes, at most `count`; empty at the end or when the stream cannot be read.
  package func read(_ count: Int) -> [UInt8] {
    precondition(count > 0, "nothing to read")
    var bytes = [UInt8](repeating: 0, count: count)
    while true {
      let got = unsafe bytes.withUnsafeMutableBytes { unsafe CLinux.read(rawValue, $0.baseAddress, $0.count) }
      if got < 0, berth_errno() == EINTR { continue }
      return Array(bytes.prefix(max(0, got)))
    }
  }

  /// The next line, which the terminal does not show while it is typed; nil at the end of the stream.
  package func readSecretLine() -> String? {
    let isHidden = berth_terminal_echo(rawValue, 0) == 1
    defer { if isHidden { _ = berth_terminal_echo(rawValue, 1) } }
    return readLine()
  }

  /// The next line without its end, of at most `limit` bytes; nil at the end of the stream.
  package func readLine(limit: Int = 4_096) -> String? {
    var line: [UInt8] = []
    while line.count < limit {
      guard let byte = read(1).first else { return line.isEmpty ? nil : String(decoding: line, as: UTF8.self) }
      if byte == UInt8(ascii: "\n") { break }
      line.append(byte)
    }
    return String(decoding: line, as: UTF8.self)
  }
}
