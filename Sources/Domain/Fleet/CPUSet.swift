/// A set of a node's processors, by number.
package struct CPUSet: Hashable, Sendable {
  /// 64 processors a word, without empty words at the end: equal sets are equal.
  package private(set) var words: [UInt64]

  /// No processors.
  package static let none = CPUSet()

  /// The set with these words; the last is not 0.
  init(words: [UInt64]) { self.words = words }

  /// An empty set.
  package init() { words = [] }

  /// The processors of `range`.
  package init(_ range: Range<Int>) {
    words = []
    for cpu in range { insert(cpu) }
  }

  /// How many.
  package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Whether there are none.
  package var isEmpty: Bool { words.isEmpty }

  /// Whether `cpu` is one of them.
  package func contains(_ cpu: Int) -> Bool { cpu >> 6 < words.count && words[cpu >> 6] >> UInt64(cpu & 63) & 1 == 1 }

  /// Adds a processor; its number is below `Limits.cpus`.
  package mutating func insert(_ cpu: Int) {
    precondition((0..<Limits.cpus).contains(cpu), "processor \(cpu)")
    while words.count <= cpu >> 6 { words.append(0) }
    words[cpu >> 6] |= 1 << UInt64(cpu & 63)
  }

  /// Adds all of `other`.
  package mutating func formUnion(_ other: CPUSet) {
    while words.count < other.words.count { words.append(0) }
    for (place, word) in other.words.enumerated() { words[place] |= word }
  }

  /// Takes all of `other` away.
  package mutating func subtract(_ other: CPUSet) {
    for place in 0..<min(words.count, other.words.count) { words[place] &= ~other.words[place] }
    while words.last == 0 { words.removeLast() }
  }

  /// The same without `other`.
  package func subtracting(_ other: CPUSet) -> CPUSet {
    var copy = self
    copy.subtract(other)
    return copy
  }

  /// Whether none is in both.
  package func isDisjoint(with other: CPUSet) -> Bool { zip(words, other.words).allSatisfy { $0 & $1 == 0 } }

  /// The `count` lowest; all if there are fewer.
  package func lowest(_ count: Int) -> CPUSet {
    var out = CPUSet()
    for cpu in members.prefix(count) { out.insert(cpu) }
    return out
  }

  /// Their numbers in order.
  package var members: [Int] {
    words.enumerated().flatMap { place, word in
      (0..<64).lazy.filter { word >> UInt64($0) & 1 == 1 }.map { place << 6 + $0 }
    }
  }
}

extension CPUSet: CustomStringConvertible {
  /// As Linux writes it: `0-3,8`.
  package var description: String {
    var parts: [String] = []
    var run: (first: Int, last: Int)?
    for cpu in members {
      if let open = run, open.last + 1 == cpu {
        run = (open.first, cpu)
        continue
      }
      if let open = run { parts.append(CPUSet.text(open)) }
      run = (cpu, cpu)
    }
    if let open = run { parts.append(CPUSet.text(open)) }
    return parts.joined(separator: ",")
  }

  private static func text(_ run: (first: Int, last: Int)) -> String {
    run.first == run.last ? "\(run.first)" : "\(run.first)-\(run.last)"
  }

  /// Reads `0-3,8`; nil for anything else.
  package init?(_ text: String) {
    self.init()
    if text.isEmpty { return }
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last,
        (0..<Limits.cpus).contains(first), last < Limits.cpus
      else { return nil }
      for cpu in first...last { insert(cpu) }
    }
  }
}
