/// Key-value pairs an operator hangs on pools and allocations; sorted by key, at most 32.
package struct Labels: Hashable, Sendable {
  /// One pair.
  package struct Label: Hashable, Sendable {
    /// 1 to 63 of letters, digits and `. _ / -`.
    package let key: String
    /// 0 to 128 printable ASCII characters.
    package let value: String
  }

  /// The pairs in order of their keys.
  package let pairs: [Label]

  /// No labels.
  package static let none = Labels(trusted: [])

  /// The rule in words.
  package static let rule =
    "at most 32 labels; keys 1 to 63 of A-Z a-z 0-9 . _ / -, values at most 128 printable ASCII characters"

  /// Wraps pairs known to be valid and sorted.
  package init(trusted pairs: [Label]) { self.pairs = pairs }

  /// Takes pairs in any order; nil if a rule is broken or a key comes twice.
  package init?(_ pairs: [(key: String, value: String)]) {
    guard pairs.count <= 32 else { return nil }
    let sorted = pairs.sorted { $0.key < $1.key }
    for (index, pair) in sorted.enumerated() {
      guard (1...63).contains(pair.key.utf8.count), pair.value.utf8.count <= 128,
        pair.key.utf8.allSatisfy({ isWordByte($0) || $0 == 47 }),
        pair.value.utf8.allSatisfy({ (32...126).contains($0) }),
        index == 0 || sorted[index - 1].key != pair.key
      else { return nil }
    }
    self.pairs = sorted.map { Label(key: $0.key, value: $0.value) }
  }

  /// The value of `key`.
  package subscript(key: String) -> String? { pairs.first { $0.key == key }?.value }

  /// Whether each pair of `wanted` is here.
  package func includes(_ wanted: Labels) -> Bool { wanted.pairs.allSatisfy { self[$0.key] == $0.value } }
}
