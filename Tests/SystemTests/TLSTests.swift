import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// TLS with the real binary: certificates of `berth cert`, and the command line as a client.
@Suite(.timeLimit(.minutes(5))) struct TLSTests {
  let temporary = TemporaryDirectory()

  private func file(_ name: String) -> String { temporary.file("certs/\(name)") }

  private func cert(_ arguments: String) throws {
    let words = ["cert"] + arguments.split(separator: " ").map(String.init) + ["--dir", temporary.file("certs")]
    let ended = try Berth.run(words)
    #expect(ended.status == .exited(0), "\(ended)")
  }

  private func whoami(_ berth: Berth, _ name: String?) throws -> String {
    let own = name.map { TLSFiles(certificate: file("\($0).pem"), key: file("\($0).key")) }
    let context = try TLSContext.client(authorities: file("ca.pem"), own: own)
    let client = HTTPClient(.tcp(host: "127.0.0.1", port: berth.port), tls: context)
    let answer = try client.send(ClientRequest("GET", "/api/v1/whoami"))
    return try JSONValue(parsing: answer.body)["principal"]?.string ?? "-"
  }

  @Test func whoComesWithACertificateIsKnownByItAndNobodyElseComesIn() throws {
    for line in ["ca", "node a --ip 127.0.0.1", "agent host-7"] { try cert(line) }
    let berth = try Berth(
      temporary.file("data"),
      ["--tls-cert", file("a.pem"), "--tls-key", file("a.key"), "--tls-client-ca", file("ca.pem")])
    #expect(try whoami(berth, "a") == "node/a")
    #expect(try whoami(berth, "host-7") == "agent/host-7")
    #expect(throws: HTTPClientFault.self) { try whoami(berth, nil) }
    let server = "https://127.0.0.1:\(berth.port)"
    let shown = ["BERTH_CA": file("ca.pem"), "BERTH_CERT": file("a.pem"), "BERTH_KEY": file("a.key")]
    let listed = try Berth.run(["pool", "list", "-o", "name", "--server", server], environment: shown)
    #expect(listed.status == .exited(0) && listed.output == "default\n", "\(listed)")
    let refused = try Berth.run(["pool", "list", "--server", server, "--ca", file("ca.pem")])
    #expect(refused.status == .exited(4) && refused.errors.contains("turns our certificate down"), "\(refused)")
    #expect(!berth.errors.contains("PRIVATE KEY") && !berth.process.output.contains("PRIVATE KEY"))
    // New files, and the signal that says so.
    Files.write(Array("nonsense".utf8), to: file("a.pem"))
    berth.process.kill(SIGHUP)
    #expect(eventually { berth.errors.contains("the old ones stay") })
    #expect(try whoami(berth, "host-7") == "agent/host-7")
    #expect(berth.stop() == .exited(0))
  }
}
