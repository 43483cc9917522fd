import APITypes
import Domain
import Engine
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

@Suite("Nodes and VMs through a node that does not lead") struct ClusterFleetTests {
  private static let node = #"{"capacity":{"vcpus":16,"memory_mib":32768}}"#

  @Test func aFollowerTellsWhatTheLeaderHearsOfNodes() throws {
    let town = try Town()
    try town.call(town.follower, "PUT", "/api/v1/nodes/n1", Self.node, expect: 201)
    let usage = #"{"epoch":1,"usage":{"vcpus":1.5,"memory_mib":7}}"#
    try town.call(town.follower, "POST", "/api/v1/nodes/n1/report", usage, expect: 200)
    for node in town.nodes {
      let answer = try town.call(node, "GET", "/api/v1/nodes/n1", expect: 200)
      #expect(answer["health.last_heartbeat_seconds"] == "0" && answer["health.usage.vcpus"] == "1.5")
      #expect(try town.call(node, "GET", "/api/v1/nodes", expect: 200).column("name") == ["n1"])
    }
    #expect(eventually { town.follower.engine.read { $0.node(NodeName(trusted: "n1")) != nil } })
    // What is here at hand says nothing of heartbeats.
    let stale = try town.call(town.follower, "GET", "/api/v1/nodes/n1?consistency=stale", expect: 200)
    #expect(stale["health.last_heartbeat_seconds"] == nil)
  }

  @Test func aFollowerHoldsAnAgentsAnswerItself() throws {
    let town = try Town()
    try town.call(town.follower, "PUT", "/api/v1/nodes/n1", Self.node, expect: 201)
    let first = try town.call(town.follower, "POST", "/api/v1/nodes/n1/report", #"{"epoch":1}"#, expect: 200)
    let seen = try #require(first["revision"])
    let told = Shared<[Heard]>([])
    let agent = Thread(name: "agent") {
      // Longer than anything is passed on for.
      let body = #"{"epoch":1,"seen_revision":\#(seen)}"#
      let answer = try? town.call(town.follower, "POST", "/api/v1/nodes/n1/report?wait_ms=25000", body, expect: 200)
      if let answer { told.withLock { $0.append(answer) } }
    }
    #expect(eventually { town.follower.api.waitingAgents == 1 })
    #expect(town.leader.api.waitingAgents == 0)
    let vm = #"{"name":"a","vcpus":1,"memory_mib":64}"#
    let made = try town.call(town.leader, "POST", "/api/v1/vms", vm, expect: 201)
    agent.join()
    let answer = try #require(told.withLock { $0.first })
    #expect(answer["desired.0.name"] == "a")
    #expect(answer["desired.0.interfaces.0.addresses.0.ip"] == made["addresses.0.ip"])
    #expect(answer["lease_ms"].flatMap { Int($0) } ?? 0 > 0)
  }
}
