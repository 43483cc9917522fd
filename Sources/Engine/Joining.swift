internal import Ledger
internal import Log
internal import Platform

/// The way of a node into its cluster: what it has archived first, then what the shared log says it has missed.
///
/// Before the node serves, because then nothing reads yet and its state may be replaced by a snapshot of the cluster.
struct Joining {
  private static let patience = Duration.milliseconds(200)
  /// So often, in turns of `patience`, it is said that the cluster does not answer.
  private static let turnsOfSilence = 25

  private let shared: any SharedLog
  private let archive: any Archive
  private let options: EngineOptions
  private let inbox = Inbox()

  init(_ shared: any SharedLog, _ archive: any Archive, _ options: EngineOptions) {
    (self.shared, self.archive, self.options) = (shared, archive, options)
  }

  /// A state that is whole, and where the events that come after it wait.
  struct Joined {
    let start: Engine.Start
    let inbox: Inbox
  }

  func run() throws(EngineFault) -> Joined {
    let recovery = try recovered()
    let inbox = inbox
    shared.start(after: recovery?.head) { inbox.tell($0) }
    var events = try next()
    switch events.removeFirst() {
    case .opened(let head):
      if archive.log == nil { try begin(after: head) }
      inbox.putBack(events)
      let tables = recovery?.tables ?? Tables(seed: options.random())
      return Joined(start: Engine.Start(tables, head, recovery?.snapshotRevision ?? 0), inbox: inbox)
    case .bootstrap(let image): return try load(image, events)
    case .lost(let why): throw .log(why)
    default: preconditionFailure("the first event of a shared log is opened, bootstrap or lost")
    }
  }

  private func recovered() throws(EngineFault) -> Recovery? {
    guard let log = archive.log else { return nil }
    return try Engine.recover(log, archive.snapshots, options)
  }

  private func begin(after head: LogHead) throws(EngineFault) {
    do throws(LogFault) { try archive.begin(after: head) } catch { throw .log("\(error)") }
  }

  /// Loads a snapshot of the cluster and the batches behind it until they are one state.
  private func load(_ image: SnapshotImage, _ first: [LogEvent]) throws(EngineFault) -> Joined {
    var loading: Loading
    do { loading = try Loading(image, seed: options.random()) } catch {
      throw .log("the snapshot of the cluster cannot be read: \(error)")
    }
    try begin(after: image.anchor)
    guard let log = archive.log else { preconditionFailure("an archive that has begun has a log") }
    var events = first
    var leader: LogEvent?
    while true {
      if let tables = loading.whole {
        inbox.putBack([leader].compactMap { $0 } + events)
        return Joined(start: Engine.Start(tables, log.head, 0), inbox: inbox)
      }
      if events.isEmpty { events = try next() }
      switch events.removeFirst() {
      case .applied(let stored): try take(stored, &loading, log)
      case .follows(let known): leader = .follows(known)
      case .lost(let why): throw .log(why)
      case let event: throw .log("the cluster said \(event) before this node had a whole state: start it again")
      }
    }
  }

  private func take(_ stored: StoredBatch, _ loading: inout Loading, _ log: any BatchLog) throws(EngineFault) {
    do throws(LogFault) { try loading.take(stored.batch) } catch { throw .log("\(error)") }
    let end = log.appendNow(stored.batch)
    guard end == .durable else { throw .log("the archive takes no batch: \(end)") }
  }

  /// The next events, at least one.
  private func next() throws(EngineFault) -> [LogEvent] {
    var turns = 0
    while true {
      let events = inbox.takeEvents(patience: Joining.patience)
      if !events.isEmpty { return events }
      if options.shouldStop() { throw .log("stopped while joining the cluster") }
      shared.stepped()
      turns += 1
      if turns % Joining.turnsOfSilence == 0 {
        let why = shared.status.warnings.first.map { ": \($0)" } ?? ""
        options.warn("the cluster's log does not answer yet, trying on\(why)")
      }
    }
  }
}
