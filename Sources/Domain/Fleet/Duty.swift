/// What a VM's row asks of a node; every desired list says this and nothing else.
package enum Duty: Hashable, Sendable {
  /// Run it.
  case run
  /// Get ready to take it over from the node that it leaves.
  case receive
  /// Go on running it, if it is there, until another node has taken it over, or has let go of it.
  case keep
  /// Do not start it yet: another node has to let go of it first.
  case wait
  /// Have what it needs at hand, and do not start it: it runs elsewhere, and comes here if that node is lost.
  case prepare
  /// Bring it down and clear it away; it has so many seconds to go down by itself.
  case stop(graceSeconds: UInt32)
}

extension VM {
  /// What the row asks of `node`; nil = nothing: what the node still has of it is cleared away.
  package func duty(of node: NodeName) -> Duty? {
    let isUnwanted = isEnding || !isWanted
    if self.node == node {
      return switch state {
      case .migrating: .receive
      case .stopping: .stop(graceSeconds: spec.graceSeconds)
      // It did not get where it went, or did and nobody has said so: what is there runs on, and nothing is started.
      case .running: leaving == nil ? .run : .keep
      case .lost: isUnwanted ? .stop(graceSeconds: spec.graceSeconds) : leaving == nil ? .run : .wait
      default: leaving == nil ? .run : .wait
      }
    }
    if standby == node { return isUnwanted ? nil : .prepare }
    guard leaving == node else { return nil }
    if !isUnwanted, state == .migrating { return .keep }
    return .stop(graceSeconds: isHurried ? 0 : spec.graceSeconds)
  }
}
