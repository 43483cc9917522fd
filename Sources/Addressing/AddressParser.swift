/// A cursor over UTF-8 that reads addresses and nothing more; every reader leaves nil on the first wrong byte.
struct AddressParser {
  private var rest: Substring.UTF8View

  init(_ text: some StringProtocol) { rest = Substring(text).utf8 }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func skip(_ byte: UInt8) -> Bool {
    guard rest.first == byte else { return false }
    rest.removeFirst()
    return true
  }

  /// Either family, told apart by which of `.` and `:` comes first.
  mutating func address() -> IPAddress? {
    for byte in rest.prefix(5) {
      if byte == UInt8(ascii: ".") { return ipv4().map(IPAddress.init(v4:)) }
      if byte == UInt8(ascii: ":") { return ipv6() }
    }
    return nil
  }

  mutating func ipv4() -> UInt32? {
    var bits: UInt32 = 0
    for part in 0..<4 {
      if part > 0, !skip(UInt8(ascii: ".")) { return nil }
      guard let value = decimal(max: 255) else { return nil }
      bits = bits << 8 | UInt32(value)
    }
    return bits
  }

  /// A decimal number without sign or leading zero.
  mutating func decimal(max: Int) -> Int? {
    guard let first = digit(), rest.removeFirst() == 48 + UInt8(first) else { return nil }
    var value = first
    while let next = digit() {
      if first == 0 { return nil }
      value = value * 10 + next
      if value > max { return nil }
      rest.removeFirst()
    }
    return value <= max ? value : nil
  }

  private func digit() -> Int? {
    guard let byte = rest.first, byte >= 48, byte <= 57 else { return nil }
    return Int(byte - 48)
  }

  /// RFC 4291 section 2.2, all three forms, but never an IPv4-mapped address: that would be a second name for an IPv4 one.
  mutating func ipv6() -> IPAddress? {
    var head: [UInt16] = []
    var tail: [UInt16] = []
    var sawGap = false
    if rest.starts(with: "::".utf8) {
      rest = rest.dropFirst(2)
      sawGap = true
    }
    while head.count + tail.count < 8, isHexDigit(rest.first) {
      if head.count + tail.count <= 6, let dotted = embeddedIPv4() {
        let groups = [UInt16(truncatingIfNeeded: dotted >> 16), UInt16(truncatingIfNeeded: dotted)]
        if sawGap { tail += groups } else { head += groups }
        break
      }
      guard let group = hexGroup() else { return nil }
      if sawGap { tail.append(group) } else { head.append(group) }
      if rest.starts(with: "::".utf8) {
        if sawGap { return nil }
        sawGap = true
        rest = rest.dropFirst(2)
      } else if rest.first == UInt8(ascii: ":") {
        guard head.count + tail.count < 8, isHexDigit(rest.dropFirst().first) else { return nil }
        rest.removeFirst()
      } else {
        break
      }
    }
    let count = head.count + tail.count
    guard sawGap ? count <= 7 : count == 8 else { return nil }
    let groups = head + [UInt16](repeating: 0, count: 8 - count) + tail
    let bits = groups.reduce(UInt128(0)) { $0 << 16 | UInt128($1) }
    return bits >> 32 == 0xFFFF ? nil : IPAddress(v6: bits)
  }

  /// A dotted quad from here on, or nil with nothing consumed.
  private mutating func embeddedIPv4() -> UInt32? {
    guard rest.prefix(4).contains(UInt8(ascii: ".")) else { return nil }
    let before = rest
    if let bits = ipv4() { return bits }
    rest = before
    return nil
  }

  private mutating func hexGroup() -> UInt16? {
    var value: UInt16 = 0
    var count = 0
    while let byte = rest.first, let digit = hexDigit(byte) {
      count += 1
      if count > 4 { return nil }
      value = value << 4 | UInt16(digit)
      rest.removeFirst()
    }
    return count > 0 ? value : nil
  }

  private func isHexDigit(_ byte: UInt8?) -> Bool { byte.flatMap(hexDigit) != nil }
}

func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 48...57: byte - 48
  case 65...70: byte - 55
  case 97...102: byte - 87
  default: nil
  }
}
