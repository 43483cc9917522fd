internal import APITypes
internal import Domain
internal import HTTPServer
internal import Wire

/// Questions about the fleet as it might be; they change nothing.
let planEndpoints: [Endpoint] = [
  Endpoint(
    method: .post, pattern: "/api/v1/placements", id: "tryPlacement", tag: "vms", permission: .vmsWrite,
    summary: "Where VMs would go, with which addresses, and why; nothing is made.", body: Schemas.vmCreate,
    answers: [.init(200, "The VMs as they would be.", Schemas.vms)],
    refusals: [
      .init(400, "address_outside_pool"), .init(404, "pool_not_found", "node_not_found"),
      .init(
        409, "vm_exists", "too_many_vms", "no_placement", "quota_exceeded", "pool_exhausted", "pool_disabled",
        "no_matching_pool", "address_in_use", "address_reserved", "address_quarantined", "already_allocated",
        "too_many_for_owner", "node_state")
    ],
    asksWriter: true, handler: tryPlacement),
  Endpoint(
    method: .post, pattern: "/api/v1/plan", id: "plan", tag: "nodes", permission: .planRead,
    summary: """
      What would happen: `drain` a node, `lose` a datacenter, `add` nodes, move VMs to what is `cheaper`, or how many more \
      like one `fit`. Nothing happens.
      """,
    body: Schemas.whatIf, answers: [.init(200, "What would happen.", Schemas.plan)],
    refusals: [.init(404, "node_not_found", "pool_not_found"), .init(409, "no_placement", "node_state")],
    asksWriter: true,
    handler: { (call) throws(Problem) in
      let question = try call.body(decodeWhatIf)
      guard case .fit(let request, let most) = question else { return try ask(question, call) }
      try call.advised(request) { (request) throws(Problem) in try ask(.fit(request, most: most), call) }
    })
]

@Sendable private func ask(_ question: WhatIf, _ call: Call) throws(Problem) {
  try call.submit(.plan(question)) { outcome in
    guard case .plan(let report) = outcome else { unexpected(.fleet(outcome)) }
    return Rendered { $0.plan(report) }
  }
}

@Sendable private func tryPlacement(_ call: Call) throws(Problem) {
  let request = try call.vmRequest()
  try call.advised(request) { (request) throws(Problem) in
    try call.submit(.createVM(request)) { outcome in
      guard case .vms(let placed, _) = outcome else { unexpected(.fleet(outcome)) }
      return Rendered { $0.vms(placed.map { VMView($0) }) }
    }
  }
}
