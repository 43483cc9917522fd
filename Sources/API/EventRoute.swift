package import APITypes
package import Domain
package import HTTPServer

extension EventFeed {
  /// `GET /api/v1/events`: answers with a stream, or throws or calls `refuse` with why not.
  package func answer(
    _ request: Request, _ reply: Reply, _ visibility: Visibility = .all,
    refuse: @escaping @Sendable (Problem) -> Void
  ) throws(Problem) {
    var filter = EventFilter()
    let since = try EventFeed.read(request, &filter)
    filter.visibility = visibility
    _ = try visibility.tenant(named: filter.tenant)
    _ = try visibility.pool(named: filter.pool)
    subscribe(
      filter, since: since,
      accept: {
        reply.stream(
          status: 200, contentType: "text/event-stream", headers: [("Cache-Control", "no-store")])
      },
      refuse: { refuse($0.problem) })
  }

  /// The filter and where to begin; a reconnecting browser's `Last-Event-ID` is newer than the URL it repeats.
  private static func read(_ request: Request, _ filter: inout EventFilter) throws(Problem) -> Revision? {
    var since: Revision?
    for (name, value) in request.queryItems {
      if name == "since" {
        since = try revision(name, value)
      } else if name == "consistency" || name == "min_revision" {
        continue
      } else if try !filter.take(name, value) {
        throw .invalid(name, "is no parameter of this route: since, kind, pool, owner, tenant, node, vm")
      }
    }
    if let last = request.header("last-event-id") { since = try revision("Last-Event-ID", last) }
    return since
  }

  private static func revision(_ name: String, _ value: String) throws(Problem) -> Revision {
    guard value.utf8.allSatisfy({ (48...57).contains($0) }), let revision = Revision(value), revision < .max else {
      throw .invalid(name, "must be a revision: a whole number")
    }
    return revision
  }
}

extension EventRefusal {
  /// The refusal on the wire.
  package var problem: Problem {
    switch self {
    case .full:
      Problem(503, "too_many_subscribers", "As many listen as may: try again later.", retryAfter: 5)
    case .fullOf(let sharer):
      Problem(
        503, "too_many_subscribers", "As many listen as may of \(sharer): end a stream, or try again later.",
        retryAfter: 5)
    case .ahead(let newest):
      Problem(
        409, "revision_ahead",
        "The newest revision is \(newest): you have seen another log, or one that was restored to an earlier state.")
    case .trimmed(let oldest):
      Problem.historyTrimmed(oldest)
    case .unreadable(let why): Problem(503, "log_unreadable", why)
    case .stopping: Problem(503, "stopping", "This server is stopping: ask another.", retryAfter: 1)
    }
  }
}

extension Problem {
  /// What was asked for is older than the log at hand.
  package static func historyTrimmed(_ oldest: Revision) -> Problem {
    var problem = Problem(
      410, "history_trimmed",
      "The log at hand begins with revision \(oldest): list the present state and go on from its revision.")
    problem.facts = [Problem.Fact(name: "oldest_revision", value: "\(oldest)", isNumber: true)]
    return problem
  }
}
