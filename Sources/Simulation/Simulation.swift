// Simulation: a cluster in one thread from one seed.
//
// `SimulatedEtcd` is etcd's store as a value; a test runs the same requests against it and a real etcd. `World` puts
// the real `EtcdMachine` of several nodes over it, with a virtual clock and a network that delays, drops, repeats and
// reorders, with members that lag and lie as real ones have been seen to, and with nodes that pause, crash and forget.
// After each event the invariants are checked; what a run did is folded into one number, so that two runs of a seed can
// be compared.
//
// The engine behind a machine is whatever implements `SimulatedEngine`: here a toy that appends numbers. It keeps the
// same contract as the real one, so the real one can take its place.
//
// Refused: threads, real time, dictionary order, anything that would make a seed mean two runs.
package import Log

/// What a node's engine asks of its log.
package enum EngineWish {
  /// Append a batch.
  case append(Batch)
  /// Ask whether the node is up to date.
  case barrier(UInt64)
  /// Publish a snapshot.
  case publish(SnapshotImage)
}

/// What a node's engine tells its clients.
package enum EngineReport: Hashable {
  /// The operation is in the log, in this batch.
  case acknowledged(UInt64, sequence: UInt64)
  /// The operation is not in the log and never will be.
  case refused(UInt64)
  /// Nobody knows.
  case unknown(UInt64)
  /// The answer to a read: all of the log up to this batch.
  case read(UInt64, sequence: UInt64)
  /// A read cannot be answered.
  case unread(UInt64)
  /// An answer that rests on the state at this revision; with a key, it said that this is the key's value there.
  case claimed(UInt64, revision: UInt64, key: String?, value: String?)
  /// The engine itself found something that must not be.
  case violated(String)
}

/// What a batch says: an operation that it holds, or that something has a value from now on (nil = none).
package struct StoryLine: Hashable {
  /// The operation, if this line is about one.
  package let operation: UInt64?
  /// The entry that says so.
  package let revision: UInt64
  /// What has a value.
  package let key: String?
  /// The value.
  package let value: String?
  /// Whether a value may only follow none, or itself.
  package let isExclusive: Bool

  /// Makes a line.
  package init(
    operation: UInt64? = nil, revision: UInt64, key: String? = nil, value: String? = nil, isExclusive: Bool = false
  ) {
    (self.operation, self.revision) = (operation, revision)
    (self.key, self.value, self.isExclusive) = (key, value, isExclusive)
  }
}

/// A node's engine as the world drives it; what it archives survives a crash.
package protocol SimulatedEngine: AnyObject {
  /// The end of what is archived, nil for nothing.
  var archived: LogHead? { get }
  /// The end of what is applied.
  var head: LogHead { get }
  /// Whether it leads.
  var leads: Bool { get }
  /// Something that equals in two engines with equal state.
  var digest: UInt64 { get }
  /// Takes an event of its log.
  func take(_ event: LogEvent)
  /// Goes on: what it wants of its log now.
  func step(now: Int64) -> [EngineWish]
  /// A client writes an operation; false if this node does not lead.
  func write(_ operation: UInt64) -> Bool
  /// A client reads.
  func read(_ ticket: UInt64)
  /// What was said since this was last asked.
  func reports() -> [EngineReport]
  /// Forgets everything but the archive, which may lose its last `unsynced` batches.
  func crash(unsynced: Int)
  /// Loses the archive too.
  func wipe()
  /// What a batch says.
  func story(of batch: Batch) -> [StoryLine]
}
