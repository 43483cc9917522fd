package import Domain
package import Wire

/// A refusal on the wire: RFC 9457 with a stable code and, where they help, fields, facts and conflicts.
package struct Problem: Error, Hashable, Sendable {
  /// A field of the request and what is wrong with it.
  package struct FieldError: Hashable, Sendable {
    /// The field's path, or a parameter's name; empty = the whole body.
    package let field: String
    /// The rule it breaks.
    package let message: String

    /// Names a field and its rule.
    package init(field: String, message: String) { (self.field, self.message) = (field, message) }
  }

  /// A fact beside the sentence, for scripts.
  package struct Fact: Hashable, Sendable {
    /// Its name, `snake_case`.
    package let name: String
    /// Its value: a whole number in decimal, or text.
    package let value: String
    /// Whether the value is a number.
    package let isNumber: Bool

    /// Makes a fact.
    package init(name: String, value: String, isNumber: Bool) {
      (self.name, self.value, self.isNumber) = (name, value, isNumber)
    }
  }

  /// The HTTP status.
  package let status: Int
  /// The stable code.
  package let code: String
  /// What is wrong and what to do.
  package let detail: String
  /// The fields concerned.
  package var errors: [FieldError]
  /// Facts that scripts can use.
  package var facts: [Fact] = []
  /// Conflicts of an import that was refused as a whole.
  package var report: ImportReport?
  /// Seconds after which to try again; a header, not part of the body.
  package var retryAfter: Int?

  /// Makes a refusal.
  package init(_ status: Int, _ code: String, _ detail: String, errors: [FieldError] = [], retryAfter: Int? = nil) {
    (self.status, self.code, self.detail) = (status, code, detail)
    (self.errors, self.retryAfter) = (errors, retryAfter)
  }

  /// A field or parameter that breaks its rule.
  package static func invalid(_ field: String, _ message: String) -> Problem {
    Problem(400, "invalid_field", "\(field): \(message)", errors: [FieldError(field: field, message: message)])
  }

  /// A body that cannot be read.
  package init(_ fault: JSONFault) {
    let code = fault.isSyntax ? "malformed_json" : "invalid_field"
    self.init(
      400, code, fault.description, errors: [FieldError(field: fault.path, message: fault.message)])
  }

  /// The refusal as a document.
  package func encoded(title: String) -> [UInt8] {
    var out = JSONWriter(capacity: 384)
    out.object { out in
      out.field("type", "about:blank")
      out.field("title", title)
      out.field("status", status)
      out.field("code", code)
      out.field("detail", detail)
      if !errors.isEmpty { write(errors, to: &out) }
      if !facts.isEmpty { write(facts, to: &out) }
      if let report {
        out.key("report")
        out.report(report)
      }
    }
    return out.finish()
  }

  private func write(_ errors: [FieldError], to out: inout JSONWriter) {
    out.key("errors")
    out.array { out in
      for error in errors {
        out.object { out in
          out.field("field", error.field)
          out.field("message", error.message)
        }
      }
    }
  }

  private func write(_ facts: [Fact], to out: inout JSONWriter) {
    out.key("facts")
    out.object { out in
      for fact in facts {
        out.key(fact.name)
        if fact.isNumber { out.number(text: fact.value) } else { out.string(fact.value) }
      }
    }
  }

  /// Reads a refusal.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body, limits: .generous)
    var (status, code, detail) = (0, "", "")
    var errors: [FieldError] = []
    var facts: [Fact] = []
    var report: ImportReport?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "type", "title": _ = try reader.string()
      case "status": status = try reader.integer()
      case "code": code = try reader.string()
      case "detail": detail = try reader.string()
      case "errors": errors = try reader.list { (reader) throws(JSONFault) in try FieldError(decoding: &reader) }
      case "facts":
        try reader.object { (key, reader) throws(JSONFault) in
          let isNumber = try reader.next() == .number
          let value = try isNumber ? reader.integerText() : reader.string()
          facts.append(Fact(name: key.text, value: value, isNumber: isNumber))
        }
      case "report": report = try reader.report()
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    self.init(status, code, detail, errors: errors)
    (self.facts, self.report) = (facts, report)
  }
}

extension Problem.FieldError {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var (field, message) = ("", "")
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "field": field = try reader.string()
      case "message": message = try reader.string()
      default: throw reader.unknownField(key)
      }
    }
    self.init(field: field, message: message)
  }
}
