// Until the engine has ears for nodes: deleted with the merge that brings them.
internal import Domain
internal import Engine
internal import Ledger
internal import Platform

struct NodeUsage: Hashable, Sendable {
  struct OfVM: Hashable, Sendable {
    let id: VMID
    let used: Resources
    init(_ id: VMID, _ used: Resources) { (self.id, self.used) = (id, used) }
  }
  var used: Resources
  var vms: [OfVM]
  init(used: Resources = .none, vms: [OfVM] = []) { (self.used, self.vms) = (used, vms) }
}

enum HeartbeatAnswer: Hashable, Sendable {
  case taken(leaseMilliseconds: Int)
  case unknownNode
  case staleEpoch(UInt64)
  case notLeading
}

struct FleetTiming: Hashable, Sendable {
  var heartbeat = Duration.seconds(2)
}

extension Engine {
  var timing: FleetTiming { FleetTiming() }
  func heartbeat(_ node: NodeName, epoch: UInt64, usage: NodeUsage?) -> HeartbeatAnswer {
    guard leadership.decides else { return .notLeading }
    guard let known = read({ $0.node(node) }) else { return .unknownNode }
    guard known.epoch == epoch, known.state != .lost, known.state != .fenced else { return .staleEpoch(known.epoch) }
    return .taken(leaseMilliseconds: 15_000)
  }
  func health(of node: NodeName) -> (silent: Duration, usage: NodeUsage?)? { (.seconds(0), nil) }
  func setLatencies(_ items: [(from: String, to: String, microseconds: UInt32)]) {}
}
