internal import Client
internal import Config
internal import Wire

private let poolArgument = Positional("POOL", offer: .pools, "The name of the pool.")

/// What a pool can be given at its making and later.
private let poolFlags = [
  Flag("cidr", value: "CIDR", help: "The network, such as 10.1.0.0/16 or 2001:db8::/48."),
  Flag("gateway", value: "ADDRESS", help: "The gateway, never handed out; the first host when left out, or `none`."),
  Flag("range", value: "RANGE", repeats: true, help: "Hand out only these: A-B, a CIDR or an address."),
  Flag("dns", value: "ADDRESS", repeats: true, help: "A name server for the guests."),
  Flag("vlan", value: "N", help: "The VLAN of the network, 1 to 4094, or `none`."),
  Flag("mtu", value: "N", help: "The largest packet of the network, or `none`."),
  Flag("strategy", value: "next|lowest|random|oldest", help: "Which free address is given."),
  Flag("quarantine", value: "TIME", help: "How long a released address rests, such as 15m."),
  Flag("lease", value: "TIME", help: "How long an address is given for; 0 is for ever."),
  Flag("datacenter", value: "NAME", help: "The data centre that it serves."),
  Flag("zone", value: "NAME", help: "The zone that it serves."),
  Flag("rack", value: "NAME", help: "The rack that it serves."),
  Flag("label", value: "KEY=VALUE", repeats: true, help: "A label."),
  Flag("nat", help: "Guests reach the outside through translation.")
]

extension Body {
  fileprivate mutating func pool() throws(Failure) {
    try extent()
    texts("dns", "dns")
    try number("vlan", "vlan", canBeNone: true)
    try number("mtu", "mtu", canBeNone: true)
    text("strategy", "strategy")
    try seconds("quarantine_seconds", "quarantine")
    try seconds("lease_seconds", "lease")
    topology()
    try labels("labels", "label")
    bool("nat", "nat")
  }

  fileprivate mutating func extent() throws(Failure) {
    text("cidr", "cidr")
    text("gateway", "gateway", canBeNone: true)
    texts("ranges", "range")
  }
}

/// Making and changing pools.
let poolCommands: [Command] = [
  Command(
    "pool create", "Create a pool.", [Positional("NAME", "A DNS label, unique in this Berth.")],
    flags: poolFlags + [
      Flag("network", value: "NAME", help: "The routing domain; pools in one never overlap. `default` when left out."),
      Flag("disabled", help: "Hand out nothing yet."), CommonFlag.dryRun
    ],
    examples: [
      Example("berth pool create edge --cidr 10.1.0.0/16", "65,533 addresses behind the gateway 10.1.0.1"),
      Example(
        "berth pool create lab --cidr 192.168.7.0/24 --range 192.168.7.100-192.168.7.199 --lease 12h",
        "a hundred addresses that come back after half a day")
    ]
  ) { run throws(Failure) in
    guard run["cidr"] != nil else {
      throw .usage("a pool needs a network", "add --cidr, such as --cidr 10.1.0.0/16")
    }
    var body = Body(run.arguments)
    body.set("name", .string(run.needed(0)))
    try body.pool()
    body.text("network", "network")
    if run.has("disabled") { body.set("enabled", .bool(false)) }
    return try run.show(run.call(.post, "pools", body: body), name: "name")
  },
  Command(
    "pool update", "Change a pool.",
    details: "Only what is given changes. A network can shrink only when nobody lives outside the smaller one.",
    [poolArgument],
    flags: poolFlags + [
      Flag("if-revision", value: "N", help: "Only if the pool still has this revision."), CommonFlag.dryRun
    ],
    examples: [Example("berth pool update edge --quarantine 15m --dns 10.1.0.53", "let addresses rest, name a server")]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    try body.pool()
    guard !body.isEmpty else { throw .usage("nothing was given to change", "see `berth pool update --help`") }
    let call = run.call(.patch, "pools", run.needed(0), body: body).ifRevision(run["if-revision"])
    return try run.show(call, name: "name")
  },
  Command(
    "pool expand", "Let a pool grow in place.",
    details: "All addresses that were given stay. `berth pool rollback` goes back.", [poolArgument],
    flags: Array(poolFlags.prefix(3)) + [CommonFlag.dryRun],
    examples: [Example("berth pool expand default --cidr 172.16.0.0/16", "from 253 addresses to 65,533")]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    try body.extent()
    guard !body.isEmpty else { throw .usage("nothing was given to grow to", "add --cidr or --range") }
    return try run.show(run.call(.post, "pools", run.needed(0), "expand", body: body), name: "name")
  },
  Command(
    "pool rollback", "Give a pool the extent back that it had before.",
    details: "Refused while somebody lives outside of it; the answer lists them.", [poolArgument],
    place: .destructive, flags: [CommonFlag.dryRun],
    examples: [Example("berth pool rollback default --yes", "undo the last expand")]
  ) { run throws(Failure) in
    try run.confirm("give pool \(run.needed(0)) its last extent back")
    return try run.show(run.call(.post, "pools", run.needed(0), "rollback"), name: "name")
  },
  Command(
    "pool delete", "Delete a pool that nobody uses.", [poolArgument], place: .destructive, flags: [CommonFlag.dryRun],
    examples: [Example("berth pool delete lab --yes", "without a question")]
  ) { run throws(Failure) in
    try run.confirm("delete pool \(run.needed(0))")
    return try run.show(run.call(.delete, "pools", run.needed(0)), name: "name")
  }
]

/// Opening, closing and excluding.
let poolStateCommands: [Command] = [
  Command(
    "pool enable", "Let a pool hand out addresses.", [poolArgument],
    examples: [Example("berth pool enable lab", "open it")]
  ) { run throws(Failure) in try setEnabled(run, true) },
  Command(
    "pool disable", "Let a pool hand out nothing more.",
    details: "What was given stays with its owner.", [poolArgument],
    examples: [Example("berth pool disable lab", "close it")]
  ) { run throws(Failure) in try setEnabled(run, false) },
  Command(
    "pool reserve", "Exclude addresses from being given.",
    [poolArgument, Positional("RANGE", "An address, A-B or a CIDR.")],
    flags: [Flag("reason", value: "TEXT", help: "Why, for those who come after."), CommonFlag.dryRun],
    examples: [Example("berth pool reserve edge 10.1.0.2-10.1.0.20 --reason 'routers'", "nineteen for the routers")]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    body.set("range", .string(run.needed(1)))
    body.text("reason", "reason")
    return try run.show(run.call(.post, "pools", run.needed(0), "reservations", body: body), name: "range")
  },
  Command(
    "pool unreserve", "Let excluded addresses be given again.",
    [poolArgument, Positional("ADDRESS", "The first address of the reservation.")], flags: [CommonFlag.dryRun],
    examples: [Example("berth pool unreserve edge 10.1.0.2", "end the reservation that begins there")]
  ) { run throws(Failure) in
    try run.show(run.call(.delete, "pools", run.needed(0), "reservations", run.needed(1)), name: "range")
  }
]

private func setEnabled(_ run: Invocation, _ isEnabled: Bool) throws(Failure) -> ExitCode {
  var body = Body(run.arguments)
  body.set("enabled", .bool(isEnabled))
  return try run.show(run.call(.patch, "pools", run.needed(0), body: body), name: "name")
}

/// Looking at pools.
let poolViewCommands: [Command] = [
  Command(
    "pool list", "List the pools and how full they are.",
    flags: [
      Flag("network", value: "NAME", help: "Only this routing domain."), CommonFlag.label, CommonFlag.limit,
      CommonFlag.cursor
    ],
    examples: [
      Example("berth pool list", "all of them"), Example("berth pool list -o name --label tier=edge", "names alone")
    ]
  ) { run throws(Failure) in try run.list(run.filtered(run.call(.get, "pools"), by: ["network"]), .pool) },
  Command(
    "pool show", "Show a pool: what it is and how full.", [poolArgument],
    examples: [Example("berth pool show default", "all that is known of it")]
  ) { run throws(Failure) in try run.show(run.call(.get, "pools", run.needed(0)), name: "name") },
  Command(
    "pool reservations", "List what is excluded from a pool.", [poolArgument],
    flags: [CommonFlag.limit, CommonFlag.cursor],
    examples: [Example("berth pool reservations edge", "by hand and by itself")]
  ) { run throws(Failure) in
    try run.list(run.filtered(run.call(.get, "pools", run.needed(0), "reservations"), by: []), .reservation)
  },
  Command(
    "pool allocations", "List who has an address of a pool.", [poolArgument], flags: allocationFilters,
    examples: [Example("berth pool allocations edge --tenant red", "those of one tenant")]
  ) { run throws(Failure) in
    let call = run.call(.get, "pools", run.needed(0), "allocations")
    return try run.list(run.filtered(call, by: allocationFilterNames), .allocation)
  },
  Command(
    "pool free", "List the largest free blocks of a pool.", [poolArgument],
    flags: [
      Flag("length", value: "N", help: "Only blocks that hold one of this prefix length, such as 28."),
      Flag("limit", value: "N", help: "At most N blocks, 16 when left out.")
    ],
    examples: [Example("berth pool free edge --length 28", "where sixteen together are free")]
  ) { run throws(Failure) in
    var length = run["length"]
    if length == nil {
      let pool = try run.send(run.call(.get, "pools", run.needed(0)))
      let isIPv6 = (try? pool.value()["cidr"]?.string)?.contains(":") == true
      length = isIPv6 ? "128" : "32"
    }
    let call = run.call(.get, "pools", run.needed(0), "free").asking("length", length).asking("limit", run["limit"])
    try run.printer.show(try run.send(call), .block, list: "blocks")
    return .ok
  },
  Command(
    "pool suggest", "Say which address would be given now, and reserve nothing.", [poolArgument],
    examples: [Example("berth pool suggest edge -o name", "the address alone")]
  ) { run throws(Failure) in try run.show(run.call(.get, "pools", run.needed(0), "suggestion"), name: "ip") },
  Command(
    "pool heatmap", "Draw how full each /24 of a pool is.", [poolArgument],
    examples: [Example("berth pool heatmap edge", "a block per /24, from empty to full")],
    action: drawHeatmap)
]

/// The filters with one value, in the order of the flags.
let allocationFilterNames = ["owner", "tenant", "interface", "mac", "hostname", "node"]

/// The filters of lists of allocations.
let allocationFilters: [Flag] = [
  Flag("owner", value: "OWNER", help: "Only this owner."), Flag("tenant", value: "TENANT", help: "Only this tenant."),
  Flag("interface", value: "NAME", help: "Only this interface."),
  Flag("mac", value: "MAC", help: "Only this hardware address."),
  Flag("hostname", value: "NAME", help: "Only this host name."),
  Flag("node", value: "NODE", help: "Only on this node."), CommonFlag.label, CommonFlag.limit, CommonFlag.cursor
]
