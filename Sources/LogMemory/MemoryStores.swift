package import Log
import Platform

/// Snapshots in memory, in the bytes that files have.
// Unchecked because the compiler cannot see that `lock` guards `files`.
package final class MemorySnapshots: SnapshotStore, @unchecked Sendable {
  private let lock = Lock()
  private var files: [UInt64: [UInt8]] = [:]

  /// Begins without snapshots.
  package init() {}

  /// The bytes of a snapshot; setting them plays damage.
  package subscript(_ newestSequence: UInt64) -> [UInt8]? {
    get { lock.withLock { files[newestSequence] } }
    set { lock.withLock { files[newestSequence] = newValue } }
  }

  /// Starts a snapshot.
  package func begin() throws(LogFault) -> any SnapshotWriter { MemorySnapshotWriter(self) }

  /// The newest sequences, newest first.
  package func list() throws(LogFault) -> [UInt64] { lock.withLock { files.keys.sorted(by: >) } }

  /// Opens and verifies one.
  package func open(_ newestSequence: UInt64) throws(LogFault) -> any SnapshotReader {
    guard let bytes = self[newestSequence] else {
      throw .damagedSnapshot(name: "\(newestSequence)", what: "it is not there")
    }
    return try SnapshotDecoder(name: "\(newestSequence)", size: bytes.count) { (offset, count) throws(LogFault) in
      Array(bytes.dropFirst(offset).prefix(count))
    }
  }

  fileprivate func keep(_ bytes: [UInt8], as sequence: UInt64) {
    lock.withLock {
      files[sequence] = bytes
      for old in files.keys.sorted(by: >).dropFirst(SnapshotLimits.kept) { files[old] = nil }
    }
  }
}

private final class MemorySnapshotWriter: SnapshotWriter {
  private let store: MemorySnapshots
  private var encoder = SnapshotEncoder()
  private var bytes: [UInt8]

  init(_ store: MemorySnapshots) {
    self.store = store
    bytes = encoder.prologue
  }

  func add(chunk: [UInt8], revision: UInt64) throws(LogFault) {
    bytes += encoder.add(chunk: chunk, revision: revision)
  }

  func finish(logID: SHA256Digest, sequence: UInt64, revision: UInt64) throws(LogFault) {
    store.keep(bytes + encoder.finish(logID: logID, sequence: sequence, revision: revision), as: sequence)
  }

  func abandon() { bytes = [] }
}

/// The history index in memory.
// Unchecked because the compiler cannot see that `lock` guards the rest.
package final class MemoryHistory: HistoryIndex, @unchecked Sendable {
  /// Scatters the keys.
  package let seed: UInt64 = 7
  private let lock = Lock()
  private var revisions: [UInt64: Set<UInt64>] = [:]
  private var newest: UInt64 = 0

  /// Begins empty.
  package init() {}

  /// Adds pairs and remembers that everything up to `through` is in.
  package func add(_ items: [HistoryItem], through: UInt64) throws(LogFault) {
    lock.withLock {
      precondition(through >= newest, "the history index only grows")
      for item in items { revisions[item.key, default: []].insert(item.revision) }
      newest = through
    }
  }

  /// Forgets everything.
  package func reset() throws(LogFault) {
    lock.withLock {
      revisions = [:]
      newest = 0
    }
  }

  /// A reader of what is there.
  package func reader() throws(LogFault) -> any HistoryReader { Reader(self) }

  /// Nothing to do here.
  package func close() {}

  private final class Reader: HistoryReader {
    private let index: MemoryHistory
    init(_ index: MemoryHistory) { self.index = index }

    var seed: UInt64 { index.seed }

    func through() throws(LogFault) -> UInt64 { index.lock.withLock { index.newest } }

    func revisions(of key: UInt64, in range: ClosedRange<UInt64>, limit: Int) throws(LogFault) -> [UInt64] {
      precondition(limit <= HistoryLimits.page, "an answer holds at most \(HistoryLimits.page) revisions")
      return Array(all(key).filter(range.contains).sorted().prefix(limit))
    }

    func last(of key: UInt64, in range: ClosedRange<UInt64>) throws(LogFault) -> UInt64? {
      all(key).filter(range.contains).max()
    }

    func sum(in range: ClosedRange<UInt64>) throws(LogFault) -> HistorySum {
      index.lock.withLock {
        var sum = HistorySum()
        for (key, revisions) in index.revisions {
          for revision in revisions where range.contains(revision) {
            sum.add(HistoryItem(key: key, revision: revision))
          }
        }
        return sum
      }
    }

    private func all(_ key: UInt64) -> Set<UInt64> { index.lock.withLock { index.revisions[key] ?? [] } }
  }
}
