internal import Client
internal import Wire

/// One import, piece by piece under one id.
struct ImportRun {
  private let run: Invocation
  private let client: Client
  private let inventory: Inventory
  private let id: String
  private let skipsConflicts: Bool
  private var imported = 0
  private var already = 0
  private var conflictCount = 0
  private var conflicts: [JSONValue] = []

  /// Conflicts beyond these are counted, not listed.
  static let conflictsListed = 100_000

  init(_ run: Invocation, _ inventory: Inventory, id: String) {
    (self.run, self.inventory, self.id) = (run, inventory, id)
    client = run.connect()
    skipsConflicts = run.has("skip-conflicts")
  }

  /// Looks at everything first, and changes something only if all of it can be done or conflicts are to be left out.
  mutating func perform() throws(Failure) -> ExitCode {
    let isTrial = run.has("dry-run")
    if !skipsConflicts || isTrial {
      try all(isTrial: true)
      noteDuplicates()
      if isTrial || conflictCount > 0 {
        report(isTrial: true)
        if conflictCount == 0 { return .ok }
        if isTrial { return .differs }
        throw Failure(
          .refused, "nothing was imported: \(conflictCount) rows conflict",
          hints: ["correct them, or leave them out with --skip-conflicts"])
      }
      (imported, already) = (0, 0)
    }
    if inventory.rows.count > Inventory.chunkRows {
      // Said now, because whoever interrupts it hears nothing more.
      run.io.remark("import \(id): if interrupted, go on with --resume \(id), or take it back with --undo \(id)")
    }
    try all(isTrial: false)
    report(isTrial: false)
    return .ok
  }

  private mutating func all(isTrial: Bool) throws(Failure) {
    var progress = Progress(isTrial ? "checked" : "imported", of: inventory.rows.count, run.io)
    for chunk in inventory.chunks {
      do throws(ClientFault) {
        try send(chunk, isTrial: isTrial)
      } catch {
        progress.end()
        throw failure(error, chunk, isTrial: isTrial)
      }
      progress.advance(chunk.count)
    }
    progress.end()
  }

  private mutating func send(_ chunk: ArraySlice<Inventory.Row>, isTrial: Bool) throws(ClientFault) {
    let body = JSONValue.object([
      .init("rows", .array(chunk.map(\.value))), .init("skip_conflicts", .bool(skipsConflicts)),
      .init("import_id", .string(id))
    ])
    let call = Call(.post, ["api", "v1", "imports"], body: body).asking("dry_run", isTrial ? "true" : nil)
    do throws(ClientFault) {
      note(try client.send(call).value())
    } catch {
      // A refusal that lists conflicts is what a trial is for.
      guard isTrial, case .refused(let refusal) = error, let report = refusal.document["report"] else { throw error }
      note(report)
    }
  }

  private mutating func note(_ answer: JSONValue) {
    let report = answer["report"] ?? answer
    imported += report["imported"]?.integer() ?? 0
    already += report["already"]?.integer() ?? 0
    let listed = report["conflicts"]?.elements ?? []
    conflictCount += report["conflict_count"]?.integer() ?? listed.count
    conflicts += listed.prefix(max(0, Self.conflictsListed - conflicts.count))
  }

  private mutating func noteDuplicates() {
    // Within one piece the server has seen them.
    let known = Set(conflicts.compactMap { $0["line"]?.integer(Int.self) })
    for (row, first) in inventory.duplicates where !known.contains(row.line) {
      conflictCount += 1
      conflicts.append(
        .object([
          .init("line", JSONValue(row.line)), .init("ip", .string(row.fields["ip"] ?? "")),
          .init("code", .string("address_twice")), .init("detail", .string("line \(first) has the same address"))
        ]))
    }
  }

  /// Names the row of the file instead of the place in the request, and how to go on.
  private func failure(_ fault: ClientFault, _ chunk: ArraySlice<Inventory.Row>, isTrial: Bool) -> Failure {
    let failure = Failure(fault)
    var hints = failure.hints
    if case .refused(let refusal) = fault {
      hints = refusal.fields.map { field in
        let digits = field.name.drop { !$0.isNumber }.prefix { $0.isNumber }
        guard field.name.hasPrefix("rows"), let index = Int(digits), index < chunk.count else {
          return "\(field.name): \(field.message)"
        }
        return "row \(chunk[chunk.startIndex + index].line): \(field.message)"
      }
    }
    if !isTrial, imported > 0 {
      hints.append("\(imported) rows are in: go on with --resume \(id), or take them out with --undo \(id)")
    }
    return Failure(failure.exit, failure.sentence, hints: hints)
  }

  private func report(isTrial: Bool) {
    guard run.printer.format == .table else {
      let document = JSONValue.object([
        .init("import_id", .string(id)), .init("dry_run", .bool(isTrial)), .init("imported", JSONValue(imported)),
        .init("already", JSONValue(already)), .init("conflict_count", JSONValue(conflictCount)),
        .init("conflicts", .array(conflicts))
      ])
      return run.printer.show(document, name: "import_id")
    }
    if !conflicts.isEmpty { run.printer.rows(conflicts, .conflict) }
    let what = isTrial ? "would be imported" : "imported"
    run.io.print("\(imported) \(what), \(already) were there, \(conflictCount) conflict\n")
    if !isTrial, imported > 0 { run.io.print("import \(id): berth import --undo \(id) takes it back\n") }
  }
}

/// A line on the terminal that counts; nothing elsewhere.
struct Progress {
  private let word: String
  private let total: Int
  private let io: CommandIO
  private var done = 0
  private var isShown = false

  init(_ word: String, of total: Int, _ io: CommandIO) { (self.word, self.total, self.io) = (word, total, io) }

  mutating func advance(_ count: Int) {
    done += count
    guard io.errorIsTerminal, total > count || isShown else { return }
    isShown = true
    io.err(Array("\r\(done) of \(total) \(word)".utf8))
  }

  /// Leaves the line.
  mutating func end() {
    if isShown { io.remark("") }
    isShown = false
  }
}
