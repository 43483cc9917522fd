package import Log
import Platform

/// The history index in history.db: derived from the log, so whatever is wrong with it, it is made anew.
///
/// Pairs gather in memory, where readers find them, and go to the file as one run in order when they are many: keys are
/// hashes, so any structure that is changed in place would be changed all over. A crash loses what is in memory; the
/// log has it.
// Unchecked because `lock` guards `recent` and `damage`, and the rest belongs to the one thread that adds.
package final class SQLiteHistory: HistoryIndex, @unchecked Sendable {
  // Unchecked because the compiler cannot see the rule: `lock` guards what is shared, the rest is the adding thread's.
  /// Slices of merging behind each run that is written; more than the number of levels, so that merging keeps up.
  private static let slices = 12

  /// Scatters the keys.
  package let seed: UInt64
  fileprivate let path: String
  let writer: HistoryWriter
  private let merges: HistoryMerges
  /// So many pairs are written as one run.
  private let runPairs: Int
  private let lock = Lock()
  private var recent: HistoryRecent
  private var damage: LogFault?
  /// Whether the last transaction failed: what is known of runs and merges is then not what the file holds.
  private var isUncertain = false

  /// Opens the index of the log with this head; one that is missing, damaged, of another version, ahead or of another
  /// log begins empty.
  init(_ path: String, head: LogHead, runPairs: Int = 65_536) throws(LogFault) {
    (self.path, self.runPairs) = (path, runPairs)
    let opened: (HistoryWriter, HistoryTables.State)
    do {
      opened = try SQLiteHistory.open(path, head: head)
    } catch {
      try onFiles { () throws(FileFault) in
        for name in [path, path + "-wal", path + "-shm"] { try FileSystem.remove(name) }
      }
      do {
        try HistoryTables.create(try Connection(path, .create), logID: head.logID)
        opened = try SQLiteHistory.open(path, head: head)
      } catch let failure as SQLiteFailure {
        throw failure.fault
      } catch {
        throw .damagedFile(path: path, what: "a new history index cannot be read")
      }
    }
    writer = opened.0
    merges = HistoryMerges(writer)
    seed = opened.1.seed
    recent = HistoryRecent(through: opened.1.through)
  }

  private struct Unusable: Error {}

  private static func open(_ path: String, head: LogHead) throws -> (HistoryWriter, HistoryTables.State) {
    let connection = try Connection(path, .readWrite)
    try connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    connection.waitForOthers(milliseconds: Connection.momentMilliseconds)
    let tables = try HistoryTables(connection)
    guard let state = try tables.state(), state.logID == head.logID.bytes, state.through < head.nextRevision else {
      throw Unusable()
    }
    let writer = try HistoryWriter(tables)
    if let first = writer.runs.first { _ = try tables.part(of: first, after: nil) }
    return (writer, state)
  }

  /// Adds pairs and remembers that everything up to `through` is in.
  package func add(_ items: [HistoryItem], through: UInt64) throws(LogFault) {
    let (isLeft, damage) = lock.withLock { (recent.count >= runPairs, self.damage) }
    if let damage { throw damage }
    // What found no room the last time goes first: memory holds little more than one run.
    if isLeft { try write() }
    let isMany = lock.withLock {
      recent.add(items, through: through)
      return recent.count >= runPairs
    }
    if isMany { try write() }
  }

  private func write() throws(LogFault) {
    if isUncertain {
      merges.reset()
      try faulting { () throws(SQLiteFailure) in try writer.reload() }
    }
    isUncertain = true
    try writeRecent()
    isUncertain = false
  }

  private func writeRecent() throws(LogFault) {
    let (pairs, through) = lock.withLock { (recent.sorted, recent.through) }
    let revisions = pairs.map(\.revision)
    try writer.transaction { () throws(LogFault) in
      try faulting { () throws(SQLiteFailure) in
        if let low = revisions.min(), let high = revisions.max() {
          let run = try writer.begin(level: 0, .whole, low...high)
          try writer.write(pairs[...], to: run)
        }
        try writer.setThrough(through)
      }
    }
    lock.withLock { recent.empty() }
    for _ in 0..<SQLiteHistory.slices { if try !merges.slice() { break } }
  }

  /// Forgets everything but the seed.
  package func reset() throws(LogFault) {
    merges.reset()
    lock.withLock {
      recent.reset()
      damage = nil
    }
    try writer.transaction { () throws(LogFault) in
      try faulting { () throws(SQLiteFailure) in try writer.reset() }
    }
  }

  /// A reader on a connection of its own.
  package func reader() throws(LogFault) -> any HistoryReader { try SQLiteHistoryReader(path, self) }

  /// Whether the next server makes the index anew as if there were none: it has an older format, or a crash has left it
  /// without its tables; they are made in one transaction, and what is left of that is an empty database or a journal
  /// to roll back.
  static func isUnfinished(_ path: String) throws(LogFault) -> Bool {
    do throws(SQLiteFailure) {
      let connection = try Connection(path, .readOnly)
      if try connection.number("SELECT count(*) FROM sqlite_schema") == 0 { return true }
      return try HistoryTables.isOfOlderFormat(connection)
    } catch {
      if error.needsRollback { return true }
      throw error.fault
    }
  }

  /// A reader of an index that nobody here writes.
  static func reader(of path: String) throws(LogFault) -> any HistoryReader { try SQLiteHistoryReader(path, nil) }

  /// Writes what is in memory; if that fails, the next start reads it from the log again.
  package func close() { try? write() }

  fileprivate var now: HistoryRecent { lock.withLock { recent } }

  fileprivate func report(_ fault: LogFault) {
    if case .damagedFile = fault { lock.withLock { damage = damage ?? fault } }
  }
}

private final class SQLiteHistoryReader: HistoryReader {
  private let tables: HistoryTables
  private let index: SQLiteHistory?
  private var generation = 0
  let seed: UInt64

  init(_ path: String, _ index: SQLiteHistory?) throws(LogFault) {
    self.index = index
    do throws(SQLiteFailure) {
      let connection = try Connection(path, .readOnly)
      connection.waitForOthers(milliseconds: 2000)
      tables = try HistoryTables(connection)
      guard let state = try tables.state() else { throw SQLiteFailure(path: path, code: 0, system: 0, message: "old") }
      seed = state.seed
    } catch {
      throw .damagedFile(path: path, what: "it is no history index of this version")
    }
    generation = index?.now.generation ?? 0
  }

  func through() throws(LogFault) -> UInt64 {
    if let now = index?.now {
      generation = now.generation
      return now.through
    }
    return try faulting { () throws(SQLiteFailure) in try tables.state()?.through ?? 0 }
  }

  func revisions(of key: UInt64, in range: ClosedRange<UInt64>, limit: Int) throws(LogFault) -> [UInt64] {
    precondition(limit <= HistoryLimits.page, "an answer holds at most \(HistoryLimits.page) revisions")
    return try reading { (recent, runs) throws(LogFault) in
      var found = Set(recent)
      for run in runs {
        // Runs come by their lowest revision: what is in later ones comes later.
        if found.count >= limit, run.low > found.sorted()[limit - 1] { break }
        try collect(key, range, run, limit, &found)
      }
      return Array(found.sorted().prefix(limit))
    } recent: {
      $0.revisions(of: key, in: range)
    } among: {
      $0.high >= range.lowerBound && $0.low <= range.upperBound
    }
  }

  private func collect(
    _ key: UInt64, _ range: ClosedRange<UInt64>, _ run: HistoryRun, _ limit: Int, _ found: inout Set<UInt64>
  ) throws(LogFault) {
    let first = HistoryItem(key: key, revision: range.lowerBound)
    var part = try tables.part(of: run, holding: first)
    if part == nil { part = try tables.part(of: run, after: nil) }
    var count = 0
    while let items = part?.items, let last = items.last {
      var place = HistoryPairs.place(of: first, in: items)
      while place < items.count, items[place].key == key, items[place].revision <= range.upperBound, count < limit {
        found.insert(items[place].revision)
        count += 1
        place += 1
      }
      if place < items.count || count == limit { return }
      part = try tables.part(of: run, after: last)
    }
  }

  func last(of key: UInt64, in range: ClosedRange<UInt64>) throws(LogFault) -> UInt64? {
    try reading { (recent, runs) throws(LogFault) in
      var found = recent.max()
      for run in runs where run.high > found ?? 0 {
        let end = HistoryItem(key: key, revision: range.upperBound)
        guard let items = try tables.part(of: run, holding: end)?.items else { continue }
        var place = HistoryPairs.place(of: end, in: items)
        if place == items.count || items[place] != end { place -= 1 }
        guard place >= 0, items[place].key == key, range.contains(items[place].revision) else { continue }
        found = max(found ?? 0, items[place].revision)
      }
      return found
    } recent: {
      $0.revisions(of: key, in: range)
    } among: {
      $0.high >= range.lowerBound && $0.low <= range.upperBound
    }
  }

  func sum(in range: ClosedRange<UInt64>) throws(LogFault) -> HistorySum {
    try reading { (recent, runs) throws(LogFault) in
      precondition(recent.isEmpty, "only an index at rest is summed")
      var sum = HistorySum()
      for run in runs {
        var part = try tables.part(of: run, after: nil)
        while let items = part?.items, let last = items.last {
          for item in items where range.contains(item.revision) { sum.add(item) }
          part = try tables.part(of: run, after: last)
        }
      }
      return sum
    } recent: {
      $0.sorted.map(\.revision)
    } among: { _ in
      true
    }
  }

  /// Runs `body` on what was in memory and one consistent state of the file. Memory first: what moves to the file
  /// between the two is then in both, and not in neither.
  private func reading<T>(
    _ body: ([UInt64], [HistoryRun]) throws(LogFault) -> T, recent: (HistoryRecent) -> [UInt64],
    among: (HistoryRun) -> Bool
  ) throws(LogFault) -> T {
    let now = index?.now
    if let now, now.generation != generation {
      throw .io(operation: "use \(tables.connection.path)", detail: "the history index was made anew: ask again")
    }
    do throws(LogFault) {
      try faulting { () throws(SQLiteFailure) in try tables.connection.execute("BEGIN") }
      let runs = try faulting { () throws(SQLiteFailure) in try tables.runs() }
      let result = try body(now.map(recent) ?? [], runs.filter { $0.state == .whole && among($0) })
      try faulting { () throws(SQLiteFailure) in try tables.connection.execute("COMMIT") }
      return result
    } catch {
      _ = tables.connection.rollback()
      index?.report(error)
      throw error
    }
  }
}
