internal import Domain
internal import Engine
internal import HTTPServer
internal import Platform
internal import Wire

/// What of a server is insecure.
let securityEndpoints: [Endpoint] = [
  Endpoint(
    method: .get, pattern: "/api/v1/security", id: "security", tag: "tokens", permission: .securityRead,
    summary: "What of the way this server runs is insecure, for `berth doctor`.",
    answers: [.init(200, "What was looked at.", Schemas.security)], isLocal: true, handler: { call in security(call) })
]

/// One thing that was looked at; `isWell` is false where somebody should act.
struct SecurityFinding {
  let check: String
  let isWell: Bool
  let detail: String
}

private func security(_ call: Call) {
  let api = call.api
  let findings =
    api.security.findings(
      tokens: api.engine.tokens.all, now: api.engine.tokens.time, anonymous: api.isAnonymousAllowed)
    + api.security.certificateFindings(at: WallClock.microseconds / 1_000_000)
  var out = JSONWriter()
  out.object { out in
    out.key("findings")
    out.array { out in
      for finding in findings {
        out.object { out in
          out.field("check", finding.check)
          out.field("ok", finding.isWell)
          out.field("detail", finding.detail)
        }
      }
    }
  }
  call.send(out.finish(), revision: api.engine.status.revision)
}

extension Security {
  /// What there is to say, each time in the same order.
  func findings(tokens: [Token], now: LogTime, anonymous: Bool) -> [SecurityFinding] {
    let alive = tokens.filter { !$0.hasExpired(at: now) }
    var found = [access(anonymous), network]
    let forEver = alive.filter { $0.expiresAt == nil }.map(\.id.description)
    found.append(
      SecurityFinding(
        check: "token expiry", isWell: forEver.isEmpty,
        detail: forEver.isEmpty
          ? "every token ends some day" : "for ever: \(SecurityFinding.list(forEver)): replace them by tokens that end")
    )
    let admins = alive.filter { $0.isAdmin && !$0.isOneTime }
    if !tokens.isEmpty {
      found.append(
        SecurityFinding(
          check: "administrator", isWell: !admins.isEmpty,
          detail: admins.isEmpty
            ? "no cluster-admin token but the one-time one: `berth token create --role cluster-admin`"
            : "\(admins.count) cluster-admin tokens"))
    }
    if let oneTime = alive.first(where: \.isOneTime) {
      found.append(
        SecurityFinding(
          check: "one-time token", isWell: false,
          detail: "\(oneTime.id) in `admin.token` still opens everything: make an administrator's token, and it goes"))
    }
    let ended = tokens.count - alive.count
    if ended > 0 {
      found.append(
        SecurityFinding(check: "expired tokens", isWell: true, detail: "\(ended), which open nothing: revoke them"))
    }
    return found
  }

  private func access(_ anonymous: Bool) -> SecurityFinding {
    guard anonymous else { return SecurityFinding(check: "access", isWell: true, detail: "everybody needs a token") }
    let way = "`berth token create --role cluster-admin` ends it"
    if isReachable {
      return SecurityFinding(
        check: "access", isWell: false, detail: "whoever reaches the port may change everything: \(way)")
    }
    return SecurityFinding(
      check: "access", isWell: true,
      detail: "anonymous: every user of this machine may change everything, fit for a first try: \(way)")
  }

  private var network: SecurityFinding {
    if !isReachable {
      return SecurityFinding(check: "network", isWell: true, detail: "only this machine reaches the port")
    }
    if hasTLS { return SecurityFinding(check: "network", isWell: true, detail: "connections are encrypted") }
    return SecurityFinding(
      check: "network", isWell: false,
      detail: "other machines reach the port without TLS (--insecure): whoever listens reads tokens and answers")
  }
}

extension SecurityFinding {
  /// The first few of many.
  fileprivate static func list(_ ids: [String]) -> String {
    ids.prefix(5).joined(separator: ", ") + (ids.count > 5 ? " and \(ids.count - 5) more" : "")
  }
}
