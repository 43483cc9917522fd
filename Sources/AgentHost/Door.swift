package import APITypes
package import Agent
internal import Client
internal import Domain
internal import VMM
internal import Wire

/// The way to Berth: what a node says becomes a call, and the answer what the node understands.
struct Door: Sendable {
  private let client: Client

  init(_ client: Client) { self.client = client }

  func ask(_ node: NodeName, _ message: NodeMessage, within limit: Duration) -> NodeReply {
    do {
      switch message {
      case .register(let body):
        let call = Call(.put, ["api", "v1", "nodes", node.text], bytes: body.encoded).unremembered
        var reader = JSONReader(try client.send(call, within: limit).bytes)
        let view = try reader.nodeView()
        return .registered(epoch: view.node.epoch, effective: view.node.effective)
      case .report(let report, let measured, let wait):
        var body = ReportBody(
          epoch: report.epoch, seenRevision: report.seenRevision, vms: report.vms, usage: measured.usage,
          latencies: measured.latencies)
        body.reclaimSeconds = measured.reclaim.map { max(1, UInt32(clamping: $0.components.seconds)) }
        var call = Call(.post, ["api", "v1", "nodes", node.text, "report"], bytes: body.encoded).unremembered
        if wait > .zero { call = call.asking("wait_ms", "\(wait.milliseconds)") }
        return .answered(Acknowledgement(try ReportAnswer(decoding: client.send(call, within: limit).bytes)))
      }
    } catch ClientFault.refused(let refusal) {
      let isForgotten = refusal.status == 404 || refusal.code == "stale_epoch"
      if isForgotten, case .report = message { return .unknown }
      return .failed(refusal.detail)
    } catch let fault as ClientFault {
      return .failed(fault.sentence)
    } catch {
      return .failed("the answer is not understood: \(error)")
    }
  }
}

extension Acknowledgement {
  /// What an answer of Berth's says to the agent.
  package init(_ answer: ReportAnswer) {
    self.init(
      epoch: answer.epoch, lease: .milliseconds(answer.leaseMilliseconds),
      heartbeat: .milliseconds(answer.heartbeatMilliseconds), revision: answer.revision,
      desired: answer.desired?.map(WantedVM.init))
  }
}

extension WantedVM {
  fileprivate init(_ vm: DesiredVM) {
    var order = VMOrder(id: vm.id, epoch: vm.epoch, key: vm.key, resources: vm.resources)
    (order.image, order.kernel, order.seat, order.failover) = (vm.image, vm.kernel, vm.seat, vm.failover)
    order.isIncoming = vm.isIncoming
    order.interfaces = vm.interfaces
    self.init(
      order, isWanted: vm.action != .stop, graceSeconds: vm.graceSeconds, isKept: vm.action == .keep,
      isStandby: vm.action == .prepare)
  }
}

extension Duration {
  fileprivate var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}

extension ClientFault {
  fileprivate var sentence: String {
    switch self {
    case .refused(let refusal): refusal.detail
    case .noServer(let text), .outcomeUnknown(let text), .notBerth(let text), .cutOff(let text), .invalid(let text):
      text
    }
  }
}
