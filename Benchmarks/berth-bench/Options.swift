/// `--name value` pairs and switches, each known by name or refused.
struct Options {
  private var values: [String: String] = [:]
  private var switches: Set<String> = []

  init(_ arguments: [String], known: Set<String>, switches knownSwitches: Set<String> = []) throws(Failure) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("--") else { throw Failure("unexpected argument '\(argument)'") }
      let name = String(argument.dropFirst(2))
      if knownSwitches.contains(name) {
        switches.insert(name)
      } else if known.contains(name), let value = rest.popFirst() {
        values[name] = value
      } else {
        throw Failure("unknown option or missing value: \(argument)")
      }
    }
  }

  func has(_ name: String) -> Bool { switches.contains(name) }

  func text(_ name: String) -> String? { values[name] }

  func required(_ name: String) throws(Failure) -> String {
    guard let value = values[name] else { throw Failure("--\(name) is required") }
    return value
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
    guard let text = values[name] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw Failure("--\(name) takes a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
    }
    return value
  }

  func integer(_ name: String, in range: ClosedRange<Int>, default fallback: Int) throws(Failure) -> Int {
    try integer(name, in: range) ?? fallback
  }

  /// A duration given in seconds, as nanoseconds.
  func nanoseconds(_ name: String, default fallback: Double) throws(Failure) -> Int64 {
    let text = values[name] ?? "\(fallback)"
    guard let value = Double(text), value >= 0, value <= 3600 else {
      throw Failure("--\(name) takes seconds from 0 to 3600, not '\(text)'")
    }
    return Int64(value * 1_000_000_000)
  }
}
