import Foundation
import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// A cluster that has no room: in etcd, or on the disk of one node.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: RealCluster.isPossible, "no etcd here"))
struct ClusterRoomTests {
  private func allocate(_ node: Berth, _ vm: String) throws -> Answer {
    try node.settled("POST", "/api/v1/ip/allocate", #"{"vm_id":"\#(vm)"}"#)
  }

  @Test func etcdOutOfSpaceRefusesWritesReadsGoOnAndRoomBringsThemBack() throws {
    let cluster = try RealCluster(nodes: 2, members: 1, quota: 16 << 20)
    let given = try allocate(cluster.nodes[0], "vm-1")
    #expect(given.status == 201)
    // Somebody else fills it.
    let junk = Data(repeating: 7, count: 1 << 20).base64EncodedString()
    var full = false
    for number in 0..<40 where !full {
      let key = Data("/junk/\(number)".utf8).base64EncodedString()
      full = try cluster.etcd("/v3/kv/put", #"{"key":"\#(key)","value":"\#(junk)"}"#).status != 200
    }
    #expect(full, "etcd is full")
    for node in cluster.nodes {
      let refused = try node.send("POST", "/api/v1/ip/allocate", #"{"vm_id":"vm-2"}"#)
      #expect(refused.status == 503 && refused.code == "storage_full", "\(refused.text)")
      let release = try node.send("DELETE", "/api/v1/ip/release/vm-1")
      #expect(release.status == 503 && release.code == "storage_full", "a release is a write too: \(release.text)")
      let read = try node.get("/api/v1/ip/vm-1")
      #expect(read.status == 200 && read.ip == given.ip, "a consistent read: \(read.text)")
      #expect(try node.get("/api/v1/ip/vm-2").status == 404)
    }
    try makeRoom(cluster)
    #expect(
      try eventually { try cluster.nodes[1].send("POST", "/api/v1/ip/allocate", #"{"vm_id":"vm-2"}"#).status < 300 })
    #expect(cluster.agree([0, 1]))
  }

  /// What docs/cluster.md says: compact, defragment, end the alarm.
  private func makeRoom(_ cluster: RealCluster) throws {
    let from = Data("/junk/".utf8).base64EncodedString()
    let to = Data("/junk0".utf8).base64EncodedString()
    let deleted = try cluster.etcd("/v3/kv/deleterange", #"{"key":"\#(from)","range_end":"\#(to)"}"#)
    let revision = try #require(deleted["header"]?["revision"]?.string)
    #expect(try cluster.etcd("/v3/kv/compaction", #"{"revision":"\#(revision)","physical":true}"#).status == 200)
    #expect(try cluster.etcd("/v3/maintenance/defragment", "{}").status == 200)
    let alarms = try cluster.etcd("/v3/maintenance/alarm", #"{"action":"GET"}"#)
    let member = try #require(alarms["alarms"]?[0]?["memberID"]?.string)
    let disarm = #"{"action":"DEACTIVATE","memberID":"\#(member)","alarm":"NOSPACE"}"#
    #expect(try cluster.etcd("/v3/maintenance/alarm", disarm).status == 200)
  }

  @Test(.enabled(if: FaultShim.path != nil, "no C compiler for the fault shim"))
  func aNodeWithAFullDiskGoesOnAndItsHistoryCatchesUpWhenThereIsRoom() throws {
    let cluster = try RealCluster(nodes: 0, members: 1)
    let place = TemporaryDirectory()
    let start = { (name: String, environment: [String: String]) in
      try Berth(
        place.file(name), ["--etcd", cluster.etcdURLs[0], "--node", name], port: freePort(), environment: environment)
    }
    let full = try start(
      "full", FaultShim.environment("full", below: place.path, note: place.file("note")))
    let other = try start("other", [:])
    #expect(try allocate(full, "vm-1").status == 201)
    let history = "/api/v1/history?owner=vm-2"
    Files.write([], to: place.file("note.on"))
    for node in [full, other] {
      #expect(try allocate(node, node === full ? "vm-2" : "vm-3").status == 201, "it serves, whoever leads")
    }
    #expect(try full.settled("GET", "/api/v1/ip/vm-3").status == 200)
    #expect(try other.settled("GET", "/api/v1/ip/vm-2").status == 200)
    #expect(try eventually { try other.get(history)["items"]?.elements?.count == 1 })
    #expect(eventually { full.errors.contains("make room") }, "\(full.errors)")
    #expect(try full.get(history)["items"]?.elements?.count != 1, "its history is behind")
    Files.remove(place.file("note.on"))
    #expect(try eventually { try full.get(history)["items"]?.elements?.count == 1 }, "and catches up")
    let state = try other.state()
    full.crash()
    #expect(try start("full", [:]).state() == state)
  }
}
