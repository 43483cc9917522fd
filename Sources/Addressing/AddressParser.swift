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
    guard let first = digit() else { return nil }
    rest.removeFirst()
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

  /// RFC 4291 section 2.2, all three forms, but never an IPv4-mapped address: a second name for an IPv4 one.
  mutating func ipv6() -> IPAddress? {
    var bits: UInt128 = 0
    var count = 0
    /// How many groups came before `::`.
    var gap = skipGap() ? 0 : nil as Int?
    while count < 8, isHexDigit(rest.first) {
      if count <= 6, let dotted = embeddedIPv4() {
        (bits, count) = (bits << 32 | UInt128(dotted), count + 2)
        break
      }
      guard let group = hexGroup() else { return nil }
      (bits, count) = (bits << 16 | UInt128(group), count + 1)
      if skipGap() {
        if gap != nil { return nil }
        gap = count
      } else if rest.first == UInt8(ascii: ":") {
        guard count < 8, isHexDigit(rest.dropFirst().first) else { return nil }
        rest.removeFirst()
      } else {
        break
      }
    }
    if let gap {
      // `::` stands for at least one group: eight written ones and a gap are one too many.
      guard count < 8 else { return nil }
      let below = UInt128(16 * (count - gap))
      let tail = bits & ((1 << below) - 1)
      bits = (bits >> below) << UInt128(16 * (8 - gap)) | tail
    } else if count != 8 {
      return nil
    }
    let address = IPAddress(v6: bits)
    return AddressRange.ipv4Mapped.contains(address) ? nil : address
  }

  private mutating func skipGap() -> Bool {
    guard rest.starts(with: "::".utf8) else { return false }
    rest = rest.dropFirst(2)
    return true
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
