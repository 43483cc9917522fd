import APITypes
import AgentHost
import Client
import Domain
import HTTPServer
import Platform
import TestSupport
import Testing
import VMMSimulated
import Wire

/// The loop around nodes, over a real connection and with the clock of the machine.
@Suite struct CrewTests {
  /// A Berth that wants one VM on the node, and from some time on leaves every report without an answer.
  private final class Berth: Sendable {
    let server: Server
    /// Reports that wait for an answer; nil while they are answered.
    let held = Shared<[Reply]?>(nil)

    init(lease: Duration) throws {
      let held = held
      let milliseconds = Int(lease.components.seconds) * 1_000
      let report: @Sendable (Request, Reply) -> Void = { request, reply in
        let isHeld = held.withLock { held -> Bool in
          held?.append(reply)
          return held != nil
        }
        if isHeld { return }
        let spec = VMSpec(Resources(cpu: 1_000, memory: 512))
        let vm = VM(key: VMKey(name: VMName(trusted: "a")), id: VMID(raw: 1), spec: spec, isLeased: true)
        let desired = [DesiredVM(vm, action: .run, isIncoming: false, interfaces: [])]
        var out = JSONWriter()
        out.answer(
          ReportAnswer(
            epoch: 1, leaseMilliseconds: milliseconds, heartbeatMilliseconds: 50, revision: 5, desired: desired))
        reply.send(Response(status: 200, contentType: "application/json", headers: [], body: out.finish()))
      }
      let register: @Sendable (Request, Reply) -> Void = { _, reply in
        var out = JSONWriter()
        var node = Node(name: NodeName(trusted: "n-1"), physical: Resources(cpu: 8_000, memory: 8_192))
        node.epoch = 1
        out.node(NodeView(node))
        reply.send(Response(status: 200, contentType: "application/json", headers: [], body: out.finish()))
      }
      var options = ServerOptions()
      options.requestTimeout = .seconds(600)
      server = try Server(
        options,
        Router([
          Route(.put, "/api/v1/nodes/{node}", bodyLimit: 1 << 16, register),
          Route(.post, "/api/v1/nodes/{node}/report", bodyLimit: 1 << 16, report)
        ]))
      server.start()
    }

    /// Answers what was left without an answer, so that nobody waits any more.
    func letGo() {
      for reply in held.withLock({ $0 ?? [] }) { reply.send(Response(status: 503, contentType: nil, headers: [])) }
    }
  }

  /// Or two hosts would carry its address: Berth starts it elsewhere when the lease has ended.
  @Test func whatMustBeCutIsCutInTimeThoughACallHangs() throws {
    let berth = try Berth(lease: .seconds(2))
    defer { berth.server.drain() }
    let node = HostedNode(NodeName(trusted: "n-1"), NodeBody(Resources(cpu: 8_000, memory: 8_192)))
    var options = AgentHostOptions(nodes: [node])
    options.patience = .seconds(600)
    var policy = RetryPolicy()
    policy.total = options.patience
    let client = Client([try ServerAddress("http://127.0.0.1:\(berth.server.port)")], policy: policy)
    let host = AgentHost(options, client) { _ in SimulatedVMs(seed: 1, clock: agentClock) }
    #expect(eventually { host.counts.machines == 1 })
    berth.held.withLock { $0 = [] }
    #expect(eventually { berth.held.withLock { $0?.isEmpty == false } }, "a report hangs")
    #expect(eventually { host.counts.machines == 0 }, "for ten minutes, if nothing ends it")
    berth.letGo()
    host.stop()
  }
}
