import Log
import Platform

// history.db, format 2. A run is a sequence of pairs in order, written once; `parts` are its pieces, each one page of
// the file, found by the pair that it begins with. A run that is being made does not count, and one that was merged
// into another is cleared away piece by piece. Keys are below 2^63.
private let format: Int64 = 2
private let schema = """
  PRAGMA user_version = \(format);
  CREATE TABLE state(
    id INTEGER PRIMARY KEY CHECK (id = 1), log_id BLOB NOT NULL, seed INTEGER NOT NULL, through INTEGER NOT NULL) STRICT;
  CREATE TABLE runs(
    id INTEGER PRIMARY KEY, level INTEGER NOT NULL, state INTEGER NOT NULL, low INTEGER NOT NULL,
    high INTEGER NOT NULL) STRICT;
  CREATE TABLE parts(
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, key INTEGER NOT NULL, revision INTEGER NOT NULL,
    digest INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
  CREATE INDEX parts_in_order ON parts(run, key, revision);
  """

/// A run and what it covers.
struct HistoryRun {
  enum State: Int64 {
    case whole = 0
    /// Not all of it is there yet.
    case unfinished
    /// Merged into another.
    case merged
  }

  let id: Int64
  let level: Int
  var state: State
  /// The lowest and the highest revision in it.
  let low: UInt64
  let high: UInt64
}

/// A statement that is prepared when it is first wanted: a server at rest needs few of them.
final class LateStatement {
  private let connection: Connection
  private let sql: String
  private var made: Statement?

  init(_ connection: Connection, _ sql: String) { (self.connection, self.sql) = (connection, sql) }

  func callAsFunction() throws(SQLiteFailure) -> Statement {
    if let made { return made }
    let statement = try connection.prepare(sql)
    made = statement
    return statement
  }
}

/// The rows of history.db; every connection has its own.
final class HistoryTables {
  let connection: Connection
  private let selectState: Statement
  private let selectRuns: Statement
  private let selectFrom: LateStatement
  private let selectAfter: LateStatement

  init(_ connection: Connection) throws(SQLiteFailure) {
    self.connection = connection
    selectState = try connection.prepare("SELECT log_id, seed, through FROM state")
    selectRuns = try connection.prepare("SELECT id, level, state, low, high FROM runs ORDER BY low, id")
    selectFrom = LateStatement(
      connection,
      "SELECT body, digest FROM parts WHERE run = ? AND (key, revision) <= (?, ?) ORDER BY key DESC, revision DESC LIMIT 1"
    )
    selectAfter = LateStatement(
      connection,
      "SELECT body, digest FROM parts WHERE run = ? AND (key, revision) > (?, ?) ORDER BY key, revision LIMIT 1")
  }

  static func create(_ connection: Connection, logID: SHA256Digest) throws(SQLiteFailure) {
    try connection.execute(
      "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN; \(schema)")
    let insert = try connection.prepare("INSERT INTO state VALUES (1, ?, ?, 0)")
    insert.bind(1, logID.bytes)
    insert.bind(2, Int64(bitPattern: Entropy.uint64()))
    try insert.run()
    try connection.execute("COMMIT")
  }

  static func isOfOlderFormat(_ connection: Connection) throws(SQLiteFailure) -> Bool {
    (1..<format).contains(try connection.number("PRAGMA user_version") ?? 0)
  }

  struct State {
    let logID: [UInt8]
    let seed: UInt64
    let through: UInt64
  }

  /// Nil when this is no index of ours.
  func state() throws(SQLiteFailure) -> State? {
    defer { selectState.reset() }
    guard try connection.number("PRAGMA user_version") == format, try selectState.step() else { return nil }
    return State(logID: selectState.bytes(0), seed: selectState.unsigned(1), through: selectState.unsigned(2))
  }

  /// All runs by their lowest revision.
  func runs() throws(SQLiteFailure) -> [HistoryRun] {
    defer { selectRuns.reset() }
    var runs: [HistoryRun] = []
    while try selectRuns.step() {
      guard let state = HistoryRun.State(rawValue: selectRuns.integer(2)) else { continue }
      runs.append(
        HistoryRun(
          id: selectRuns.integer(0), level: Int(selectRuns.integer(1)), state: state, low: selectRuns.unsigned(3),
          high: selectRuns.unsigned(4)))
    }
    return runs
  }

  /// The part of a run in which `item` is or would be; nil when all of the run comes after it.
  func part(of run: HistoryRun, holding item: HistoryItem) throws(LogFault) -> HistoryPart? {
    try part(selectFrom, run, item)
  }

  /// The part of a run that begins after `item`.
  func part(of run: HistoryRun, after item: HistoryItem?) throws(LogFault) -> HistoryPart? {
    try part(selectAfter, run, item ?? HistoryItem(key: 0, revision: 0))
  }

  private func part(_ late: LateStatement, _ run: HistoryRun, _ item: HistoryItem) throws(LogFault) -> HistoryPart? {
    let select = try faulting { () throws(SQLiteFailure) in try late() }
    select.bind(1, run.id)
    select.bind(2, item.key)
    select.bind(3, min(item.revision, UInt64(Int64.max)))
    defer { select.reset() }
    guard try faulting({ () throws(SQLiteFailure) in try select.step() }) else { return nil }
    guard let part = HistoryPart(select.bytes(0), digest: select.integer(1)) else {
      throw .damagedFile(path: connection.path, what: "a part of run \(run.id) is not what was written")
    }
    return part
  }
}

/// Writes runs; belongs to the one thread that adds.
final class HistoryWriter {
  let tables: HistoryTables
  /// All runs by their lowest revision.
  private(set) var runs: [HistoryRun]
  private let insertRun: LateStatement
  private let updateRun: LateStatement
  private let insertPart: LateStatement
  private let clearParts: LateStatement
  private let deleteRun: LateStatement
  private let advance: LateStatement

  init(_ tables: HistoryTables) throws(SQLiteFailure) {
    self.tables = tables
    let connection = tables.connection
    insertRun = LateStatement(connection, "INSERT INTO runs VALUES (NULL, ?, ?, ?, ?) RETURNING id")
    updateRun = LateStatement(connection, "UPDATE runs SET state = ? WHERE id = ?")
    insertPart = LateStatement(connection, "INSERT INTO parts VALUES (NULL, ?, ?, ?, ?, ?)")
    clearParts = LateStatement(
      connection, "DELETE FROM parts WHERE id IN (SELECT id FROM parts WHERE run = ? LIMIT ?) RETURNING id")
    deleteRun = LateStatement(connection, "DELETE FROM runs WHERE id = ?")
    advance = LateStatement(connection, "UPDATE state SET through = ?")
    runs = []
    try reload()
  }

  /// Takes what the file holds for what there is; what was not finished is begun anew.
  func reload() throws(SQLiteFailure) {
    runs = try tables.runs()
    for run in runs where run.state == .unfinished { try change(run.id, to: .merged) }
  }

  func transaction(_ body: () throws(LogFault) -> Void) throws(LogFault) {
    do throws(LogFault) {
      try faulting { () throws(SQLiteFailure) in try tables.connection.execute("BEGIN IMMEDIATE") }
      try body()
      try faulting { () throws(SQLiteFailure) in try tables.connection.execute("COMMIT") }
    } catch {
      _ = tables.connection.rollback()
      throw error
    }
  }

  /// Begins a run; its pairs follow in order.
  func begin(level: Int, _ state: HistoryRun.State, _ revisions: ClosedRange<UInt64>) throws(SQLiteFailure)
    -> HistoryRun
  {
    let insertRun = try insertRun()
    insertRun.bind(1, Int64(level))
    insertRun.bind(2, state.rawValue)
    insertRun.bind(3, revisions.lowerBound)
    insertRun.bind(4, revisions.upperBound)
    defer { insertRun.reset() }
    _ = try insertRun.step()
    let run = HistoryRun(
      id: insertRun.integer(0), level: level, state: state, low: revisions.lowerBound, high: revisions.upperBound)
    while try insertRun.step() {}
    runs.append(run)
    return run
  }

  /// Adds the next pairs of a run.
  func write(_ items: ArraySlice<HistoryItem>, to run: HistoryRun) throws(SQLiteFailure) {
    let insertPart = try insertPart()
    var rest = items
    while let first = rest.first {
      let part = HistoryPart(Array(rest.prefix(HistoryPart.pairs)))
      rest = rest.dropFirst(HistoryPart.pairs)
      let bytes = part.bytes
      insertPart.bind(1, run.id)
      insertPart.bind(2, first.key)
      insertPart.bind(3, first.revision)
      insertPart.bind(4, HistoryPart.digest(bytes))
      insertPart.bind(5, bytes)
      try insertPart.run()
    }
  }

  func change(_ id: Int64, to state: HistoryRun.State) throws(SQLiteFailure) {
    let updateRun = try updateRun()
    updateRun.bind(1, state.rawValue)
    updateRun.bind(2, id)
    try updateRun.run()
    for index in runs.indices where runs[index].id == id { runs[index].state = state }
  }

  func setThrough(_ revision: UInt64) throws(SQLiteFailure) {
    let advance = try advance()
    advance.bind(1, revision)
    try advance.run()
  }

  /// Clears a slice of what was merged; false when nothing is left of it.
  func clear(parts: Int) throws(SQLiteFailure) -> Bool {
    guard let run = runs.first(where: { $0.state == .merged }) else { return false }
    let clearParts = try clearParts()
    clearParts.bind(1, run.id)
    clearParts.bind(2, Int64(parts))
    defer { clearParts.reset() }
    var cleared = 0
    while try clearParts.step() { cleared += 1 }
    if cleared < parts {
      let deleteRun = try deleteRun()
      deleteRun.bind(1, run.id)
      try deleteRun.run()
      runs.removeAll { $0.id == run.id }
    }
    return true
  }

  func reset() throws(SQLiteFailure) {
    try tables.connection.execute("DELETE FROM parts; DELETE FROM runs; UPDATE state SET through = 0")
    runs = []
  }
}
