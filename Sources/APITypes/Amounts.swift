package import Domain
package import Wire

/// Thousandths as decimal text: `2`, `0.5`, `1.25`; exact both ways.
package enum Thousandths {
  /// The rule in words.
  package static let rule = "a number with at most three decimals, or the same in quotes"

  /// The text of so many thousandths, without superfluous zeros.
  package static func text(_ value: some BinaryInteger) -> String {
    let (whole, rest) = value.quotientAndRemainder(dividingBy: 1_000)
    if rest == 0 { return "\(whole)" }
    var digits = String(1_000 + Int(rest)).dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return "\(whole).\(digits)"
  }

  /// Reads such text; nil for anything else.
  package static func parse(_ text: String) -> UInt64? {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, (1...15).contains(whole.utf8.count), whole.utf8.allSatisfy(isDigit),
      let units = UInt64(whole)
    else { return nil }
    guard parts.count == 2 else { return units * 1_000 }
    let fraction = parts[1]
    guard (1...3).contains(fraction.utf8.count), fraction.utf8.allSatisfy(isDigit),
      let digits = UInt64(fraction + String(repeating: "0", count: 3 - fraction.utf8.count))
    else { return nil }
    return units * 1_000 + digits
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
}

extension JSONWriter {
  /// Writes thousandths as a number with decimals.
  package mutating func field(_ key: StaticString, thousandths value: (some BinaryInteger)?) {
    guard let value else { return fieldNull(key) }
    self.key(key)
    number(text: Thousandths.text(value))
  }

  /// Writes the four amounts as members of the object that is open.
  package mutating func amounts(_ amounts: Resources) {
    field("vcpus", thousandths: amounts.cpu)
    field("memory_mib", amounts.memory)
    field("disk_mib", amounts.disk)
    field("bandwidth_mbps", amounts.bandwidth)
  }

  /// Writes the four amounts as an object.
  package mutating func field(_ key: StaticString, _ amounts: Resources) {
    self.key(key)
    object { $0.amounts(amounts) }
  }

  /// Writes amounts of made-up resources as an object.
  mutating func field(_ key: StaticString, _ amounts: [CustomAmount]) {
    self.key(key)
    object { out in
      for item in amounts {
        out.key(item.name.text)
        out.number(item.amount)
      }
    }
  }
}

extension JSONReader {
  /// Reads a number with at most three decimals, plain or in quotes, as thousandths.
  package mutating func thousandths(_ most: UInt64) throws(JSONFault) -> UInt64 {
    let text: String
    switch try next() {
    case .string: text = try string()
    case .number: text = try value().numberText ?? ""
    default: throw invalid("must be \(Thousandths.rule)")
    }
    guard let value = Thousandths.parse(text) else { throw invalid("must be \(Thousandths.rule)") }
    guard value <= most else { throw invalid("must be at most \(Thousandths.text(most))") }
    return value
  }

  /// Reads a whole number between two.
  mutating func whole<T: FixedWidthInteger>(_ allowed: ClosedRange<T>) throws(JSONFault) -> T {
    let value: T = try integer()
    guard allowed.contains(value) else { throw invalid("must be \(allowed.lowerBound) to \(allowed.upperBound)") }
    return value
  }

  /// Reads a whole number between two, or `null`.
  mutating func wholeOrNull<T: FixedWidthInteger>(_ allowed: ClosedRange<T>) throws(JSONFault) -> T? {
    try null() ? nil : try whole(allowed)
  }

  /// Reads a list of at most `limit` items.
  mutating func list<T>(
    atMost limit: Int, _ element: (inout JSONReader) throws(JSONFault) -> T
  ) throws(JSONFault) -> [T] {
    let items = try list(element)
    guard items.count <= limit else { throw invalid("at most \(limit) of them") }
    return items
  }

  /// Reads one of some words.
  mutating func word<T: CaseIterable>(_ name: (T) -> String) throws(JSONFault) -> T {
    let text = try string()
    guard let found = T.allCases.first(where: { name($0) == text }) else {
      throw invalid("must be one of \(T.allCases.map(name).joined(separator: ", "))")
    }
    return found
  }

  /// Reads text of at most so many bytes, without control characters.
  mutating func line(_ limit: Int) throws(JSONFault) -> String {
    let text = try string()
    guard text.utf8.count <= limit, text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else {
      throw invalid("at most \(limit) bytes without control characters")
    }
    return text
  }

  /// Reads text or `null`, which is the same as none.
  mutating func lineOrNull(_ limit: Int) throws(JSONFault) -> String { try null() ? "" : try line(limit) }

  /// Reads an amount of money that is not negative, or `null`.
  mutating func moneyOrNull() throws(JSONFault) -> Money? { try wholeOrNull(0...Money.max) }

  /// Reads the name of a level of topology, or `null`.
  mutating func placeOrNull() throws(JSONFault) -> String? {
    if try null() { return nil }
    let text = try string()
    guard Topology.accepts(text) else { throw invalid("must be \(Topology.rule)") }
    return text
  }

  /// Reads an object of amounts by the names of made-up resources.
  mutating func customAmounts() throws(JSONFault) -> [CustomAmount] {
    var amounts: [CustomAmount] = []
    try object { (key, reader) throws(JSONFault) in
      guard let name = ResourceName(key.text) else { throw reader.invalid("a resource's name is \(ResourceName.rule)") }
      amounts.append(CustomAmount(name, try reader.integer()))
    }
    guard amounts.count <= Limits.customResources else { throw invalid("at most \(Limits.customResources) resources") }
    return amounts.sorted { $0.name < $1.name }
  }

  /// Reads an object of the four amounts; those left out are 0.
  package mutating func amounts() throws(JSONFault) -> Resources {
    var amounts = Resources.none
    try object { (key, reader) throws(JSONFault) in
      if try !amounts.read(key, &reader) { throw reader.unknownField(key) }
    }
    return amounts
  }
}

extension Resources {
  /// Reads a member that is one of the four amounts; false for any other.
  mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "vcpus": cpu = Int32(try reader.thousandths(UInt64(Limits.resource)))
    case "memory_mib": memory = try reader.whole(0...Limits.resource)
    case "disk_mib": disk = try reader.whole(0...Limits.resource)
    case "bandwidth_mbps": bandwidth = try reader.whole(0...Limits.resource)
    default: return false
    }
    return true
  }
}
