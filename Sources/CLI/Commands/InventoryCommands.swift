internal import Client
internal import Config
internal import Platform
internal import Wire

/// Moving many addresses in and out, and watching.
let inventoryCommands: [Command] = [
  Command(
    "import", "Take over addresses that are in use, from a CSV or JSON file.",
    details: """
      The file has a header of owner,ip,mac,hostname,pool in any order, or is a JSON array of objects with these \
      fields; mac, hostname and pool may be left out, tenant and interface may be added. All rows are looked at first, \
      and if one conflicts nothing is imported. Up to 2048 rows are taken over at once or not at all; a longer import \
      goes in parts, and if it is interrupted between two of them, --resume goes on and --undo takes back.
      """,
    [Positional("FILE", isOptional: true, offer: .files, "The file, .csv or .json; - reads CSV from the input.")],
    place: .destructive,
    flags: [
      CommonFlag.dryRun, Flag("skip-conflicts", help: "Leave out the rows that conflict instead of refusing all."),
      Flag("resume", value: "ID", help: "Go on with this import; rows that are in already are passed over."),
      Flag("undo", value: "ID", help: "Release everything that this import has brought in, and nothing else.")
    ],
    examples: [
      Example("berth import vms.csv --dry-run", "list every conflict and change nothing"),
      Example("berth import vms.csv", "all or nothing"),
      Example("berth import --undo imp-0123456789ab --yes", "take an import back")
    ], action: importOrUndo),
  Command(
    "export", "Write everything, as of one moment, as JSON.",
    examples: [Example("berth export > berth.json", "for an inventory elsewhere")]
  ) { run throws(Failure) in
    let io = run.io
    do throws(ClientFault) {
      try run.connect().stream(run.call(.get, "export")) { io.out($0) }
    } catch { throw Failure(error) }
    return .ok
  },
  Command(
    "events", "Follow the changes as they happen.",
    details: "-o json prints each event as one line.",
    flags: [
      Flag("since", value: "REVISION", help: "Begin behind this revision instead of now."),
      Flag("pool", value: "POOL", help: "Only of this pool."),
      Flag("owner", value: "OWNER", help: "Only of this owner."),
      Flag("tenant", value: "TENANT", help: "Only of this tenant."),
      Flag("node", value: "NODE", help: "Only of this node."),
      Flag("kind", value: "KIND", help: "Only this kind."), Flag("limit", value: "N", help: "End after N events.")
    ],
    examples: [
      Example("berth events", "from now on"), Example("berth events --since 0 -o json", "from the very beginning")
    ], action: followEvents)
]

private func importOrUndo(_ run: Invocation) throws(Failure) -> ExitCode {
  if let id = run["undo"] {
    guard run[0] == nil, run["resume"] == nil else { throw .usage("--undo takes no file and no --resume") }
    return try UndoRun(run, id).perform()
  }
  guard let path = run[0] else { throw .usage("there is no file to import", "usage: \(run.command.synopsis)") }
  let bytes: [UInt8]
  do throws(CommandIO.FileUnreadable) { bytes = try run.io.readFile(path) } catch { throw .usage(error.reason) }
  let fresh = "imp-" + Entropy.bytes(6).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  var importing = ImportRun(run, try Inventory(bytes, name: path), id: run["resume"] ?? fresh)
  return try importing.perform()
}

private func followEvents(_ run: Invocation) throws(Failure) -> ExitCode {
  var limit = Int.max
  if let text = run["limit"] {
    guard let number = Int(text), number > 0 else { throw .usage("--limit takes a number from 1, not '\(text)'") }
    limit = number
  }
  if let text = run["since"], UInt64(text) == nil { throw .usage("--since takes a revision, not '\(text)'") }
  let call = ["pool", "owner", "tenant", "node", "kind"].reduce(run.call(.get, "events")) { $0.asking($1, run[$1]) }
  var seen = 0
  do throws(ClientFault) {
    try run.connect().events(call, since: run["since"]) { event in
      seen += 1
      return run.io.print(line(event, run.printer.format)) && seen < limit
    }
  } catch { throw Failure(error) }
  return .ok
}

/// One event in the form that was asked for.
private func line(_ event: ServerEvent, _ format: OutputFormat) -> String {
  guard format != .json else { return event.data + "\n" }
  let data = (try? JSONValue(parsing: Array(event.data.utf8))) ?? .null
  switch format {
  case .yaml: return "---\n" + yaml(data)
  case .name: return printable(event.id) + "\n"
  default:
    let changes = (data["changes"]?.elements ?? []).map { change in
      let isThere = change["after"]?.isNull == false
      let row = change.at(isThere ? "after" : "before")
      let words = [cellText(change.at("type")), cellText(change.at("key")), cellText(row.at("owner"))]
      return (isThere ? "+" : "-") + words.filter { !$0.isEmpty }.joined(separator: " ")
    }
    let head = [event.id, cellText(data.at("time")), cellText(data.at("actor")), event.kind]
    return printable((head + changes).joined(separator: "  ")) + "\n"
  }
}
