import API
import HTTPClient
import HTTPServer
import Testing
import Wire

@Suite("The OpenAPI document")
struct OpenAPITests {
  @Test func everyRouteIsDocumentedAndEveryDocumentedRouteExists() throws {
    let house = try House()
    let documented = house.contract.operations.map { "\($0.method) \($0.pattern)" }.sorted()
    #expect(documented == house.api.router.routes.map { "\($0.method.rawValue) \($0.pattern)" }.sorted())
    for (method, pattern, _) in house.contract.operations where method != "GET" || !pattern.contains("events") {
      let target = pattern.split(separator: "/").map { $0.hasPrefix("{") ? "172.16.0.9" : String($0) }
      let answer = try house.call(method, "/" + target.joined(separator: "/"), method == "GET" ? nil : "{}")
      #expect(answer["code"] != "not_found" && answer.status != 405, "\(method) \(pattern)")
    }
  }

  @Test func everyRouteOfTheContractIsThere() throws {
    let house = try House()
    let routes = Set(house.contract.operations.map { "\($0.method) \($0.pattern)" })
    for route in [
      "GET /api/v1/health", "POST /api/v1/ip/allocate", "DELETE /api/v1/ip/release/{vm_id}",
      "DELETE /api/v1/ip/release-by-ip/{ip}", "GET /api/v1/ip/{vm_id}", "GET /api/v1/ip/allocations",
      "GET /api/v1/ip/stats", "GET /api/v1/pools", "POST /api/v1/pools", "GET /api/v1/pools/{pool}",
      "PATCH /api/v1/pools/{pool}", "DELETE /api/v1/pools/{pool}", "GET /api/v1/pools/{pool}/reservations",
      "POST /api/v1/pools/{pool}/reservations", "DELETE /api/v1/pools/{pool}/reservations/{first}",
      "GET /api/v1/pools/{pool}/allocations", "POST /api/v1/pools/{pool}/allocations",
      "GET /api/v1/pools/{pool}/allocations/{ip}", "PATCH /api/v1/pools/{pool}/allocations/{ip}",
      "DELETE /api/v1/pools/{pool}/allocations/{ip}", "POST /api/v1/pools/{pool}/allocations/{ip}/renew",
      "GET /api/v1/allocations", "POST /api/v1/allocations", "DELETE /api/v1/allocations",
      "GET /api/v1/pools/{pool}/suggestion", "GET /api/v1/pools/{pool}/usage", "GET /api/v1/pools/{pool}/free",
      "POST /api/v1/pools/{pool}/expand", "POST /api/v1/pools/{pool}/rollback", "GET /api/v1/addresses/{ip}",
      "GET /api/v1/events", "GET /api/v1/history", "POST /api/v1/imports", "GET /api/v1/export", "GET /api/admin/stats",
      "GET /metrics",
      "GET /healthz", "GET /readyz", "GET /openapi.json", "POST /api/v1/clock/confirm"
    ] { #expect(routes.contains(route), "\(route)") }
  }

  @Test func objectsAreClosedReferencesResolveAndNamesAreUnique() throws {
    let house = try House()
    let document = house.contract.document
    #expect(document["openapi"]?.string == "3.0.3")
    let schemas = document["components"]?["schemas"]?.members ?? []
    #expect(schemas.count > 20)
    func check(_ value: JSONValue) {
      if let reference = value["$ref"]?.string {
        #expect(schemas.contains { reference == "#/components/schemas/\($0.key)" }, "\(reference)")
      }
      if value["type"]?.string == "object", value["properties"] != nil {
        #expect(value["additionalProperties"]?.bool == false)
      }
      for member in value.members ?? [] { check(member.value) }
      for element in value.elements ?? [] { check(element) }
    }
    check(document)
    let ids = house.contract.operations.compactMap { $0.operation["operationId"]?.string }
    #expect(ids.count == house.contract.operations.count && Set(ids).count == ids.count)
  }

  @Test func writesAreDocumentedWithTheirGuards() throws {
    let house = try House()
    for (method, pattern, operation) in house.contract.operations
    where method != "GET" && !pattern.hasPrefix("/api/v1/cluster/")
      && !["/api/v1/clock/confirm", "/api/v1/placements", "/api/v1/plan"].contains(pattern)
    {
      let names = (operation["parameters"]?.elements ?? []).compactMap { $0["name"]?.string }
      #expect(names.contains("dry_run") && names.contains("Idempotency-Key"), "\(method) \(pattern)")
      for status in ["400", "415", "422", "503", "504"] {
        #expect(operation["responses"]?[status] != nil, "\(method) \(pattern) \(status)")
      }
    }
  }
}
