package import Domain
internal import Platform

/// Holds back commands whose entries some node of the cluster could not read: such a node would have to stop.
// Unchecked because `lock` guards what changes.
package final class LevelGate: @unchecked Sendable {
  private let lock = Lock()
  private var most: EntryLevel
  private var why: String

  /// Lets entries up to `most` pass, and says of others `why` they wait.
  package init(_ most: EntryLevel = .known, why: String = "") { (self.most, self.why) = (most, why) }

  /// Lets entries up to `most` pass from now on; true when that is a change.
  @discardableResult package func set(_ most: EntryLevel, why: String) -> Bool {
    lock.withLock {
      defer { (self.most, self.why) = (most, why) }
      return self.most != most
    }
  }

  /// What passes now.
  package var level: EntryLevel { lock.withLock { most } }

  /// Why an entry of this level has to wait; nil when it passes.
  func refusal(of level: EntryLevel) -> String? {
    lock.withLock { level <= most ? nil : "this needs level \(level.number) of the log, and \(why)" }
  }
}
