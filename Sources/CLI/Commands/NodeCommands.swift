internal import Client
internal import Config
internal import Wire

private let nodeArgument = Positional("NODE", offer: .nodes, "The name of the node.")

/// What an operator decides about a node.
private let decisionFlags = [
  Flag("datacenter", value: "NAME", help: "Where it stands."), Flag("zone", value: "NAME", help: "Its zone there."),
  Flag("rack", value: "NAME", help: "Its rack there."),
  Flag("profile", value: "conservative|moderate|aggressive", help: "How much more than it has it may promise."),
  Flag("reclaimable", help: "A spot node: its owner may take it back; --reclaimable=false ends that."),
  Flag("price-vcpu", value: "MONEY", help: "What an hour of a vCPU costs there."),
  Flag("price-memory", value: "MONEY", help: "What an hour of a GiB of memory costs there."),
  Flag("price-disk", value: "MONEY", help: "What an hour of a GiB of disk costs there."),
  Flag("price-bandwidth", value: "MONEY", help: "What an hour of a Gbit/s costs there."),
  Flag("label", value: "KEY=VALUE", repeats: true, help: "A label; those that are given replace all.")
]

extension Body {
  /// What an operator decides about a node, by the flags.
  mutating func nodeDecisions() throws(Failure) {
    topology()
    text("profile", "profile")
    bool("spot", "reclaimable")
    var rates = Body(arguments)
    try rates.money("vcpu_micros", "price-vcpu")
    try rates.money("memory_gib_micros", "price-memory")
    try rates.money("disk_gib_micros", "price-disk")
    try rates.money("bandwidth_gbps_micros", "price-bandwidth")
    if !rates.isEmpty { set("prices", .object([.init("off_peak", rates.value)])) }
    try labels("labels", "label")
  }

  /// What a node has, by the flags.
  mutating func nodeCapacity() throws(Failure) {
    for (flag, example) in [("vcpus", "64"), ("memory", "256G")] where arguments[flag] == nil {
      throw .usage("a node has vCPUs and memory", "add --\(flag), such as --\(flag) \(example)")
    }
    var capacity = Body(arguments)
    try capacity.resources()
    set("capacity", capacity.value)
    try custom()
    var devices: [JSONValue] = []
    for text in arguments.all("device") {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw .usage("--device takes ID=MODEL, such as 0000:3b:00.0=nvidia-a100, not '\(text)'")
      }
      devices.append(.object([.init("id", .string(parts[0])), .init("model", .string(parts[1]))]))
    }
    if !devices.isEmpty { set("devices", .array(devices)) }
    texts("backends", "backend")
  }
}

/// Knowing nodes.
let nodeCommands: [Command] = [
  Command(
    "node list", "List the nodes: how full they are and when they were last heard.",
    flags: [
      Flag("datacenter", value: "NAME", help: "Only there."), Flag("zone", value: "NAME", help: "Only in this zone."),
      Flag("rack", value: "NAME", help: "Only in this rack."),
      Flag("state", value: "ready|cordoned|draining|lost|fenced", help: "Only in this state."),
      CommonFlag.label, CommonFlag.limit, CommonFlag.cursor
    ],
    examples: [
      Example("berth node list", "all of them"), Example("berth node list --state lost", "those that need somebody")
    ]
  ) { run throws(Failure) in
    try run.list(run.filtered(run.call(.get, "nodes"), by: ["datacenter", "zone", "rack", "state"]), .node)
  },
  Command(
    "node show", "Show all that is known of a node.", [nodeArgument],
    examples: [Example("berth node show sim-1", "what it has, what it carries, how it does")]
  ) { run throws(Failure) in try run.show(run.call(.get, "nodes", run.needed(0)), name: "name") },
  Command(
    "node latency", "Show how far datacenters are from each other, as agents measure.",
    details: "A VM's --max-latency counts by this. Agents measure with `berth agent --latency-to`.",
    examples: [Example("berth node latency", "the pairs that are known")]
  ) { run throws(Failure) in
    try run.printer.show(try run.send(run.call(.get, "latencies")), .latency, list: "items")
    return .ok
  },
  Command(
    "node register", "Say what a node has, as its agent would.",
    details: "A node that is known keeps its VMs. Without an agent nothing starts there.",
    [Positional("NAME", "Its name, unique in this Berth.")],
    flags: resourceFlags + [
      Flag("backend", value: "NAME", repeats: true, help: "What can run VMs there."),
      Flag("device", value: "ID=MODEL", repeats: true, help: "A device, such as 0000:3b:00.0=nvidia-a100."),
      Flag("custom", value: "NAME=N", repeats: true, help: "So much of a made-up resource.")
    ] + decisionFlags + [CommonFlag.dryRun],
    examples: [
      Example(
        "berth node register host-1 --vcpus 64 --memory 256G --disk 4T --datacenter dc-1 --rack r1", "a node by hand")
    ]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    try body.nodeCapacity()
    try body.nodeDecisions()
    return try run.show(run.call(.put, "nodes", run.needed(0), body: body), name: "name")
  },
  Command(
    "node update", "Change what an operator decides about a node.", [nodeArgument],
    flags: decisionFlags + [
      Flag("if-revision", value: "N", help: "Only if the node still has this revision."), CommonFlag.dryRun
    ],
    examples: [
      Example("berth node update host-1 --profile moderate --price-vcpu 0.02", "promise more, and name a price")
    ]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    try body.nodeDecisions()
    guard !body.isEmpty else { throw .usage("nothing was given to change", "see `berth node update --help`") }
    let call = run.call(.patch, "nodes", run.needed(0), body: body).ifRevision(run["if-revision"])
    return try run.show(call, name: "name")
  },
  Command(
    "node delete", "Forget a node that carries nothing.", [nodeArgument], place: .destructive,
    flags: [CommonFlag.dryRun], examples: [Example("berth node delete host-1 --yes", "after a drain, for example")]
  ) { run throws(Failure) in
    try run.confirm("forget node \(run.needed(0))")
    return try run.show(run.call(.delete, "nodes", run.needed(0)), name: "name")
  }
]

/// Opening, closing, emptying and giving up nodes.
let nodeStateCommands: [Command] = [
  Command(
    "node cordon", "Let a node take no more VMs; it keeps those it has.", [nodeArgument], flags: [CommonFlag.dryRun],
    examples: [Example("berth node cordon host-1", "before somebody works on it")]
  ) { run throws(Failure) in try run.turn("cordon") },
  Command(
    "node uncordon", "Let a node take VMs again.", [nodeArgument], flags: [CommonFlag.dryRun],
    examples: [Example("berth node uncordon host-1", "after a cordon or a drain")]
  ) { run throws(Failure) in try run.turn("uncordon") },
  Command(
    "node drain", "Let a node take no more VMs, and move those it has elsewhere.",
    details: "What finds no room elsewhere stays. `berth plan what-if drain NODE` says so beforehand.", [nodeArgument],
    flags: [CommonFlag.dryRun],
    examples: [Example("berth node drain host-1", "`berth vm list --node host-1` shows the rest")]
  ) { run throws(Failure) in try run.turn("drain") },
  Command(
    "node reclaim", "Say that a node's owner takes it back, and when: its VMs leave before that.",
    details: """
      It drains. What finds room elsewhere moves; the rest goes down within its grace period and comes up elsewhere with \
      its addresses, if there is room. When the notice is over the node counts as lost. `uncordon` takes it back, unless its agent says so too.
      """, [nodeArgument],
    flags: [Flag("notice", value: "TIME", help: "In what time, such as 120s."), CommonFlag.dryRun],
    examples: [Example("berth node reclaim spot-7 --notice 120s", "its provider has said so")]
  ) { run throws(Failure) in
    guard run["notice"] != nil else { throw .usage("in what time?", "add --notice TIME, such as --notice 120s") }
    var body = Body(run.arguments)
    try body.seconds("notice_seconds", "notice")
    return try run.show(run.call(.post, "nodes", run.needed(0), "reclaim", body: body), name: "name")
  },
  Command(
    "node fence", "Vouch that a node carries nothing any more: its VMs are started elsewhere.",
    details: """
      Only after it was switched off or cut from the network. If it still runs, its VMs run twice, with the same \
      addresses, until it hears of it.
      """, [nodeArgument], place: .destructive, flags: [CommonFlag.dryRun],
    examples: [Example("berth node fence host-1 --yes", "it is off, and somebody has looked")]
  ) { run throws(Failure) in
    try run.confirm("start the VMs of node \(run.needed(0)) elsewhere, on your word that it is off")
    return try run.turn("fence")
  }
]

extension Invocation {
  fileprivate func turn(_ verb: String) throws(Failure) -> ExitCode {
    try printer.show(try send(call(.post, "nodes", needed(0), verb)), .node, list: "nodes")
    return .ok
  }
}
