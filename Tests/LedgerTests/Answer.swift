import Addressing
import Domain

/// An outcome as far as the model foretells it.
enum Answer: Hashable {
  case refused(Rejection.Code)
  case pool(Pool)
  case poolDeleted(Pool)
  case reservation(Reservation)
  case reservationDeleted(Reservation)
  case granted([Grant], isNew: Bool, unchanged: [String])
  case released([Grant])
  case allocation(Grant)
  case expired(leases: Int, quarantines: Int)
  case imported(Int, already: Int, conflicts: Int)
  case suggestion(IPAddress)
  case freeBlocks([Prefix])
  case token(Token, spent: Bool)
  case tokenRevoked(Token)
  case enrolled(Token, isNew: Bool)
  /// Nodes and VMs have a model of their own: `FleetModelTests`.
  case fleet
  case replay(Revision)

  init(_ outcome: Outcome) {
    self =
      switch outcome {
      case .pool(let pool): .pool(pool)
      case .poolDeleted(let pool): .poolDeleted(pool)
      case .reservation(let row): .reservation(row)
      case .reservationDeleted(let row): .reservationDeleted(row)
      case .granted(let grants, let isNew, let unchanged): .granted(grants, isNew: isNew, unchanged: unchanged)
      case .released(let grants): .released(grants)
      case .allocation(let grant): .allocation(grant)
      case .expired(let leases, let quarantines): .expired(leases: leases, quarantines: quarantines)
      case .imported(let report):
        .imported(report.imported, already: report.already, conflicts: report.conflictCount)
      case .suggestion(let ip, _): .suggestion(ip)
      case .freeBlocks(let blocks, _): .freeBlocks(blocks)
      case .token(let token, let spent): .token(token, spent: spent)
      case .tokenRevoked(let token): .tokenRevoked(token)
      case .enrolled(let token, let isNew): .enrolled(token, isNew: isNew)
      case .fleet: .fleet
      case .replay(let revision): .replay(revision)
      case .rejected(let rejection): .refused(rejection.code)
      }
  }

  /// A refusal's code, or what kind of answer it is.
  var name: String {
    switch self {
    case .refused(let code): code.rawValue
    case .granted(_, let isNew, _): isNew ? "granted" : "repeated"
    case .pool: "pool"
    case .poolDeleted: "poolDeleted"
    case .reservation: "reservation"
    case .reservationDeleted: "reservationDeleted"
    case .released: "released"
    case .allocation: "allocation"
    case .expired: "expired"
    case .imported: "imported"
    case .suggestion: "suggestion"
    case .freeBlocks: "freeBlocks"
    case .token(_, let spent): spent ? "tokenSpent" : "token"
    case .tokenRevoked: "tokenRevoked"
    case .enrolled(_, let isNew): isNew ? "enrolled" : "enrolledBefore"
    case .fleet: "fleet"
    case .replay: "replay"
    }
  }

  var granted: [IPAddress] { if case .granted(let grants, _, _) = self { grants.map(\.allocation.ip) } else { [] } }
}

extension Model {
  /// What the ledger must say, and what is so afterwards. `seen` is what it said: believed only where chance decides.
  mutating func decide(_ submission: Submission, _ revision: Revision, _ time: LogTime, seen: Answer) -> Answer {
    if let key = submission.idempotency, let first = answered[key.key], time - first.time < 24 * 3_600_000_000 {
      return first.request == key.request ? .replay(first.revision) : .refused(.idempotencyKeyReused)
    }
    let before = self
    do throws(Refused) {
      let answer = try answer(submission, revision, time, seen: seen)
      forgetExcess()
      if submission.dryRun { self = before }
      return answer
    } catch {
      self = before
      return .refused(error.code)
    }
  }

  private mutating func answer(
    _ submission: Submission, _ revision: Revision, _ time: LogTime, seen: Answer
  ) throws(Refused) -> Answer {
    switch submission.command {
    case .createPool(let pool): return .pool(try create(pool, revision, time))
    case .updatePool(let name, let patch, let ifMatch):
      return .pool(try update(name, patch, ifMatch: ifMatch, revision, time))
    case .expandPool(let name, let patch): return .pool(try expand(name, patch, revision, time))
    case .rollbackPool(let name): return .pool(try rollback(name, revision, time))
    case .deletePool(let name, let ifMatch): return .poolDeleted(try delete(name, ifMatch: ifMatch))
    case .reserve(let name, let range, let reason):
      return .reservation(try reserve(name, range, reason, revision, time))
    case .unreserve(let name, let first): return .reservationDeleted(try unreserve(name, first))
    case .allocate(let request):
      let (grants, isNew, unchanged) = try allocate(request, revision, time, given: seen.granted)
      return .granted(grants, isNew: isNew, unchanged: unchanged)
    case .release(let target): return .released(try release(target, revision, time))
    case .updateAllocation(let target, let patch): return .allocation(try update(target, patch, revision))
    case .renew(let target, let seconds): return .allocation(try renew(target, seconds, revision, time))
    case .expire(let due):
      let (leases, quarantines) = expire(due, revision, time)
      return .expired(leases: leases, quarantines: quarantines)
    case .importRows(let rows, let skip, let label):
      let report = try take(over: rows, skip: skip, label: label, revision, time)
      return .imported(report.imported, already: report.already, conflicts: report.conflictCount)
    case .createToken(let request):
      let (token, spent) = try create(request, revision, time, actor: submission.actor)
      return .token(token, spent: spent)
    case .revokeToken(let id): return .tokenRevoked(try revoke(id))
    case .enrol(let request):
      let (token, isNew) = try enrol(request, revision, time)
      return .enrolled(token, isNew: isNew)
    case .fleet: throw Refused(code: .invalidField)
    case .suggest(let name):
      let pool = try pool(name)
      let given: IPAddress? = if case .suggestion(let ip) = seen { ip } else { nil }
      guard let ip = pick(pool, given) else { throw Refused(code: .poolExhausted) }
      return .suggestion(ip)
    case .freeBlocks(let name, let length, let limit):
      let pool = try pool(name)
      guard length >= pool.cidr.length, length <= pool.family.bitCount, pool.family.bitCount - length < 128 else {
        throw Refused(code: .invalidField)
      }
      let blocks = freeBlocks(pool, in: pool.cidr, atLeast: length)
      return .freeBlocks(Array(blocks.sorted { ($0.length, $0) < ($1.length, $1) }.prefix(limit)))
    }
  }
}
