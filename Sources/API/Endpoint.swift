internal import APITypes
internal import HTTPServer

/// A route, declared once.
struct Endpoint: Sendable {
  /// The method.
  let method: HTTPServer.Method
  /// The path; parameters are described by name in `PathParameters`.
  let pattern: String
  /// The operation's name in the OpenAPI document.
  let id: String
  /// The heading it stands under.
  let tag: String
  /// What its caller must be allowed; without it nothing compiles, so no route can forget it.
  let permission: Permission
  /// One sentence.
  let summary: String
  /// What may stand in the query, beside `dry_run` of writes.
  var query: [Parameter] = []
  /// Whether `If-Match` is understood.
  var matches = false
  /// The body; nil = none.
  var body: Schema?
  /// Whether the body may be left out.
  var bodyIsOptional = false
  /// Most bytes of the body.
  var bodyLimit = 1 << 20
  /// The good answers.
  let answers: [Good]
  /// The refusals of its own, beside those that every route has.
  var refusals: [Refused] = []
  /// Whether it is a command with `dry_run` and `Idempotency-Key`.
  var isCommand = false
  /// Whether the writer answers it although it changes nothing; in a cluster that is the leader.
  var asksWriter = false
  /// Whether the leader answers it, who alone knows all of it; behind a barrier, like any read.
  var asksLeader = false
  /// The flag in the query with which the leader answers it.
  var asksLeaderFor: String?
  /// What a node that does not lead does with a call, instead of passing it on as it is.
  var passing: (@Sendable (Call) throws(Problem) -> Void)?
  /// Whether it is about this node and not about what is stored.
  var isLocal = false
  /// Whether it waits for a barrier although it is local: nobody judges its caller who knows more than this node.
  var isBehindBarrier = false
  /// Answers a call, now or later, or says why not.
  let handler: @Sendable (Call) throws(Problem) -> Void

  /// A good answer.
  struct Good: Sendable {
    let status: Int
    let meaning: String
    let type: StaticString
    let schema: Schema

    init(_ status: Int, _ meaning: String, _ schema: Schema, type: StaticString = "application/json") {
      (self.status, self.meaning, self.type, self.schema) = (status, meaning, type, schema)
    }
  }

  /// A refusal.
  struct Refused: Sendable {
    let status: Int
    let codes: [String]

    init(_ status: Int, _ codes: String...) { (self.status, self.codes) = (status, codes) }
  }

  /// Something in the query.
  struct Parameter: Sendable {
    let name: String
    let meaning: String
    let schema: Schema
    var isRequired = false
    var mayRepeat = false

    init(_ name: String, _ meaning: String, _ schema: Schema, isRequired: Bool = false, mayRepeat: Bool = false) {
      (self.name, self.meaning, self.schema) = (name, meaning, schema)
      (self.isRequired, self.mayRepeat) = (isRequired, mayRepeat)
    }
  }

  /// Everything that may stand in the query.
  var parameters: [Parameter] {
    isCommand ? query + [.dryRun] : isRead ? query + [.consistency, .minRevision] : query
  }

  /// Whether it reads what is stored: how fresh that must be can be said.
  var isRead: Bool { method == .get && !isLocal }

  /// Refuses parameters that the table does not know, and those that are there twice.
  func checkParameters(_ request: Request) throws(Problem) {
    let items = request.queryItems
    if items.isEmpty { return }
    let known = parameters
    for (place, item) in items.enumerated() {
      guard let parameter = known.first(where: { $0.name == item.name }) else {
        let names = known.map(\.name).joined(separator: ", ")
        throw .invalid(item.name, "this parameter is not known here" + (names.isEmpty ? "" : "; known are \(names)"))
      }
      if !parameter.mayRepeat, items[..<place].contains(where: { $0.name == item.name }) {
        throw .invalid(item.name, "this parameter appears twice")
      }
    }
  }
}

extension Endpoint.Parameter {
  static let dryRun = Self("dry_run", "Decide and answer, but change nothing.", .boolean)
  static let consistency = Self(
    "consistency",
    "`consistent` (default): knows everything acknowledged before it was asked; `stale`: what this node has at hand.",
    .oneOf(["consistent", "stale"]))
  static let minRevision = Self(
    "min_revision", "At least as new as this revision, such as the `Berth-Revision` of an earlier answer.", .revision)
  static let limit = Self("limit", "Most items on the page.", .integer(1, 1_000, standard: 100))
  static let cursor = Self("cursor", "`next_cursor` of the page before.", .cursor)
  static let label = Self("label", "Only what carries this label, written KEY=VALUE.", .labelFilter, mayRepeat: true)
}
