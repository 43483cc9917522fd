/// Reads `500ms`, `5s`, `1h30m`, `7d`: whole numbers, each with a unit, larger units first; nil for anything else.
package func parseDuration(_ text: some StringProtocol) -> Duration? {
  var rest = Substring(text).utf8
  var total: Int64 = 0
  var smallestSoFar = Int64.max
  repeat {
    guard let number = leadingNumber(&rest) else { return nil }
    let letters = String(Substring(rest.prefix { (97...122).contains($0) }))
    rest = rest.dropFirst(letters.utf8.count)
    guard let unit = durationUnits.first(where: { $0.name == letters }), unit.size < smallestSoFar else { return nil }
    smallestSoFar = unit.size
    let (part, overflow) = number.multipliedReportingOverflow(by: unit.size)
    let (sum, overflowToo) = total.addingReportingOverflow(part)
    guard !overflow, !overflowToo else { return nil }
    total = sum
  } while !rest.isEmpty
  return .microseconds(total)
}

/// The text that `parseDuration` reads back; parts of a microsecond are left out.
package func describe(_ duration: Duration) -> String {
  var rest = duration.microseconds
  var text = ""
  for unit in durationUnits where rest >= unit.size {
    text += "\(rest / unit.size)\(unit.name)"
    rest %= unit.size
  }
  return text.isEmpty ? "0s" : text
}

/// Reads a number of bytes: `1048576`, `1MiB`, `20GiB`; nil for anything else.
package func parseSize(_ text: some StringProtocol) -> Int64? {
  var rest = Substring(text).utf8
  guard let number = leadingNumber(&rest) else { return nil }
  let unit = String(Substring(rest))
  guard let size = unit.isEmpty ? 1 : sizeUnits.first(where: { $0.name == unit })?.size else { return nil }
  let (bytes, overflow) = number.multipliedReportingOverflow(by: size)
  return overflow ? nil : bytes
}

/// The text that `parseSize` reads back.
package func describe(bytes: Int64) -> String {
  let unit = sizeUnits.first { bytes >= $0.size && bytes % $0.size == 0 }
  return unit.map { "\(bytes / $0.size)\($0.name)" } ?? "\(bytes)"
}

private let durationUnits: [(name: String, size: Int64)] = [
  ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)
]

private let sizeUnits: [(name: String, size: Int64)] = [
  ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)
]

/// Digits without a leading zero, at most what 64 bits hold.
private func leadingNumber(_ rest: inout Substring.UTF8View) -> Int64? {
  let digits = rest.prefix { (48...57).contains($0) }
  guard let first = digits.first, first != 48 || digits.count == 1, let number = Int64(Substring(digits)) else {
    return nil
  }
  rest = rest.dropFirst(digits.count)
  return number
}

extension Duration {
  /// Whole microseconds.
  var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
