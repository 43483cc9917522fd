/// A "no" that is part of the contract: a stable code, a sentence with the way out, and facts that scripts can use.
package struct Rejection: Error, Hashable, Sendable {
  /// Which "no"; the border turns each into a status by one exhaustive switch.
  package enum Code: String, Hashable, Sendable, CaseIterable {
    case invalidField = "invalid_field"
    case poolExists = "pool_exists"
    case poolNotFound = "pool_not_found"
    case noDefaultPool = "no_default_pool"
    case poolOverlap = "pool_overlap"
    case poolInUse = "pool_in_use"
    case poolDisabled = "pool_disabled"
    case poolExhausted = "pool_exhausted"
    case tooManyPools = "too_many_pools"
    case noMatchingPool = "no_matching_pool"
    case outsidersLive = "allocations_outside"
    case nothingToRollBack = "nothing_to_roll_back"
    case reservationExists = "reservation_exists"
    case reservationNotFound = "reservation_not_found"
    case tooManyReservations = "too_many_reservations"
    case addressInUse = "address_in_use"
    case addressReserved = "address_reserved"
    case addressQuarantined = "address_quarantined"
    case addressOutsidePool = "address_outside_pool"
    case alreadyAllocated = "already_allocated"
    case allocationNotFound = "allocation_not_found"
    case tooManyForOwner = "too_many_for_owner"
    case staleGeneration = "stale_generation"
    case managedByVM = "managed_by_vm"
    case notLeased = "not_leased"
    case revisionMismatch = "revision_mismatch"
    case idempotencyKeyReused = "idempotency_key_reused"
    case importConflicts = "import_conflicts"
    case tokenExists = "token_exists"
    case tokenNotFound = "token_not_found"
    case tooManyTokens = "too_many_tokens"
    case enrolmentUsed = "enrolment_token_used"
    case firstTokenIsAdmin = "first_token_must_be_admin"
    case creatorIsGone = "unauthorized"
    case nodeNotFound = "node_not_found"
    case nodeInUse = "node_in_use"
    case nodeState = "node_state"
    case staleEpoch = "stale_epoch"
    case tooManyNodes = "too_many_nodes"
    case vmExists = "vm_exists"
    case vmNotFound = "vm_not_found"
    case vmState = "vm_state"
    case tooManyVMs = "too_many_vms"
    case noPlacement = "no_placement"
    case quotaExceeded = "quota_exceeded"
    case quotaNotFound = "quota_not_found"
    case capacityExists = "capacity_exists"
    case capacityNotFound = "capacity_not_found"
    case tooLarge = "too_large"
  }

  /// A fact beside the sentence.
  package struct Fact: Hashable, Sendable {
    /// Its name, `snake_case`.
    package let name: String
    /// Its value: a whole number in decimal, or text.
    package let value: String
    /// Whether the value is a number.
    package let isNumber: Bool
  }

  /// Which "no".
  package let code: Code
  /// What is wrong and what to do.
  package let detail: String
  /// The field of the request it is about, if it is about one.
  package let field: String?
  /// Facts that scripts can use.
  package private(set) var facts: [Fact] = []
  /// Conflicts of an import that was refused as a whole.
  package var report: ImportReport?

  /// Makes a refusal.
  package init(_ code: Code, _ detail: String, field: String? = nil) {
    (self.code, self.detail, self.field) = (code, detail, field)
  }

  /// The same with a number beside it.
  package func with(_ name: String, _ number: some BinaryInteger) -> Rejection {
    adding(Fact(name: name, value: "\(number)", isNumber: true))
  }

  /// The same with a text beside it.
  package func with(_ name: String, text: String) -> Rejection {
    adding(Fact(name: name, value: text, isNumber: false))
  }

  private func adding(_ fact: Fact) -> Rejection {
    var copy = self
    copy.facts.append(fact)
    return copy
  }

  /// A field that breaks its rule.
  package static func invalid(_ field: String, _ rule: String) -> Rejection {
    Rejection(.invalidField, "\(field): \(rule)", field: field)
  }
}
