import APITypes
import Agent
import Client
import Domain
import HTTPServer
import Platform
import TestSupport
import Testing
import VMM
import Wire

@testable import AgentHost

/// A Berth that says always the same to whatever a node says, and keeps what that was.
private final class Berth: Sendable {
  let server: Server
  let asked = Shared<[(path: String, wait: String?, body: JSONValue)]>([])

  init(_ status: Int, _ answer: [UInt8]) throws {
    let asked = asked
    let hear: @Sendable (Request, Reply) -> Void = { request, reply in
      let body = (try? JSONValue(parsing: request.body)) ?? .null
      let (path, wait) = (request.path, request.query("wait_ms"))
      asked.withLock { $0.append((path, wait, body)) }
      let type: StaticString = status == 200 ? "application/json" : "application/problem+json"
      reply.send(Response(status: status, contentType: type, headers: [], body: answer))
    }
    server = try Server(
      ServerOptions(),
      Router([Route(.put, "/api/v1/nodes/{node}", hear), Route(.post, "/api/v1/nodes/{node}/report", hear)]))
    server.start()
  }

  deinit { server.drain() }

  var door: Door {
    get throws { Door(Client([try ServerAddress("http://127.0.0.1:\(server.port)")])) }
  }
}

/// What a node says, as Berth hears it, and what Berth says, as the node understands it.
@Suite struct DoorTests {
  private let node = NodeName(trusted: "n-1")

  private func report() -> AgentReport {
    var agent = Agent(capacity: .none, capabilities: VMCapabilities())
    agent.registered(epoch: 3)
    return agent.report([], now: .zero)
  }

  private func desired(_ id: UInt64, _ action: DesiredVM.Action, isIncoming: Bool = false) -> DesiredVM {
    let spec = VMSpec(Resources(cpu: 1_000, memory: 512))
    let vm = VM(key: VMKey(name: VMName(trusted: "vm-\(id)")), id: VMID(raw: id), spec: spec)
    return DesiredVM(vm, action: action, isIncoming: isIncoming, interfaces: [])
  }

  @Test func aReportLeavesWithAllThatWasMeasured() throws {
    var out = JSONWriter()
    out.answer(
      ReportAnswer(epoch: 3, leaseMilliseconds: 15_000, heartbeatMilliseconds: 700, revision: 9, desired: nil))
    let berth = try Berth(200, out.finish())
    var measured = Measured(UsageBody(Resources(cpu: 1_500, memory: 7)))
    measured.usage.add(VMID(raw: 5), Resources(cpu: 200, memory: 3))
    measured.latencies = [.init("ams", 3_000)]
    // Less than a second of notice is left, and Berth takes whole ones.
    measured.reclaim = .milliseconds(300)
    let message = NodeMessage.report(report(), measured, wait: .milliseconds(1_500))
    guard case .answered(let answer) = try berth.door.ask(node, message, within: .seconds(5)) else {
      Issue.record("no answer")
      return
    }
    #expect(answer.epoch == 3 && answer.lease == .seconds(15) && answer.heartbeat == .milliseconds(700))
    #expect(answer.revision == 9 && answer.desired == nil)
    let asked = try #require(berth.asked.withLock { $0.first })
    #expect(asked.path == "/api/v1/nodes/n-1/report" && asked.wait == "1500")
    #expect(asked.body["epoch"]?.integer() == 3 && asked.body["reclaim_seconds"]?.integer() == 1)
    #expect(asked.body["usage"]?["vcpus"]?.numberText == "1.5")
    #expect(asked.body["usage"]?["vms"]?[0]?["id"]?.integer() == 5)
    #expect(asked.body["latencies"]?[0]?["datacenter"]?.string == "ams")
    #expect(asked.body["latencies"]?[0]?["microseconds"]?.integer() == 3_000)
  }

  @Test func whatIsToBeDoneWithAVMComesInWhole() throws {
    var out = JSONWriter()
    let list = [desired(1, .run, isIncoming: true), desired(2, .keep), desired(3, .prepare), desired(4, .stop)]
    out.answer(ReportAnswer(epoch: 3, leaseMilliseconds: 1, heartbeatMilliseconds: 1, revision: 9, desired: list))
    let berth = try Berth(200, out.finish())
    let message = NodeMessage.report(report(), Measured(UsageBody(.none)), wait: .zero)
    guard case .answered(let answer) = try berth.door.ask(node, message, within: .seconds(5)) else {
      Issue.record("no answer")
      return
    }
    let wanted = try #require(answer.desired)
    #expect(wanted.map(\.order.id.raw) == [1, 2, 3, 4])
    #expect(wanted.map(\.order.isIncoming) == [true, false, false, false])
    #expect(wanted.map(\.isKept) == [false, true, false, false])
    #expect(wanted.map(\.isStandby) == [false, false, true, false])
    #expect(wanted.map(\.isWanted) == [true, true, false, false])
    #expect(berth.asked.withLock { $0.first?.wait } == nil)
  }

  /// Whom Berth does not know registers again; any other refusal is only a reason to wait.
  @Test(arguments: [
    (404, "node_not_found", true), (409, "stale_epoch", true), (409, "node_in_use", false), (403, "forbidden", false)
  ])
  func whatARefusalMeans(status: Int, code: String, isForgotten: Bool) throws {
    let problem = #"{"type":"about:blank","title":"T","status":\#(status),"code":"\#(code)","detail":"because"}"#
    let berth = try Berth(status, Array(problem.utf8))
    let said = try berth.door.ask(
      node, .report(report(), Measured(UsageBody(.none)), wait: .zero), within: .seconds(5))
    switch said {
    case .unknown: #expect(isForgotten)
    case .failed(let why): #expect(!isForgotten && why == "because")
    case .registered, .answered: Issue.record("\(said)")
    }
    let body = NodeBody(Resources(cpu: 1_000, memory: 512))
    guard case .failed("because") = try berth.door.ask(node, .register(body), within: .seconds(5)) else {
      Issue.record("a refused registration has failed, whatever the reason")
      return
    }
  }
}
