import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// Tokens with the real binary, as whoever installs it meets them.
@Suite(.timeLimit(.minutes(5))) struct AuthTests {
  let temporary = TemporaryDirectory()
  private var data: String { temporary.file("data") }
  private var file: String { data + "/admin.token" }

  /// The command line beside a server, as somebody else with nothing but an environment.
  private func cli(_ berth: Berth, _ arguments: [String], home: String = "home", sees: String? = nil) throws -> Ended {
    try Berth.run(
      arguments,
      environment: [
        "BERTH_SERVER": berth.url, "HOME": temporary.file(home), "BERTH_DATA_DIR": sees ?? temporary.file("none"),
        "PATH": "/usr/bin:/bin"
      ])
  }

  private func status(_ berth: Berth, _ key: String?) throws -> Int {
    let headers = key.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
    return try berth.send("GET", "/api/v1/pools", headers: headers).status
  }

  private func key() throws -> String {
    String(decoding: try #require(try SecretFile.read(file)), as: UTF8.self).filter { !$0.isWhitespace }
  }

  @Test func theFirstStartWithRequiredTokensLeavesOneThatTheLocalCommandLineFinds() throws {
    let berth = try Berth(data, ["--auth", "required"])
    #expect(berth.process.output.contains(file))
    let oneTime = try key()
    #expect(try status(berth, nil) == 401 && status(berth, oneTime) == 200)
    #expect(try berth.get("/healthz").status == 200)
    #expect(try cli(berth, ["pool", "list"]).status == .exited(5))
    #expect(try cli(berth, ["pool", "list"], sees: data).status == .exited(0))
    // It makes an administrator's token, and goes.
    let mine = temporary.file("mine.token")
    let made = try cli(berth, ["token", "create", "--role", "cluster-admin", "--out", mine], sees: data)
    #expect(made.status == .exited(0) && made.output.isEmpty, "\(made)")
    #expect(eventually { !Files.exists(file) })
    #expect(try status(berth, oneTime) == 401)
    let login = try ChildProcess.run(
      "/bin/sh", ["-c", "\(Berth.binary) login < \(mine)"],
      environment: ["BERTH_SERVER": berth.url, "HOME": temporary.file("home")])
    #expect(login.status == .exited(0), "\(login)")
    #expect(try cli(berth, ["pool", "list"]).status == .exited(0))
    #expect(try cli(berth, ["pool", "list"], home: "stranger").status == .exited(5))
    berth.stop()
    // A later start makes no other.
    let again = try Berth(data, ["--auth", "required"])
    #expect(!Files.exists(file) && !again.process.output.contains("one-time"))
    let port = again.url
    let found = try Berth.run(
      ["pool", "list", "--token-file", mine], environment: ["BERTH_SERVER": port, "HOME": temporary.file("home")])
    #expect(found.status == .exited(0), "\(found)")
  }

  @Test func whoLostTheLastTokenGetsInAgainByARestart() throws {
    let first = try Berth(data)
    let made = try first.send("POST", "/api/v1/tokens", #"{"role":"cluster-admin","expires_in_seconds":600}"#)
    let admin = try #require(made["token"]?.string)
    let headers = [(name: "Authorization", value: "Bearer \(admin)")]
    #expect(try first.send("POST", "/api/v1/tokens", #"{"role":"viewer"}"#, headers: headers).status == 201)
    let id = try #require(made["id"]?.string)
    #expect(try first.send("DELETE", "/api/v1/tokens/\(id)", headers: headers).status == 200)
    #expect(try status(first, nil) == 401, "a token is left, so nobody is anonymous")
    first.stop()
    let second = try Berth(data)
    #expect(try status(second, nil) == 401 && status(second, key()) == 200)
    let kept = try key()
    second.stop()
    let third = try Berth(data)
    #expect(try key() == kept && status(third, kept) == 200, "a good one stays what it is")
    third.stop()
    try SecretFile.write(Array("berth_nonsense".utf8), to: file)
    let fourth = try Berth(data)
    #expect(try key() != kept && status(fourth, kept) == 401 && status(fourth, key()) == 200)
  }

  @Test func aReachableServerWithRequiredTokensSaysThatTheyPassUnencrypted() throws {
    let berth = try ChildProcess(
      Berth.binary, ["serve", "--data-dir", data, "--listen", "0.0.0.0:0", "--insecure", "--auth", "required"])
    #expect(eventually { berth.errors.contains("unencrypted") && Files.exists(file) }, "\(berth.errors)")
    let refused = try Berth.run([
      "serve", "--data-dir", temporary.file("x"), "--listen", "0.0.0.0:0", "--auth", "required"
    ])
    #expect(refused.status == .exited(2) && refused.errors.contains("TLS"), "\(refused)")
  }

  @Test func noSecretReachesTheLogTheDumpTheFilesOrTheProcessList() throws {
    let berth = try Berth(data, ["--auth", "required", "--debug"])
    let oneTime = try key()
    let bearer = { (key: String) in [(name: "Authorization", value: "Bearer \(key)")] }
    let made = try berth.send("POST", "/api/v1/tokens", #"{"role":"cluster-admin"}"#, headers: bearer(oneTime))
    let admin = try #require(made["token"]?.string)
    _ = try berth.send("GET", "/api/v1/allocations?owner=\(admin)", headers: bearer(admin))
    _ = try berth.send("GET", "/api/v1/pools", headers: bearer(String(admin.dropLast()) + "x"))
    let list = Files.read("/proc/\(berth.process.pid)/cmdline").map { String(decoding: $0, as: UTF8.self) } ?? ""
    #expect(list.contains("serve"))
    berth.stop()
    #expect(berth.errors.contains("denied") && berth.errors.contains("token_in_url"), "\(berth.errors)")
    let dump = try Berth.run(["log", "dump", "--data-dir", data, "-o", "json"])
    #expect(dump.output.contains("token_created"))
    for secret in [oneTime, admin] {
      let inside = String(secret.dropFirst(23).prefix(52))
      for text in [list, berth.errors, berth.process.output, dump.output] { #expect(!text.contains(inside)) }
      for name in Files.names(in: data) where !name.hasPrefix("snap") {
        let bytes = Files.read(data + "/" + name) ?? []
        #expect(!String(decoding: bytes, as: UTF8.self).contains(inside), "\(name)")
      }
    }
    #expect(try Berth.run(["check", "--data-dir", data]).status == .exited(0))
  }
}
