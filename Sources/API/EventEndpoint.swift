internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer

/// The log as it grows, and what it tells of the past.
let eventEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/events", id: "events", tag: "history", permission: .historyRead,
    summary: """
      Every entry as a server-sent event: `id` is the revision, `event` the kind, `data` a document of schema Event. A comment \
      comes every 15 s; a reader that falls behind is dropped and goes on with `Last-Event-ID`.
      """,
    query: [
      .init("since", "Only entries after this revision; default: from now on.", .revision),
      .init("kind", "Only of this kind.", .oneOf(EntryKind.allCases.map(\.name))),
      .init("pool", "Only with a changed row of this pool.", Schemas.poolName),
      .init("owner", "Only with a changed row of this owner.", Schemas.owner),
      .init("tenant", "Only with a changed row of this tenant.", Schemas.poolName),
      .init("node", "Only with a changed row of this node.", Schemas.node),
      .init("vm", "Only with a changed row of a VM of this name.", Schemas.owner)
    ],
    answers: [.init(200, "The stream.", .text(), type: "text/event-stream")],
    refusals: [
      .init(409, "revision_ahead"), .init(410, "history_trimmed"),
      .init(503, "too_many_subscribers", "log_unreadable", "stopping")
    ],
    handler: { (call) throws(Problem) in
      try call.afterLog { () throws(Problem) in
        try call.api.feed.answer(call.request, call.reply, call.visibility) { call.refuse($0) }
      }
    }),
  Endpoint(
    method: .get, pattern: "/api/v1/history", id: "history", tag: "history", permission: .allocationsRead,
    summary:
      "Who had an address, or what an owner or a MAC had: intervals of ownership, in the order in which they began.",
    query: [
      .init("ip", "Of this address. Exactly one of `ip`, `owner` and `mac` is needed.", Schemas.ip),
      .init("owner", "Of this owner.", Schemas.owner), .init("mac", "Of this MAC.", Schemas.mac),
      .init("tenant", "Only of this tenant; with `owner` default `default`.", Schemas.poolName),
      .init("pool", "Only of this pool.", Schemas.poolName), .init("from", "Only what ended after this.", .time),
      .init("to", "Only what began before this.", .time), .limit, .cursor
    ],
    answers: [.init(200, "A page of intervals.", .page(of: Schemas.interval))],
    refusals: [
      .init(410, "history_trimmed"), .init(503, "busy", "history_catching_up", "history_too_long", "log_unreadable")
    ],
    handler: { (call) throws(Problem) in
      try call.afterLog { () throws(Problem) in
        try call.api.history.answer(
          call.request, call.visibility, of: call.principal.payer,
          send: { call.send($0, revision: call.api.engine.status.revision) },
          refuse: { call.refuse($0) })
      }
    })
]
