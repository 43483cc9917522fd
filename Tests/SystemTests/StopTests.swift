import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

@Suite(.timeLimit(.minutes(5))) struct StopTests {
  let temporary = TemporaryDirectory()

  @Test func aReportThatIsHeldBackIsAnsweredWhenTheServerIsStopped() throws {
    let berth = try Berth(temporary.file("data"))
    let node = try berth.send("PUT", "/api/v1/nodes/n1", #"{"capacity":{"vcpus":16,"memory_mib":32768}}"#)
    #expect(node.status == 201, "\(node.text)")
    let epoch = node["epoch"]?.integer(Int.self) ?? 0
    let seen = try berth.send("POST", "/api/v1/nodes/n1/report", #"{"epoch":\#(epoch)}"#)["revision"]?.integer(Int.self)
    let body = #"{"epoch":\#(epoch),"seen_revision":\#(seen ?? 0)}"#
    let answer = Shared<Result<ClientResponse, any Error>?>(nil)
    let client = berth.client
    let agent = Thread(name: "agent") {
      let request = ClientRequest(
        "POST", "/api/v1/nodes/n1/report?wait_ms=30000", body: Array(body.utf8), timeout: .seconds(40))
      let result = Result { try client.send(request) as ClientResponse }
      answer.withLock { $0 = result }
    }
    #expect(try eventually { try berth.get("/metrics").text.contains("berth_agents_waiting 1\n") })
    berth.process.kill(SIGTERM)
    #expect(berth.process.waitForExit() == .exited(0), "\(berth.errors)")
    agent.join()
    let told = try #require(try answer.withLock { $0 }?.get())
    #expect(told.status == 200, "and not cut off when the stop has waited long enough")
    #expect(try JSONValue(parsing: told.body)["desired"]?.isNull == true)
  }
}
