internal import Domain
internal import Ledger
internal import Log
internal import Platform

/// The durable tables and the lock under which they are read.
// Unchecked because the compiler cannot see the rule: the engine's thread alone changes what is here, inside
// `lock.write`; it may read it without the lock; every other thread reads inside `lock.read`.
final class Published: @unchecked Sendable {
  private(set) var tables: Tables
  let lock = ReaderWriterLock()
  /// The tokens among the rows.
  let tokens: TokenRegister
  /// The batch that the tables have reached, perhaps not all of it.
  private(set) var head: LogHead
  /// The last batch that the tables have all of.
  private(set) var complete: LogHead

  /// At most this many effects are applied in one hold of the lock, whole entries at a time.
  private static let slice = 256

  init(_ tables: Tables, head: LogHead) {
    self.tables = tables
    tokens = TokenRegister(tables)
    (self.head, complete) = (head, head)
  }

  func publish(_ entries: [Entry], time: LogTime, head: LogHead) {
    var next = 0
    repeat {
      lock.write {
        self.head = head
        var effects = 0
        while next < entries.count, effects == 0 || effects + entries[next].effects.count <= Published.slice {
          tables.apply(entries[next].effects, revision: entries[next].revision, time: time)
          effects += entries[next].effects.count
          next += 1
        }
        if next == entries.count { complete = head }
      }
    } while next < entries.count
    tokens.follow(entries, time: time)
  }

  /// Shows another state from now on: a node that took its state from a snapshot of the cluster.
  func replace(_ tables: Tables, head: LogHead) {
    lock.write { (self.tables, self.head, complete) = (tables, head, head) }
    tokens.replace(tables)
  }
}
