import Addressing
import Domain

@testable import Ledger

func ip(_ text: String) -> IPAddress {
  guard let ip = IPAddress(text) else { preconditionFailure("\(text) is no address") }
  return ip
}

func cidr(_ text: String) -> Prefix {
  guard let prefix = try? Prefix(parsing: text) else { preconditionFailure("\(text) is no prefix") }
  return prefix
}

func range(_ text: String) -> AddressRange {
  guard let range = try? AddressRange(parsing: text) else { preconditionFailure("\(text) is no range") }
  return range
}

/// A ledger at which every command is a batch of its own, durable at once.
final class Desk {
  let tables = Tables(seed: 1)
  let ledger: Ledger
  var time: LogTime = 1_000_000
  private(set) var entries: [Entry] = []

  init() { ledger = Ledger(tables) }

  @discardableResult
  func ask(_ command: Command, key: IdempotencyKey? = nil, dryRun: Bool = false) -> Outcome {
    let context = Ledger.Context(revision: tables.revision + 1, time: time, seed: 42)
    let decision = ledger.decide(
      Submission(command, actor: "t", requestID: "r", asked: "", idempotency: key, dryRun: dryRun), context)
    if let entry = decision.entry {
      var batch = [entry]
      ledger.seal(&batch)
      tables.apply(batch[0].effects, revision: entry.revision, time: time)
      ledger.published(batch)
      entries += batch
    }
    return decision.outcome
  }

  /// Makes a pool; its gateway is the default one unless told.
  @discardableResult
  func pool(
    _ name: String, _ network: String, gateway: IPAddress?? = nil, ranges: [AddressRange] = [],
    strategy: Strategy = .next, _ change: (inout Pool) -> Void = { _ in }
  ) -> PoolName {
    let cidr = cidr(network)
    let extent = Extent(cidr: cidr, gateway: gateway ?? Extent.defaultGateway(of: cidr), ranges: ranges)
    var pool = Pool(name: PoolName(trusted: name), extent: extent, strategy: strategy)
    change(&pool)
    ask(.createPool(pool))
    return pool.name
  }

  func allocate(_ pool: PoolName, _ owner: String, _ change: (inout AllocateRequest) -> Void = { _ in }) -> Outcome {
    var request = AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: owner)))
    change(&request)
    return ask(.allocate(request))
  }

  /// The addresses that `owner` gets; empty if refused.
  func give(_ pool: PoolName, _ owner: String, _ change: (inout AllocateRequest) -> Void = { _ in }) -> [String] {
    allocate(pool, owner, change).given
  }

  @discardableResult
  func release(_ pool: PoolName, _ address: String, generation: Revision? = nil) -> Outcome {
    ask(.release(.address(AllocationTarget(pool: pool, ip: ip(address), generation: generation))))
  }

  /// Lets log time pass, and ends what is due.
  func pass(seconds: Int) {
    time += LogTime(seconds) * 1_000_000
    while let next = ledger.nextDue, next <= time { ask(.expire(ledger.popDue(at: time, limit: 1_024))) }
  }

  func state(_ name: PoolName) -> PoolState {
    guard let state = tables.pools[name] else { preconditionFailure("no pool \(name)") }
    return state
  }
}

extension Outcome {
  var given: [String] {
    if case .granted(let grants, _, _) = self {
      grants.map { $0.allocation.isChildPrefix ? "\($0.allocation.block)" : "\($0.allocation.ip)" }
    } else {
      []
    }
  }

  var grants: [Grant] { if case .granted(let grants, _, _) = self { grants } else { [] } }
  var isNew: Bool { if case .granted(_, let isNew, _) = self { isNew } else { false } }
  var unchanged: [String] { if case .granted(_, _, let fields) = self { fields } else { [] } }
  var refusal: Rejection? { if case .rejected(let rejection) = self { rejection } else { nil } }
  var code: Rejection.Code? { refusal?.code }
}
