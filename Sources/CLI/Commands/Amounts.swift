internal import APITypes
internal import Config
internal import Wire

/// Amounts as people write them.
enum Amounts {
  /// MiB of `4G`, `512M`, `1.5G`, `2T`; units of 1,024 with or without `i` and `B`.
  static func mebibytes(_ text: String) -> Int64? {
    guard let (thousandths, unit) = split(text) else { return nil }
    let size: UInt64
    switch unit {
    case "M", "Mi", "MB", "MiB": size = 1
    case "G", "Gi", "GB", "GiB": size = 1_024
    case "T", "Ti", "TB", "TiB": size = 1_048_576
    default: return nil
    }
    let (product, overflow) = thousandths.multipliedReportingOverflow(by: size)
    return overflow || product % 1_000 != 0 ? nil : Int64(product / 1_000)
  }

  /// Mbit/s of `10G`, `500M`; units of 1,000.
  static func megabits(_ text: String) -> Int64? {
    guard let (thousandths, unit) = split(text) else { return nil }
    switch unit {
    case "M": return thousandths % 1_000 == 0 ? Int64(thousandths / 1_000) : nil
    case "G": return Int64(thousandths)
    default: return nil
    }
  }

  /// Thousandths of `2`, `0.5`, `500m`.
  static func vcpus(_ text: String) -> Int64? {
    if text.hasSuffix("m") { return Int64(text.dropLast()).flatMap { $0 >= 0 ? $0 : nil } }
    return Thousandths.parse(text).map { Int64($0) }
  }

  /// Millionths of `0.25`, `3`; at most six decimals.
  static func millionths(_ text: String) -> Int64? {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let whole = digits(parts[0], 1...9) else { return nil }
    guard parts.count == 2 else { return whole * 1_000_000 }
    guard let rest = digits(parts[1] + String(repeating: "0", count: max(0, 6 - parts[1].count)), 6...6) else {
      return nil
    }
    return whole * 1_000_000 + rest
  }

  private static func digits(_ text: String, _ count: ClosedRange<Int>) -> Int64? {
    count.contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) } ? Int64(text) : nil
  }

  private static func split(_ text: String) -> (thousandths: UInt64, unit: String)? {
    let number = text.prefix { $0.isNumber || $0 == "." }
    return Thousandths.parse(String(number)).map { ($0, String(text.dropFirst(number.count))) }
  }

  /// `4G`, `1.5G`, `512M` for so many MiB.
  static func text(mebibytes: Int64) -> String {
    for (unit, size) in [("T", Int64(1_048_576)), ("G", 1_024)] where mebibytes >= size && mebibytes * 1_000 % size == 0
    {
      return Thousandths.text(mebibytes * 1_000 / size) + unit
    }
    return "\(mebibytes)M"
  }

  /// `0.25`, `3`, `-1.5` for so many millionths.
  static func text(millionths: Int64) -> String {
    let (whole, rest) = millionths.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
    var text = "\(millionths < 0 ? "-" : "")\(whole)"
    if rest > 0 {
      var digits = String(1_000_000 + rest).dropFirst()
      while digits.last == "0" { digits.removeLast() }
      text += "." + digits
    }
    return text
  }
}

extension Body {
  /// An amount in MiB.
  mutating func mebibytes(_ key: String, _ flag: String, canBeNone: Bool = false) throws(Failure) {
    try amount(key, flag, canBeNone, "an amount such as 4G or 512M", Amounts.mebibytes) { JSONValue($0) }
  }

  /// An amount in Mbit/s.
  mutating func megabits(_ key: String, _ flag: String) throws(Failure) {
    try amount(key, flag, false, "a rate such as 10G or 500M, in bits a second", Amounts.megabits) { JSONValue($0) }
  }

  /// A number of processors.
  mutating func vcpus(_ key: String, _ flag: String, canBeNone: Bool = false) throws(Failure) {
    try amount(key, flag, canBeNone, "a number such as 2, 0.5 or 500m", Amounts.vcpus) {
      .number(Thousandths.text($0))
    }
  }

  /// An amount of money.
  mutating func money(_ key: String, _ flag: String, canBeNone: Bool = false) throws(Failure) {
    try amount(key, flag, canBeNone, "an amount such as 0.25, with at most six decimals", Amounts.millionths) {
      JSONValue($0)
    }
  }

  private mutating func amount(
    _ key: String, _ flag: String, _ canBeNone: Bool, _ rule: String, _ read: (String) -> Int64?,
    _ write: (Int64) -> JSONValue
  ) throws(Failure) {
    guard let text = arguments[flag] else { return }
    if canBeNone, text == "none" { return set(key, .null) }
    guard let value = read(text) else { throw .usage("--\(flag) takes \(rule), not '\(text)'") }
    set(key, write(value))
  }

  /// The four amounts of a node or a VM.
  mutating func resources() throws(Failure) {
    try vcpus("vcpus", "vcpus")
    try mebibytes("memory_mib", "memory")
    try mebibytes("disk_mib", "disk")
    try megabits("bandwidth_mbps", "bandwidth")
  }

  /// Amounts of made-up resources, `--custom NAME=N`.
  mutating func custom() throws(Failure) {
    var members: [JSONValue.Member] = []
    for text in arguments.all("custom") {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let number = UInt32(parts[1]) else {
        throw .usage("--custom takes NAME=N, such as licence:foo=2, not '\(text)'")
      }
      members.append(.init(parts[0], JSONValue(number)))
    }
    if !members.isEmpty { set("custom", .object(members)) }
  }
}
