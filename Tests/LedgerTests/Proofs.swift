import Addressing
import Domain

@testable import Ledger

/// What must hold of a harness between batches, and at the end.
struct Proofs {
  typealias Failure = Harness.Failure
  let harness: Harness
  private var tables: Tables { harness.tables }
  private var model: Model { harness.durable }

  init(_ harness: Harness) { self.harness = harness }

  func afterABatch() throws {
    try rowsAreTheModels()
    try countsAddUp()
    try Proofs.same(harness.ledger, Ledger(tables))
    if let due = model.due(at: .max).map(\.due).min() {
      guard let next = harness.ledger.nextDue, next <= due else { throw Failure("nothing due before \(due)") }
    }
  }

  func all(_ chunks: [(rows: [[UInt8]], revision: Revision)]) throws {
    try Proofs.same(tables, replayed())
    try Proofs.same(tables, loaded(chunks))
    try bothGiveTheSame()
  }

  // MARK: Rows and counts

  private func rowsAreTheModels() throws {
    var rows = Rows()
    var hash: UInt128 = 0
    tables.forEachRow { row in
      hash &+= RowHash.state(row.encoded)
      rows.add(row)
    }
    guard hash == tables.stateHash else { throw Failure("the state hash is not that of the rows") }
    try Proofs.same("pools", rows.pools, model.pools)
    try Proofs.same("allocations", rows.allocations, model.allocations)
    try Proofs.same("released", rows.released, model.released)
    try Proofs.same("cursors", rows.cursors, model.cursors)
    try Proofs.same("tokens", rows.tokens, model.tokens)
    guard tables.tokenCount == model.tokens.count, Set(tables.tokens) == Set(model.tokens.values) else {
      throw Failure("list of tokens")
    }
    for name in model.pools.keys {
      guard Set(rows.reservations[name] ?? []) == Set(model.reservations[name] ?? []) else {
        throw Failure("reservations of \(name)")
      }
    }
    guard rows.reservations.keys.allSatisfy({ model.pools[$0] != nil }) else { throw Failure("orphaned reservation") }
  }

  private static func same<Key, Value: Equatable>(_ what: String, _ rows: [Key: Value], _ model: [Key: Value]) throws {
    if rows == model { return }
    for (key, value) in rows where model[key] != value {
      throw Failure("\(what): row    \(value)\n  the model's \(model[key].map { "\($0)" } ?? "none")")
    }
    for (key, value) in model where rows[key] == nil { throw Failure("\(what): row missing for \(value)") }
  }

  private struct Rows {
    var pools: [PoolName: Pool] = [:]
    var reservations: [PoolName: [Reservation]] = [:]
    var cursors: [PoolName: IPAddress] = [:]
    var tokens: [TokenID: Token] = [:]
    var allocations: [Model.Place: Allocation] = [:]
    var released: [Model.Place: Released] = [:]

    mutating func add(_ row: Row) {
      switch row {
      case .pool(let pool): pools[pool.name] = pool
      case .reservation(let row): reservations[row.pool, default: []].append(row)
      case .allocation(let row): allocations[Model.Place(pool: row.pool, ip: row.ip)] = row
      case .released(let row): released[Model.Place(pool: row.pool, ip: row.block.first)] = row
      case .cursor(let name, let ip): cursors[name] = ip
      case .token(let token): tokens[token.id] = token
      case .answered: break
      case .fleet: break
      }
    }
  }

  private func countsAddUp() throws {
    guard tables.poolNames == model.pools.keys.sorted() else { throw Failure("pool names") }
    for (name, pool) in model.pools {
      guard let state = tables.pools[name] else { throw Failure("no state of \(name)") }
      let blocks = model.blocks(in: name).sorted()
      for (a, b) in zip(blocks, blocks.dropFirst()) where a.range.overlaps(b.range) {
        throw Failure("two owners: \(a) and \(b)")
      }
      for block in blocks where !state.usable.contains(where: { $0.contains(block.range) }) {
        throw Failure("\(block) lies outside of what \(name) may give")
      }
      for ip in model.known[name] ?? [] where blocks.contains(where: { $0.contains(ip) }) {
        throw Failure("\(ip) of \(name) is given, and guests know it as their network, router or broadcast address")
      }
      guard state.usableCount == model.usable(pool), state.allocatedCount == model.allocated(pool),
        state.quarantinedCount == model.quarantined(pool), state.available == model.available(pool),
        state.reservedCount + state.available + state.allocatedCount + state.quarantinedCount == state.total,
        state.allocations == model.allocations.keys.count(where: { $0.pool == name }),
        state.cursor == model.cursors[name]
      else { throw Failure("counts of \(name)") }
      guard
        Proofs.list(tables, name) == model.allocations.values.filter({ $0.pool == name }).sorted(by: { $0.ip < $1.ip })
      else { throw Failure("list of \(name)") }
    }
  }

  /// A pool's allocations in pages of three.
  static func list(_ tables: Tables, _ name: PoolName) -> [Allocation] {
    var (items, after): ([Allocation], IPAddress?) = ([], nil)
    while true {
      var visited = 1_000
      let page = tables.allocations(in: name, after: after, limit: 3, visiting: &visited) { _ in true }
      items += page.items
      guard let more = page.more else { return items }
      after = more
    }
  }

  // MARK: Sameness

  /// Two ledgers see the same space.
  static func same(_ a: Ledger, _ b: Ledger) throws {
    guard Set(a.indexes.keys) == Set(b.indexes.keys) else { throw Failure("indexes of other pools") }
    for (name, x) in a.indexes {
      guard let y = b.indexes[name] else { throw Failure("no index of \(name)") }
      let max = a.tables.pools[name]?.pool.family.maxBits ?? .max
      guard x.available == y.available else {
        throw Failure("available of \(name): \(x.available), fresh \(y.available)")
      }
      guard x.cursor == y.cursor else { throw Failure("cursor of \(name)") }
      for (what, one, other) in [
        ("taken", x.taken, y.taken), ("remembered", x.remembered, y.remembered),
        ("touched", x.touched ?? AddressSet(), y.touched ?? AddressSet())
      ] {
        let (one, other) = (runs(one, max), runs(other, max))
        guard one == other else { throw Failure("\(what) of \(name): \(one), fresh \(other)") }
      }
    }
  }

  static func runs(_ set: AddressSet, _ max: UInt128) -> [ClosedRange<UInt128>] {
    var runs: [ClosedRange<UInt128>] = []
    var from: UInt128? = 0
    while let start = from, let first = set.firstMember(in: start...max) {
      let end = set.firstFree(in: first...max)
      runs.append(first...(end.map { $0 - 1 } ?? max))
      from = end
    }
    return runs
  }

  /// Two tables hold the same and tell the same.
  static func same(_ a: Tables, _ b: Tables) throws {
    guard a.stateHash == b.stateHash, a.revision == b.revision, a.time == b.time, a.rowCount == b.rowCount,
      a.poolNames == b.poolNames, a.answeredCount == b.answeredCount,
      a.tokenCount == b.tokenCount
    else { throw Failure("tables differ") }
    for name in a.poolNames {
      guard let x = a.pools[name], let y = b.pools[name], x.pool == y.pool, x.reservations == y.reservations,
        x.usable == y.usable, x.allocatedCount == y.allocatedCount, x.quarantinedCount == y.quarantinedCount,
        x.allocations == y.allocations, x.cursor == y.cursor, x.childLengths == y.childLengths
      else { throw Failure("state of \(name) differs") }
      guard list(a, name) == list(b, name) else { throw Failure("lists of \(name) differ") }
    }
    try same(Ledger(a), Ledger(b))
  }

  private func replayed() throws -> Tables {
    let fresh = Tables(seed: 5)
    for item in harness.log { try fresh.apply(entry: item.bytes, unlessUpTo: 0, time: item.time) }
    return fresh
  }

  /// From what chunks there are, whatever their revisions, and the entries after the oldest.
  private func loaded(_ chunks: [(rows: [[UInt8]], revision: Revision)]) throws -> Tables {
    let fresh = Tables(seed: 6)
    fresh.beginLoading()
    for chunk in chunks { try fresh.load(chunk.rows) }
    let oldest = chunks.map(\.revision).min() ?? 0
    let newest = chunks.map(\.revision).max() ?? 0
    var isLoading = true
    for item in harness.log {
      let revision = try EntryView(item.bytes).revision
      if isLoading, revision > newest {
        fresh.finishLoading(revision: newest, time: 0)
        isLoading = false
      }
      try fresh.apply(entry: item.bytes, unlessUpTo: oldest, time: item.time)
    }
    if isLoading { fresh.finishLoading(revision: newest, time: tables.time) }
    return fresh
  }

  // MARK: The same decisions

  /// The ledger that lived through it all and one that just started give out the same addresses.
  private func bothGiveTheSame() throws {
    let fresh = Ledger(tables)
    let context = Ledger.Context(revision: harness.revision + 1, time: harness.time, seed: 3)
    for name in tables.poolNames {
      for number in 0..<8 {
        let request = AllocateRequest(.pool(name), holder: Holder(owner: OwnerName(trusted: "last-\(number)")))
        let submission = Submission(.allocate(request), actor: "", requestID: "", asked: "")
        let answers = [harness.ledger, fresh].map { Answer($0.decide(submission, context).outcome) }
        guard answers[0] == answers[1] else { throw Failure("said \(answers[0]), a fresh ledger \(answers[1])") }
        if case .refused = answers[0] { break }
      }
    }
    harness.ledger.revoke()
  }
}
