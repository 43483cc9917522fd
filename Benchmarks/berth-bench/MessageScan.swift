import Glibc

/// Just enough of HTTP/1.1 for both sides of the benchmark: where a head ends, its content length, its status.
enum MessageScan {
  /// The length of the head with its empty line, once it is complete.
  static func headLength(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    var from = 0
    while count - from >= 4, let found = memchr(bytes + from, 13, count - from - 3) {
      let at = UnsafeRawPointer(bytes).distance(to: UnsafeRawPointer(found))
      if bytes[at + 1] == 10 && bytes[at + 2] == 13 && bytes[at + 3] == 10 { return at + 4 }
      from = at + 1
    }
    return nil
  }

  /// The value of Content-Length in a head, nil when there is none.
  static func contentLength(_ bytes: UnsafePointer<UInt8>, _ head: Int) -> Int? {
    var line = 0
    while line < head, let end = memchr(bytes + line, 10, head - line) {
      let next = UnsafeRawPointer(bytes).distance(to: UnsafeRawPointer(end)) + 1
      if next - line > name.utf8CodeUnitCount, strncasecmp(asText(bytes + line), asText(name.utf8Start), 15) == 0 {
        return number(bytes + line + 15, next - line - 15)
      }
      line = next
    }
    return nil
  }

  /// The three digits after "HTTP/1.1 ", nil when the line is anything else.
  static func status(_ bytes: UnsafePointer<UInt8>, _ head: Int) -> Int? {
    guard head >= 12, memcmp(bytes, "HTTP/1.1 ", 9) == 0 else { return nil }
    return number(bytes + 9, 3)
  }

  private static let name: StaticString = "content-length:"

  private static func asText(_ bytes: UnsafePointer<UInt8>) -> UnsafePointer<CChar> {
    UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self)
  }

  private static func number(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    var value = 0
    var digits = 0
    for i in 0..<count where bytes[i] != 32 {
      guard bytes[i] >= 48, bytes[i] <= 57, digits < 9 else { break }
      value = value * 10 + Int(bytes[i] - 48)
      digits += 1
    }
    return digits > 0 ? value : nil
  }
}
