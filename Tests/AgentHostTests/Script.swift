import APITypes
import Agent
import AgentHost
import Domain
import VMM
import VMMSimulated

/// A node with a clock that a test moves and a Berth that a test plays.
final class Stage {
  var now = Duration.zero
  /// What the node has said.
  var heard: [(at: Duration, message: NodeMessage)] = []
  /// What it hears; it may move the clock, as a call takes time.
  var answer: (NodeMessage) -> NodeReply = { _ in .failed("nobody is there") }
  private(set) var backend: SimulatedVMs!
  private(set) var loop: NodeLoop!

  init(
    polls: Bool = false, start: Duration = .milliseconds(200), distances: Distances = .unknown,
    datacenter: String? = nil
  ) {
    backend = SimulatedVMs(seed: 1, times: SimulatedTimes(startDelay: start)) { [unowned self] in now }
    var body = NodeBody(Resources(cpu: 8_000, memory: 8_192, disk: 1 << 20, bandwidth: 1_000))
    if let datacenter { body.topology = Topology(datacenter: datacenter) }
    loop = NodeLoop(
      HostedNode(NodeName(trusted: "n-1"), body), backend, heartbeat: .seconds(2), polls: polls, distances: distances,
      clock: { [unowned self] in now },
      ask: { [unowned self] _, message, _ in
        heard.append((now, message))
        return answer(message)
      })
  }

  /// Lets the node work whenever it is due, until the time has passed.
  func play(_ time: Duration) {
    let end = now + time
    while loop.due <= end {
      now = max(now, loop.due)
      loop.work(patience: .seconds(2))
      // A loop that wants to work again at once and changes nothing would hang here.
      precondition(heard.count < 10_000, "it never rests")
    }
    now = max(now, end)
  }

  var registrations: Int { heard.count { if case .register = $0.message { true } else { false } } }

  var measured: [Measured] {
    heard.compactMap { if case .report(_, let measured, _) = $0.message { measured } else { nil } }
  }

  var reports: [AgentReport] {
    heard.compactMap { if case .report(let report, _, _) = $0.message { report } else { nil } }
  }
}

/// A VM as it is wanted.
func wanted(_ id: UInt64, epoch: UInt64 = 1, isWanted: Bool = true, failover: FailoverPolicy = .never) -> WantedVM {
  var order = VMOrder(
    id: VMID(raw: id), epoch: epoch, key: VMKey(name: VMName(trusted: "vm-\(id)")),
    resources: Resources(cpu: 1_000, memory: 512))
  order.failover = failover
  return WantedVM(order, isWanted: isWanted, graceSeconds: 30)
}

/// A Berth that registers everybody as epoch 1 and always wants the same.
func content(_ list: [WantedVM]) -> (NodeMessage) -> NodeReply {
  { message in
    switch message {
    case .register: .registered(epoch: 1, effective: Resources(cpu: 8_000, memory: 8_192))
    case .report(let report, _, _):
      .answered(
        Acknowledgement(
          epoch: 1, lease: .seconds(15), heartbeat: .seconds(2), revision: 5,
          desired: report.seenRevision == 5 ? nil : list))
    }
  }
}
