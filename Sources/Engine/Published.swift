internal import Domain
internal import Ledger
internal import Platform

/// The durable tables and the lock under which they are read.
// Unchecked because the compiler cannot see the rule: the engine's thread alone changes `tables`, inside
// `lock.write`; it may read them without the lock; every other thread reads inside `lock.read`.
final class Published: @unchecked Sendable {
  let tables: Tables
  let lock = ReaderWriterLock()
  /// The tokens among the rows.
  let tokens: TokenRegister
  /// The batch that holds the tables' revision.
  private(set) var sequence: UInt64

  /// At most this many effects are applied in one hold of the lock, whole entries at a time.
  private static let slice = 256

  init(_ tables: Tables, sequence: UInt64) {
    self.tables = tables
    tokens = TokenRegister(tables)
    self.sequence = sequence
  }

  func publish(_ entries: [Entry], time: LogTime, sequence: UInt64) {
    var next = 0
    repeat {
      lock.write {
        self.sequence = sequence
        var effects = 0
        while next < entries.count, effects == 0 || effects + entries[next].effects.count <= Published.slice {
          tables.apply(entries[next].effects, revision: entries[next].revision, time: time)
          effects += entries[next].effects.count
          next += 1
        }
      }
    } while next < entries.count
    tokens.follow(entries, time: time)
  }
}
