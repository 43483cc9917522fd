import Log
import LogSQLite
import Platform
import Testing

/// A directory under /tmp that goes with its owner.
final class TemporaryDirectory {
  let path = "/tmp/berth-log-\(ThisProcess.id)-\(Entropy.uint64())"
  deinit { TemporaryDirectory.remove(path) }

  static func remove(_ path: String) {
    guard let kind = try? FileSystem.kind(of: path), kind == .directory else {
      try? FileSystem.remove(path)
      return
    }
    for name in (try? FileSystem.list(path)) ?? [] { remove("\(path)/\(name)") }
    try? FileSystem.removeDirectory(path)
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }
}

/// A data directory that can be closed, looked at, damaged and opened again.
final class SQLiteUnderTest: MediumUnderTest {
  let place = TemporaryDirectory()
  let retention: Retention
  private(set) var directory: DataDirectory
  private var index: SQLiteHistory?

  init(retention: Retention = Retention(maxAge: 0, maxBytes: 1 << 40)) throws {
    self.retention = retention
    directory = try DataDirectory.open(place.path, .readWrite(create: true), retention: retention)
  }

  var log: any BatchLog { directory.log }
  var snapshots: any SnapshotStore { directory.snapshots }
  var history: any HistoryIndex {
    if index == nil { index = try! directory.history() }
    return index!
  }

  func reopen() throws {
    end()
    try open()
  }

  func open() throws {
    directory = try DataDirectory.open(place.path, .readWrite(create: false), retention: retention)
  }

  func trim(through sequence: UInt64) throws {
    let head = log.head
    let reader = try log.reader()
    let keep =
      sequence < head.sequence
      ? try reader.batches(from: sequence + 1, limit: 1)[0].batch.firstRevision : head.nextRevision
    // Two are kept and the older one decides; its name has to sort first.
    try snapshot(revision: keep - 1, sequence: min(sequence, head.sequence - 1))
    try snapshot(revision: head.nextRevision - 1, sequence: head.sequence)
    for _ in 0..<100 { log.maintain(idle: true) }
  }

  func snapshot(revision: UInt64, sequence: UInt64) throws {
    let writer = try snapshots.begin()
    try writer.add(chunk: [1, 2, 3], revision: revision)
    try writer.finish(logID: log.head.logID, sequence: sequence, revision: revision)
  }

  func end() {
    index?.close()
    index = nil
    log.close()
  }

  /// Ends in good order and leaves only log.db, everything copied into it.
  func endWithoutWriteAheadFile() throws {
    end()
    for name in ["log.db-wal", "log.db-shm"] { try FileSystem.remove(place.file(name)) }
  }
}
