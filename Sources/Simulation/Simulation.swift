// Simulation: a cluster in one thread from one seed.
//
// `SimulatedEtcd` is etcd's store as a value; a test runs the same requests against it and a real etcd. `World` puts
// the real `EtcdMachine` of several nodes over it, with a virtual clock and a network that delays, drops, repeats and
// reorders, with members that lag and lie as real ones have been seen to, and with nodes that pause, crash and forget.
// After each event the invariants are checked; what a run did is folded into one number, so that two runs of a seed can
// be compared.
//
// The engine behind a machine is whatever implements `SimulatedEngine`: a toy that appends numbers, or the real core.
//
// With a fleet there are hosts too (`Hosts`): the real loop of an agent on each, with clocks of its own, over the same
// network, heard by the real leases of whoever leads. What a host's packet filter and its hypervisor must keep is played
// as the contract of backends says. Of no VM and no address may two machines ever speak.
//
// Refused: threads, real time, dictionary order, anything that would make a seed mean two runs.
package import Engine
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
  /// Who has an address of the first pool, seen by a read.
  case looked(UInt64, revision: UInt64, ip: String, owner: UInt64?)
  /// An operation was asked again under its key, and did or did not get its first answer.
  case repeated(UInt64, isReplay: Bool)
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
  /// The address that goes to or from an owner by this line.
  package let change: Change?
  /// Why this line must never be written, if so.
  package let forbidden: String?

  /// An address that goes to an owner, or from it.
  package struct Change: Hashable {
    /// The address.
    package let ip: String
    /// The operation that made the owner.
    package let owner: UInt64
    /// Whether the owner has it from now on.
    package let isGiven: Bool

    /// Makes a change.
    package init(ip: String, owner: UInt64, isGiven: Bool) {
      (self.ip, self.owner, self.isGiven) = (ip, owner, isGiven)
    }
  }

  /// Makes a line.
  package init(
    operation: UInt64? = nil, revision: UInt64, key: String? = nil, value: String? = nil, isExclusive: Bool = false,
    change: Change? = nil, forbidden: String? = nil
  ) {
    (self.operation, self.revision) = (operation, revision)
    (self.key, self.value, self.isExclusive) = (key, value, isExclusive)
    (self.change, self.forbidden) = (change, forbidden)
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
  /// Whether its batches carry the time of a clock.
  var keepsTime: Bool { get }
  /// Whether its archive takes nothing more.
  var isArchiveFull: Bool { get set }
  /// Whether the wall clock is near the world's time.
  var isClockRight: Bool { get set }
  /// How many batches its archive is behind.
  var archiveLag: Int { get }
  /// Something that equals in two engines with equal state.
  var digest: UInt64 { get }
  /// Its process begins, by the machine's clocks.
  func start(_ clock: ClockReading)
  /// Takes an event of its log.
  func take(_ event: LogEvent)
  /// Goes on: what it wants of its log now.
  func step(_ clock: ClockReading) -> [EngineWish]
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
