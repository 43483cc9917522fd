internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Wire

/// Inventories in and out.
let transferEndpoints: [Endpoint] = [
  Endpoint(
    method: .post, pattern: "/api/v1/imports", id: "import", tag: "transfer", permission: .importRows,
    summary: "Take over an inventory: all rows or none, unless conflicts may be skipped.",
    body: Schemas.importRequest, bodyLimit: 8 << 20,
    answers: [.init(200, "What was taken over, or would be.", Schemas.importReport)],
    refusals: [.init(409, "import_conflicts")], isCommand: true, handler: importRows),
  Endpoint(
    method: .get, pattern: "/api/v1/export", id: "export", tag: "transfer", permission: .export,
    summary: "Everything as of one revision.",
    answers: [.init(200, "Pools, reservations, allocations.", Schemas.export)],
    refusals: [.init(503, "busy")], handler: export)
]

@Sendable private func importRows(_ call: Call) throws(Problem) {
  let body = try call.body(ImportBody.init(decoding:))
  try call.submit(.importRows(body.rows, skipConflicts: body.skipConflicts, label: body.importID)) { outcome in
    guard case .imported(let report) = outcome else { unexpected(outcome) }
    var out = JSONWriter()
    out.report(report)
    return Rendered(body: out.finish())
  }
}

@Sendable private func export(_ call: Call) throws(Problem) {
  guard call.api.exports.enter() else {
    throw Problem(503, "busy", "another export is running: repeat this one when it is done", retryAfter: 5)
  }
  let (engine, visibility) = (call.api.engine, call.visibility)
  call.api.exports.run({ call.send($1, revision: $0.revision) }, taking: { Export.take(engine, visibility) })
}
