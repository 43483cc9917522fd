import HTTPClient
import Testing
import Wire

/// S0.3: whatever is wrong with a pool has an error of its own, which names the field and the rule.
@Suite("Rules of a pool over HTTP")
struct PoolRuleTests {
  /// A body that breaks one rule, the field that is named, and what the sentence says.
  struct Broken: CustomTestStringConvertible, Sendable {
    let body: String
    let field: String
    let says: String
    var testDescription: String { says }

    init(_ body: String, _ field: String, _ says: String) { (self.body, self.field, self.says) = (body, field, says) }

    /// A pool 10.0.0.0/24 with one more member.
    init(with member: String, _ field: String, _ says: String) {
      self.init(#"{"name":"a","cidr":"10.0.0.0/24",\#(member)}"#, field, says)
    }
  }

  /// `count` addresses that do not touch, as JSON strings.
  private static func addresses(_ count: Int, _ start: String) -> String {
    (1...count).map { "\"\(start)\($0 * 2)\"" }.joined(separator: ",")
  }

  static let table = [
    Broken(#"{"cidr":"10.0.0.0/24"}"#, "name", "is required"),
    Broken(#"{"name":"Edge_1","cidr":"10.0.0.0/24"}"#, "name", "a-z"),
    Broken(#"{"name":7,"cidr":"10.0.0.0/24"}"#, "name", "a string"),
    Broken(#"{"name":"a"}"#, "cidr", "is required"),
    Broken(#"{"name":"a","cidr":"10.0.0.5/24"}"#, "cidr", "did you mean 10.0.0.0/24"),
    Broken(#"{"name":"a","cidr":"10.0.0.0/33"}"#, "cidr", "0 to 32"),
    Broken(#"{"name":"a","cidr":"fd00::/129"}"#, "cidr", "0 to 128"),
    Broken(#"{"name":"a","cidr":"banana"}"#, "cidr", "'banana' is not a network"),
    Broken(#"{"name":"a","cidr":"::ffff:10.0.0.0/120"}"#, "cidr", "::ffff:10.0.0.0/120"),
    Broken(with: #""gateway":"10.1.0.1""#, "gateway", "10.1.0.1 is not a host address of 10.0.0.0/24"),
    Broken(with: #""gateway":"10.0.0.0""#, "gateway", "10.0.0.0 is not a host address"),
    Broken(with: #""gateway":"10.0.0.255""#, "gateway", "10.0.0.255 is not a host address"),
    Broken(with: #""gateway":"fd00::1""#, "gateway", "fd00::1 is not a host address"),
    Broken(with: #""gateway":"router""#, "gateway", "'router'"),
    Broken(with: #""ranges":["10.0.1.0-10.0.1.9"]"#, "ranges", "10.0.1.0-10.0.1.9 is not inside 10.0.0.0/24"),
    Broken(with: #""ranges":["10.0.0.9-10.0.0.1"]"#, "ranges[0]", "10.0.0.9-10.0.0.1"),
    Broken(with: #""ranges":["10.0.0.1-fe80::1"]"#, "ranges[0]", "10.0.0.1-fe80::1"),
    Broken(with: #""ranges":["10.0.0.2",9]"#, "ranges[1]", "a string"),
    Broken(with: #""ranges":["10.0.0.1"]"#, "ranges", "no address is left to give out"),
    Broken(with: #""ranges":[\#(addresses(65, "10.0.0."))]"#, "ranges", "at most 64"),
    Broken(with: #""dns":["ns1"]"#, "dns[0]", "'ns1'"),
    Broken(with: #""dns":[\#(addresses(9, "9.9.9."))]"#, "dns", "at most 8 name servers"),
    Broken(with: #""vlan":0"#, "vlan", "1 to 4094"), Broken(with: #""vlan":"12""#, "vlan", "a number"),
    Broken(with: #""mtu":67"#, "mtu", "68 to 65535"),
    Broken(#"{"name":"a","cidr":"fd00::/64","mtu":1279}"#, "mtu", "at least 1280"),
    Broken(with: #""network":"a b""#, "network", "a-z"),
    Broken(with: #""topology":{"zone":"a b"}"#, "topology.zone", "1 to 63"),
    Broken(with: #""topology":{"row":"7"}"#, "topology.row", "not known"),
    Broken(with: #""strategy":"best""#, "strategy", "next, lowest, random, oldest"),
    Broken(with: #""quarantine_seconds":315360001"#, "quarantine_seconds", "ten years"),
    Broken(with: #""quarantine_seconds":-1"#, "quarantine_seconds", "0"),
    Broken(with: #""lease_seconds":315360001"#, "lease_seconds", "ten years"),
    Broken(with: #""enabled":"yes""#, "enabled", "true or false"), Broken(with: #""nat":1"#, "nat", "true or false"),
    Broken(with: #""labels":{"":"x"}"#, "labels", "label"), Broken(with: #""labels":["x"]"#, "labels", "an object"),
    Broken(with: #""color":"red""#, "color", "not known"),
    Broken(with: #""cidr":"10.0.0.0/24""#, "cidr", "twice")
  ]

  @Test func s0_3_eachInvalidPoolHasItsOwnError() throws {
    let house = try House(network: nil)
    var seen: [String: String] = [:]
    for broken in Self.table {
      let answer = try house.post("/api/v1/pools", broken.body, expect: 400)
      let error = answer.list("errors").first
      #expect(error?["field"]?.string == broken.field, "\(broken.body): \(answer.text)")
      #expect(error?["message"]?.string?.contains(broken.says) == true, "\(broken.body): \(answer.text)")
      let sentence = "\(answer["detail"] ?? "")"
      #expect(seen.updateValue(broken.body, forKey: sentence) == nil, "two rules, one sentence: \(answer.text)")
    }
    #expect(try house.get("/api/v1/pools").list("items").isEmpty, "nothing of it was kept")
  }

  @Test func s0_3_whatStandsInTheWayOfAPoolIsNamed() throws {
    let house = try House(network: nil)
    try house.post("/api/v1/pools", #"{"name":"a","cidr":"10.0.0.0/24"}"#, expect: 201)
    try house.post("/api/v1/pools/a/reservations", #"{"range":"10.0.0.200","reason":"printer"}"#, expect: 201)
    func refused(_ method: String, _ target: String, _ body: String, _ status: Int, _ says: String) throws {
      let answer = try house.call(method, target, body, expect: status)
      #expect(answer["detail"]?.contains(says) == true, "\(answer.text)")
    }
    try refused("POST", "/api/v1/pools", #"{"name":"a","cidr":"10.9.0.0/24"}"#, 409, "a pool a exists")
    try refused("POST", "/api/v1/pools", #"{"name":"b","cidr":"10.0.0.0/25"}"#, 409, "overlaps pool a (10.0.0.0/24)")
    let reserve = "/api/v1/pools/a/reservations"
    try refused("POST", reserve, #"{"range":"10.0.1.1"}"#, 400, "10.0.1.1 is not inside pool a")
    try refused("POST", reserve, #"{"range":"10.0.0.9-10.0.0.1"}"#, 400, "10.0.0.9-10.0.0.1")
    try refused("PATCH", "/api/v1/pools/a", #"{"cidr":"10.0.0.0/25"}"#, 400, "reservation 10.0.0.200 would lie outside")
    try refused("PATCH", "/api/v1/pools/a", #"{"gateway":"10.0.1.1"}"#, 400, "10.0.1.1 is not a host address")
    try refused("POST", "/api/v1/pools/a/expand", #"{"cidr":"10.1.0.0/16"}"#, 400, "a larger network")
    try house.post("/api/v1/pools/a/allocations", #"{"owner":"vm","ip":"10.0.0.77"}"#, expect: 201)
    try refused("PATCH", "/api/v1/pools/a", #"{"ranges":["10.0.0.2-10.0.0.9"]}"#, 409, "10.0.0.77 (vm)")
    try refused("PATCH", "/api/v1/pools/a", #"{"gateway":"10.0.0.77"}"#, 409, "10.0.0.77 (vm)")
  }
}
