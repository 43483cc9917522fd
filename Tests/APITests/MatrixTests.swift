import API
import Addressing
import Domain
import HTTPClient
import Testing

/// Who may do what, told once more and by hand: role x route x whose object, against the real door with real tokens.
///
/// A line is a route, the roles that may (V viewer, O operator, P pool-admin, U auditor, A agent, C cluster-admin; * =
/// everybody, also without a token, - = none of them), and whether a token for a tenant (t) or for a pool (p) may.
private let declared = """
  GET /api/v1/health | * | tp
  POST /api/v1/ip/allocate | OPC | tp
  DELETE /api/v1/ip/release/{vm_id} | OPC | tp
  DELETE /api/v1/ip/release-by-ip/{ip} | OPC | tp
  GET /api/v1/ip/{vm_id} | VOPUC | tp
  GET /api/v1/ip/allocations | VOPUC | tp
  GET /api/v1/ip/stats | VOPUC | p
  GET /api/v1/pools | VOPUAC | tp
  POST /api/v1/pools | PC |
  GET /api/v1/pools/{pool} | VOPUAC | tp
  PATCH /api/v1/pools/{pool} | PC | p
  DELETE /api/v1/pools/{pool} | PC | p
  POST /api/v1/pools/{pool}/expand | PC | p
  POST /api/v1/pools/{pool}/rollback | PC | p
  GET /api/v1/pools/{pool}/reservations | VOPUAC | tp
  POST /api/v1/pools/{pool}/reservations | PC | p
  DELETE /api/v1/pools/{pool}/reservations/{first} | PC | p
  GET /api/v1/pools/{pool}/allocations | VOPUC | tp
  POST /api/v1/pools/{pool}/allocations | OPC | tp
  GET /api/v1/pools/{pool}/allocations/{ip} | VOPUC | tp
  PATCH /api/v1/pools/{pool}/allocations/{ip} | OPC | tp
  DELETE /api/v1/pools/{pool}/allocations/{ip} | OPC | tp
  POST /api/v1/pools/{pool}/allocations/{ip}/renew | OPC | tp
  GET /api/v1/allocations | VOPUC | tp
  POST /api/v1/allocations | OPC | t
  DELETE /api/v1/allocations | OPC | tp
  GET /api/v1/pools/{pool}/suggestion | VOPUAC | tp
  GET /api/v1/pools/{pool}/usage | VOPUC | p
  GET /api/v1/pools/{pool}/free | VOPUC | p
  GET /api/v1/addresses/{ip} | VOPUC | tp
  GET /api/v1/events | VOPUAC | tp
  GET /api/v1/history | VOPUC | tp
  POST /api/v1/imports | PC |
  GET /api/v1/export | VOPUC | tp
  GET /api/admin/stats | VOPUC | p
  POST /api/v1/clock/confirm | C |
  GET /api/v1/cluster | VOPUC |
  POST /api/v1/cluster/depose | C |
  POST /api/v1/cluster/nodes | C |
  GET /api/v1/tokens | UC |
  POST /api/v1/tokens | C |
  GET /api/v1/tokens/{id} | UC |
  DELETE /api/v1/tokens/{id} | C |
  POST /api/v1/enrolments | - |
  GET /api/v1/whoami | VOPUAC | tp
  GET /api/v1/security | UC |
  GET /api/v1/nodes | VOPUC |
  GET /api/v1/latencies | VOPUC |
  GET /api/v1/nodes/{node} | VOPUC |
  PUT /api/v1/nodes/{node} | OAC |
  PATCH /api/v1/nodes/{node} | OC |
  DELETE /api/v1/nodes/{node} | OC |
  POST /api/v1/nodes/{node}/cordon | OC |
  POST /api/v1/nodes/{node}/uncordon | OC |
  POST /api/v1/nodes/{node}/drain | OC |
  POST /api/v1/nodes/{node}/reclaim | OC |
  POST /api/v1/nodes/{node}/fence | OC |
  POST /api/v1/nodes/{node}/report | AC |
  GET /api/v1/vms | VOPUC | t
  POST /api/v1/vms | OC | t
  GET /api/v1/vms/{vm} | VOPUC | t
  PATCH /api/v1/vms/{vm} | OC | t
  DELETE /api/v1/vms/{vm} | OC | t
  POST /api/v1/vms/{vm}/start | OC | t
  POST /api/v1/vms/{vm}/stop | OC | t
  POST /api/v1/vms/{vm}/restart | OC | t
  POST /api/v1/vms/{vm}/migrate | OC | t
  GET /api/v1/vms/{vm}/why | VOPUC | t
  GET /api/v1/vms/{vm}/network | VOPUC | t
  POST /api/v1/placements | OC | t
  POST /api/v1/plan | OC |
  GET /api/v1/tenants | VOPUC | t
  GET /api/v1/tenants/{tenant}/quota | VOPUC | t
  PUT /api/v1/tenants/{tenant}/quota | C |
  DELETE /api/v1/tenants/{tenant}/quota | C |
  GET /api/v1/capacity | VOPUC | t
  POST /api/v1/capacity | OC |
  DELETE /api/v1/capacity/{name} | OC |
  GET /api/v1/cost | VOPUC | t
  GET /api/v1/billing | VOPUC | t
  GET /api/v1/recommendations | VOPUC | t
  GET /healthz | * | tp
  GET /readyz | * | tp
  GET /metrics | VOPUC |
  GET /openapi.json | * | tp
  """

private let letters: [Role: Character] = [
  .viewer: "V", .operator: "O", .poolAdmin: "P", .auditor: "U", .agent: "A", .clusterAdmin: "C"
]

private struct Rule {
  let method: String
  let pattern: String
  let roles: String
  let scopes: String

  init(_ line: Substring) {
    let parts = line.split(separator: "|", omittingEmptySubsequences: false).map {
      $0.split(separator: " ").joined(separator: " ")
    }
    let route = parts[0].split(separator: " ")
    (method, pattern, roles, scopes) = (String(route[0]), String(route[1]), parts[1], parts[2])
  }

  static let all = declared.split(separator: "\n").map(Rule.init)
}

/// Somebody with a role somewhere.
private struct Person: CustomStringConvertible {
  let role: Role?
  let scope: Scope
  let key: String?
  var description: String { role.map { "\($0.name) of \(scope.text)" } ?? "nobody" }
}

/// One request, what it touches, and what an allowed one is answered with.
private struct Probe {
  let target: String
  var body: String?
  /// The tenant whose object it touches.
  var tenant: TenantName?
  /// Whether it names that tenant, instead of just meeting it.
  var namesTenant = false
  /// The pool that it touches.
  var pool: PoolName?
  /// Whether it names the pool in the query.
  var namesPool = false
  var good = 200
}

@Suite("Role x route x whose") struct MatrixTests {
  private static let rival = TenantName(trusted: "rival")
  private static let pools: [(name: PoolName, net: String)] = [
    (.own, "10.1.0"), (PoolName(trusted: "foreign"), "10.2.0"), (.simple, "172.16.0")
  ]
  /// In each pool: acme's .2, the rival's .3, the usual tenant's .4.
  private static let tenants: [(name: TenantName, owner: String, last: Int)] = [
    (.acme, "mine", 2), (rival, "secret", 3), (.standard, "usual", 4)
  ]

  @Test func everyRouteAllowsWhomItShouldAndNobodyElse() throws {
    let house = try House()
    try furnish(house)
    let people = try invite(house)
    let spare = publicHalf(try house.key(.viewer))
    var count = 0
    for rule in Rule.all {
      for person in people {
        for probe in probes(rule, person, spare) where !isEndless(rule, person, probe) {
          try ask(house, rule, person, probe)
          count += 1
        }
      }
    }
    #expect(count > 2_200, "\(count) questions")
    // All writes were dry: nothing has gone.
    let admin = people.first { $0.role == .clusterAdmin }?.key
    #expect(try house.call("GET", "/api/v1/allocations", key: admin).list("items").count == 9)
  }

  @Test func everyRouteIsDeclaredHereAndNoOther() throws {
    let routes = try House(network: nil).api.router.routes.map { "\($0.method.rawValue) \($0.pattern)" }
    #expect(routes.sorted() == Rule.all.map { "\($0.method) \($0.pattern)" }.sorted())
  }

  private func furnish(_ house: House) throws {
    for pool in MatrixTests.pools where pool.name != .simple {
      try house.post("/api/v1/pools", #"{"name":"\#(pool.name)","cidr":"\#(pool.net).0/24"}"#, expect: 201)
    }
    for pool in MatrixTests.pools {
      let path = "/api/v1/pools/\(pool.name)"
      for tenant in MatrixTests.tenants {
        let body =
          #"{"owner":"\#(tenant.owner)-\#(pool.name)","tenant":"\#(tenant.name)","ip":"\#(pool.net).\#(tenant.last)","hostname":"host-\#(tenant.owner)-\#(pool.name)"}"#
        try house.post(path + "/allocations", body, expect: 201)
      }
      try house.post(path + "/reservations", #"{"range":"\#(pool.net).250","reason":"r"}"#, expect: 201)
    }
    try house.register("n1")
    for tenant in MatrixTests.tenants {
      let more = #","interfaces":[],"tenant":"\#(tenant.name)","labels":{"host":"host-\#(tenant.owner)"}"#
      try house.vm(tenant.owner, more: more)
      try house.call("PUT", "/api/v1/tenants/\(tenant.name)/quota", #"{"limits":{"vms":9}}"#, expect: 200)
    }
    try house.post("/api/v1/capacity", #"{"name":"kept","node":"n1","vcpus":1}"#, expect: 201)
  }

  private func invite(_ house: House) throws -> [Person] {
    var people = [Person(role: nil, scope: .global, key: nil)]
    for role in [Role.clusterAdmin] + Role.allCases.filter({ $0 != .clusterAdmin }) {
      for scope in [Scope.global, .tenant(.acme), .pool(.own)] where role != .clusterAdmin || scope == .global {
        people.append(Person(role: role, scope: scope, key: try house.key(role, scope)))
      }
    }
    return people
  }

  /// The stream of events has no end; those who may listen have a test of their own.
  private func isEndless(_ rule: Rule, _ person: Person, _ probe: Probe) -> Bool {
    rule.pattern == "/api/v1/events" && expected(rule, person, probe) == 200
  }

  // MARK: What is asked

  private func probes(_ rule: Rule, _ person: Person, _ spare: String) -> [Probe] {
    let isQuestion = ["/api/v1/placements", "/api/v1/plan", "/api/v1/clock/confirm"].contains(rule.pattern)
    let dry = rule.method == "GET" || isQuestion ? "" : "?dry_run=true"
    let body = body(rule)
    if rule.pattern.contains("{pool}") {
      return MatrixTests.pools.prefix(2).flatMap { inPool($0, rule, dry, body) }
    }
    if rule.pattern.hasPrefix("/api/v1/ip/") || rule.pattern == "/api/admin/stats" {
      return simple(rule, person, dry, body)
    }
    if let fleet = ofFleet(rule, dry, body) { return fleet }
    switch "\(rule.method) \(rule.pattern)" {
    case "GET /api/v1/cluster", "POST /api/v1/cluster/depose", "POST /api/v1/cluster/nodes":
      // Who may ask is told that there is no cluster here.
      return [Probe(target: rule.pattern, good: 404)]
    case "GET /api/v1/addresses/{ip}":
      return MatrixTests.pools.map { Probe(target: "/api/v1/addresses/\($0.net).3") }
    case "GET /api/v1/history":
      return [
        Probe(target: "/api/v1/history?ip=10.2.0.3"), Probe(target: "/api/v1/history?ip=10.1.0.3"),
        Probe(
          target: "/api/v1/history?owner=secret-own&tenant=rival", tenant: MatrixTests.rival, namesTenant: true),
        Probe(
          target: "/api/v1/history?ip=10.2.0.2&pool=foreign", pool: PoolName(trusted: "foreign"), namesPool: true)
      ]
    case "GET /api/v1/allocations":
      return [
        Probe(target: rule.pattern),
        Probe(target: rule.pattern + "?tenant=rival", tenant: MatrixTests.rival, namesTenant: true),
        Probe(target: rule.pattern + "?pool=foreign", pool: PoolName(trusted: "foreign"), namesPool: true)
      ]
    case "GET /api/v1/events":
      return [
        Probe(target: rule.pattern),
        Probe(target: rule.pattern + "?tenant=rival", tenant: MatrixTests.rival, namesTenant: true),
        Probe(target: rule.pattern + "?pool=foreign", pool: PoolName(trusted: "foreign"), namesPool: true)
      ]
    case "POST /api/v1/allocations":
      return [
        Probe(target: rule.pattern + dry, body: #"{"owner":"new"}"#),
        Probe(
          target: rule.pattern + dry, body: #"{"owner":"new","tenant":"rival"}"#, tenant: MatrixTests.rival,
          namesTenant: true)
      ]
    case "DELETE /api/v1/allocations":
      return [
        Probe(target: rule.pattern + dry + "&owner=mine-own&tenant=acme"),
        Probe(
          target: rule.pattern + dry + "&owner=secret-own&tenant=rival", tenant: MatrixTests.rival, namesTenant: true),
        Probe(
          target: rule.pattern + dry + "&owner=mine-foreign&tenant=acme&pool=foreign",
          pool: PoolName(trusted: "foreign"), namesPool: true)
      ]
    default: return [Probe(target: rule.pattern.replacing("{id}", with: spare) + dry, body: body)]
    }
  }

  /// A route of nodes, VMs or tenants; nil for any other.
  private func ofFleet(_ rule: Rule, _ dry: String, _ body: String?) -> [Probe]? {
    let path = rule.pattern.replacing("{node}", with: "n1").replacing("{name}", with: "kept")
    if path.contains("{vm}") {
      return MatrixTests.tenants.map { tenant in
        let target = path.replacing("{vm}", with: tenant.owner) + (dry.isEmpty ? "?" : dry + "&")
        let good = path.hasSuffix("/migrate") ? 409 : rule.method == "DELETE" ? 202 : 200
        return Probe(target: target + "tenant=\(tenant.name)", body: body, tenant: tenant.name, good: good)
      }
    }
    if path.contains("{tenant}") {
      return MatrixTests.tenants.map { tenant in
        Probe(target: path.replacing("{tenant}", with: tenant.name.text) + dry, body: body, tenant: tenant.name)
      }
    }
    switch rule.pattern {
    case "/api/v1/vms" where rule.method == "GET", "/api/v1/cost", "/api/v1/billing",
      "/api/v1/recommendations":
      return [
        Probe(target: path),
        Probe(target: path + "?tenant=rival", tenant: MatrixTests.rival, namesTenant: true)
      ]
    case "/api/v1/vms", "/api/v1/placements":
      return [
        Probe(target: path + dry, body: body),
        Probe(
          target: path + dry, body: body?.replacing("{", with: #"{"tenant":"rival","#), tenant: MatrixTests.rival,
          namesTenant: true)
      ]
    case "/api/v1/nodes/{node}" where rule.method == "DELETE": return [Probe(target: path + dry, good: 409)]
    case let other
    where other.hasPrefix("/api/v1/nodes") || other == "/api/v1/capacity/{name}"
      || other == "/api/v1/latencies":
      return [Probe(target: path + dry, body: body)]
    default: return nil
    }
  }

  /// A route of one pool, and of one object in it where there is one.
  private func inPool(_ pool: (name: PoolName, net: String), _ rule: Rule, _ dry: String, _ body: String?) -> [Probe] {
    let path = rule.pattern.replacing("{pool}", with: pool.name.text).replacing("{first}", with: pool.net + ".250")
    var probe = Probe(target: path + dry, body: body?.replacing("NET", with: pool.net), pool: pool.name)
    if rule.pattern.hasSuffix("/free") { probe = Probe(target: path + "?length=28", pool: pool.name) }
    // In use, and never grown.
    let isRefused = rule.method == "DELETE" && rule.pattern.hasSuffix("{pool}") || rule.pattern.hasSuffix("rollback")
    if isRefused { probe.good = 409 }
    if rule.pattern.contains("{ip}") {
      return MatrixTests.tenants.prefix(2).map { tenant in
        Probe(
          target: probe.target.replacing("{ip}", with: "\(pool.net).\(tenant.last)"), body: probe.body,
          tenant: tenant.name, pool: pool.name)
      }
    }
    guard rule.method == "POST", rule.pattern.hasSuffix("/allocations") else { return [probe] }
    return [
      probe,
      Probe(
        target: probe.target, body: #"{"owner":"new","tenant":"rival"}"#, tenant: MatrixTests.rival, namesTenant: true,
        pool: pool.name)
    ]
  }

  /// The simple API knows the caller's tenant alone: what it touches is whoever's owner it finds there.
  private func simple(_ rule: Rule, _ person: Person, _ dry: String, _ body: String?) -> [Probe] {
    let isOfTenant = if case .tenant = person.scope { true } else { false }
    guard rule.pattern.contains("{") else {
      return [Probe(target: rule.pattern + dry, body: body, pool: .simple)]
    }
    return MatrixTests.tenants.map { tenant in
      let target = rule.pattern.replacing("{vm_id}", with: "\(tenant.owner)-default").replacing(
        "{ip}", with: "172.16.0.\(tenant.last)")
      // By address everything is touched; by owner only the caller's tenant is looked at.
      let isMine = tenant.name == (isOfTenant ? .acme : .standard) || !isOfTenant && rule.pattern.contains("{ip}")
      var probe = Probe(target: target + dry, pool: .simple)
      if isOfTenant { probe.tenant = tenant.name } else if !isMine { probe.good = 404 }
      return probe
    }
  }

  private func body(_ rule: Rule) -> String? {
    switch "\(rule.method) \(rule.pattern)" {
    case "POST /api/v1/ip/allocate": #"{"vm_id":"new"}"#
    case "POST /api/v1/pools": #"{"name":"new","cidr":"10.9.0.0/24"}"#
    case "PATCH /api/v1/pools/{pool}": #"{"labels":{"a":"b"}}"#
    case "POST /api/v1/pools/{pool}/expand": #"{"cidr":"NET.0/23"}"#
    case "POST /api/v1/pools/{pool}/reservations": #"{"range":"NET.200"}"#
    case "POST /api/v1/pools/{pool}/allocations": #"{"owner":"new"}"#
    case "PATCH /api/v1/pools/{pool}/allocations/{ip}": #"{"labels":{"a":"b"}}"#
    case "POST /api/v1/pools/{pool}/allocations/{ip}/renew": #"{"lease_seconds":60}"#
    case "POST /api/v1/imports": #"{"rows":[{"owner":"new","ip":"10.1.0.77"}]}"#
    case "POST /api/v1/tokens": #"{"role":"viewer"}"#
    case "POST /api/v1/enrolments": #"{"request":""}"#
    case "PUT /api/v1/nodes/{node}": #"{"capacity":{"vcpus":16,"memory_mib":32768}}"#
    case "PATCH /api/v1/nodes/{node}": #"{"spot":true}"#
    case "POST /api/v1/nodes/{node}/report": #"{"epoch":1}"#
    case "POST /api/v1/nodes/{node}/reclaim": #"{"notice_seconds":60}"#
    case "POST /api/v1/vms", "POST /api/v1/placements": #"{"name":"new","vcpus":1,"memory_mib":64}"#
    case "PATCH /api/v1/vms/{vm}": #"{"priority":1}"#
    case "POST /api/v1/plan": #"{"drain":"n1"}"#
    case "PUT /api/v1/tenants/{tenant}/quota": #"{"limits":{"vms":1}}"#
    case "POST /api/v1/capacity": #"{"name":"new","node":"n1","vcpus":1}"#
    default: nil
    }
  }

  // MARK: What is answered

  /// The status that the declaration above leads to.
  private func expected(_ rule: Rule, _ person: Person, _ probe: Probe) -> Int {
    if rule.roles == "*" { return 200 }
    guard let role = person.role, let letter = letters[role] else { return 401 }
    guard rule.roles.contains(letter) else { return 403 }
    switch person.scope {
    case .global: return probe.good
    case .tenant(let own):
      guard rule.scopes.contains("t") else { return 403 }
      guard let tenant = probe.tenant, tenant != own else { return probe.good }
      return probe.namesTenant ? 403 : 404
    case .pool(let own):
      guard rule.scopes.contains("p") else { return 403 }
      guard let pool = probe.pool, pool != own else { return probe.good }
      return probe.namesPool ? 403 : 404
    }
  }

  private func ask(_ house: House, _ rule: Rule, _ person: Person, _ probe: Probe) throws {
    let answer = try house.call(rule.method, probe.target, probe.body, key: person.key)
    let wanted = expected(rule, person, probe)
    let question = "\(person): \(rule.method) \(probe.target)"
    #expect(answer.status == wanted, "\(question): \(answer.text)")
    if answer.status == 401 { #expect(answer.header("www-authenticate") == "Bearer", "\(question)") }
    if answer.status == 403 {
      #expect(["forbidden", "outside_scope"].contains(answer["code"]), "\(question): \(answer.text)")
    }
    // Host names stand in no request: where one appears, its row was told.
    switch person.scope {
    case .global: break
    case .tenant:
      #expect(
        !answer.text.contains("host-secret") && !answer.text.contains("host-usual"), "\(question): \(answer.text)")
    case .pool:
      #expect(!answer.text.contains("-foreign\"") && !answer.text.contains("10.2.0.0"), "\(question): \(answer.text)")
      #expect(!answer.text.contains("host-mine-default"), "\(question): \(answer.text)")
    }
  }
}
