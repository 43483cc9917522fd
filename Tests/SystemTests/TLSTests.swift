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

  @Test func aCertificateThatEndsSoonIsSaidByTheLogTheMetricsAndTheDoctor() throws {
    for line in ["ca", "node a --ip 127.0.0.1 --days 20", "node b --ip 127.0.0.1 --days 200"] { try cert(line) }
    let files = ["--tls-cert", file("a.pem"), "--tls-key", file("a.key"), "--tls-client-ca", file("ca.pem")]
    let berth = try Berth(
      temporary.file("data"), files + ["--tls-clients", "optional"],
      tls: .client(authorities: file("ca.pem")))
    // Within the second in which it was made it has all of its twenty days.
    func isSaid(_ text: String) -> Bool { [19, 20].contains { text.contains("(server) ends in \($0) days") } }
    #expect(eventually { berth.errors.contains(file("a.pem")) && isSaid(berth.errors) }, "\(berth.errors)")
    #expect(!berth.errors.contains("client_ca"), "ten years are not soon")
    func seconds(_ use: String) throws -> Double {
      let lines = try berth.get("/metrics").text.split(separator: "\n")
      let line = lines.first { $0.hasPrefix("berth_certificate_expires_seconds{use=\"\(use)\"}") }
      return line?.split(separator: " ").last.flatMap { Double($0) } ?? -1
    }
    #expect(try seconds("server") > 19 * 86_400 && seconds("server") <= 20 * 86_400)
    #expect(try seconds("client_ca") > 3_000 * 86_400)
    func doctor() throws -> Ended { try Berth.run(["doctor", "--server", berth.url, "--ca", file("ca.pem")]) }
    let ill = try doctor()
    #expect(ill.status == .exited(7) && isSaid(ill.output), "\(ill)")
    for name in ["pem", "key"] { try FileSystem.rename(file("b.\(name)"), to: file("a.\(name)")) }
    #expect(try doctor().output.contains("none ends within 30 days"))
    #expect(berth.stop() == .exited(0))
  }

  @Test func aTokenIsKeptForAnEncryptedServerWithoutAWarning() throws {
    for line in ["ca", "node a --ip 127.0.0.1"] { try cert(line) }
    let berth = try Berth(
      temporary.file("data"),
      ["--tls-cert", file("a.pem"), "--tls-key", file("a.key"), "--auth", "required"],
      tls: .client(authorities: file("ca.pem")))
    let token = Files.read(temporary.file("data/admin.token")) ?? []
    let process = try ChildProcess.run(
      "sh",
      [
        "-c",
        "'\(Berth.binary)' login --server \(berth.url) --ca \(file("ca.pem")) < \(temporary.file("data/admin.token"))"
      ],
      environment: ["HOME": temporary.file("home")])
    #expect(process.status == .exited(0) && process.errors.contains("you are cluster-admin"), "\(process)")
    #expect(!process.errors.contains("not encrypted") && !token.isEmpty)
    #expect(berth.stop() == .exited(0))
  }

  private func whoami(_ berth: Berth, _ name: String?) throws -> String {
    let own = name.map { TLSFiles(certificate: file("\($0).pem"), key: file("\($0).key")) }
    let context = try TLSContext.client(authorities: file("ca.pem"), own: own)
    let client = HTTPClient(.tcp(host: "127.0.0.1", port: berth.port), tls: context)
    let answer = try client.send(ClientRequest("GET", "/api/v1/whoami"))
    return try JSONValue(parsing: answer.body)["principal"]?.string ?? "-"
  }

  /// Whoever has one host has that host's certificate, and with it must not be able to end what runs on another.
  @Test func anAgentsCertificateSpeaksForItsOwnNodeAlone() throws {
    for line in ["ca", "node a --ip 127.0.0.1", "agent host-7"] { try cert(line) }
    let berth = try Berth(
      temporary.file("data"),
      ["--tls-cert", file("a.pem"), "--tls-key", file("a.key"), "--tls-client-ca", file("ca.pem")])
    let own = TLSFiles(certificate: file("host-7.pem"), key: file("host-7.key"))
    let context = try TLSContext.client(authorities: file("ca.pem"), own: own)
    let client = HTTPClient(.tcp(host: "127.0.0.1", port: berth.port), tls: context)
    func ask(_ method: String, _ path: String, _ body: String) throws -> Answer {
      try Answer(client.send(ClientRequest(method, "/api/v1/nodes/\(path)", body: Array(body.utf8))))
    }
    let body = #"{"capacity":{"vcpus":4,"memory_mib":4096}}"#
    #expect(try ask("PUT", "host-7", body).status == 201)
    #expect(try ask("POST", "host-7/report", #"{"epoch":1}"#).status == 200)
    for (method, path, body) in [("PUT", "host-8", body), ("POST", "host-8/report", #"{"epoch":1}"#)] {
      let refused = try ask(method, path, body)
      #expect(refused.status == 403 && refused.code == "outside_scope", "\(method) \(path): \(refused.text)")
    }
    #expect(berth.stop() == .exited(0))
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
