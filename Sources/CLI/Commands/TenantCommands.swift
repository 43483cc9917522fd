internal import Client
internal import Config
internal import Wire

/// Tenants and their limits.
let tenantCommands: [Command] = [
  Command(
    "tenant list", "List the tenants, what they have and how much they may have.",
    examples: [Example("berth tenant list", "used/limit of each")]
  ) { run throws(Failure) in
    try run.printer.show(Pages(run.connect(), run.call(.get, "tenants")), .tenant, onlyOne: false)
    return .ok
  },
  Command(
    "tenant quota", "Show, set or clear what a tenant may have at most.",
    details: """
      `set` replaces all limits: what is left out has none. Over its limits a tenant is refused, with the limit, what it \
      uses and what it asked for; VMs that it has stay.
      """,
    [
      Positional("WHAT", offer: .words(["show", "set", "clear"]), "show, set or clear."),
      Positional("TENANT", "The tenant.")
    ],
    place: .destructive,
    flags: [
      Flag("vms", value: "N", help: "VMs."), Flag("vcpus", value: "N", help: "Virtual processors: 64 or 0.5."),
      Flag("memory", value: "SIZE", help: "Memory: 256G."), Flag("disk", value: "SIZE", help: "Disk: 4T."),
      Flag("addresses", value: "N", help: "Addresses, those without a VM too."),
      Flag("devices", value: "N", help: "Devices."), Flag("vms-per-node", value: "N", help: "VMs on one node."),
      Flag("monthly", value: "MONEY", help: "What a month may cost."),
      Flag(
        "alert", value: "PERCENT", repeats: true,
        help: "Say so when a month costs this part of --monthly; 80 and 100 when left out."),
      Flag("burst", value: "PERCENT", help: "So much over its limits for a while."),
      Flag("burst-for", value: "TIME", help: "For how long, such as 1h."), CommonFlag.dryRun
    ],
    examples: [
      Example("berth tenant quota show acme", "limits and use"),
      Example("berth tenant quota set acme --vms 20 --vcpus 64 --memory 256G --burst 10 --burst-for 1h", "limits"),
      Example("berth tenant quota clear acme --yes", "any amount")
    ], action: quota)
]

private func quota(_ run: Invocation) throws(Failure) -> ExitCode {
  let (what, tenant) = (run.needed(0), run.needed(1))
  switch what {
  case "show": return try run.show(run.call(.get, "tenants", tenant, "quota"), name: "tenant")
  case "set":
    var limits = Body(run.arguments)
    for (key, flag) in [
      ("vms", "vms"), ("addresses", "addresses"), ("devices", "devices"), ("vms_per_node", "vms-per-node")
    ] { try limits.number(key, flag, canBeNone: true) }
    try limits.vcpus("vcpus", "vcpus", canBeNone: true)
    try limits.mebibytes("memory_mib", "memory", canBeNone: true)
    try limits.mebibytes("disk_mib", "disk", canBeNone: true)
    try limits.money("monthly_micros", "monthly", canBeNone: true)
    guard !limits.isEmpty else { throw .usage("no limit was given", "`berth tenant quota clear \(tenant)` ends all") }
    var body = Body(run.arguments)
    body.set("limits", limits.value)
    try body.alerts()
    try body.number("burst_percent", "burst")
    try body.seconds("burst_seconds", "burst-for")
    return try run.show(run.call(.put, "tenants", tenant, "quota", body: body), name: "tenant")
  case "clear":
    try run.confirm("let tenant \(tenant) have any amount")
    return try run.show(run.call(.delete, "tenants", tenant, "quota"), name: "tenant")
  default: throw .usage("`berth tenant quota` has no '\(what)'", "there is show, set and clear")
  }
}

extension Body {
  /// At which parts of the budget to say so, in order.
  fileprivate mutating func alerts() throws(Failure) {
    var percents: [UInt16] = []
    for text in arguments.all("alert") {
      guard let percent = UInt16(text), percent > 0 else {
        throw .usage("--alert takes a number such as 80, not '\(text)'")
      }
      percents.append(percent)
    }
    if !percents.isEmpty { set("alert_percents", .array(Set(percents).sorted().map { JSONValue($0) })) }
  }
}

/// Kept room.
let capacityCommands: [Command] = [
  Command(
    "capacity list", "List room that is kept.",
    examples: [Example("berth capacity list", "for whom, where, until when")]
  ) { run throws(Failure) in
    try run.printer.show(Pages(run.connect(), run.call(.get, "capacity")), .capacity, onlyOne: false)
    return .ok
  },
  Command(
    "capacity reserve", "Keep room on a node for a tenant.",
    details: "The tenant's VMs use it up; a VM of a higher priority that may preempt can take it too.",
    [Positional("NAME", "A DNS label.")],
    flags: [Flag("node", value: "NODE", help: "The node."), CommonFlag.tenant] + resourceFlags + [
      Flag("priority", value: "N", help: "0 to 1000, 500 when left out."),
      Flag("expires", value: "TIME", help: "How long it is kept, such as 8h; for ever when left out."),
      Flag("reason", value: "TEXT", help: "Why, for those who come after."), CommonFlag.dryRun
    ],
    examples: [
      Example(
        "berth capacity reserve launch --node sim-1 --tenant acme --vcpus 8 --memory 32G --expires 8h", "for a day")
    ]
  ) { run throws(Failure) in
    guard run["node"] != nil else { throw .usage("room is kept on a node", "add --node NODE") }
    var body = Body(run.arguments)
    body.set("name", .string(run.needed(0)))
    for name in ["node", "tenant", "reason"] { body.text(name, name) }
    try body.resources()
    try body.number("priority", "priority")
    try body.seconds("expires_in_seconds", "expires")
    return try run.show(run.call(.post, "capacity", body: body), name: "name")
  },
  Command(
    "capacity release", "Give kept room back to everybody.", [Positional("NAME", "The reservation.")],
    place: .destructive, flags: [CommonFlag.dryRun],
    examples: [Example("berth capacity release launch --yes", "VMs that use it stay")]
  ) { run throws(Failure) in
    try run.confirm("give back the room that is kept as \(run.needed(0))")
    return try run.show(run.call(.delete, "capacity", run.needed(0)), name: "name")
  }
]
