internal import APITypes
internal import Domain
internal import Engine
internal import Log

/// Refusals of the rooms below as answers.
extension Problem {
  /// A refusal of the ledger.
  init(_ rejection: Rejection) {
    self.init(rejection.code.status, rejection.code.rawValue, rejection.detail)
    if let field = rejection.field {
      let prefix = "\(field): "
      let message =
        rejection.detail.hasPrefix(prefix) ? String(rejection.detail.dropFirst(prefix.count)) : rejection.detail
      errors = [FieldError(field: field, message: message)]
    }
    facts = rejection.facts.map { Fact(name: $0.name, value: $0.value, isNumber: $0.isNumber) }
    report = rejection.report
  }

  /// A command that was not answered with an outcome.
  init(_ reason: Unavailable) {
    switch reason {
    case .storageFull:
      self.init(503, "storage_full", "there is no room left for the log: free some on the server; reads go on")
    case .stopping:
      self.init(503, "stopping", "the server is stopping: repeat the request on the next one", retryAfter: 1)
    case .unknownOutcome:
      self.init(
        504, "outcome_unknown", "nobody knows whether this happened: repeat it with the same Idempotency-Key, or look")
    case .refused(let why): self.init(503, "log_refused", "the log took nothing: \(why)", retryAfter: 1)
    case .notLeading(let leader):
      let who = leader.map { "node \($0.node) (\($0.url)) leads" } ?? "no node leads at the moment"
      self.init(503, "no_leader", "this node does not lead and \(who): repeat this shortly", retryAfter: 1)
    case .lost(let why): self.init(503, "history_lost", why)
    }
  }

  static let busy = Problem(
    503, "busy", "more commands wait than the server lets wait: repeat this one shortly", retryAfter: 1)

  static func keyExpired(_ revision: Revision) -> Problem {
    Problem(
      409, "idempotency_key_expired",
      "this was done at revision \(revision), but the log no longer holds the answer: look at what is there now")
  }

  /// The status in words.
  var title: String {
    switch status {
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 409: "Conflict"
    case 410: "Gone"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: "Error"
    }
  }
}

extension Rejection.Code {
  /// The one place where a refusal becomes a status; the simple API differs in `simpleProblem`.
  var status: Int {
    switch self {
    case .invalidField, .addressOutsidePool: 400
    case .creatorIsGone: 401
    case .poolNotFound, .noDefaultPool, .reservationNotFound, .allocationNotFound, .tokenNotFound: 404
    case .nodeInUse, .nodeState, .staleEpoch, .tooManyNodes, .vmExists, .vmState, .tooManyVMs, .noPlacement,
      .quotaExceeded, .capacityExists:
      409
    case .nodeNotFound, .vmNotFound, .quotaNotFound, .capacityNotFound: 404
    case .poolExists, .poolOverlap, .poolInUse, .poolDisabled, .poolExhausted, .tooManyPools, .noMatchingPool: 409
    case .outsidersLive, .nothingToRollBack, .reservationExists, .tooManyReservations: 409
    case .addressInUse, .addressReserved, .addressQuarantined, .alreadyAllocated, .tooManyForOwner: 409
    case .staleGeneration, .managedByVM, .notLeased, .importConflicts: 409
    case .tokenExists, .tooManyTokens, .firstTokenIsAdmin, .enrolmentUsed: 409
    case .revisionMismatch: 412
    case .tooLarge: 413
    case .idempotencyKeyReused: 422
    }
  }
}

/// Refusals as the simple API words them: it knows one pool, and full is 503.
@Sendable func simpleProblem(_ rejection: Rejection) -> Problem {
  switch rejection.code {
  case .poolNotFound: return .noDefaultPool
  case .poolExhausted: return Problem(503, rejection.code.rawValue, rejection.detail)
  default: return Problem(rejection)
  }
}

extension Problem {
  static let noDefaultPool = Problem(
    Rejection(.noDefaultPool, "there is no pool named 'default': make one, or use the routes that name a pool"))
}
