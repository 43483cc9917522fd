import Foundation
import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// A node that is older than what is written in its cluster.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: RealCluster.isPossible, "no etcd here"))
struct UpgradeTests {
  private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

  @Test func aBatchOfALaterVersionStopsANodeWithASentenceAndNothingIsDamaged() throws {
    let cluster = try RealCluster(nodes: 2, members: 1)
    let before = try cluster.nodes[0].settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"before"}"#)
    #expect(before.status == 201 && cluster.agree([0, 1]))
    let part = try cluster.nodes[0].get("/api/v1/health")["cluster"]
    let sequence = try #require(part?["sequence"]?.integer(Int.self))
    // The next place of the log, taken by a batch in a form that nobody knows yet.
    let digits = String(sequence + 1)
    let key = "/berth/log/" + String(repeating: "0", count: 20 - digits.count) + digits
    let range = #"{"key":"\#(base64(Array("/berth/log/".utf8)))","range_end":"\#(base64(Array("/berth/log0".utf8)))"}"#
    let keys = try cluster.etcd("/v3/kv/range", range)
    let newest = try #require(keys["kvs"]?.elements?.last?["key"]?.string)
    #expect(Data(base64Encoded: newest)?.count == key.utf8.count, "the form of the log's keys")
    let put = #"{"key":"\#(base64(Array(key.utf8)))","value":"\#(base64([9] + [UInt8](repeating: 7, count: 200)))"}"#
    #expect(try cluster.etcd("/v3/kv/put", put).status == 200)
    for node in cluster.nodes {
      #expect(try eventually { try node.get("/readyz").status == 503 })
      #expect(eventually { node.errors.contains("of a later version of Berth") }, "\(node.errors)")
      let write = try node.send("POST", "/api/v1/ip/allocate", #"{"vm_id":"after"}"#)
      #expect(write.status == 503, "\(write.text)")
      node.stop()
    }
    try cluster.restart(0)
    #expect(eventually { cluster.nodes[0].errors.contains("of a later version of Berth") }, "nor after a start")
    #expect(try cluster.nodes[0].get("/readyz").status == 503)
    cluster.nodes[0].stop()
    // As if the later version had never been: everything is there.
    #expect(try cluster.etcd("/v3/kv/deleterange", #"{"key":"\#(base64(Array(key.utf8)))"}"#).status == 200)
    for index in 0..<2 { try cluster.restart(index) }
    #expect(try cluster.nodes[1].settled("GET", "/api/v1/ip/before").ip == before.ip)
    #expect(try cluster.nodes[1].settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"after"}"#).status == 201)
    #expect(cluster.agree([0, 1]))
  }
}
