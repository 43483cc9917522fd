import API
import APITypes
import Domain
import Engine
import HTTPClient
import Platform
import Synchronization
import TestSupport
import Testing
import Wire

@Suite("Tokens and the door") struct TokenTests {
  private let path = "/api/v1/tokens"

  /// Makes an administrator's token as a person would, with curl and no token.
  private func firstToken(_ house: House) throws -> String {
    let made = try house.post(path, #"{"role":"cluster-admin"}"#, expect: 201)
    return try #require(made["token"])
  }

  @Test func theFirstTokenEndsAccessWithoutOne() throws {
    let house = try House()
    #expect(try house.get("/api/v1/whoami")["principal"] == "anonymous")
    #expect(try house.post(path, #"{"role":"viewer"}"#, expect: 409)["code"] == "first_token_must_be_admin")
    try house.get("/api/v1/pools")
    let key = try firstToken(house)
    let refused = try house.get("/api/v1/pools", expect: 401)
    #expect(refused["code"] == "unauthorized" && refused.header("www-authenticate") == "Bearer")
    for open in ["/healthz", "/readyz", "/api/v1/health", "/openapi.json"] { try house.get(open) }
    try house.get("/metrics", expect: 401)
    try house.call("GET", "/api/v1/pools", key: key, expect: 200)
    let me = try house.call("GET", "/api/v1/whoami", key: key, expect: 200)
    #expect(me["principal"] == "token/\(publicHalf(key))" && me["role"] == "cluster-admin" && me["tenant"] == nil)
    #expect(me.list("permissions").count == 32)
  }

  @Test func anAnonymousStreamEndsWhenTheFirstTokenIsMade() throws {
    let house = try House()
    let heard = Shared("")
    let isOver = Shared(false)
    let listener = Thread(name: "listener") {
      let request = ClientRequest("GET", "/api/v1/events?since=0", headers: [], body: nil)
      _ = try? house.client.stream(request) { _, piece in
        heard.withLock { $0 += String(decoding: piece, as: UTF8.self) }
        return heard.withLock { !$0.contains("the-end") }
      }
      isOver.withLock { $0 = true }
    }
    try house.post("/api/v1/ip/allocate", #"{"vm_id":"early"}"#, expect: 201)
    #expect(eventually { heard.withLock { $0.contains("early") } })
    let key = try firstToken(house)
    #expect(eventually { isOver.withLock { $0 } }, "it ends although nothing more happens")
    try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"the-end"}"#, key: key, expect: 201)
    listener.join()
    #expect(heard.withLock { !$0.contains("token_created") && !$0.contains("the-end") })
  }

  @Test func aTokenIsShownOnceListedWithoutItsSecretAndRevoked() throws {
    let house = try House()
    let admin = try firstToken(house)
    let body = #"{"role":"operator","tenant":"acme","description":"ci","expires_in_seconds":60}"#
    let made = try house.call("POST", path, body, key: admin, expect: 201)
    let key = try #require(made["token"])
    let id = publicHalf(key)
    #expect([made["id"], made["role"], made["tenant"], made["description"]] == [id, "operator", "acme", "ci"])
    #expect(made["created_by"] == "token/\(publicHalf(admin))" && made["one_time"] == "false")
    #expect(made.header("cache-control") == "no-store" && made.header("location") == "\(path)/\(id)")
    #expect(TokenText.flaw(in: key) == nil)
    let list = try house.call("GET", path, key: admin, expect: 200)
    #expect(list.column("id").sorted() == [id, publicHalf(admin)].sorted())
    let one = try house.call("GET", "\(path)/\(id)", key: admin, expect: 200)
    for told in [list, one] { #expect(!told.text.contains(String(key.suffix(59))) && !told.text.contains("hash")) }
    try house.call("GET", "/api/v1/pools", key: key, expect: 200)
    try house.call("DELETE", "\(path)/\(id)?dry_run=true", key: admin, expect: 200)
    try house.call("GET", "/api/v1/pools", key: key, expect: 200)
    #expect(try house.call("DELETE", "\(path)/\(id)", key: admin, expect: 200)["id"] == id)
    try house.call("GET", "/api/v1/pools", key: key, expect: 401)
    #expect(try house.call("DELETE", "\(path)/\(id)", key: admin, expect: 404)["code"] == "token_not_found")
  }

  @Test func tokensAreListedInPages() throws {
    let house = try House(network: nil)
    let admin = try house.key(.clusterAdmin)
    let all = try (0..<7).map { _ in publicHalf(try house.key(.viewer)) } + [publicHalf(admin)]
    var seen: [String] = []
    var cursor: String?
    repeat {
      let page = try house.call("GET", path + "?limit=3" + (cursor.map { "&cursor=\($0)" } ?? ""), key: admin)
      seen += page.column("id")
      cursor = page["next_cursor"]
    } while cursor != nil
    #expect(seen == all.sorted())
  }

  @Test func aRepeatUnderTheSameKeyTellsEverythingButTheSecret() throws {
    let house = try House()
    let again = [(name: "Idempotency-Key", value: "order 1")]
    let first = try house.post(path, #"{"role":"cluster-admin"}"#, headers: again, expect: 201)
    let key = try #require(first["token"])
    // Nobody is anonymous any more, and the key is the caller's own: an administrator asks twice.
    let both = try (0..<2).map { _ in
      try house.call(
        "POST", path, #"{"role":"viewer"}"#, headers: again + [("Authorization", "Bearer \(key)")], expect: 201)
    }
    #expect(both[0]["token"] != nil && both[1]["token"] == nil)
    #expect(both[1].header("idempotency-replayed") == "true" && both[1]["id"] == both[0]["id"])
    #expect(try house.call("GET", path, key: key).list("items").count == 2)
  }

  @Test func aDryRunMakesNoTokenAndTellsNoSecret() throws {
    let house = try House()
    let would = try house.post(path + "?dry_run=true", #"{"role":"cluster-admin"}"#, expect: 200)
    #expect(would["token"] == nil && would["role"] == "cluster-admin")
    #expect(try house.get(path).list("items").isEmpty)
  }

  @Test(arguments: [
    (#"{}"#, "role"), (#"{"role":"root"}"#, "role"), (#"{"role":"viewer","tenant":"a","pool":"b"}"#, ""),
    (#"{"role":"viewer","expires_in_seconds":0}"#, "expires_in_seconds"),
    (#"{"role":"viewer","secret":"x"}"#, "secret"),
    (#"{"role":"cluster-admin","tenant":"acme"}"#, "role"), (#"{"role":"viewer","tenant":"A"}"#, "tenant")
  ]) func aWrongBodyIsRefusedByField(body: String, field: String) throws {
    let house = try House()
    let refused = try house.post(path, body, expect: 400)
    #expect(refused["errors.0.field"] == field, "\(refused.text)")
    try house.post(path, #"{"role":"viewer","pool":"nobody"}"#, expect: 404)
  }

  @Test func whatIsNoTokenOfThisServerIsRefusedWhateverItLooksLike() throws {
    let house = try House()
    let other = try House()
    let key = try firstToken(house)
    let foreign = try firstToken(other)
    let swapped = publicHalf(key)
    let wrong = [
      "Bearer", "Bearer ", "Bearer x", "Basic \(key)", key, "Bearer  \(key)", "Bearer \(key) ,", "Bearer \(key)x",
      "Bearer \(key.dropLast())", "Bearer \(key.uppercased())", "Bearer \(foreign)",
      "Bearer berth_\(swapped)\(foreign.dropFirst(22))"
    ]
    for value in wrong.prefix(9) + wrong.suffix(1) {
      let answer = try house.call("GET", "/api/v1/pools", headers: [("Authorization", value)], expect: 401)
      #expect(answer["code"] == "unauthorized" && !answer.text.contains(key.suffix(59)), "\(value)")
    }
    let second = try House()
    let good = try firstToken(second)
    for value in ["Bearer \(foreign)", "Bearer \(key.uppercased())", "Bearer \(key.dropLast())"] {
      try second.call("GET", "/healthz", headers: [("Authorization", value)], expect: 401)
    }
    for scheme in ["bearer", "BEARER"] {
      try second.call("GET", "/api/v1/pools", headers: [("authorization", "\(scheme) \(good)")], expect: 200)
    }
    let twice = [(name: "Authorization", value: "Bearer \(good)"), (name: "Authorization", value: "Bearer \(good)")]
    try second.call("GET", "/api/v1/pools", headers: twice, expect: 401)
  }

  @Test func aNameThatIsPassedOnIsNotBelievedFromJustAnybody() throws {
    let house = try House()
    let viewer = try { () throws -> String in
      _ = try house.key(.clusterAdmin)
      return try house.key(.viewer)
    }()
    let claim = (name: "Berth-Principal", value: "node/n-1")
    let bearer = (name: "Authorization", value: "Bearer \(viewer)")
    for headers in [[claim], [claim, bearer]] {
      for target in ["/api/v1/pools", "/api/v1/whoami", "/healthz"] {
        #expect(try house.call("GET", target, headers: headers, expect: 403)["code"] == "forged_principal")
      }
    }
    #expect(try house.call("GET", "/api/v1/whoami", headers: [bearer])["principal"] == "token/\(publicHalf(viewer))")
    let metrics = try house.call("GET", "/metrics", headers: [bearer]).text
    #expect(metrics.contains(#"berth_peer_refused_total{reason="forged_principal"} 6"#))
  }

  @Test func aTokenEndsWhenItsTimeHasComeByTheLogsClock() throws {
    let offset = Atomic64()
    let house = try House(clock: {
      ClockReading(wall: WallClock.microseconds + offset.value, boot: WallClock.bootMicroseconds + offset.value)
    })
    let admin = try house.key(.clusterAdmin, seconds: nil)
    let short = try house.key(.viewer, seconds: 3_600)
    try house.call("GET", "/api/v1/pools", key: short, expect: 200)
    offset.value = 3_601_000_000
    // The log's time moves with the next entry.
    try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"a"}"#, key: admin, expect: 201)
    try house.call("GET", "/api/v1/pools", key: short, expect: 401)
    try house.call("GET", "/api/v1/pools", key: admin, expect: 200)
  }

  @Test func aTokenInAnURLIsRefused() throws {
    let house = try House()
    let key = try firstToken(house)
    for name in ["token", "owner", "access_token"] {
      let refused = try house.call("GET", "/api/v1/allocations?\(name)=\(key)", key: key, expect: 400)
      #expect(refused["code"] == "token_in_url" && !refused.text.contains(key.suffix(59)))
    }
  }

  @Test func wrongTokensSoonHaveToWaitAndRightOnesFromThereToo() throws {
    let clock = Atomic64()
    let denials = Shared<[String]>([])
    var security = Security()
    security.now = { MonotonicTime(nanoseconds: 1_000_000_000 + clock.value) }
    security.audit = { denial in denials.withLock { $0.append("\(denial.code) \(denial.reason)") } }
    let house = try House(security: security)
    let key = try firstToken(house)
    let wrong = "berth_" + publicHalf(key) + "_" + String(repeating: "a", count: 59)
    for _ in 0..<11 { try house.call("GET", "/api/v1/pools", key: wrong, expect: 401) }
    for tried in [wrong, key] {
      let paused = try house.call("GET", "/api/v1/pools", key: tried, expect: 429)
      #expect(paused["code"] == "too_many_failures" && paused.header("retry-after") == "1")
    }
    try house.get("/healthz")
    clock.value += 1_000_000_001
    try house.call("GET", "/api/v1/pools", key: key, expect: 200)
    // Each further one doubles the pause, up to a minute.
    var pauses: [String?] = []
    for _ in 0..<8 {
      try house.call("GET", "/api/v1/pools", key: wrong, expect: 401)
      pauses.append(try house.call("GET", "/api/v1/pools", key: key, expect: 429).header("retry-after"))
      clock.value += 60_000_000_001
    }
    #expect(pauses == ["2", "4", "8", "16", "32", "60", "60", "60"])
    clock.value += 900_000_000_000
    for _ in 0..<10 { try house.call("GET", "/api/v1/pools", key: wrong, expect: 401) }
    try house.call("GET", "/api/v1/pools", key: key, expect: 200)
    let metrics = try house.call("GET", "/metrics", key: key).text
    #expect(metrics.contains(#"berth_auth_denials_total{code="unauthorized"} 29"#), "\(metrics)")
    #expect(metrics.contains("berth_auth_throttled_total 10") && metrics.contains("berth_tokens 1"))
    let heard = denials.withLock { $0 }
    #expect(heard.count == 29 && heard[0] == "unauthorized wrong_secret")
    #expect(heard[10] == "unauthorized wrong_secret, address paused")
  }

  @Test func withRequiredTokensNobodyIsAnonymous() throws {
    var security = Security()
    security.isRequired = true
    let house = try House(network: nil, security: security)
    try house.get("/api/v1/pools", expect: 401)
    try house.post(path, #"{"role":"cluster-admin"}"#, expect: 401)
    try house.get("/healthz")
    let key = try house.key(.clusterAdmin)
    try house.call("GET", "/api/v1/pools", key: key, expect: 200)
  }

  @Test func theOneTimeTokenGoesWithTheFirstAdministratorItMakes() throws {
    let told = Shared(0)
    var security = Security()
    security.isRequired = true
    security.oneTimeTokenIsGone = { told.withLock { $0 += 1 } }
    let house = try House(network: nil, security: security)
    let one = try house.key(.clusterAdmin, isOneTime: true)
    try house.call("POST", path, #"{"role":"viewer"}"#, key: one, expect: 201)
    try house.call("POST", path + "?dry_run=true", #"{"role":"cluster-admin"}"#, key: one, expect: 200)
    #expect(told.withLock { $0 } == 0)
    let made = try house.call("POST", path, #"{"role":"cluster-admin"}"#, key: one, expect: 201)
    try house.call("POST", path, #"{"role":"cluster-admin"}"#, key: one, expect: 401)
    #expect(eventually { told.withLock { $0 } == 1 })
    try house.call("GET", path, key: made["token"], expect: 200)
  }

  @Test func whatIsInsecureIsTold() throws {
    let house = try House()
    func told(_ key: String? = nil) throws -> [String: Bool] {
      let findings = try house.call("GET", "/api/v1/security", key: key, expect: 200).list("findings")
      return Dictionary(uniqueKeysWithValues: findings.map { ($0["check"]?.string ?? "", $0["ok"]?.bool ?? false) })
    }
    #expect(try told() == ["access": true, "network": true, "token expiry": true])
    let admin = try house.key(.clusterAdmin)
    _ = try house.key(.viewer, seconds: nil)
    _ = try house.key(.clusterAdmin, isOneTime: true)
    #expect(
      try told(admin) == [
        "access": true, "network": true, "token expiry": false, "administrator": true, "one-time token": false
      ])
    var open = Security()
    (open.isReachable, open.isInsecure) = (true, true)
    let reachable = try House(security: open)
    let findings = try reachable.get("/api/v1/security").list("findings")
    #expect(findings.filter { $0["ok"]?.bool == false }.compactMap { $0["check"]?.string } == ["access", "network"])
  }
}

/// A number that a test moves and a clock reads.
final class Atomic64: Sendable {
  private let number = Atomic<Int64>(0)
  var value: Int64 {
    get { number.load(ordering: .relaxed) }
    set { number.store(newValue, ordering: .relaxed) }
  }
}
