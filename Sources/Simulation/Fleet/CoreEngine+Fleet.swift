// What a node of Berth does for the fleet beside deciding: it hears agents, as the engine and the API do in life. The real
// `NodeWatch` learns of events when the engine's thread has its turn, while agents are answered at any time: a node whose
// engine is stuck goes on granting what it may.
internal import API
internal import APITypes
internal import Domain
internal import Engine
internal import Ledger
internal import Log
internal import Platform

extension CoreEngine {
  /// What the node's clock shows of the world's time since it began: a little fast or slow.
  func time(_ clock: ClockReading) -> MonotonicTime { MonotonicTime(nanoseconds: clock.boot * permille) }

  /// An agent reported.
  func hear(_ node: NodeName, epoch: UInt64, at clock: ClockReading) -> HeartbeatAnswer {
    guard decides, let watch else { return .notLeading }
    return watch.hear(node, core.tables.node(node), epoch: epoch, nil, isAlone: false, at: time(clock))
  }

  /// The node that leads, as far as this one knows.
  var leader: String? { if case .following(let leader) = core.leadership { leader?.node } else { nil } }

  /// What a node of the fleet is to do, as the API answers it.
  func desired(_ node: NodeName) -> [DesiredVM] {
    core.tables.vms(on: node).compactMap { core.tables.desired($0, on: node) }
  }
}
