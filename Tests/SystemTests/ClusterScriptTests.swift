import Foundation
import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// `make cluster`, as a new user tries it.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: RealCluster.isPossible, "no etcd here"))
struct ClusterScriptTests {
  /// The processes whose command line names a directory.
  private func processes(in directory: String) -> [String] {
    Files.names(in: "/proc").filter { name in
      guard UInt32(name) != nil, let words = Files.read("/proc/\(name)/cmdline") else { return false }
      return String(decoding: words, as: UTF8.self).contains(directory)
    }
  }

  @Test func s3_45_theClusterOfTheFirstTryTakesAWriteAndLeavesNoProcess() throws {
    let place = TemporaryDirectory()
    let directory = place.file("cluster")
    let base = freeClusterPort()
    defer { for name in processes(in: directory) { _ = Int32(name).map { kill($0, SIGKILL) } } }
    let script = try ChildProcess(
      "bash", ["\(Repository.root)/Tests/scripts/cluster.sh", Berth.binary],
      environment: ["CLUSTER_DIRECTORY": directory, "CLUSTER_PORT": "\(base)"])
    #expect(
      eventually(deadline: .seconds(60)) { script.output.contains("Ctrl-C stops") || script.poll() != nil },
      "\(script.output)\(script.errors)")
    #expect(script.poll() == nil, "\(script.output)\(script.errors)")
    #expect(eventually { processes(in: directory).count == 6 }, "\(script.output)\(script.errors)")
    let node = HTTPClient(.tcp(host: "127.0.0.1", port: base + 1), options: HTTPClientOptions())
    var status = 0
    #expect(
      eventually {
        let body = Array(#"{"vm_id":"vm-1"}"#.utf8)
        status = (try? node.send(ClientRequest("POST", "/api/v1/ip/allocate", body: body)).status) ?? 0
        return status == 201 || status == 200
      }, "\(status)")
    node.closeIdle()
    script.kill(SIGINT)
    #expect(script.waitForExit() == .exited(130), "\(script.output)\(script.errors)")
    #expect(script.output.contains("all stopped"))
    #expect(processes(in: directory).isEmpty, "no process is left")
  }
}
