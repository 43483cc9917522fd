extension IPAddress: CustomStringConvertible {
  /// Dotted quad, or RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`.
  package var description: String {
    var out: [UInt8] = []
    out.reserveCapacity(39)
    append(to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  /// The most bytes that the text of an address has.
  package static let textBytesMax = 39

  /// Appends the text of `description`, for writers that have a buffer already.
  package func append(to out: inout [UInt8]) { out.append(addingCapacity: Self.textBytesMax) { append(to: &$0) } }

  /// Appends the text of `description` to memory that has room for it.
  package func append(to out: inout OutputSpan<UInt8>) {
    switch family {
    case .ipv4: appendDotted(UInt32(truncatingIfNeeded: bits), to: &out)
    case .ipv6: appendGroups(to: &out)
    }
  }

  private func appendGroups(to out: inout OutputSpan<UInt8>) {
    let gap = longestZeroRun
    for index in 0..<8 {
      if gap.contains(index) {
        if index == gap.lowerBound {
          out.append(UInt8(ascii: ":"))
          out.append(UInt8(ascii: ":"))
        }
        continue
      }
      if index > 0, index != gap.upperBound { out.append(UInt8(ascii: ":")) }
      appendHex(group(index), to: &out)
    }
  }

  private func group(_ index: Int) -> UInt16 { UInt16(truncatingIfNeeded: bits >> UInt128(112 - 16 * index)) }

  /// The first longest run of two or more zero groups; empty at 8 when there is none.
  private var longestZeroRun: Range<Int> {
    var best = 8..<8
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, group(end) == 0 { end += 1 }
      if end - start >= 2, end - start > best.count { best = start..<end }
      start = end + 1
    }
    return best
  }
}

func appendDotted(_ bits: UInt32, to out: inout OutputSpan<UInt8>) {
  var shift: UInt32 = 24
  while true {
    appendDecimal(UInt8(truncatingIfNeeded: bits >> shift), to: &out)
    if shift == 0 { return }
    out.append(UInt8(ascii: "."))
    shift -= 8
  }
}

func appendDecimal(_ value: UInt8, to out: inout OutputSpan<UInt8>) {
  if value >= 100 { out.append(48 + value / 100) }
  if value >= 10 { out.append(48 + value / 10 % 10) }
  out.append(48 + value % 10)
}

func appendHex(_ value: UInt16, to out: inout OutputSpan<UInt8>) {
  var shift: UInt16 = 12
  while shift > 0, value >> shift == 0 { shift -= 4 }
  while true {
    let digit = UInt8(value >> shift & 15)
    out.append(digit < 10 ? 48 + digit : 87 + digit)
    if shift == 0 { return }
    shift -= 4
  }
}
