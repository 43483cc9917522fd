// Domain: the nouns.
//
// Pools, reservations, allocations; the commands that change them, the outcomes and refusals that answer, the rows that
// hold them and the entries that record them. Values only: a name that exists is valid, a prefix has no host bits, a
// refusal says which field, which rule and what to do. Nothing here decides anything (that is Ledger) and nothing
// here knows about HTTP statuses, JSON or files.
//
// Everything that is stored is a `Row`, with one binary form that serves four uses: the record in memory, the effect
// in the log, the line in a snapshot and the input of the state hash. Forms carry a version; golden tests pin
// every version ever written, and an unknown one is refused, never skipped.

/// Text that follows a rule; one type per rule, so that an owner is never passed for a tenant.
package protocol Name: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The rule in words, for refusals.
  static var rule: String { get }
  /// Whether `text` follows the rule.
  static func accepts(_ text: String) -> Bool
  /// The most bytes that the rule allows.
  static var maxBytes: Int { get }
  /// The text itself.
  var text: String { get }
  /// Wraps text that is known to follow the rule.
  init(trusted text: String)
}

extension Name {
  /// Wraps `text` if it follows the rule.
  package init?(_ text: String) {
    guard Self.accepts(text) else { return nil }
    self.init(trusted: text)
  }

  /// Wraps text of what is there already: it followed the rule of its time, which may have been wider.
  package init?(stored text: String) {
    guard (1...Self.maxBytes).contains(text.utf8.count) else { return nil }
    self.init(trusted: text)
  }

  /// The text itself.
  package var description: String { text }

  /// By UTF-8 bytes.
  package static func < (a: Self, b: Self) -> Bool { a.text < b.text }
}

/// The name of a pool: a DNS label.
package struct PoolName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = dnsLabelRule
  /// The most bytes that the rule allows.
  package static let maxBytes = 63
  /// Whether `text` is a DNS label.
  package static func accepts(_ text: String) -> Bool { isDNSLabel(text) }
  /// The pool of the simple API.
  package static let simple = PoolName(trusted: "default")
}

/// The name of a routing domain, inside which pools never overlap: a DNS label.
package struct NetworkName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = dnsLabelRule
  /// The most bytes that the rule allows.
  package static let maxBytes = 63
  /// Whether `text` is a DNS label.
  package static func accepts(_ text: String) -> Bool { isDNSLabel(text) }
  /// The routing domain of pools that name none.
  package static let standard = NetworkName(trusted: "default")
}

/// The name of a tenant: a DNS label.
package struct TenantName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = dnsLabelRule
  /// The most bytes that the rule allows.
  package static let maxBytes = 63
  /// Whether `text` is a DNS label.
  package static func accepts(_ text: String) -> Bool { isDNSLabel(text) }
  /// The tenant of requests that name none.
  package static let standard = TenantName(trusted: "default")
}

/// Who holds an address: a VM, a pod, a router.
package struct OwnerName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = "1 to 128 of A-Z a-z 0-9 . _ : @ -"
  /// The most bytes that the rule allows.
  package static let maxBytes = 128
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool {
    let bytes = text.utf8.span
    guard (1...128).contains(bytes.count) else { return false }
    for place in bytes.indices {
      let byte = bytes[place]
      guard isWordByte(byte) || byte == 58 || byte == 64 else { return false }
    }
    return true
  }
}

/// A host that carries VMs.
package struct NodeName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = "1 to 128 of A-Z a-z 0-9 . _ -"
  /// The most bytes that the rule allows.
  package static let maxBytes = 128
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count) && text.utf8.allSatisfy(isWordByte)
  }
}

/// A network interface of the owner, as Linux names them. It takes none with a `:` (an alias) or a `/`, and neither `.` nor
/// `..`; one with a `%` it numbers, and `all` and `default` are taken by what is set for all interfaces. Rows may have some
/// of an earlier, wider rule.
package struct InterfaceName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule =
    "1 to 15 printable ASCII characters without '/', ':', '%' or space, and not '.', '..', 'all' or 'default'"
  /// The most bytes that the rule allows.
  package static let maxBytes = 15
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool {
    acceptedOnce(text) && ![".", "..", "all", "default"].contains(text)
      && text.utf8.allSatisfy { $0 != 37 && $0 != 58 }
  }
  /// Whether a row may have it: by the rule or by the wider one before it.
  package static func acceptedOnce(_ text: String) -> Bool {
    (1...maxBytes).contains(text.utf8.count) && text.utf8.allSatisfy { (33...126).contains($0) && $0 != 47 }
  }
  /// The interface of requests that name none.
  package static let standard = InterfaceName(trusted: "eth0")
}

/// A DNS host name, one label or several.
package struct Hostname: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule =
    "a DNS name: labels of 1 to 63 letters, digits and inner hyphens, joined by dots, 253 at most"
  /// The most bytes that the rule allows.
  package static let maxBytes = 253
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool {
    (1...253).contains(text.utf8.count)
      && text.utf8.split(separator: 46, omittingEmptySubsequences: false).allSatisfy { label in
        (1...63).contains(label.count) && label.first != 45 && label.last != 45
          && label.allSatisfy { isAlphanumeric($0) || $0 == 45 }
      }
  }
}

private let dnsLabelRule = "1 to 63 of a-z 0-9 and inner hyphens"

private func isDNSLabel(_ text: String) -> Bool {
  let bytes = text.utf8
  return (1...63).contains(bytes.count) && bytes.first != 45 && bytes.last != 45
    && bytes.allSatisfy { isAlphanumeric($0) && !(65...90).contains($0) || $0 == 45 }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
  (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
}

/// Letters, digits, `.`, `_` and `-`.
func isWordByte(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte == 46 || byte == 95 || byte == 45 }
