internal import Client
internal import Config
internal import Wire

let vmArgument = Positional("VM", offer: .vms, "The name of the VM.")
private let waitFlags = [
  Flag("wait", help: "Wait until it is so, and show what happens meanwhile on a terminal."),
  Flag("timeout", value: "TIME", help: "With --wait: at most so long, 2m when left out.")
]

/// Making and looking at VMs.
let vmCommands: [Command] = [
  Command(
    "vm create", "Make a VM: Berth finds a node, and gives it its addresses, in one step.",
    details: """
      Without a word about the network it has one interface, eth0, with an IPv4 address from a pool of Berth's choice. If \
      no node has room it waits, and runs as soon as one has. The same command again changes nothing.
      """,
    [Positional("NAME", "Its name; with --count the beginning of their names, followed by -1, -2, ...")],
    flags: vmFlags + [
      CommonFlag.tenant, Flag("count", value: "N", help: "So many, all or none."),
      Flag("stopped", help: "Only make it; `berth vm start` starts it."),
      Flag("must-place", help: "Refuse if it would have to wait.")
    ] + waitFlags + [CommonFlag.dryRun],
    examples: [
      Example(
        "berth vm create web-1 --vcpus 2 --memory 4G --ip-pool edge --ip 10.1.0.9", "with exactly this address"),
      Example(
        "berth vm create web --count 3 --vcpus 0.5 --memory 512M --group web --spread-of web:rack:3 --wait",
        "three in three racks, and wait until they run"),
      Example("berth vm create db --vcpus 4 --memory 16G --failover restart --dry-run", "only say where it would go"),
      Example("berth vm create db --vcpus 4 --memory 16G --failover restart --standby", "with room in two datacenters")
    ], action: createVM),
  Command(
    "vm list", "List VMs: where they are and what they have.",
    flags: [
      Flag("tenant", value: "TENANT", help: "Only of this tenant."),
      Flag("node", value: "NODE", help: "Only on this node."),
      Flag(
        "state", value: "STATE",
        help: "Only in this state: pending, placed, starting, running, stopping, stopped, failed, preempted, lost, ..."),
      Flag("group", value: "NAME", help: "Only members of this group."),
      CommonFlag.label, CommonFlag.limit, CommonFlag.cursor
    ],
    examples: [
      Example("berth vm list", "all of them"), Example("berth vm list --state pending", "those that wait, and why"),
      Example("berth vm list --node sim-1 -o name", "the names of those on a node")
    ]
  ) { run throws(Failure) in
    try run.list(run.filtered(run.call(.get, "vms"), by: ["tenant", "node", "state", "group"]), .vm)
  },
  Command(
    "vm show", "Show all that is known of a VM.", [vmArgument], flags: [CommonFlag.tenant],
    examples: [Example("berth vm show web-1", "all of it"), Example("berth vm show web-1 -o json", "for a script")]
  ) { run throws(Failure) in try run.show(run.vm(.get).asking("usage", "true"), name: "name") },
  Command(
    "vm why", "Say why a VM is where it is, or why it waits.", [vmArgument], flags: [CommonFlag.tenant],
    examples: [Example("berth vm why web-1", "in words")], action: explainVM),
  Command(
    "vm network", "Show the network as the guest of a VM has it, or write what tells the guest.",
    details: """
      --cloud-init prints a network-config, version 2, for the seed of cloud-init; it knows interfaces by their MAC \
      addresses. --kernel prints the argument by which a Linux kernel sets up the first IPv4 address while it boots. The \
      host tags frames of a VLAN, so a guest is not told of it.
      """, [vmArgument],
    flags: [
      CommonFlag.tenant, Flag("cloud-init", help: "Only the network-config."),
      Flag("kernel", help: "Only the argument.")
    ],
    examples: [
      Example("berth vm network web-1", "as a table"),
      Example("berth vm network web-1 --cloud-init > seed/network-config", "a file of cloud-init's seed"),
      Example("berth vm network web-1 --kernel", "ip=10.1.0.9::10.1.0.1:255.255.0.0:web-1:eth0:off:9.9.9.9")
    ], action: showNetwork)
]

extension Invocation {
  /// Prints an explanation in pieces, which are easier to read than one line.
  fileprivate func tell(_ why: String) {
    for piece in why.split(whereSeparator: { $0 == ";" || $0 == "\n" }) {
      io.print("  " + printable(String(piece.drop { $0 == " " })) + "\n")
    }
  }

  /// A call about the VM that was named.
  func vm(_ method: Call.Method, _ path: String..., body: Body? = nil) -> Call {
    Call(method, ["api", "v1", "vms", needed(0)] + path, body: body?.value).asking("tenant", self["tenant"])
      .asking("dry_run", has("dry-run") ? "true" : nil)
  }

  /// Sends a call that changes VMs, prints them, and waits until they are so.
  func change(_ call: Call, until goal: VMWait.Goal) throws(Failure) -> ExitCode {
    let answer = try send(call)
    guard has("wait"), !has("dry-run") else {
      try printer.show(answer, .vm, list: "vms")
      return .ok
    }
    let value: JSONValue
    do throws(ClientFault) { value = try answer.value() } catch { throw Failure(error) }
    let last = try VMWait(self, goal).run(value["vms"]?.elements ?? [value])
    if value["vms"] == nil {
      if let answer = last.first { try printer.show(answer, .vm, list: "vms") }
      return .ok
    }
    var rows: [JSONValue] = []
    do throws(ClientFault) { for answer in last { rows.append(try answer.value()) } } catch { throw Failure(error) }
    switch printer.format {
    case .table, .name: printer.rows(rows, .vm)
    case .json, .yaml: printer.show(.object([.init("vms", .array(rows))]))
    }
    return .ok
  }
}

private func createVM(_ run: Invocation) throws(Failure) -> ExitCode {
  var body = Body(run.arguments)
  body.set("name", .string(run.needed(0)))
  body.text("tenant", "tenant")
  try body.number("count", "count")
  try body.vm()
  if run.has("stopped") {
    guard !run.has("wait") else {
      throw .usage("a VM that is made stopped never runs", "leave --wait or --stopped out")
    }
    body.set("start", .bool(false))
  }
  if run.has("must-place") { body.set("must_place", .bool(true)) }
  return try run.change(run.call(.post, "vms", body: body), until: .running)
}

private func explainVM(_ run: Invocation) throws(Failure) -> ExitCode {
  let answer = try run.send(run.vm(.get, "why"))
  guard run.printer.format == .table else {
    try run.printer.show(answer, name: "why")
    return .ok
  }
  let value: JSONValue
  do throws(ClientFault) { value = try answer.value() } catch { throw Failure(error) }
  let (name, state) = (value["name"]?.string ?? run.needed(0), cellText(value.at("state")))
  let node = value["node"]?.string
  run.io.print(printable("\(name) is \(state)" + (node.map { " on \($0)" } ?? "")) + "\n")
  run.tell(cellText(value.at("why")))
  if let standby = value["standby_node"]?.string { run.tell("its standby is on \(standby)") }
  if let why = value["standby_why"]?.string { run.tell(why) }
  guard let now = value["now"], !now.isNull else { return .ok }
  run.io.print("and now:\n")
  if now["fitting"]?.integer() ?? 0 > 0 { run.tell("there is room; it is tried again soon") }
  for note in now["notes"]?.elements ?? [] { run.tell(cellText(note)) }
  return .ok
}

/// Bringing VMs up, down, elsewhere, and to an end.
let vmActionCommands: [Command] = [
  Command(
    "vm update", "Change what is noted of a VM, and what counts when it is placed next.", [vmArgument],
    flags: [
      CommonFlag.tenant, Flag("priority", value: "N", help: "0 to 1000."),
      Flag("preemptible", help: "Whether it gives way; --preemptible=false takes it back."),
      Flag("failover", value: "never|restart", help: "What happens when its node is lost."),
      Flag("standby", help: "Room in another datacenter; --standby=false gives it back."),
      Flag("budget", value: "MONEY", help: "The most that an hour may cost, or `none`."),
      Flag("label", value: "KEY=VALUE", repeats: true, help: "A label; those that are given replace all."),
      Flag("if-revision", value: "N", help: "Only if the VM still has this revision."), CommonFlag.dryRun
    ],
    examples: [Example("berth vm update web-1 --priority 800 --failover restart", "it has become important")]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    try body.number("priority", "priority")
    body.bool("preemptible", "preemptible")
    body.text("failover", "failover")
    body.bool("standby", "standby")
    try body.money("budget_hourly_micros", "budget", canBeNone: true)
    try body.labels("labels", "label")
    guard !body.isEmpty else { throw .usage("nothing was given to change", "see `berth vm update --help`") }
    return try run.show(run.vm(.patch, body: body).ifRevision(run["if-revision"]), name: "name")
  },
  Command(
    "vm start", "Let a VM run.", [vmArgument], flags: [CommonFlag.tenant] + waitFlags + [CommonFlag.dryRun],
    examples: [Example("berth vm start web-1", "it keeps its addresses; the node may be another one")]
  ) { run throws(Failure) in try run.change(run.vm(.post, "start"), until: .running) },
  Command(
    "vm stop", "Bring a VM down; it keeps its addresses, not its room.", [vmArgument],
    flags: [CommonFlag.tenant] + waitFlags + [CommonFlag.dryRun],
    examples: [Example("berth vm stop web-1 --wait", "and wait until it is down")]
  ) { run throws(Failure) in try run.change(run.vm(.post, "stop"), until: .stopped) },
  Command(
    "vm restart", "Bring a VM down and up again.", [vmArgument],
    flags: [CommonFlag.tenant] + waitFlags + [CommonFlag.dryRun],
    examples: [Example("berth vm restart web-1", "with the same addresses")]
  ) { run throws(Failure) in try run.change(run.vm(.post, "restart"), until: .runningAnew) },
  Command(
    "vm migrate", "Move a running VM to another node.", [vmArgument],
    flags: [CommonFlag.tenant, Flag("node", value: "NODE", help: "To this one; the best one when left out.")]
      + waitFlags + [CommonFlag.dryRun],
    examples: [Example("berth vm migrate web-1 --node sim-2", "to a node by name")]
  ) { run throws(Failure) in
    var body = Body(run.arguments)
    body.text("node", "node")
    return try run.change(run.vm(.post, "migrate", body: body), until: .runningAnew)
  },
  Command(
    "vm delete", "End a VM and give its addresses back.",
    details: """
      While a node has it, it goes down within its grace period first; its addresses are free when the node says that it \
      is gone. --force does not wait for a node that is lost, and is refused while the node is alive.
      """, [vmArgument], place: .destructive,
    flags: [CommonFlag.tenant, Flag("force", help: "Do not wait for a node that is lost.")] + waitFlags
      + [CommonFlag.dryRun],
    examples: [Example("berth vm delete web-1 --yes --wait", "until its addresses are free")]
  ) { run throws(Failure) in
    try run.confirm("end VM \(run.needed(0)) and give its addresses back")
    return try run.change(run.vm(.delete).asking("force", run.has("force") ? "true" : nil), until: .gone)
  }
]
