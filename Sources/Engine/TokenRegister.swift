package import Domain
internal import Ledger
internal import Platform
internal import Synchronization

/// The published tokens by their public half, for the door: apart from the tables, so that letting somebody in costs
/// neither their lock nor the decoding of a row.
// Unchecked because the compiler cannot see that `lock` guards `tokens`.
package final class TokenRegister: @unchecked Sendable {
  private let lock = Lock()
  private var tokens: [TokenID: Token] = [:]
  private let kept = Atomic<Int>(0)
  /// What the monotonic clock must be added to for the log's time.
  private let offset: Atomic<Int64>

  init(_ tables: Tables) {
    offset = Atomic(max(tables.time, WallClock.microseconds) - WallClock.bootMicroseconds)
    for token in tables.tokens { tokens[token.id] = token }
    kept.store(tokens.count, ordering: .relaxed)
  }

  /// How many there are; no lock.
  package var count: Int { kept.load(ordering: .acquiring) }

  /// Whether there is none at all.
  package var isEmpty: Bool { count == 0 }

  /// The token with this public half, expired or not.
  package func token(_ id: TokenID) -> Token? { lock.withLock { tokens[id] } }

  /// All tokens in the order of their texts.
  package var all: [Token] {
    lock.withLock { Array(tokens.values) }.sorted { $0.id.description < $1.id.description }
  }

  /// The log's time now: that of the last batch and what has passed since, so that no step of the wall clock lets an
  /// expired token live or a good one die.
  package var time: LogTime { offset.load(ordering: .relaxed) + WallClock.bootMicroseconds }

  /// Begins anew with other tables.
  func replace(_ tables: Tables) {
    lock.withLock {
      tokens = Dictionary(tables.tokens.map { ($0.id, $0) }) { _, new in new }
      kept.store(tokens.count, ordering: .releasing)
    }
  }

  /// The entries that change tokens.
  private static let kinds: [EntryKind] = [.tokenCreated, .tokenRevoked, .agentEnrolled]

  /// Takes over what a batch changed; the engine's thread alone calls it, before the batch is answered.
  func follow(_ entries: [Entry], time: LogTime) {
    offset.store(time - WallClock.bootMicroseconds, ordering: .relaxed)
    for entry in entries where TokenRegister.kinds.contains(entry.kind) {
      lock.withLock {
        for effect in entry.effects {
          if case .token(let token) = effect.row { tokens[token.id] = effect.isPut ? token : nil }
        }
        kept.store(tokens.count, ordering: .releasing)
      }
    }
  }
}
