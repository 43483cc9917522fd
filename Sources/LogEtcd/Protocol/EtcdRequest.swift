/// One call to etcd, as a value; keys are ASCII, values are bytes.
package enum EtcdRequest: Hashable, Sendable {
  /// Which version answers; the one request that is no JSON call.
  case version
  /// All or nothing, and the one way to write.
  case txn(EtcdTxn)
  /// Reads keys; safe only at an explicit revision.
  case range(EtcdRange)
  /// A new lease of so many seconds.
  case grant(seconds: Int64)
  /// Renews a lease.
  case keepAlive(lease: Int64)
  /// Ends a lease and removes its keys.
  case revoke(lease: Int64)
  /// Forgets history before a revision.
  case compact(revision: Int64)
}

/// Compares, then one of two lists of operations.
package struct EtcdTxn: Hashable, Sendable {
  /// All must hold.
  package var compares: [EtcdCompare]
  /// Done when they do.
  package var success: [EtcdOperation]
  /// Done when they do not.
  package var failure: [EtcdOperation]

  /// etcd's own limit for each list.
  package static let maxOperations = 128

  /// Makes a transaction.
  package init(_ compares: [EtcdCompare], then success: [EtcdOperation], else failure: [EtcdOperation] = []) {
    self.compares = compares
    self.success = success
    self.failure = failure
  }
}

/// What must hold of a key; an absent key has the revisions 0.
package struct EtcdCompare: Hashable, Sendable {
  /// A property and what it must equal.
  package enum Expectation: Hashable, Sendable {
    /// The revision at which the key came to be.
    case created(Int64)
    /// The revision of its last change.
    case modified(Int64)
    /// Its bytes; an absent key has none, which is not the same as no bytes.
    case value([UInt8])
  }

  /// The key.
  package let key: String
  /// What must hold of it.
  package let expectation: Expectation

  /// The key came to be at this revision; 0 = it is absent.
  package static func created(_ key: String, _ revision: Int64) -> Self {
    Self(key: key, expectation: .created(revision))
  }
  /// The key was last changed at this revision.
  package static func modified(_ key: String, _ revision: Int64) -> Self {
    Self(key: key, expectation: .modified(revision))
  }
  /// The key has this value.
  package static func has(_ key: String, _ value: [UInt8]) -> Self { Self(key: key, expectation: .value(value)) }
  /// The key is not there.
  package static func absent(_ key: String) -> Self { created(key, 0) }
}

/// One operation of a transaction.
package enum EtcdOperation: Hashable, Sendable {
  /// Writes a key; lease 0 = none.
  case put(key: String, value: [UInt8], lease: Int64)
  /// Reads keys as the transaction sees them.
  case range(EtcdRange)
  /// Removes a key, or all from it to before `end`.
  case delete(key: String, end: String?)
}

/// Which keys to read.
package struct EtcdRange: Hashable, Sendable {
  /// The key, or the first of a range.
  package var key: String
  /// The key after the last of a range; nil for one key.
  package var end: String?
  /// At most so many; 0 = no limit.
  package var limit: Int64
  /// As things were at this revision; 0 = now, which may be a lie.
  package var revision: Int64
  /// The last key first.
  package var isDescending: Bool
  /// Leaves the values out.
  package var isKeysOnly: Bool

  /// One key, or all from `key` to before `end`.
  package init(
    _ key: String, to end: String? = nil, limit: Int64 = 0, revision: Int64 = 0, descending: Bool = false,
    keysOnly: Bool = false
  ) {
    self.key = key
    self.end = end
    self.limit = limit
    self.revision = revision
    isDescending = descending
    isKeysOnly = keysOnly
  }
}

/// A stream of the changes to all keys of a range from a revision on.
package struct EtcdWatch: Hashable, Sendable {
  /// The first key.
  package let key: String
  /// The key after the last.
  package let end: String
  /// The first revision of interest; never 0, which etcd reads as "now".
  package let startRevision: Int64

  /// Makes a watch.
  package init(_ key: String, to end: String, from startRevision: Int64) {
    precondition(startRevision > 0, "a watch says where it begins")
    self.key = key
    self.end = end
    self.startRevision = startRevision
  }
}
