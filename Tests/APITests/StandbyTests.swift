import APITypes
import Domain
import TestSupport
import Testing
import Wire

@Suite("Standbys over the API") struct StandbyTests {
  private static let critical = #","failover":"restart","standby":true"#

  private func house() throws -> (house: House, epochs: [String: UInt64]) {
    let house = try House()
    var epochs: [String: UInt64] = [:]
    for (name, place) in [("n1", "fra"), ("n2", "ams")] { epochs[name] = try house.register(name, datacenter: place) }
    return (house, epochs)
  }

  @Test func s3_16_theStandbysAgentPreparesAndTheVMGoesOnThereWithItsAddress() throws {
    let (house, epochs) = try house()
    let vm = try house.vm("db", more: Self.critical)
    let (node, standby) = (vm["node"] ?? "", vm["standby_node"] ?? "")
    #expect(Set([node, standby]) == ["n1", "n2"] && vm["standby"] == "true" && vm["standby_why"] == nil)
    let carrier = try house.report(node, epochs[node] ?? 0, [(vm, "running")])
    #expect(carrier["desired.0.action"] == "run" && carrier["desired.0.interfaces.0.addresses.0.ip"] != nil)
    // It is told what to have at hand, and no address: it is not to speak for the VM.
    let other = try house.report(standby, epochs[standby] ?? 0)
    #expect(other["desired.0.action"] == "prepare" && other["desired.0.image"] == carrier["desired.0.image"])
    #expect(other.json?["desired"]?[0]?["interfaces"]?.elements?.isEmpty == true)
    // Whatever it says of it is not believed.
    try house.report(standby, epochs[standby] ?? 0, [(vm, "running")])
    #expect(try house.look("db")["node"] == node)
    let gone = try house.post("/api/v1/nodes/\(node)/fence", expect: 200)
    #expect(gone["state"] == "fenced")
    let now = try house.look("db")
    #expect(now["node"] == standby && now["epoch"] == "2" && now["addresses.0.ip"] == vm["addresses.0.ip"])
    #expect(now["standby_node"] == nil && now["standby_why"]?.contains("no standby") == true)
    let why = try house.get("/api/v1/vms/db/why")
    #expect(why["why"]?.contains("takes over") == true && why["standby_why"] == now["standby_why"])
    #expect(try house.report(standby, epochs[standby] ?? 0)["desired.0.action"] == "run")
  }

  @Test func aStandbyIsAskedForAndGivenBackLater() throws {
    let (house, _) = try house()
    try house.vm("db", more: #","failover":"restart""#)
    #expect(try house.look("db")["standby_node"] == nil)
    let with = try house.call("PATCH", "/api/v1/vms/db", #"{"standby":true}"#, expect: 200)
    #expect(with["standby_node"] != nil)
    #expect(try house.call("PATCH", "/api/v1/vms/db", #"{"standby":false}"#, expect: 200)["standby_node"] == nil)
    let refused = try house.vm("other", more: #","standby":true"#, expect: 400)
    #expect(refused.list("errors").first?["field"]?.string == "standby", "\(refused.text)")
    #expect(
      try house.call("PATCH", "/api/v1/vms/db", #"{"failover":"never","standby":true}"#, expect: 400).status == 400)
  }
}
