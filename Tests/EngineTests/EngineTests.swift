import Addressing
import Domain
import Ledger
import Log
import LogMemory
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Engine

/// An engine over a log in memory, driven as the API drives it.
struct Bench {
  let log: MemoryLog
  let snapshots: MemorySnapshots
  let engine: Engine

  init(
    log: MemoryLog = MemoryLog(), snapshots: MemorySnapshots = MemorySnapshots(),
    _ change: (inout EngineOptions) -> Void = { _ in }
  ) throws {
    self.log = log
    self.snapshots = snapshots
    var options = EngineOptions()
    change(&options)
    engine = try Engine.open(log: log, snapshots: snapshots, options: options)
    engine.start()
  }

  func ask(_ command: Command, key: IdempotencyKey? = nil, dryRun: Bool = false) -> Answer {
    let slot = Slot()
    let submission = Submission(
      command, actor: "test", requestID: "r", asked: "", idempotency: key, dryRun: dryRun)
    #expect(engine.submit(submission) { slot.put($0) })
    return slot.take()
  }

  func makePool(_ cidr: String, name: String = "default", _ change: (inout Pool) -> Void = { _ in }) throws {
    let prefix = try Prefix(parsing: cidr)
    var pool = Pool(
      name: PoolName(trusted: name), extent: Extent(cidr: prefix, gateway: Extent.defaultGateway(of: prefix)))
    change(&pool)
    guard case .outcome(.pool, _) = ask(.createPool(pool)) else { throw Failure() }
  }

  func allocate(_ owner: String, key: IdempotencyKey? = nil, dryRun: Bool = false) -> Answer {
    let request = AllocateRequest(.pool(.simple), holder: Holder(owner: OwnerName(trusted: owner)))
    return ask(.allocate(request), key: key, dryRun: dryRun)
  }

  struct Failure: Error {}
}

/// Hands one answer from the engine's thread to the test's.
final class Slot: @unchecked Sendable {
  private let lock = Lock()
  private let filled = Condition()
  private var answer: Answer?

  func put(_ answer: Answer) {
    lock.withLock {
      precondition(self.answer == nil, "answered twice")
      self.answer = answer
      filled.signal()
    }
  }

  func take() -> Answer {
    lock.withLock {
      while answer == nil { filled.wait(lock) }
      return answer!
    }
  }
}

extension Answer {
  var ip: String? {
    if case .outcome(.granted(let grants, _, _), _) = self { grants.first?.allocation.ip.description } else { nil }
  }
  var code: Rejection.Code? { if case .outcome(.rejected(let no), _) = self { no.code } else { nil } }
  var revision: Revision? { if case .outcome(_, let revision) = self { revision } else { nil } }
  var unavailable: Unavailable? { if case .unavailable(let why) = self { why } else { nil } }
}

@Suite struct EngineTests {
  @Test func whatWasAnsweredIsThereAfterARestart() throws {
    let bench = try Bench()
    try bench.makePool("172.16.0.0/24")
    let given = (1...40).map { bench.allocate("vm-\($0)").ip }
    #expect(given.first == "172.16.0.2" && given.last == "172.16.0.41")
    let hash = bench.engine.read { $0.stateHash }
    bench.engine.stop()
    let again = try Bench(log: bench.log)
    #expect(again.engine.read { $0.stateHash } == hash)
    #expect((1...40).map { again.allocate("vm-\($0)").ip } == given)
    #expect(again.allocate("vm-41").ip == "172.16.0.42")
    again.engine.stop()
  }

  @Test func sixtyFourClientsRaceForTheLastHundredAddresses() throws {
    let bench = try Bench()
    try bench.makePool("10.0.0.0/25") {
      $0.extent.ranges = [AddressRange(IPAddress("10.0.0.10")!, IPAddress("10.0.0.109")!)]
    }
    let won = Guard<[String]>([])
    let lost = Guard(0)
    let clients = (0..<64).map { client in
      Thread(name: "client") {
        for number in 0..<4 {
          let answer = bench.allocate("c\(client)-\(number)")
          if let ip = answer.ip {
            won.change { $0.append(ip) }
          } else if answer.code == .poolExhausted {
            lost.change { $0 += 1 }
          }
        }
      }
    }
    for client in clients { client.join() }
    #expect(won.value.count == 100 && Set(won.value).count == 100)
    #expect(lost.value == 156)
    bench.engine.stop()
  }

  @Test func aRefusedBatchAnswersNobodyAndLeavesNothing() throws {
    let bench = try Bench()
    try bench.makePool("172.16.0.0/24")
    _ = bench.allocate("vm-1")
    let before = bench.engine.read { ($0.stateHash, $0.revision) }
    bench.log.inject(.refused(.storageFull))
    #expect(bench.allocate("vm-2").unavailable == .storageFull)
    #expect(bench.engine.status.isStorageFull, "said before the answer is")
    #expect(bench.engine.read { ($0.stateHash, $0.revision) } == before)
    #expect(bench.allocate("vm-3").ip == "172.16.0.3", "the address of the refused batch is free again")
    #expect(!bench.engine.status.isStorageFull)
    bench.engine.stop()
  }

  @Test func anUnknownEndStopsEverything() throws {
    let told = Guard<[String]>([])
    let bench = try Bench { $0.unknownOutcome = { why in told.change { $0.append(why) } } }
    try bench.makePool("172.16.0.0/24")
    bench.log.inject(.unknown(stored: true))
    #expect(bench.allocate("vm-1").unavailable == .unknownOutcome)
    #expect(bench.allocate("vm-2").unavailable == .stopping)
    #expect(told.value.count == 1)
    bench.engine.stop()
    bench.log.reopen()
    let again = try Bench(log: bench.log)
    #expect(again.allocate("vm-1").ip == "172.16.0.2")
    again.engine.stop()
  }

  @Test func aRepeatUnderAKeyIsAReplayOfTheSameEntry() throws {
    let bench = try Bench()
    try bench.makePool("172.16.0.0/24")
    let key = IdempotencyKey(key: 1, request: 2)
    let first = bench.allocate("vm-1", key: key)
    let second = bench.allocate("vm-1", key: key)
    guard case .outcome(.replay(let revision), _) = second else {
      Issue.record("no replay but \(second)")
      return
    }
    #expect(revision == first.revision)
    #expect(bench.allocate("vm-9", key: IdempotencyKey(key: 1, request: 3)).code == .idempotencyKeyReused)
    bench.engine.stop()
  }

  @Test func aDryRunChangesNothing() throws {
    let bench = try Bench()
    try bench.makePool("172.16.0.0/24")
    let before = bench.engine.read { $0.stateHash }
    #expect(bench.allocate("vm-1", dryRun: true).ip == "172.16.0.2")
    #expect(bench.allocate("vm-2", dryRun: true).ip == "172.16.0.2")
    #expect(bench.engine.read { $0.stateHash } == before)
    bench.engine.stop()
  }

  @Test func aSnapshotTakenUnderLoadRestoresTheSameState() throws {
    let bench = try Bench { $0.snapshotEvery = 500 }
    try bench.makePool("10.0.0.0/16")
    for number in 0..<3_000 {
      #expect(bench.allocate("vm-\(number)").ip != nil)
      if number % 3 == 0 {
        _ = bench.ask(.release(.owner(.standard, OwnerName(trusted: "vm-\(number / 2)"), pool: nil, interface: nil)))
      }
    }
    let hash = bench.engine.read { $0.stateHash }
    bench.engine.stop()
    #expect(try !bench.snapshots.list().isEmpty)
    bench.log.trim(through: 400)
    let again = try Bench(log: bench.log, snapshots: bench.snapshots)
    #expect(again.engine.status.snapshotRevision > 0)
    #expect(again.engine.read { $0.stateHash } == hash)
    #expect(
      again.engine.read { tables in tables.pools[.simple].map { $0.allocations } }
        == bench.engine.read { $0.pools[.simple]?.allocations })
    #expect(
      again.allocate("vm-2999").ip
        == bench.engine.read {
          $0.allocations(tenant: .standard, owner: OwnerName(trusted: "vm-2999")).first?.ip.description
        })
    again.engine.stop()
  }

  @Test func timeDoesNotGoBackBehindASnapshotOfTheWholeLog() throws {
    let began = ClockReading(wall: 1_000_000_000_000, boot: 0)
    let bench = try Bench { $0.clock = { began } }
    try bench.makePool("10.0.0.0/24")
    #expect(bench.engine.snapshotNow())
    bench.engine.stop()
    #expect(try !bench.snapshots.list().isEmpty)
    // The wall clock is behind what the log has seen.
    let again = try Bench(log: bench.log, snapshots: bench.snapshots) {
      $0.clock = { ClockReading(wall: 999_900_000_000, boot: 0) }
    }
    #expect(again.engine.status.snapshotRevision > 0)
    #expect(again.engine.read { $0.time } == began.wall)
    #expect(again.allocate("vm-1").ip != nil)
    #expect(try again.log.reader().batches(from: 1, limit: 9).map(\.batch.time) == [began.wall, began.wall])
    again.engine.stop()
  }

  @Test func leasesEndByThemselves() throws {
    let clock = Guard(ClockReading(wall: 1_000_000_000_000, boot: 0))
    let bench = try Bench { $0.clock = { clock.value } }
    try bench.makePool("172.16.0.0/24") { $0.leaseSeconds = 30 }
    #expect(bench.allocate("vm-1").ip == "172.16.0.2")
    let isGone = { bench.engine.read { $0.allocation(at: IPAddress("172.16.0.2")!, in: .simple) == nil } }
    clock.change { $0 = ClockReading(wall: $0.wall + 29_000_000, boot: $0.boot + 29_000_000) }
    _ = bench.allocate("vm-2")
    #expect(!isGone())
    clock.change { $0 = ClockReading(wall: $0.wall + 2_000_000, boot: $0.boot + 2_000_000) }
    #expect(eventually { isGone() })
    bench.engine.stop()
  }

  @Test func aSteppingClockDoesNotEndLeasesUntilConfirmed() throws {
    let clock = Guard(ClockReading(wall: 1_000_000_000_000, boot: 0))
    let bench = try Bench { $0.clock = { clock.value } }
    try bench.makePool("172.16.0.0/24") { $0.leaseSeconds = 30 }
    _ = bench.allocate("vm-1")
    let isGone = { bench.engine.read { $0.allocation(at: IPAddress("172.16.0.2")!, in: .simple) == nil } }
    clock.change { $0.wall += 3_600_000_000 }
    _ = bench.allocate("vm-2")
    #expect(eventually { bench.engine.status.isClockHeld })
    #expect(!isGone())
    bench.engine.confirmTime()
    #expect(eventually { isGone() })
    bench.engine.stop()
  }

  @Test func manyLeasesDueAtOnceAfterAStartAreHeld() throws {
    let clock = Guard(ClockReading(wall: 1_000_000_000_000, boot: 0))
    let bench = try Bench { $0.clock = { clock.value } }
    try bench.makePool("172.16.0.0/16") { $0.leaseSeconds = 30 }
    for number in 0..<50 { _ = bench.allocate("vm-\(number)") }
    bench.engine.stop()
    let later = Guard(ClockReading(wall: 1_000_100_000_000, boot: 0))
    let again = try Bench(log: bench.log) { $0.clock = { later.value } }
    #expect(eventually { again.engine.status.isExpiryHeld })
    #expect(again.engine.read { $0.pools[.simple]?.allocations } == 50)
    again.engine.confirmTime()
    #expect(eventually { again.engine.read { $0.pools[.simple]?.allocations } == 0 })
    again.engine.stop()
  }

  @Test func aFullRingSaysBusy() throws {
    let bench = try Bench { $0.ringCapacity = 0 }
    let request = AllocateRequest(.pool(.simple), holder: Holder(owner: OwnerName(trusted: "a")))
    let submission = Submission(.allocate(request), actor: "test", requestID: "", asked: "")
    #expect(!bench.engine.submit(submission) { _ in Issue.record("answered though refused") })
    bench.engine.stop()
  }
}

/// A value many threads change.
final class Guard<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private var stored: Value
  init(_ value: Value) { stored = value }
  var value: Value { lock.withLock { stored } }
  func change(_ body: (inout Value) -> Void) { lock.withLock { body(&stored) } }
}
