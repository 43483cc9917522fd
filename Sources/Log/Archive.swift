/// Where a node of a cluster keeps what the shared log has acknowledged: its own log, snapshots beside it.
package protocol Archive: AnyObject, Sendable {
  /// The log of what was archived; nil before the first `begin`.
  var log: (any BatchLog)? { get }
  /// The node's own snapshots; only once there is a log.
  var snapshots: (any SnapshotStore)? { get }
  /// Starts over after `head`, with nothing before it; what was there is moved aside. Called before anything reads.
  func begin(after head: LogHead) throws(LogFault)
  /// A snapshot of this node's own is there: from now on a start needs nothing of the cluster to know its state.
  func settle() throws(LogFault)
  /// Makes all that was appended survive the loss of power.
  func flush() throws(LogFault)
}
