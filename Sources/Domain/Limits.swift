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
  /// Addresses in one request.
  package static let count = 1_024
  /// Allocations one owner of one tenant may hold.
  package static let perOwner = 4_096
  /// Bytes of one row; the largest legal one, a pool with all its lists full, is under 20,000.
  package static let rowBytes = 65_535
  /// Bytes of effects one command may have.
  package static let effectBytes = 512 * 1024
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
  /// Bytes of a request id or an actor's name.
  package static let actorBytes = 128
  /// Bytes of what was asked that an entry keeps.
  package static let askedBytes = 4_096
  /// Rows in one import command; larger imports are a series.
  package static let importRows = 2_048
  /// Conflicts listed in one answer.
  package static let conflictsListed = 1_000
}
