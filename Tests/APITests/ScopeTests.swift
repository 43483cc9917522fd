import API
import APITypes
import Domain
import HTTPClient
import LogMemory
import Platform
import TestSupport
import Testing
import Wire

@Suite("What a scope hides") struct ScopeTests {
  private let pool = "/api/v1/pools/default"

  /// Two tenants in one pool: acme's have even last numbers, the rival's odd ones.
  private func furnish(_ house: House, _ key: String) throws {
    for number in 10..<20 {
      let tenant = number % 2 == 0 ? "acme" : "rival"
      let body =
        #"{"owner":"vm-\#(number)","tenant":"\#(tenant)","ip":"172.16.0.\#(number)","mac":"02:00:00:00:00:\#(number)","hostname":"host-\#(tenant)"}"#
      try house.call("POST", pool + "/allocations", body, key: key, expect: 201)
    }
  }

  @Test func aTenantsListsEndWhereItsOwnDo() throws {
    let house = try House()
    let admin = try house.key(.clusterAdmin)
    let acme = try house.key(.operator, .tenant(.acme))
    try furnish(house, admin)
    for path in [pool + "/allocations", "/api/v1/allocations", "/api/v1/ip/allocations"] {
      let name = path.hasSuffix("ip/allocations") ? "allocations" : "items"
      var seen: [String] = []
      var cursor: String?
      var pages = 0
      repeat {
        let page = try house.call("GET", path + "?limit=2" + (cursor.map { "&cursor=\($0)" } ?? ""), key: acme)
        seen += page.column("ip", of: name)
        cursor = page["next_cursor"]
        pages += 1
        // A cursor follows from the tenant's own last item.
        if let cursor { #expect(Cursor(text: cursor)?.key.hasSuffix(seen.last ?? "?") == true, "\(path)") }
        #expect(!page.text.contains("rival"), "\(path)")
      } while cursor != nil
      #expect(seen == ["172.16.0.10", "172.16.0.12", "172.16.0.14", "172.16.0.16", "172.16.0.18"], "\(path)")
      #expect(pages == 3, "\(path)")
      let whole = try house.call("GET", path + "?limit=5", key: acme)
      #expect(whole["next_cursor"] == nil, "\(path): no further page tells that others follow")
    }
  }

  @Test func aTenantAllocatesForItselfAloneAndLearnsNothingOfOthers() throws {
    let house = try House(network: "172.16.0.0/29")
    let admin = try house.key(.clusterAdmin)
    let acme = try house.key(.operator, .tenant(.acme))
    try house.call("POST", pool + "/allocations", #"{"owner":"secret","ip":"172.16.0.5"}"#, key: admin, expect: 201)
    let mine = try house.call("POST", pool + "/allocations", #"{"owner":"a"}"#, key: acme, expect: 201)
    #expect(mine["tenant"] == "acme")
    let other = try house.call(
      "POST", pool + "/allocations", #"{"owner":"a","tenant":"rival"}"#, key: acme, expect: 403)
    #expect(other["code"] == "outside_scope")
    let taken = try house.call(
      "POST", pool + "/allocations", #"{"owner":"b","ip":"172.16.0.5"}"#, key: acme, expect: 409)
    #expect(taken["code"] == "address_in_use" && !taken.text.contains("secret"))
    #expect(
      try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"s"}"#, key: acme, expect: 201)["ip"] == "172.16.0.3")
    try house.call("GET", "/api/v1/ip/s", key: acme, expect: 200)
    try house.call("GET", "/api/v1/ip/secret", key: acme, expect: 404)
    #expect(try house.call("GET", pool, key: acme, expect: 200).json?["capacity"] == nil)
    let rest = try house.call("POST", pool + "/allocations", #"{"owner":"c","count":9}"#, key: acme, expect: 409)
    #expect(rest["code"] == "pool_exhausted" && rest.json?["facts"] == nil)
    // What is another's is as if not there, and stays.
    for (method, path, body) in [
      ("GET", "", nil), ("DELETE", "", nil), ("PATCH", "", #"{"hostname":"x"}"#),
      ("POST", "/renew", #"{"lease_seconds":9}"#)
    ] as [(String, String, String?)] {
      try house.call(method, pool + "/allocations/172.16.0.5" + path, body, key: acme, expect: 404)
    }
    try house.call("DELETE", "/api/v1/ip/release-by-ip/172.16.0.5", key: acme, expect: 404)
    try house.call("GET", pool + "/allocations/172.16.0.5", key: admin, expect: 200)
    for address in ["172.16.0.5", "172.16.0.6", "172.16.0.1"] {
      #expect(try house.call("GET", "/api/v1/addresses/\(address)", key: acme).list("matches").isEmpty)
    }
    #expect(try house.call("GET", "/api/v1/addresses/172.16.0.3", key: acme).list("matches").count == 1)
  }

  @Test func historyAndExportKeepToTheScope() throws {
    let house = try House()
    let admin = try house.key(.clusterAdmin)
    try furnish(house, admin)
    try house.call("POST", "/api/v1/pools", #"{"name":"own","cidr":"10.1.0.0/24"}"#, key: admin, expect: 201)
    try house.call("POST", "/api/v1/pools/own/allocations", #"{"owner":"x"}"#, key: admin, expect: 201)
    let acme = try house.key(.viewer, .tenant(.acme))
    let own = try house.key(.viewer, .pool(.own))
    #expect(try house.call("GET", "/api/v1/history?ip=172.16.0.11", key: acme).list("items").isEmpty)
    #expect(try house.call("GET", "/api/v1/history?ip=172.16.0.10", key: acme).list("items").count == 1)
    #expect(try house.call("GET", "/api/v1/history?owner=vm-10", key: acme).list("items").count == 1)
    #expect(try house.call("GET", "/api/v1/history?mac=02:00:00:00:00:11", key: acme).list("items").isEmpty)
    #expect(try house.call("GET", "/api/v1/history?ip=172.16.0.10", key: own).list("items").isEmpty)
    let theirs = try house.call("GET", "/api/v1/export", key: acme, expect: 200)
    #expect(Set(theirs.column("tenant", of: "allocations")) == ["acme"] && theirs.list("allocations").count == 5)
    let pools = try house.call("GET", "/api/v1/export", key: own, expect: 200)
    #expect(pools.column("name", of: "pools") == ["own"] && pools.column("pool", of: "allocations") == ["own"])
    #expect(try house.call("GET", "/api/v1/pools", key: own).column("name") == ["own"])
    #expect(try house.call("GET", "/api/v1/allocations", key: own).column("pool") == ["own"])
  }

  @Test func eventsKeepToTheScopeAndEndWithTheToken() throws {
    let house = try House()
    let admin = try house.key(.clusterAdmin)
    let acme = try house.key(.viewer, .tenant(.acme))
    let viewer = try house.key(.viewer)
    let heard = Shared<[String: String]>([:])
    let listeners = [("acme", acme), ("viewer", viewer), ("admin", admin)].map { name, key in
      Thread(name: name) {
        let request = ClientRequest(
          "GET", "/api/v1/events?since=0", headers: [("Authorization", "Bearer \(key)")], body: nil)
        _ = try? house.client.stream(request) { _, piece in
          heard.withLock { $0[name, default: ""] += String(decoding: piece, as: UTF8.self) }
          return heard.withLock { !($0[name] ?? "").contains("the-end") }
        }
      }
    }
    try furnish(house, admin)
    #expect(eventually { heard.withLock { ($0["acme"] ?? "").contains("172.16.0.18") } })
    try house.call("DELETE", "/api/v1/tokens/\(publicHalf(acme))", key: admin, expect: 200)
    let last = #"{"owner":"the-end","tenant":"acme","ip":"172.16.0.99"}"#
    try house.call("POST", pool + "/allocations", last, key: admin, expect: 201)
    for listener in listeners { listener.join() }
    let said = heard.withLock { $0 }
    #expect(said["acme"]?.contains("rival") == false && said["acme"]?.contains("the-end") == false)
    #expect(said["acme"]?.contains("token_created") == false && said["acme"]?.contains("pool_created") == true)
    #expect(said["viewer"]?.contains("host-rival") == true && said["viewer"]?.contains("token_created") == false)
    #expect(said["admin"]?.contains("token_created") == true && said["admin"]?.contains("token_revoked") == true)
  }

  @Test func noSecretIsInTheLogTheEventsTheExportOrTheMetrics() throws {
    let house = try House()
    let made = try house.post(
      "/api/v1/tokens", #"{"role":"cluster-admin","description":"first"}"#,
      headers: [(name: "Idempotency-Key", value: "k")], expect: 201)
    let key = try #require(made["token"])
    let more = try house.call("POST", "/api/v1/tokens", #"{"role":"viewer"}"#, key: key, expect: 201)
    try house.call("DELETE", "/api/v1/tokens/\(try #require(more["id"]))", key: key, expect: 200)
    try house.call("POST", "/api/v1/ip/allocate", #"{"vm_id":"a"}"#, key: key, expect: 201)
    var said = try ["/api/v1/export", "/metrics", "/api/v1/tokens", "/api/v1/whoami", "/openapi.json"].map {
      try house.call("GET", $0, key: key, expect: 200).text
    }
    for stored in house.log.batches {
      said += stored.batch.entries.map { String(decoding: $0, as: UTF8.self) }
      for bytes in stored.batch.entries {
        let entry = try Entry(decoding: bytes)
        said.append(entry.asked + entry.actor + entry.requestID)
      }
    }
    for secret in [key, try #require(more["token"])] {
      let inside = String(secret.dropFirst(23).prefix(52))
      for text in said { #expect(!text.contains(inside)) }
    }
    #expect("\(Secret(key)) \(String(reflecting: Secret(key)))" == "(secret) (secret)")
  }
}
