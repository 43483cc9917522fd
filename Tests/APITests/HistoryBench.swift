import Addressing
import Domain
import Engine
import Ledger
import Log
import LogMemory
import Platform
import Synchronization
import TestSupport
import Testing

@testable import API

/// An engine over a log in memory whose clock the test moves.
final class HistoryBench: Sendable {
  let log = MemoryLog()
  let engine: Engine
  private let clock = TestClock()

  init(start: Bool = true) throws {
    var options = EngineOptions()
    let clock = clock
    options.clock = { clock.reading }
    engine = try Engine.open(log: log, snapshots: nil, options: options)
    if start { engine.start() }
  }

  /// Lets time pass, asks, and waits for the answer.
  @discardableResult
  func ask(_ command: Command, actor: String = "test") -> Outcome {
    clock.advance()
    let slot = Handed<Outcome?>()
    let isTaken = engine.submit(Submission(command, actor: actor, requestID: "r-1", asked: "")) { answer in
      if case .outcome(let outcome, _) = answer { slot.put(outcome) } else { slot.put(nil) }
    }
    guard isTaken, let outcome = slot.take() else { preconditionFailure("the engine did not decide") }
    return outcome
  }

  func makePool(_ name: String, _ cidr: String, _ change: (inout Pool) -> Void = { _ in }) throws {
    let prefix = try Prefix(parsing: cidr)
    let extent = Extent(cidr: prefix, gateway: Extent.defaultGateway(of: prefix))
    var pool = Pool(name: PoolName(trusted: name), extent: extent)
    change(&pool)
    guard case .pool = ask(.createPool(pool)) else {
      Issue.record("pool \(name) was refused")
      return
    }
  }

  @discardableResult
  func allocate(_ owner: String, pool: String = "edge", _ change: (inout AllocateRequest) -> Void = { _ in }) -> Outcome
  {
    var request = AllocateRequest(
      .pool(PoolName(trusted: pool)), holder: Holder(owner: OwnerName(trusted: owner)))
    change(&request)
    return ask(.allocate(request))
  }

  @discardableResult
  func release(_ owner: String) -> Outcome {
    ask(.release(.owner(.standard, OwnerName(trusted: owner), pool: nil, interface: nil)))
  }

  var now: LogTime { engine.status.logTime }
  var revision: Revision { engine.status.revision }

  /// A view over the log with an index that goes up to `through`.
  func view(indexed through: Revision, _ index: any HistoryIndex = MemoryHistory()) throws -> HistoryView {
    var builder = try HistoryBuilder(try log.reader(), index)
    while try builder.step(upTo: through) {}
    let log = log
    let view = HistoryView(LogCursor { () throws(LogFault) in try log.reader() }, index)
    try view.begin(upTo: revision)
    return view
  }
}

/// An index whose keys meet all the time.
final class CrowdedHistory: HistoryIndex {
  private static let keys: UInt64 = 32
  private let inner = MemoryHistory()

  var seed: UInt64 { inner.seed }

  func add(_ items: [HistoryItem], through: UInt64) throws(LogFault) {
    try inner.add(items.map { HistoryItem(key: $0.key % Self.keys, revision: $0.revision) }, through: through)
  }

  func reset() throws(LogFault) { try inner.reset() }
  func reader() throws(LogFault) -> any HistoryReader { Reader(try inner.reader()) }
  func close() {}

  private final class Reader: HistoryReader {
    private let inner: any HistoryReader

    init(_ inner: any HistoryReader) { self.inner = inner }

    var seed: UInt64 { inner.seed }

    func through() throws(LogFault) -> UInt64 { try inner.through() }

    func revisions(of key: UInt64, in range: ClosedRange<UInt64>, limit: Int) throws(LogFault) -> [UInt64] {
      try inner.revisions(of: key % CrowdedHistory.keys, in: range, limit: limit)
    }

    func last(of key: UInt64, in range: ClosedRange<UInt64>) throws(LogFault) -> UInt64? {
      try inner.last(of: key % CrowdedHistory.keys, in: range)
    }

    func sum(in range: ClosedRange<UInt64>) throws(LogFault) -> HistorySum { try inner.sum(in: range) }
  }
}

/// Time that passes when told.
final class TestClock: Sendable {
  private let now = Atomic<Int64>(1_700_000_000_000_000)

  var reading: ClockReading {
    let now = now.load(ordering: .relaxed)
    return ClockReading(wall: now, boot: now)
  }

  func advance() { now.add(1_000_003, ordering: .relaxed) }
}

/// Hands one value from another thread to the test's.
final class Handed<Value: Sendable>: @unchecked Sendable {
  // Unchecked because the compiler cannot see that `lock` guards `value`.
  private let lock = Lock()
  private let filled = Condition()
  private var value: Value?

  func put(_ value: Value) {
    lock.withLock {
      precondition(self.value == nil, "handed over twice")
      self.value = value
      filled.signal()
    }
  }

  func take() -> Value {
    lock.withLock {
      let end = MonotonicTime.now + .seconds(20)
      while value == nil, MonotonicTime.now < end { _ = filled.wait(lock, timeout: .seconds(1)) }
      guard let value else { preconditionFailure("nothing was handed over in time") }
      return value
    }
  }
}
