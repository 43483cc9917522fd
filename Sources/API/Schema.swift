internal import Wire

/// The part of JSON Schema that OpenAPI 3.0.3 knows and the routes need; objects are closed.
indirect enum Schema: Sendable {
  case boolean
  /// Whole numbers of any length between the bounds.
  case integer(UInt64?, UInt64?, standard: UInt64?)
  case number
  /// Text by length and pattern.
  case string(min: Int, max: Int?, pattern: String?)
  case time
  case oneOf([String])
  case array(Schema, min: Int, max: Int?)
  case object([Field])
  /// An object with keys that are not known beforehand.
  case map(Schema, max: Int?)
  case nullable(Schema)
  /// A schema with a name: written once, referred to elsewhere.
  case named(String, Schema)
  /// A number or text.
  case fact
  /// One of two shapes.
  case either(Schema, Schema)
  /// Whatever it is.
  case anything

  /// A member of an object.
  struct Field: Sendable {
    let name: String
    let schema: Schema
    let meaning: String?
    let isRequired: Bool
  }

  static func integer(_ min: Int, _ max: Int, standard: Int? = nil) -> Schema {
    .integer(UInt64(min), UInt64(max), standard: standard.map { UInt64($0) })
  }

  static func text(max: Int? = nil, pattern: String? = nil) -> Schema { .string(min: 0, max: max, pattern: pattern) }

  static func pattern(_ pattern: String, min: Int = 1, max: Int) -> Schema {
    .string(min: min, max: max, pattern: pattern)
  }

  static func list(_ item: Schema, max: Int? = nil) -> Schema { .array(item, min: 0, max: max) }

  /// A count of addresses.
  static let count = Schema.integer(0, nil, standard: nil)
  static let revision = Schema.integer(0, nil, standard: nil)
  static let cursor = Schema.pattern("^([0-9a-f]{2})+$", min: 2, max: 512)
  static let labelFilter = Schema.pattern("^[A-Za-z0-9._/-]{1,63}=[ -~]{0,128}$", min: 2, max: 192)

  /// A page of `item`.
  static func page(of item: Schema) -> Schema {
    .object([
      .must("items", .list(item)),
      .must(
        "next_cursor", .nullable(.cursor), "What `cursor` of the next request must be; null = this was the last page.")
    ])
  }

  /// The named schemas in it, the deepest first.
  func collect(into named: inout [(name: String, schema: Schema)]) {
    switch self {
    case .array(let item, _, _), .map(let item, _), .nullable(let item): item.collect(into: &named)
    case .object(let fields): for field in fields { field.schema.collect(into: &named) }
    case .named(let name, let schema):
      guard !named.contains(where: { $0.name == name }) else { return }
      schema.collect(into: &named)
      named.append((name, schema))
    case .either(let one, let other):
      one.collect(into: &named)
      other.collect(into: &named)
    case .boolean, .integer, .number, .string, .time, .oneOf, .fact, .anything: break
    }
  }
}

extension Schema.Field {
  /// A member that is always there, or must be given.
  static func must(_ name: String, _ schema: Schema, _ meaning: String? = nil) -> Self {
    Self(name: name, schema: schema, meaning: meaning, isRequired: true)
  }

  /// A member that may be left out.
  static func may(_ name: String, _ schema: Schema, _ meaning: String? = nil) -> Self {
    Self(name: name, schema: schema, meaning: meaning, isRequired: false)
  }
}

extension JSONWriter {
  /// Writes a schema; named ones as references.
  mutating func schema(_ schema: Schema, meaning: String? = nil, isNullable: Bool = false) {
    switch schema {
    case .nullable(let inner): return self.schema(inner, meaning: meaning, isNullable: true)
    case .named(let name, _): return reference(name, meaning, isNullable)
    default: break
    }
    object { out in
      out.content(of: schema, isNullable)
      if isNullable { out.field("nullable", true) }
      if let meaning { out.field("description", meaning) }
    }
  }

  /// In 3.0.3 nothing may stand beside a `$ref`, so it goes inside an `allOf` when something must.
  private mutating func reference(_ name: String, _ meaning: String?, _ isNullable: Bool) {
    let target = "#/components/schemas/\(name)"
    if meaning == nil, !isNullable { return object { $0.field("$ref", target) } }
    object { out in
      out.key("allOf")
      out.array { out in out.object { $0.field("$ref", target) } }
      if isNullable { out.field("nullable", true) }
      if let meaning { out.field("description", meaning) }
    }
  }

  private mutating func content(of schema: Schema, _ isNullable: Bool) {
    switch schema {
    case .boolean: field("type", "boolean")
    case .integer(let min, let max, let standard):
      field("type", "integer")
      if let min { field("minimum", min) }
      if let max { field("maximum", max) }
      if let standard { field("default", standard) }
    case .number: field("type", "number")
    case .string(let min, let max, let pattern):
      field("type", "string")
      if min > 0 { field("minLength", min) }
      if let max { field("maxLength", max) }
      if let pattern { field("pattern", pattern) }
    case .time:
      field("type", "string")
      field("format", "date-time")
    case .oneOf(let values):
      field("type", "string")
      key("enum")
      array { out in
        for value in values { out.string(value) }
        if isNullable { out.null() }
      }
    case .array(let item, let min, let max):
      field("type", "array")
      key("items")
      self.schema(item)
      if min > 0 { field("minItems", min) }
      if let max { field("maxItems", max) }
    case .object(let fields): object(fields)
    case .map(let value, let max):
      field("type", "object")
      key("additionalProperties")
      self.schema(value)
      if let max { field("maxProperties", max) }
    case .fact:
      key("oneOf")
      array { out in
        out.object { $0.field("type", "integer") }
        out.object { $0.field("type", "string") }
      }
    case .either(let one, let other):
      key("oneOf")
      array { out in
        out.schema(one)
        out.schema(other)
      }
    case .anything: field("type", "object")
    case .nullable, .named: preconditionFailure("written by the caller")
    }
  }

  private mutating func object(_ fields: [Schema.Field]) {
    field("type", "object")
    field("additionalProperties", false)
    let required = fields.filter(\.isRequired).map(\.name)
    if !required.isEmpty { field("required", required) }
    key("properties")
    object { out in
      for field in fields {
        out.key(field.name)
        out.schema(field.schema, meaning: field.meaning)
      }
    }
  }
}
