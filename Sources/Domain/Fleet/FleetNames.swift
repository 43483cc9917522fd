/// The name of a VM; as the owner of its addresses it is used unchanged.
package struct VMName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = OwnerName.rule
  /// The most bytes that the rule allows.
  package static let maxBytes = OwnerName.maxBytes
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool { OwnerName.accepts(text) }
  /// The VM as the owner of its addresses.
  package var owner: OwnerName { OwnerName(trusted: text) }
}

/// The name of a group of VMs of one tenant, which rules of affinity and spreading count.
package struct GroupName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = "1 to 63 of A-Z a-z 0-9 . _ -"
  /// The most bytes that the rule allows.
  package static let maxBytes = 63
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool { Topology.accepts(text) }
}

/// What runs VMs on a node: `firecracker`, `qemu`, `simulated`.
package struct BackendName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = PoolName.rule
  /// The most bytes that the rule allows.
  package static let maxBytes = PoolName.maxBytes
  /// Whether `text` is a DNS label.
  package static func accepts(_ text: String) -> Bool { PoolName.accepts(text) }
}

/// A resource that an operator makes up and counts, such as `licence:foo`.
package struct ResourceName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = "1 to 63 of A-Z a-z 0-9 . _ : -"
  /// The most bytes that the rule allows.
  package static let maxBytes = 63
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool {
    (1...63).contains(text.utf8.count) && text.utf8.allSatisfy { isWordByte($0) || $0 == 58 }
  }
}

/// A kind of device, such as `nvidia-a100`.
package struct DeviceModel: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = GroupName.rule
  /// The most bytes that the rule allows.
  package static let maxBytes = 63
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool { Topology.accepts(text) }
}

/// One device of a node, by its address there: `0000:3b:00.0`.
package struct DeviceID: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = ResourceName.rule
  /// The most bytes that the rule allows.
  package static let maxBytes = 63
  /// Whether `text` follows the rule.
  package static func accepts(_ text: String) -> Bool { ResourceName.accepts(text) }
}

/// The name of a capacity reservation: a DNS label.
package struct CapacityName: Name {
  /// The text itself.
  package let text: String
  /// Wraps text that is known to follow the rule.
  package init(trusted text: String) { self.text = text }
  /// The rule in words.
  package static let rule = PoolName.rule
  /// The most bytes that the rule allows.
  package static let maxBytes = PoolName.maxBytes
  /// Whether `text` is a DNS label.
  package static func accepts(_ text: String) -> Bool { PoolName.accepts(text) }
}
