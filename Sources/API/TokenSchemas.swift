internal import APITypes
internal import Domain

/// The shapes about tokens and who may do what.
extension Schemas {
  static let tokenID = Schema.pattern("^[a-z2-7]{16}$", min: 16, max: 16)
  static let role = Schema.oneOf(Role.allCases.map(\.name))
  static let enrolment = Schema.named(
    "EnrolmentRequest",
    .object([.must("request", .text(max: EnrolmentBody.requestMax), "A PKCS #10 request in PEM.")]))
  static let enrolled = Schema.named(
    "Enrolment",
    .object([
      .must("agent", .text()), .must("uri", .text(), "Who the certificate says that the agent is."),
      .must("certificate", .nullable(.text()), "In PEM; null in a dry run."),
      .must("authority", .text(), "The CA that signed it, in PEM.")
    ]))
  static let tokenCreate = Schema.named(
    "TokenCreate",
    .object([
      .may("role", role, "Needed without `enrols`."),
      .may(
        "enrols", .nullable(.text(max: 128)),
        "Only for getting this agent's certificate, once; role agent, an hour, seven days at most."),
      .may("tenant", .nullable(poolName), "Only for this tenant."),
      .may("pool", .nullable(poolName), "Only for this pool; not both."),
      .may("description", .text(max: Limits.noteBytes), "What it is for."),
      .may(
        "expires_in_seconds", .nullable(.integer(1, Int(Limits.maxSeconds), standard: Int(Limits.tokenSeconds))),
        "Default: 90 days; null = never.")
    ]))
  private static let tokenFields: [Schema.Field] = [
    .must("id", tokenID, "The public half: the 16 characters behind `berth_`."), .must("role", role),
    .must("tenant", .nullable(poolName)), .must("pool", .nullable(poolName)),
    .must("description", .text(max: Limits.noteBytes)), .must("created_at", .time),
    .must("expires_at", .nullable(.time), "null = never."), .must("created_by", .text(), "Who made it."),
    .must("one_time", .boolean, "Goes when it has made an administrator's token."),
    .must("enrols", .nullable(.text()), "The agent that it enrols, once; it opens nothing else."),
    .must("used", .boolean, "Whether it has enrolled its agent."), .must("revision", .revision)
  ]
  static let token = Schema.named("Token", .object(tokenFields))
  static let tokenCreated = Schema.named(
    "TokenCreated",
    .object(
      tokenFields + [
        .must(
          "token", .nullable(.pattern("^berth_[a-z2-7]{16}_[a-z2-7]{59}$", min: 82, max: 82)),
          "The whole token, told once; null in a dry run and in a replay.")
      ]))
  static let whoami = Schema.named(
    "WhoAmI",
    .object([
      .must("principal", .text(), "As `actor` in events."), .must("role", .nullable(role)),
      .must("tenant", .nullable(poolName)), .must("pool", .nullable(poolName)),
      .must("token_id", .nullable(tokenID)), .must("expires_at", .nullable(.time)),
      .must("permissions", .list(.oneOf(Permission.allCases.map(\.rawValue))))
    ]))
  static let security = Schema.named(
    "Security",
    .object([
      .must(
        "findings",
        .list(
          .object([
            .must("check", .text()), .must("ok", .boolean, "false = somebody should act."), .must("detail", .text())
          ])))
    ]))
}
