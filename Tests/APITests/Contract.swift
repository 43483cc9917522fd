import Wire

/// Checks answers against an OpenAPI 3.0.3 document: the status is documented for the route, and the body fits the schema.
struct Contract: Sendable {
  let document: JSONValue

  /// Every operation as method and pattern.
  var operations: [(method: String, pattern: String, operation: JSONValue)] {
    (document["paths"]?.members ?? []).flatMap { path in
      (path.value.members ?? []).map { (method: $0.key.uppercased(), pattern: path.key, operation: $0.value) }
    }
  }

  /// The operation that a request reaches; literal segments win.
  func operation(_ method: String, _ target: String) -> JSONValue? {
    let path = target.prefix { $0 != "?" }.split(separator: "/")
    let fitting = operations.filter { item in
      let pattern = item.pattern.split(separator: "/")
      return pattern.count == path.count && zip(pattern, path).allSatisfy { $0 == $1 || $0.hasPrefix("{") }
    }
    let best = fitting.min { $0.pattern.filter { $0 == "{" }.count < $1.pattern.filter { $0 == "{" }.count }?.pattern
    return fitting.first { $0.pattern == best && $0.method == method }?.operation
  }

  /// What is wrong with an answer.
  func flaws(of answer: Heard, to method: String, _ target: String) -> [String] {
    guard let operation = operation(method, target) else { return [] }
    guard let documented = operation["responses"]?["\(answer.status)"] else {
      return ["status \(answer.status) is not documented"]
    }
    guard answer.header("berth-revision") != nil || answer.status >= 400 else { return ["no Berth-Revision"] }
    let type = answer.header("content-type") ?? "none"
    guard let schema = documented["content"]?[type]?["schema"] else { return ["type \(type) is not documented"] }
    guard let json = answer.json else { return type.hasPrefix("text/") ? [] : ["the body is no JSON"] }
    return flaws(json, schema, at: "body")
  }

  /// What is wrong with a value.
  func flaws(_ value: JSONValue, _ schema: JSONValue, at path: String) -> [String] {
    if let reference = schema["$ref"]?.string {
      let name = String(reference.split(separator: "/").last ?? "")
      guard let target = document["components"]?["schemas"]?[name] else { return ["\(path): no schema \(name)"] }
      return flaws(value, target, at: path)
    }
    if value.isNull { return schema["nullable"]?.bool == true ? [] : ["\(path) is null"] }
    if let all = schema["allOf"]?.elements { return all.flatMap { flaws(value, $0, at: path) } }
    if let some = schema["oneOf"]?.elements {
      let fitting = some.filter { flaws(value, $0, at: path).isEmpty }
      return fitting.count == 1 ? [] : ["\(path) fits \(fitting.count) of \(some.count) shapes"]
    }
    switch schema["type"]?.string {
    case "object": return object(value, schema, path)
    case "array":
      guard let items = value.elements, let item = schema["items"] else { return ["\(path) is no array"] }
      if let most = schema["maxItems"]?.integer(Int.self), items.count > most { return ["\(path) has over \(most)"] }
      return items.enumerated().flatMap { flaws($1, item, at: "\(path)[\($0)]") }
    case "string": return string(value, schema, path)
    case "integer":
      guard let text = value.numberText, text.allSatisfy({ $0.isNumber || $0 == "-" }) else {
        return ["\(path) is no integer"]
      }
      guard let number = UInt128(text) else { return [] }
      if let least = schema["minimum"]?.integer(UInt128.self), number < least { return ["\(path) is under \(least)"] }
      if let most = schema["maximum"]?.integer(UInt128.self), number > most { return ["\(path) is over \(most)"] }
      return []
    case "number": return value.numberText == nil ? ["\(path) is no number"] : []
    case "boolean": return value.bool == nil ? ["\(path) is no boolean"] : []
    default: return ["\(path): schema without type"]
    }
  }

  private func object(_ value: JSONValue, _ schema: JSONValue, _ path: String) -> [String] {
    guard let members = value.members else { return ["\(path) is no object"] }
    var found: [String] = []
    for name in schema["required"]?.elements ?? [] where value[name.string ?? ""] == nil {
      found.append("\(path).\(name.string ?? "") is missing")
    }
    for member in members {
      if let known = schema["properties"]?[member.key] {
        found += flaws(member.value, known, at: "\(path).\(member.key)")
      } else if let others = schema["additionalProperties"], others.members != nil {
        found += flaws(member.value, others, at: "\(path).\(member.key)")
      } else if schema["additionalProperties"]?.bool == false {
        found.append("\(path).\(member.key) is not documented")
      }
    }
    return found
  }

  private func string(_ value: JSONValue, _ schema: JSONValue, _ path: String) -> [String] {
    guard let text = value.string else { return ["\(path) is no string"] }
    if let allowed = schema["enum"]?.elements, !allowed.contains(.string(text)) { return ["\(path) is \(text)"] }
    if let least = schema["minLength"]?.integer(Int.self), text.count < least { return ["\(path) is too short"] }
    if let most = schema["maxLength"]?.integer(Int.self), text.count > most { return ["\(path) is too long"] }
    if let pattern = schema["pattern"]?.string {
      guard let regex = try? Regex(pattern) else { return ["\(path): pattern \(pattern) cannot be read"] }
      if text.firstMatch(of: regex) == nil { return ["\(path) = '\(text)' does not match \(pattern)"] }
    }
    return []
  }
}
