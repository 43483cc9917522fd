package import Domain
package import Engine
internal import Ledger
package import Log
internal import Platform

/// Moving a log from one medium to the other: what is read at one side and must be found at the other.
package enum Migration {
  /// A whole state: what a medium must hold to be the same log.
  package struct Whole: Sendable {
    /// The snapshot, which ends with the newest batch.
    package let image: SnapshotImage
    /// That batch.
    package let newest: Batch
    /// What the rows add up to.
    package let stateHash: UInt128
    /// The newest entry.
    package let revision: Revision
  }

  /// Reads and verifies a log to its end.
  package static func read(
    _ log: any BatchReader, _ snapshots: (any SnapshotStore)?
  ) throws(EngineFault) -> Whole {
    let recovery = try Recovery(log, snapshots, seed: 0)
    let (tables, head) = (recovery.tables, recovery.head)
    guard head.sequence > 0 else { throw .log("the log is empty: there is nothing to move") }
    let newest: Batch
    do throws(LogFault) {
      guard let stored = try log.batches(from: head.sequence, limit: 1).first, stored.hash == head.hash else {
        throw .missing(from: head.sequence, through: head.sequence)
      }
      newest = stored.batch
    } catch { throw .log("\(error)") }
    var encoder = SnapshotEncoder()
    var bytes = encoder.prologue
    for index in 0..<max(1, tables.chunkCount) {
      bytes += encoder.add(chunk: SnapshotRows.encode(tables.page(index).rows), revision: tables.revision)
    }
    bytes += encoder.finish(logID: head.logID, sequence: head.sequence, revision: tables.revision)
    guard bytes.count <= SnapshotImage.maxBytes else {
      throw .log("the snapshot has \(bytes.count >> 20) MiB, etcd takes \(SnapshotImage.maxBytes >> 20)")
    }
    return Whole(
      image: SnapshotImage(anchor: head, bytes: bytes), newest: newest, stateHash: tables.stateHash,
      revision: tables.revision)
  }

  /// What a node that joins finds: its state hash, and where the log ends. With `keep` the archive can afterwards be
  /// served as a log of its own.
  package static func join(
    _ log: any SharedLog, _ archive: any Archive, keep: Bool, shouldStop: @escaping @Sendable () -> Bool = { false },
    warn: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(EngineFault) -> (stateHash: UInt128, head: LogHead) {
    var options = EngineOptions()
    options.warn = warn
    options.shouldStop = shouldStop
    let engine = try Engine.join(Onlooker(log), archive, options: options)
    engine.start()
    defer { engine.stop() }
    let end = Box<BarrierEnd>()
    engine.barrier { end.put($0) }
    if case .failed(let why) = end.take() { throw .log("etcd cannot be read to its end: \(why)") }
    let found = engine.read { $0.stateHash }
    let head = engine.status.head
    guard keep else { return (found, head) }
    let done = Box<Bool>()
    let revision = engine.read { $0.revision }
    engine.onPublish { if $0 >= revision { done.put(true) } }
    if engine.readableRevision < revision { _ = done.take() }
    do throws(LogFault) { try archive.flush() } catch { throw .log("\(error)") }
    // Its end is waited for by `stop`.
    engine.snapshotNow()
    return (found, head)
  }
}

/// Lets a node read along without ever leading.
private final class Onlooker: SharedLog {
  private let log: any SharedLog

  init(_ log: any SharedLog) { self.log = log }

  var head: LogHead { log.head }
  var status: SharedLogStatus { log.status }
  func start(after head: LogHead?, tell: @escaping @Sendable (LogEvent) -> Void) { log.start(after: head, tell: tell) }
  func barrier(_ number: UInt64) { log.barrier(number) }
  func stepped() {}
  func publish(_ image: SnapshotImage) {}
  func depose(epoch: UInt64) {}
  func maintain(idle: Bool) {}
  func reader() throws(LogFault) -> any BatchReader { try log.reader() }
  func close() { log.close() }
  func append(_ batch: Batch, then: @escaping @Sendable (AppendEnd) -> Void) { then(.refused(.readOnly("only read"))) }
}

/// A value that one thread waits for; the first one counts.
// Unchecked because `lock` guards `value`.
private final class Box<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private let filled = Condition()
  private var value: Value?

  func put(_ value: Value) {
    lock.withLock {
      if self.value == nil { self.value = value }
      filled.broadcast()
    }
  }

  func take() -> Value {
    lock.withLock {
      while true {
        if let value { return value }
        filled.wait(lock)
      }
    }
  }
}
