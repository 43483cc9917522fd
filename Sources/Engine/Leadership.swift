package import Log

/// What this node may do with the log.
package enum Leadership: Hashable, Sendable {
  /// The log is this node's own: it decides.
  case alone
  /// It follows; the leader as far as it is known, nil while there is none or the node is still joining.
  case following(Leader?)
  /// It has the epoch and is making sure that nobody else can write: soon it leads.
  case takingOver(epoch: UInt64)
  /// It decides, in this epoch.
  case leading(epoch: UInt64)
  /// The log has lost history that this node has: it neither decides nor serves.
  case lost(String)

  /// Whether commands are decided here.
  package var decides: Bool {
    switch self {
    case .alone, .leading: true
    case .following, .takingOver, .lost: false
    }
  }

  /// The epoch under which batches are written; an embedded log has none.
  var epoch: UInt64 {
    switch self {
    case .takingOver(let epoch), .leading(let epoch): epoch
    case .alone, .following, .lost: 0
    }
  }
}
