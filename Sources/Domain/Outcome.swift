package import Addressing

/// An allocation with what its holder must know of the pool.
///
/// An immutable object, because answers are handed on many times and an allocation has a dozen references to count.
package final class Grant: Hashable, Sendable {
  /// The allocation.
  package let allocation: Allocation
  /// The pool's router.
  package let gateway: IPAddress?
  /// The pool's network.
  package let network: Prefix

  /// Joins an allocation and its pool's facts.
  package init(_ allocation: Allocation, gateway: IPAddress?, network: Prefix) {
    (self.allocation, self.gateway, self.network) = (allocation, gateway, network)
  }

  /// Equal in all that they say.
  package static func == (a: Grant, b: Grant) -> Bool {
    a.allocation == b.allocation && a.gateway == b.gateway && a.network == b.network
  }

  /// Hashes the allocation.
  package func hash(into hasher: inout Hasher) { hasher.combine(allocation) }
}

/// The answer to a command.
package enum Outcome: Sendable {
  /// The pool as it is now, made or changed.
  case pool(Pool)
  /// The pool that is gone.
  case poolDeleted(Pool)
  /// The reservation made.
  case reservation(Reservation)
  /// The reservation that is gone.
  case reservationDeleted(Reservation)
  /// What the holder has; `isNew` if any of it is new, `unchanged` names what a repeat asked differently in vain.
  case granted([Grant], isNew: Bool, unchanged: [String])
  /// What was taken back.
  case released([Grant])
  /// The allocation as it is now, changed or renewed.
  case allocation(Grant)
  /// How many leases and quarantines ended.
  case expired(leases: Int, quarantines: Int)
  /// What an import did or would do.
  case imported(ImportReport)
  /// What would be given now.
  case suggestion(IPAddress, Pool)
  /// Free blocks, largest first.
  case freeBlocks([Prefix], Pool)
  /// The token made; whether the one that made it went with that.
  case token(Token, spent: Bool)
  /// The token that is gone.
  case tokenRevoked(Token)
  /// The token that has enrolled its agent; `isNew` if it did so just now, and not before for the same key.
  case enrolled(Token, isNew: Bool)
  /// The answer about nodes and VMs.
  case fleet(FleetOutcome)
  /// This was asked before under the same key: the answer is in the entry.
  case replay(Revision)
  /// No, and why.
  case rejected(Rejection)
}

/// What an import did or would do.
package struct ImportReport: Hashable, Sendable {
  /// A line that could not be taken over.
  package struct Conflict: Hashable, Sendable {
    /// Its line or index.
    package let line: Int
    /// Its address.
    package let ip: IPAddress
    /// The refusal's code.
    package let code: String
    /// The refusal in words.
    package let detail: String

    /// Makes a conflict.
    package init(line: Int, ip: IPAddress, code: String, detail: String) {
      (self.line, self.ip, self.code, self.detail) = (line, ip, code, detail)
    }
  }

  /// Lines taken over.
  package var imported: Int
  /// Lines that were here already, word for word.
  package var already: Int
  /// Lines refused; at most `Limits.conflictsListed` are listed.
  package var conflicts: [Conflict]
  /// Lines refused in all.
  package var conflictCount: Int

  /// Makes a report.
  package init(imported: Int = 0, already: Int = 0, conflicts: [Conflict] = [], conflictCount: Int = 0) {
    (self.imported, self.already, self.conflicts) = (imported, already, conflicts)
    self.conflictCount = conflictCount
  }
}
