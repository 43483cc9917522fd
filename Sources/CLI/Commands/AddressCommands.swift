internal import Client
internal import Config
internal import Wire

/// Whether a word is written like an address; anything else names an owner.
func looksLikeAddress(_ word: String) -> Bool {
  if word.contains(":") {
    let isHex = word.utf8.allSatisfy { Character(UnicodeScalar($0)).isHexDigit || $0 == 0x3A || $0 == 0x2E }
    return isHex && (word.contains("::") || word.utf8.filter { $0 == 0x3A }.count >= 6)
  }
  let parts = word.split(separator: ".", omittingEmptySubsequences: false)
  return parts.count == 4 && parts.allSatisfy { (1...3).contains($0.count) && $0.allSatisfy(\.isNumber) }
}

private let subject = Positional("IP|OWNER", "An address, or the owner of addresses.")

private let allocateFlags = [
  Flag("pool", value: "POOL", help: "The pool; without it Berth chooses one that fits."),
  Flag("ip", value: "ADDRESS", help: "Exactly this address; needs --pool."),
  CommonFlag.tenant, CommonFlag.interface,
  Flag("count", value: "N", help: "So many addresses, 1 to 1024."),
  Flag("contiguous", help: "One behind the other."),
  Flag("prefix-length", value: "N", help: "A whole network of this length, such as 28 or 64."),
  Flag("hostname", value: "NAME", help: "The guest's name."),
  Flag("mac", value: "MAC", help: "The guest's hardware address."),
  Flag("node", value: "NODE", help: "Where the guest runs."),
  Flag("lease", value: "TIME", help: "Give it back after this time, such as 12h."),
  Flag("label", value: "KEY=VALUE", repeats: true, help: "A label."),
  Flag("family", value: "ipv4|ipv6", repeats: true, help: "Without --pool: an address of each of these families."),
  Flag("datacenter", value: "NAME", help: "Without --pool: a pool that serves this data centre."),
  Flag("zone", value: "NAME", help: "Without --pool: a pool that serves this zone."),
  Flag("rack", value: "NAME", help: "Without --pool: a pool that serves this rack."),
  Flag("pool-label", value: "KEY=VALUE", repeats: true, help: "Without --pool: a pool with this label."),
  CommonFlag.dryRun
]

private func allocate(_ run: Invocation) throws(Failure) -> ExitCode {
  var body = Body(run.arguments)
  body.set("owner", .string(run.needed(0)))
  body.text("tenant", "tenant")
  body.text("interface", "interface")
  try body.number("count", "count")
  body.bool("contiguous", "contiguous")
  try body.number("prefix_length", "prefix-length")
  body.text("hostname", "hostname")
  body.text("mac", "mac")
  body.text("node", "node")
  try body.seconds("lease_seconds", "lease")
  try body.labels("labels", "label")
  let choosing = ["family", "datacenter", "zone", "rack", "pool-label"].filter { !run.arguments.all($0).isEmpty }
  let call: Call
  if let pool = run["pool"] {
    guard choosing.isEmpty else {
      throw .usage("--\(choosing[0]) lets Berth choose a pool, and --pool names one", "leave one out")
    }
    body.text("ip", "ip")
    call = run.call(.post, "pools", pool, "allocations", body: body)
  } else {
    guard run["ip"] == nil else { throw .usage("--ip needs the pool that the address is of", "add --pool") }
    body.texts("families", "family")
    body.topology()
    try body.labels("pool_labels", "pool-label")
    call = run.call(.post, "allocations", body: body)
  }
  let answer = try run.send(call)
  try run.printer.show(answer, .allocation, list: "allocations")
  if let unchanged = answer.header("berth-unchanged") {
    run.io.remark("it was allocated before and kept its: \(printable(unchanged))")
  }
  return .ok
}

/// Finds the one allocation of an address, in the named pool or in the only one that has it.
private func allocation(of ip: String, _ run: Invocation) throws(Failure) -> (pool: String, generation: String?) {
  if let pool = run["pool"] { return (pool, nil) }
  let answer = try run.send(run.call(.get, "addresses", ip))
  let value: JSONValue
  do throws(ClientFault) { value = try answer.value() } catch { throw Failure(error) }
  let holders = (value["matches"]?.elements ?? []).filter { $0["allocation"]?.isNull == false }
  let pools = holders.compactMap { $0["pool"]?.string }
  switch pools.count {
  case 0: throw Failure(.notFound, "nobody has \(ip)", hints: ["`berth ip who-has \(ip)` shows the pools around it"])
  case 1: return (pools[0], holders[0].at("allocation.generation").numberText)
  default:
    throw .usage("\(ip) is allocated in the pools \(pools.joined(separator: ", "))", "name one with --pool")
  }
}

private func release(_ run: Invocation) throws(Failure) -> ExitCode {
  let subject = run.needed(0)
  guard looksLikeAddress(subject) else {
    guard run["generation"] == nil else {
      throw .usage("--generation is of one address, and '\(subject)' is an owner", "name the address")
    }
    var call = run.call(.delete, "allocations").asking("owner", subject)
    for name in ["tenant", "interface", "pool"] { call = call.asking(name, run[name]) }
    try run.printer.show(try run.send(call), .allocation, list: "allocations")
    return .ok
  }
  let found = try allocation(of: subject, run)
  // The generation that was just seen: if somebody else has got the address since, nothing happens.
  let call = run.call(.delete, "pools", found.pool, "allocations", subject)
    .asking("generation", run["generation"] ?? found.generation)
  try run.printer.show(try run.send(call), .allocation, list: "allocations")
  return .ok
}

/// Giving, taking and changing.
let addressCommands: [Command] = [
  Command(
    "ip allocate", "Give an owner an address.",
    details: "Asking again for the same owner and interface gives the same address.",
    [Positional("OWNER", "Who gets it: a VM, a pod, a router.")], flags: allocateFlags,
    examples: [
      Example("berth ip allocate vm-1", "from a pool of Berth's choice"),
      Example("berth ip allocate vm-1 --pool edge --ip 10.1.0.77", "exactly this one, or a conflict naming its holder"),
      Example("IP=$(berth ip allocate vm-1 -o name)", "for a script")
    ], action: allocate),
  Command(
    "ip release", "Take an address back, or all that an owner has.", [subject],
    flags: [
      CommonFlag.pool, CommonFlag.tenant, CommonFlag.interface,
      Flag("generation", value: "N", help: "Only if it is still this allocation."), CommonFlag.dryRun
    ],
    examples: [
      Example("berth ip release vm-1", "everything of vm-1"), Example("berth ip release 10.1.0.77", "this address")
    ], action: release),
  Command(
    "ip renew", "Prolong a lease.", [Positional("IP", "The address.")],
    flags: [
      CommonFlag.pool, Flag("lease", value: "TIME", help: "From now on so long; as before when left out."),
      CommonFlag.dryRun
    ],
    examples: [Example("berth ip renew 10.1.0.77 --lease 12h", "another half day")]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    try body.seconds("lease_seconds", "lease")
    let pool = try allocation(of: run.needed(0), run).pool
    let call = run.call(.post, "pools", pool, "allocations", run.needed(0), "renew", body: body)
    try run.printer.show(try run.send(call), .allocation, list: "allocations")
    return .ok
  },
  Command(
    "ip update", "Change what is noted beside an address.", [Positional("IP", "The address.")],
    flags: [
      CommonFlag.pool, Flag("hostname", value: "NAME", help: "The guest's name, or `none`."),
      Flag("mac", value: "MAC", help: "Its hardware address, or `none`."),
      Flag("node", value: "NODE", help: "Where it runs, or `none`."),
      Flag("label", value: "KEY=VALUE", repeats: true, help: "A label; those that are given replace all."),
      Flag("if-revision", value: "N", help: "Only if the allocation still has this revision."), CommonFlag.dryRun
    ],
    examples: [Example("berth ip update 10.1.0.77 --node host-3", "it has moved")]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    for name in ["hostname", "mac", "node"] { body.text(name, name, canBeNone: true) }
    try body.labels("labels", "label")
    guard !body.isEmpty else { throw .usage("nothing was given to change", "see `berth ip update --help`") }
    let pool = try allocation(of: run.needed(0), run).pool
    let call = run.call(.patch, "pools", pool, "allocations", run.needed(0), body: body)
      .ifRevision(run["if-revision"])
    try run.printer.show(try run.send(call), .allocation, list: "allocations")
    return .ok
  }
]

/// Looking.
let addressReadCommands: [Command] = [
  Command(
    "ip show", "Show an address, or all that an owner has.", [subject], flags: [CommonFlag.pool, CommonFlag.tenant],
    examples: [Example("berth ip show vm-1", "what vm-1 has"), Example("berth ip show 10.1.0.77", "who and since when")]
  ) { run throws(Failure) in
    let subject = run.needed(0)
    if looksLikeAddress(subject) {
      let pool = try allocation(of: subject, run).pool
      return try run.show(run.call(.get, "pools", pool, "allocations", subject), name: "ip")
    }
    let call = run.call(.get, "allocations").asking("owner", subject).asking("tenant", run["tenant"])
      .asking("pool", run["pool"])
    let answer = try run.send(call)
    guard let items = try? answer.value()["items"]?.elements, !items.isEmpty else {
      throw Failure(.notFound, "\(subject) has no address", hints: ["`berth ip list` shows who has"])
    }
    try run.printer.show(answer, .allocation, list: "items")
    return .ok
  },
  Command(
    "ip list", "List who has which address, over all pools.",
    flags: [Flag("pool", value: "POOL", help: "Only this pool.")] + allocationFilters,
    examples: [
      Example("berth ip list", "everybody"), Example("berth ip list --node host-3 -o name", "the addresses on a host")
    ]
  ) { run throws(Failure) in
    try run.list(run.filtered(run.call(.get, "allocations"), by: ["pool"] + allocationFilterNames), .allocation)
  },
  Command(
    "ip suggest", "Say which address would be given now, and reserve nothing.",
    flags: [Flag("pool", value: "POOL", help: "The pool; `default` when left out.")],
    examples: [Example("berth ip suggest --pool edge -o name", "the address alone")]
  ) { run throws(Failure) in
    try run.show(run.call(.get, "pools", run["pool"] ?? "default", "suggestion"), name: "ip")
  },
  Command(
    "ip who-has", "Say who has an address, now or at a time in the past.", [Positional("IP", "The address.")],
    flags: [
      Flag("at", value: "TIME", help: "At this time, such as 2026-01-31T12:00:00Z."),
      Flag("network", value: "NAME", help: "Only in this routing domain.")
    ],
    examples: [
      Example("berth ip who-has 10.1.0.77", "now"),
      Example("berth ip who-has 10.1.0.77 --at 2026-01-31T12:00:00Z", "then")
    ]
  ) { run throws(Failure) in
    let call = run.call(.get, "addresses", run.needed(0)).asking("at", run["at"]).asking("network", run["network"])
    try run.printer.show(try run.send(call), .match, list: "matches")
    return .ok
  },
  Command(
    "ip history", "Tell who had an address, or what an owner had, from the beginning.",
    [Positional("IP|OWNER", isOptional: true, "An address, or the owner of addresses.")],
    flags: [
      Flag("mac", value: "MAC", help: "What this hardware address had."),
      Flag("from", value: "TIME", help: "Not what ended before."),
      Flag("to", value: "TIME", help: "Not what began after."),
      CommonFlag.tenant, Flag("pool", value: "POOL", help: "Only in this pool."), CommonFlag.limit, CommonFlag.cursor
    ],
    examples: [
      Example("berth ip history 10.1.0.77", "all its owners"), Example("berth ip history vm-1", "all that vm-1 had")
    ]
  ) { run throws(Failure) in
    guard (run[0] == nil) != (run["mac"] == nil) else {
      throw .usage("whose history?", "name one: an address, an owner or --mac")
    }
    let isAddress = run[0].map(looksLikeAddress) ?? false
    let call = run.call(.get, "history").asking(isAddress ? "ip" : "owner", run[0])
    return try run.list(run.filtered(call, by: ["mac", "from", "to", "tenant", "pool"]), .interval)
  }
]
