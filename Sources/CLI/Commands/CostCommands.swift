internal import Client
internal import Config
internal import Wire

private let periodFlags = [
  Flag("from", value: "TIME", help: "From this time on, such as 2026-01-01T00:00:00Z."),
  Flag("to", value: "TIME", help: "Up to this time.")
]

/// What VMs cost.
let costCommands: [Command] = [
  Command(
    "cost report", "Say what VMs have cost, by tenant, datacenter or VM.",
    details: "Counted from the log: each VM on each node, with the price of each hour.",
    flags: periodFlags + [
      Flag("by", value: "tenant|datacenter|vm", help: "What is added up; tenant when left out."),
      CommonFlag.limit, CommonFlag.cursor
    ],
    examples: [
      Example("berth cost report --by datacenter", "since the beginning"),
      Example("berth cost report --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z", "a month")
    ], action: reportCosts),
  Command(
    "cost billing", "Write each interval in which a VM was on a node, with what it cost.",
    flags: periodFlags + [Flag("format", value: "json|csv", help: "json when left out.")],
    examples: [Example("berth cost billing --format csv > january.csv", "for a spreadsheet")]
  ) { run throws(Failure) in
    let call = ["from", "to", "format"].reduce(run.call(.get, "billing")) { $0.asking($1, run[$1]) }
    do throws(ClientFault) {
      try run.connect().stream(call) { run.io.out($0) }
    } catch { throw Failure(error) }
    return .ok
  },
  costPolicyCommand
]

private func reportCosts(_ run: Invocation) throws(Failure) -> ExitCode {
  let call = ["from", "to", "by", "limit", "cursor"].reduce(run.call(.get, "cost")) { $0.asking($1, run[$1]) }
  let answer = try run.send(call)
  try run.printer.show(answer, .cost, list: "items")
  guard run.printer.format == .table else { return .ok }
  let value: JSONValue
  do throws(ClientFault) { value = try answer.value() } catch { throw Failure(error) }
  run.io.remark("total: \(money(value["total_micros"]))")
  if let cursor = value["next_cursor"]?.string { run.io.remark("there is more: --cursor \(printable(cursor))") }
  return .ok
}

/// Asking before doing.
let planCommands: [Command] = [
  Command(
    "plan what-if", "Say what would happen, and change nothing.",
    details: """
      drain NODE: where its VMs would go. lose DATACENTER: who would find a place elsewhere. add [NAME] --count 10 \
      --vcpus 64 --memory 256G: how many of those that wait would run. cheaper [--tenant T]: which moves save money. \
      fit [NAME] --vcpus 2 --memory 4G ...: how many more like this fit, and what stops the next.
      """,
    [
      Positional(
        "QUESTION", offer: .words(["drain", "lose", "add", "cheaper", "fit"]), "drain, lose, add, cheaper or fit."),
      Positional("NAME", isOptional: true, "The node, the datacenter, or a name for what is to be added.")
    ],
    flags: vmFlags + [
      CommonFlag.tenant, Flag("count", value: "N", help: "add: so many nodes."),
      Flag("rack", value: "NAME", help: "add: their rack."),
      Flag("profile", value: "conservative|moderate|aggressive", help: "add: how much more they may promise.")
    ],
    examples: [
      Example("berth plan what-if drain sim-1", "exit code 7 if some would find no place"),
      Example("berth plan what-if lose dc-1", "is there room for all of it elsewhere?"),
      Example("berth plan what-if add --count 10 --vcpus 64 --memory 256G --datacenter dc-1", "ten nodes more"),
      Example("berth plan what-if fit --vcpus 2 --memory 4G", "how many more of these fit")
    ], action: ask)
]

private func ask(_ run: Invocation) throws(Failure) -> ExitCode {
  let answer = try run.send(run.call(.post, "plan", body: try question(run)))
  let value: JSONValue
  do throws(ClientFault) { value = try answer.value() } catch { throw Failure(error) }
  let unplaced = value["unplaced"]?.integer(Int64.self) ?? 0
  guard run.printer.format == .table else {
    try run.printer.show(answer, .move, list: "moves")
    return unplaced > 0 ? .differs : .ok
  }
  let moves = value["moves"]?.elements ?? []
  if !moves.isEmpty { run.printer.rows(moves, .move) }
  func line(_ text: String) { run.io.print(printable(text) + "\n") }
  let placed = (value["move_count"]?.integer(Int64.self) ?? 0) - unplaced
  switch run.needed(0) {
  case "fit": line("\(cellText(value.at("fitting"))) more would fit")
  case "cheaper":
    line("\(cellText(value.at("move_count"))) moves would save \(money(value["saves_hourly_micros"])) an hour")
  case "add": line("\(placed) of those that wait would run, \(unplaced) would still wait")
  default: line("\(placed) VMs would move, \(unplaced) would find no place")
  }
  for note in value["notes"]?.elements ?? [] { line("  \(cellText(note))") }
  return unplaced > 0 ? .differs : .ok
}

private func question(_ run: Invocation) throws(Failure) -> Body {
  let what = run.needed(0)
  var (body, inner) = (Body(run.arguments), Body(run.arguments))
  func name(_ kind: String) throws(Failure) -> JSONValue {
    guard let name = run[1] else { throw .usage("which \(kind)?", "berth plan what-if \(what) NAME") }
    return .string(name)
  }
  switch what {
  case "drain": body.set(what, try name("node"))
  case "lose": body.set(what, try name("datacenter"))
  case "cheaper":
    inner.text("tenant", "tenant")
    body.set(what, inner.value)
  case "add":
    if let name = run[1] { inner.set("name", .string(name)) }
    try inner.number("count", "count")
    try inner.nodeCapacity()
    inner.topology()
    inner.text("profile", "profile")
    try inner.labels("labels", "label")
    body.set(what, inner.value)
  case "fit":
    inner.set("name", .string(run[1] ?? "what-if"))
    inner.text("tenant", "tenant")
    try inner.vm()
    body.set(what, inner.value)
  default:
    throw .usage("`berth plan what-if` has no '\(what)'", "there is drain, lose, add, cheaper and fit")
  }
  return body
}
