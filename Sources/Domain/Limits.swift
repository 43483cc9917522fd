/// The numbers that bound every request and every object.
package enum Limits {
  /// Pools in one Berth.
  package static let pools = 16_384
  /// Ranges in a pool.
  package static let ranges = 64
  /// Name servers in a pool.
  package static let dns = 8
  /// Past extents kept for rollback.
  package static let extents = 4
  /// Reservations in a pool.
  package static let reservations = 4_096
  /// Bytes of a reservation's reason.
  package static let reasonBytes = 256
  /// Pools, and pairs of them, looked at for two that go together on one interface.
  package static let poolPairs = 16_384
  /// Addresses in one request.
  package static let count = 1_024
  /// Allocations one owner of one tenant may hold.
  package static let perOwner = 4_096
  /// Bytes of one row; the largest legal one, a pool with all its lists full, is under 20,000.
  package static let rowBytes = 65_535
  /// How much a row of the fleet may grow by itself: a VM's seat, its nodes and why it is there.
  package static let rowGrowth = 8_192
  /// Bytes of effects one command may have.
  package static let effectBytes = 512 * 1024
  /// Bytes of one entry: what a batch has left that is just not yet full, less what its cursors may take.
  package static let entryBytes = 600 * 1024
  /// Single addresses of a pool whose release is remembered for strategy `oldest`: all of an IPv4 /16. Beyond it the
  /// longest released is forgotten.
  package static let memories = 65_536
  /// Rows one entry of actor `system` may end.
  package static let expiriesPerEntry = 1_024
  /// Idempotency keys kept.
  package static let idempotencyKeys = 1_000_000
  /// How long an idempotency key is kept, in microseconds of log time.
  package static let idempotencyMicroseconds: LogTime = 24 * 3600 * 1_000_000
  /// The longest lease and quarantine: ten years.
  package static let maxSeconds: UInt32 = 315_360_000
  /// Tokens kept.
  package static let tokens = 10_000
  /// Bytes of what a token is for.
  package static let noteBytes = 128
  /// How long a token lives unless told: 90 days.
  package static let tokenSeconds: UInt32 = 90 * 24 * 3_600
  /// How long a token of enrolment may live: seven days.
  package static let enrolmentSeconds: UInt32 = 7 * 24 * 3_600
  /// How long it lives unless told: an hour.
  package static let enrolmentStandard: UInt32 = 3_600
  /// Ended tokens of enrolment that make room for a new one.
  package static let enrolmentsForgotten = 64
  /// Bytes of a request id or an actor's name.
  package static let actorBytes = 128
  /// Bytes of what was asked that an entry keeps.
  package static let askedBytes = 4_096
  /// Rows in one import command; larger imports are a series.
  package static let importRows = 2_048
  /// Conflicts listed in one answer.
  package static let conflictsListed = 1_000

  // MARK: The fleet

  /// Nodes in one Berth.
  package static let nodes = 65_536
  /// VMs in one Berth.
  package static let vms = 4_000_000
  /// The most of one resource that a node has or a VM takes: stretched four times it still fits 32 bits.
  package static let resource: Int32 = 1 << 28
  /// Processors of a node.
  package static let cpus = 1_024
  /// NUMA nodes of a node.
  package static let numaNodes = 16
  /// Devices of a node.
  package static let devices = 64
  /// Resources an operator makes up, of one node or VM.
  package static let customResources = 32
  /// The highest rate, in millionths for an hour of one unit.
  package static let rate: Money = 1 << 33
  /// What an hour of a whole node may cost: so that a month of all nodes that there may be is still a number.
  package static let hourly: Money = 1 << 37
  /// The highest priority of a VM.
  package static let priority: UInt16 = 1_000
  /// Interfaces of a VM.
  package static let interfaces = 16
  /// Groups of a VM.
  package static let groups = 8
  /// Rules of affinity of a VM.
  package static let affinity = 16
  /// Datacenters that a VM excludes.
  package static let excluded = 32
  /// Bytes of why a VM is where it is.
  package static let whyBytes = 1_024
  /// Bytes of an image's or a kernel's name.
  package static let imageBytes = 1_024
  /// How long a VM that gave way is left in peace, in microseconds of log time.
  package static let preemptionRest: LogTime = 300 * 1_000_000
  /// Moves that a plan lists.
  package static let planMoves = 1_000
  /// VMs for which a plan looks for room.
  package static let planTries = 4_096
  /// VMs that one entry of actor `system` places or moves.
  package static let placementsPerEntry = 64
  /// VMs for which one entry of actor `system` looks for room.
  package static let triesPerEntry = 256
  /// How much looking for room one command does, and the commands of one batch do together, in nodes and VMs looked at:
  /// less than a tenth of a second, and a leader that is busy for half a second is none any more.
  package static let work: UInt64 = 2_000_000
  /// How much of it the row of a VM is, when it is read.
  package static let rowWork: UInt64 = 64
  /// How long a VM rests that is to leave its node and finds no room, in microseconds of log time.
  package static let drainRest: LogTime = 5_000_000
  /// VMs that wait are not looked at again more often than this because distances have changed, in microseconds of log time.
  package static let distanceRest: LogTime = 30_000_000
  /// Thresholds of a tenant's budget.
  package static let alerts = 8
  /// The highest of them, in percent.
  package static let alertPercent: UInt16 = 1_000
  /// The longest notice of a node that is taken back: a week.
  package static let noticeSeconds: UInt32 = 7 * 24 * 3_600
  /// VMs of one report of an agent.
  package static let reports = 128
}
