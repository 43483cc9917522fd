internal import Wire

/// What etcd says to a request; a field that it left out is its zero.
package enum EtcdAnswer: Hashable, Sendable {
  /// Versions of the server and of the cluster.
  case version(server: String, cluster: String)
  /// Whether the compares held, and an answer for each operation done.
  case txn(EtcdHeader, succeeded: Bool, [EtcdOperationAnswer])
  /// Keys read.
  case range(EtcdHeader, EtcdRead)
  /// A lease with its seconds left; 0 = it is gone.
  case lease(EtcdHeader, id: Int64, seconds: Int64)
  /// Done, with nothing to tell.
  case done(EtcdHeader)
  /// etcd's own error.
  case error(EtcdError)
}

/// The answer to one operation of a transaction.
package enum EtcdOperationAnswer: Hashable, Sendable {
  /// Written.
  case put
  /// Read.
  case range(EtcdRead)
  /// How many keys were removed.
  case delete(Int64)
}

/// Who answered, and how far its store was.
package struct EtcdHeader: Hashable, Sendable {
  /// The cluster.
  package var cluster: UInt64
  /// The member.
  package var member: UInt64
  /// The store's revision; 0 = not said.
  package var revision: Int64

  /// Makes a header.
  package init(cluster: UInt64 = 0, member: UInt64 = 0, revision: Int64 = 0) {
    self.cluster = cluster
    self.member = member
    self.revision = revision
  }
}

/// A key as it was read.
package struct EtcdKeyValue: Hashable, Sendable {
  /// The key.
  package var key: String
  /// The value, empty when only keys were asked for.
  package var value: [UInt8]
  /// The revision at which it came to be.
  package var created: Int64
  /// The revision of its last change.
  package var modified: Int64
  /// The lease it hangs on; 0 = none.
  package var lease: Int64

  /// Makes a key with its value.
  package init(key: String, value: [UInt8] = [], created: Int64 = 0, modified: Int64 = 0, lease: Int64 = 0) {
    self.key = key
    self.value = value
    self.created = created
    self.modified = modified
    self.lease = lease
  }
}

/// An error that etcd reports with gRPC's number.
package struct EtcdError: Hashable, Sendable {
  /// gRPC's code.
  package let code: Int
  /// etcd's sentence.
  package let message: String

  /// Makes an error.
  package init(code: Int, message: String) {
    self.code = code
    self.message = message
  }

  /// What an error says about the fate of the request.
  package enum Meaning: Hashable, Sendable {
    /// Nothing was done because the store is full.
    case storageFull
    /// Nothing was done because the lease does not exist.
    case leaseGone
    /// The revision asked for is compacted, or not known to this member yet.
    case revisionAway
    /// Nothing was done, nor ever will be: the request itself is not acceptable.
    case invalid
    /// It may have been done, or may yet be.
    case unknown
  }

  /// The meaning; everything that is not known to be definite is unknown.
  package var meaning: Meaning {
    switch code {
    case 3: .invalid
    case 5: message.contains("lease not found") ? .leaseGone : .unknown
    case 8: message.contains("database space exceeded") ? .storageFull : .unknown
    case 11: .revisionAway
    default: .unknown
    }
  }
}

/// Why a request has no answer.
package enum EtcdFailure: Hashable, Sendable {
  /// It may have been done, or may yet be.
  case unknown(String)
  /// What came back is no answer of etcd's, or is over our limits.
  case unreadable(String)
}

/// One message of a watch.
package struct EtcdWatchMessage: Hashable, Sendable {
  /// Who says it.
  package var header: EtcdHeader
  /// The watch has been set up.
  package var isCreated = false
  /// The watch is over.
  package var isCanceled = false
  /// Why it is over: history before this revision is gone; 0 = another reason.
  package var compactRevision: Int64 = 0
  /// What changed, in order.
  package var events: [EtcdEvent] = []

  /// Makes an empty message.
  package init(header: EtcdHeader) { self.header = header }
}

/// One change that a watch saw.
package struct EtcdEvent: Hashable, Sendable {
  /// The key was removed.
  package var isDelete: Bool
  /// The key; without a value when it was removed.
  package var kv: EtcdKeyValue

  /// Makes an event.
  package init(isDelete: Bool, kv: EtcdKeyValue) {
    self.isDelete = isDelete
    self.kv = kv
  }
}

/// What a range found.
package struct EtcdRead: Hashable, Sendable {
  /// The keys in the order asked for.
  package var kvs: [EtcdKeyValue]
  /// Whether the limit left some out.
  package var hasMore: Bool

  /// Makes a result.
  package init(_ kvs: [EtcdKeyValue] = [], hasMore: Bool = false) {
    self.kvs = kvs
    self.hasMore = hasMore
  }
}
