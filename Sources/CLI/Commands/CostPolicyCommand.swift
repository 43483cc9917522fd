internal import Client
internal import Config
internal import Wire

/// Moving VMs to cheaper nodes by a policy.
let costPolicyCommand = Command(
  "cost policy", "Move running VMs to cheaper nodes, within the limits of a policy.",
  details: """
    FILE is a JSON object; each member may be left out: `max_moves`; `min_saving_hourly_micros`, the least that a move \
    must save; `tenant`, only this one's; `exclude_tenants`; `exclude_labels`, a VM with one of them is left alone; \
    `off_peak` with `from` and `until`, the hours of the day (UTC) in which VMs may be moved. The moves that save most \
    come first, one after the other. After Ctrl-C none is begun any more.
    """,
  [Positional("FILE", "The policy; - reads the standard input.")],
  flags: [
    Flag("timeout", value: "TIME", help: "Wait so long for each move, 2m when left out."), CommonFlag.dryRun
  ],
  examples: [
    Example("berth cost policy nightly.json --dry-run", "list the moves and what they save"),
    Example("berth cost policy nightly.json", "carry them out")
  ]
) { run throws(Failure) in try CostPolicyRun(run).carryOut() }

/// What a policy says.
struct CostPolicyFile: Hashable {
  /// What Berth is asked: only moves that the policy allows.
  var question: [JSONValue.Member] = []
  var excludedTenants: [String] = []
  var excludedLabels: [JSONValue.Member] = []
  /// The first hour of the day in which VMs may be moved, and the hour after the last.
  var hours: (from: UInt8, until: UInt8)?

  static func == (a: Self, b: Self) -> Bool {
    a.question == b.question && a.hours?.from == b.hours?.from && a.hours?.until == b.hours?.until
  }

  func hash(into hasher: inout Hasher) { hasher.combine(question) }

  /// Reads a policy, strictly: what Berth does not know is an error, and so is what is said twice.
  init(parsing bytes: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(bytes)
    var read = Self()
    try reader.object { (key, reader) throws(JSONFault) in try read.take(key, &reader) }
    try reader.end()
    self = read
  }

  private init() {}

  private mutating func take(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) {
    switch key {
    case "max_moves": ask("max_moves", JSONValue(try reader.amount(1...1_000)))
    case "min_saving_hourly_micros": ask("min_saving_hourly_micros", JSONValue(try reader.amount(0...Int64.max)))
    case "tenant": ask("tenant", .string(try reader.string()))
    case "exclude_tenants":
      var names: [String] = []
      try reader.array { (reader) throws(JSONFault) in names.append(try reader.string()) }
      excludedTenants = names
      ask("exclude_tenants", .array(names.map(JSONValue.string)))
    case "exclude_labels":
      var labels: [JSONValue.Member] = []
      try reader.object { (key, reader) throws(JSONFault) in
        labels.append(.init(key.text, .string(try reader.string())))
      }
      excludedLabels = labels
      ask("exclude_labels", .object(labels))
    case "off_peak":
      var (from, until): (Int64?, Int64?) = (nil, nil)
      try reader.object { (key, reader) throws(JSONFault) in
        switch key {
        case "from": from = try reader.amount(0...23)
        case "until": until = try reader.amount(0...23)
        default: throw reader.unknownField(key)
        }
      }
      guard let from else { throw reader.missing("from") }
      guard let until else { throw reader.missing("until") }
      hours = (UInt8(from), UInt8(until))
    default: throw reader.unknownField(key)
    }
  }

  private mutating func ask(_ key: String, _ value: JSONValue) { question.append(.init(key, value)) }

  /// Whether VMs may be moved in this hour of the day.
  func allows(hour: UInt8) -> Bool {
    guard let hours, hours.from != hours.until else { return true }
    return hours.from < hours.until
      ? (hours.from..<hours.until).contains(hour) : hour >= hours.from || hour < hours.until
  }

  /// The hours in words.
  var hoursText: String { hours.map { "\($0.from):00 to \($0.until):00 UTC" } ?? "always" }

  /// Why a VM must not be moved, as it is now; nil = it may.
  func objection(to vm: JSONValue) -> String? {
    if let tenant = vm["tenant"]?.string, excludedTenants.contains(tenant) { return "its tenant is excluded" }
    let labels = vm["labels"]
    let hit = excludedLabels.first { labels?[$0.key] == $0.value }
    return hit.map { "its label \($0.key) is excluded" }
  }
}

extension JSONReader {
  fileprivate mutating func amount(_ allowed: ClosedRange<Int64>) throws(JSONFault) -> Int64 {
    let number: Int64 = try integer()
    guard allowed.contains(number) else {
      throw invalid("must be from \(allowed.lowerBound) to \(allowed.upperBound)")
    }
    return number
  }
}

/// One run of a policy.
private struct CostPolicyRun {
  private static let pause = Duration.milliseconds(200)

  private let run: Invocation
  private let policy: CostPolicyFile
  private let limit: Duration

  init(_ run: Invocation) throws(Failure) {
    self.run = run
    let name = run.needed(0)
    let bytes: [UInt8]
    do throws(CommandIO.FileUnreadable) { bytes = try run.io.readFile(name) } catch { throw .usage(error.reason) }
    do throws(JSONFault) { policy = try CostPolicyFile(parsing: bytes) } catch { throw .usage("\(name): \(error)") }
    let text = run["timeout"] ?? "2m"
    guard let limit = parseDuration(text) else { throw .usage("--timeout takes a time such as 90s, not '\(text)'") }
    self.limit = limit
  }

  func carryOut() throws(Failure) -> ExitCode {
    let isPressed = run.has("dry-run") ? { false } : run.io.heedEnd()
    let isOpen = policy.allows(hour: hour)
    guard isOpen || run.has("dry-run") else {
      throw Failure(
        .refused, "the policy moves VMs from \(policy.hoursText), and it is not that time: nothing was moved")
    }
    let question = JSONValue.object([.init("cheaper", .object(policy.question))])
    let answer = try run.send(Call(.post, ["api", "v1", "plan"], body: question))
    let plan = try value(answer)
    let moves = plan["moves"]?.elements ?? []
    if run.has("dry-run") { return try list(answer, plan, moves, isOpen: isOpen) }
    var (moved, saved): (Int, Int64) = (0, 0)
    for (number, move) in moves.enumerated() {
      guard !isPressed() else { return end(moved, moves.count, saved, "stopped") }
      guard policy.allows(hour: hour) else { return end(moved, moves.count, saved, "its hours are over") }
      if try carry(move, "\(number + 1)/\(moves.count)", isPressed) {
        (moved, saved) = (moved + 1, saved + (move["saves_hourly_micros"]?.integer() ?? 0))
      }
    }
    return end(moved, moves.count, saved, nil)
  }

  private func list(
    _ answer: Answer, _ plan: JSONValue, _ moves: [JSONValue], isOpen: Bool
  ) throws(Failure) -> ExitCode {
    guard run.printer.format == .table else {
      try run.printer.show(answer, .move, list: "moves")
      return .ok
    }
    if !moves.isEmpty { run.printer.rows(moves, .move) }
    run.io.print("\(moves.count) moves would save \(money(plan["saves_hourly_micros"])) an hour\n")
    for note in plan["notes"]?.elements ?? [] { run.io.print(printable("  \(cellText(note))") + "\n") }
    if !isOpen { run.io.print("  not now: the policy moves VMs from \(policy.hoursText)\n") }
    return .ok
  }

  /// One move; false if it was not made, for a reason that is said.
  private func carry(_ move: JSONValue, _ count: String, _ isPressed: () -> Bool) throws(Failure) -> Bool {
    let (name, tenant) = (cellText(move.at("vm.name")), cellText(move.at("vm.tenant")))
    let (from, to) = (cellText(move.at("from")), cellText(move.at("to")))
    func say(_ what: String) { run.io.print(printable("\(count) \(name) (\(tenant)): \(what)") + "\n") }
    do throws(Failure) {
      let now = try look(name, tenant)
      // The plan may be minutes old: what the policy excludes by now stays where it is.
      if let objection = policy.objection(to: now) {
        say("not moved: \(objection)")
        return false
      }
      guard cellText(now.at("node")) == from, cellText(now.at("state")) == "running" else {
        say("not moved: it is \(cellText(now.at("state"))) on \(cellText(now.at("node"))) now")
        return false
      }
      let body = JSONValue.object([.init("node", .string(to))])
      _ = try run.send(
        Call(.post, ["api", "v1", "vms", name, "migrate"], body: body).asking("tenant", tenant))
    } catch  where error.exit == .refused || error.exit == .notFound {
      say("not moved: \(error.sentence)")
      return false
    }
    return try wait(name, tenant, from, to, say, isPressed)
  }

  private func wait(
    _ name: String, _ tenant: String, _ from: String, _ to: String, _ say: (String) -> Void, _ isPressed: () -> Bool
  ) throws(Failure) -> Bool {
    var left = limit
    while true {
      let now = try look(name, tenant)
      let state = cellText(now.at("state"))
      if state != "migrating" {
        let isThere = cellText(now.at("node")) == to
        say(isThere ? "\(from) to \(to)" : "did not move: \(cellText(now.at("why")))")
        return isThere
      }
      guard left > .zero else { throw Failure(.refused, "\(name) is still \(state) after \(describe(limit))") }
      if isPressed() {
        say("\(from) to \(to), still on its way")
        return true
      }
      run.io.pause(Self.pause)
      left -= Self.pause
    }
  }

  private func end(_ moved: Int, _ all: Int, _ saved: Int64, _ why: String?) -> ExitCode {
    let end = why.map { "\($0); " } ?? ""
    run.io.print("\(end)\(moved) of \(all) moved, which saves \(Amounts.text(millionths: saved)) an hour\n")
    return why == nil ? .ok : .differs
  }

  private func look(_ name: String, _ tenant: String) throws(Failure) -> JSONValue {
    try value(try run.send(Call(.get, ["api", "v1", "vms", name]).asking("tenant", tenant)))
  }

  /// The hour of the day, UTC.
  private var hour: UInt8 { UInt8(run.io.now() / 3_600_000_000 % 24) }

  private func value(_ answer: Answer) throws(Failure) -> JSONValue {
    do throws(ClientFault) { return try answer.value() } catch { throw Failure(error) }
  }
}
