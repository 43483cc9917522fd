internal import HTTPServer
internal import Wire

/// The OpenAPI 3.0.3 document, made from the route table.
struct OpenAPI {
  let endpoints: [Endpoint]
  let version: String

  /// The document as bytes.
  var document: [UInt8] {
    var out = JSONWriter(capacity: 128 << 10)
    out.object { out in
      out.field("openapi", "3.0.3")
      out.key("info")
      out.object { out in
        out.field("title", "Berth")
        out.field("description", "A place and an address for every VM: durable IP address allocation.")
        out.field("version", version)
        out.key("license")
        out.object { $0.field("name", "see LICENSE") }
      }
      out.key("paths")
      out.object { out in for pattern in patterns { path(pattern, &out) } }
      components(&out)
    }
    return out.finish()
  }

  /// The patterns in the order of the table, each once.
  private var patterns: [String] {
    var seen: [String] = []
    for endpoint in endpoints where !seen.contains(endpoint.pattern) { seen.append(endpoint.pattern) }
    return seen
  }

  private func path(_ pattern: String, _ out: inout JSONWriter) {
    out.key(pattern)
    out.object { out in
      for endpoint in endpoints where endpoint.pattern == pattern {
        out.key(endpoint.method.rawValue.lowercased())
        operation(endpoint, &out)
      }
    }
  }

  private func operation(_ endpoint: Endpoint, _ out: inout JSONWriter) {
    out.object { out in
      out.field("operationId", endpoint.id)
      out.field("summary", endpoint.summary)
      out.field("tags", [endpoint.tag])
      out.field("x-berth-permission", endpoint.permission.rawValue)
      out.key("security")
      // Without a token only while there is none, which no document can say.
      out.array { out in
        out.object { $0.field("token", [String]()) }
        out.object { _ in }
      }
      out.key("parameters")
      out.array { out in parameters(endpoint, &out) }
      if let body = endpoint.body {
        out.key("requestBody")
        out.object { out in
          out.field("required", !endpoint.bodyIsOptional)
          OpenAPI.content("application/json", body, &out)
        }
      }
      out.key("responses")
      out.object { out in responses(endpoint, &out) }
    }
  }

  private func parameters(_ endpoint: Endpoint, _ out: inout JSONWriter) {
    for segment in endpoint.pattern.split(separator: "/") where segment.hasPrefix("{") {
      let name = String(segment.dropFirst().dropLast())
      let (schema, meaning) = Schemas.path(name)
      OpenAPI.parameter(name, in: "path", meaning, schema, isRequired: true, &out)
    }
    for item in endpoint.parameters {
      let schema = item.mayRepeat ? Schema.list(item.schema) : item.schema
      OpenAPI.parameter(item.name, in: "query", item.meaning, schema, isRequired: item.isRequired, &out)
    }
    if endpoint.matches {
      OpenAPI.parameter(
        "If-Match", in: "header", "The ETag that the object must still have.",
        .pattern("^(\\*|\"[0-9]{1,20}\")$", max: 22), isRequired: false, &out)
    }
    if endpoint.isCommand {
      OpenAPI.parameter(
        "Idempotency-Key", in: "header", "Makes a repeat of this request give the same answer, for up to 24 hours.",
        .pattern("^[!-~]([ -~]{0,126}[!-~])?$", max: 128), isRequired: false, &out)
    }
  }

  private static func parameter(
    _ name: String, in place: String, _ meaning: String, _ schema: Schema, isRequired: Bool, _ out: inout JSONWriter
  ) {
    out.object { out in
      out.field("name", name)
      out.field("in", place)
      out.field("description", meaning)
      if isRequired { out.field("required", true) }
      out.key("schema")
      out.schema(schema)
    }
  }

  private static func content(_ type: String, _ schema: Schema, _ out: inout JSONWriter) {
    content([(type, schema)], &out)
  }

  private static func content(_ types: [(name: String, schema: Schema)], _ out: inout JSONWriter) {
    out.key("content")
    out.object { out in
      for type in types {
        out.key(type.name)
        out.object { out in
          out.key("schema")
          out.schema(type.schema)
        }
      }
    }
  }

  private func responses(_ endpoint: Endpoint, _ out: inout JSONWriter) {
    var told: [Int] = []
    for answer in endpoint.answers where !told.contains(answer.status) {
      told.append(answer.status)
      let all = endpoint.answers.filter { $0.status == answer.status }
      out.key("\(answer.status)")
      out.object { out in
        out.field("description", answer.meaning)
        headers(of: endpoint, &out)
        OpenAPI.content(all.map { ("\($0.type)", $0.schema) }, &out)
      }
    }
    for (status, codes) in refusals(endpoint) {
      out.key("\(status)")
      out.object { out in
        out.field("description", codes.joined(separator: ", "))
        OpenAPI.content("application/problem+json", Schemas.problem, &out)
      }
    }
  }

  private func headers(of endpoint: Endpoint, _ out: inout JSONWriter) {
    var headers = [("Berth-Revision", "The last entry that the answer knows.", Schema.text(pattern: "^[0-9]+$"))]
    if endpoint.matches { headers.append(("ETag", "The object's revision in quotes.", .text())) }
    if endpoint.isCommand {
      headers.append(("Berth-Dry-Run", "`true` when nothing was changed because nobody wanted it to be.", .text()))
      headers.append(("Idempotency-Replayed", "`true` when this was told before.", .text()))
    }
    out.key("headers")
    out.object { out in
      for (name, meaning, schema) in headers {
        out.key(name)
        out.object { out in
          out.field("description", meaning)
          out.key("schema")
          out.schema(schema)
        }
      }
    }
  }

  /// The refusals of a route by status: its own, and those that every route of its kind has.
  private func refusals(_ endpoint: Endpoint) -> [(status: Int, codes: [String])] {
    var codes: [Int: [String]] = [:]
    for refused in endpoint.refusals + OpenAPI.common(endpoint) {
      for code in refused.codes where codes[refused.status]?.contains(code) != true {
        codes[refused.status, default: []].append(code)
      }
    }
    return codes.sorted { $0.key < $1.key }.map { (status: $0.key, codes: $0.value) }
  }

  private static func common(_ endpoint: Endpoint) -> [Endpoint.Refused] {
    var common: [Endpoint.Refused] = [
      .init(400, "invalid_field", "bad_request", "token_in_url"), .init(401, "unauthorized", "certificate_ended"),
      .init(403, "forbidden", "outside_scope", "forged_principal", "unknown_certificate"),
      .init(429, "too_many_failures"), .init(408, "request_timeout"),
      .init(414, "uri_too_long"),
      .init(417, "expectation_failed"), .init(421, "misdirected_request"), .init(431, "header_too_large"),
      .init(503, "too_many_connections", "too_many_bodies", "request_timeout", "another_cluster")
    ]
    // A body is refused by its type and size even where none is asked for.
    common += [.init(413, "body_too_large"), .init(415, "unsupported_media_type")]
    if endpoint.method.isWrite { common.append(.init(403, "foreign_origin")) }
    if endpoint.isCommand || endpoint.asksWriter || endpoint.asksLeader {
      common += [.init(503, "no_leader", "history_lost", "busy"), .init(504, "outcome_unknown")]
    }
    if endpoint.isRead { common.append(.init(503, "not_caught_up", "history_lost")) }
    if endpoint.body != nil { common.append(.init(400, "malformed_json")) }
    if endpoint.isCommand {
      common += [
        .init(409, "idempotency_key_expired"), .init(422, "idempotency_key_reused"), .init(413, "too_large"),
        .init(503, "busy", "storage_full", "stopping", "log_refused"), .init(504, "outcome_unknown")
      ]
    }
    return common
  }

  private func components(_ out: inout JSONWriter) {
    var named: [(name: String, schema: Schema)] = []
    for endpoint in endpoints {
      endpoint.body?.collect(into: &named)
      for answer in endpoint.answers { answer.schema.collect(into: &named) }
    }
    Schemas.problem.collect(into: &named)
    out.key("components")
    out.object { out in
      out.key("schemas")
      out.object { out in
        for item in named.sorted(by: { $0.name < $1.name }) {
          out.key(item.name)
          out.schema(item.schema)
        }
      }
      out.key("securitySchemes")
      out.object { out in
        out.key("token")
        out.object { out in
          out.field("type", "http")
          out.field("scheme", "bearer")
        }
      }
    }
  }
}
