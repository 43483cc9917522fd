import Addressing
import Domain
import Ledger
import Log
import Platform
import Telemetry
import Testing

@testable import Engine

/// A core over a log that others write too, fed by hand.
private final class Node {
  let core: Core
  private(set) var appended: [Batch] = []
  private(set) var barriers: [UInt64] = []
  private(set) var archived: [StoredBatch] = []
  let answers = Guard<[Answer]>([])
  var clock = ClockReading(wall: 1_000_000_000_000, boot: 0)

  let gate = LevelGate()

  /// How often it said that it lives.
  let steps = Guard(0)

  init(seed: UInt64 = 1, batchWork: UInt64 = Limits.work) {
    var numbers = seed
    var options = CoreOptions(
      random: {
        numbers &+= 1
        return numbers
      }, metrics: EngineMetrics(Metrics()))
    options.isShared = true
    options.gate = gate
    options.batchWork = batchWork
    let steps = steps
    options.stepped = { steps.change { $0 += 1 } }
    let archive = Guard<[StoredBatch]>([])
    options.archive = { stored in archive.change { $0.append(stored) } }
    stored = archive
    core = Core(Tables(seed: seed), head: LogHead(empty: logID), clock: clock, options: options)
  }

  private let stored: Guard<[StoredBatch]>
  var archive: [StoredBatch] { stored.value }

  func hear(_ event: LogEvent) {
    core.handle(event, clock)
    step()
  }

  func step() {
    if core.isAppending { return }
    _ = core.begin(clock, append: { appended.append($0) }, barrier: { barriers.append($0) })
  }

  func ask(_ command: Command) {
    let answers = answers
    core.add([
      Waiting(submission: Submission(command, actor: "t", requestID: "r", asked: "")) { answer in
        answers.change { $0.append(answer) }
      }
    ])
    step()
  }

  func allocate(_ owner: String) {
    ask(.allocate(AllocateRequest(.pool(.simple), holder: Holder(owner: OwnerName(trusted: owner)))))
  }

  func makePool(_ name: PoolName = .simple, _ text: String = "10.0.0.0", leaseSeconds: UInt32 = 0) {
    let cidr = Prefix(containing: IPAddress(text)!, length: 24)
    var pool = Pool(name: name, extent: Extent(cidr: cidr, gateway: Extent.defaultGateway(of: cidr)))
    pool.leaseSeconds = leaseSeconds
    ask(.createPool(pool))
  }

  func pass(seconds: Int64) {
    clock.wall += seconds * 1_000_000
    clock.boot += seconds * 1_000_000
    step()
  }

  /// The batch under way is durable; returns what the other nodes are told.
  func land() -> LogEvent {
    let batch = appended[appended.count - 1]
    hear(.ended(.durable))
    return .applied(StoredBatch(batch: batch, hash: batch.hash))
  }

  /// Leads in `epoch`; returns what the other nodes are told of the batch that took it over.
  func lead(_ epoch: UInt64) -> LogEvent {
    hear(.takeover(epoch: epoch))
    let told = land()
    hear(.leads(epoch: epoch))
    return told
  }

  /// Leads alone, with so many addresses of a pool given for half a minute each.
  static func leading(leases: Int) -> Node {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    node.makePool(leaseSeconds: 30)
    _ = node.land()
    for number in 0..<leases {
      node.allocate("vm-\(number)")
      _ = node.land()
    }
    return node
  }
}

private let logID = SHA256Digest(of: Array("shared".utf8))

@Suite struct SharedCoreTests {
  /// What is told besides the rows changed may be as large as they: such a command is refused, not its neighbours.
  @Test func anAnswerThatIsTooLongForTheLogIsRefusedAlone() throws {
    let node = Node()
    _ = node.lead(1)
    for (name, network) in [("four", "10.0.0.0/16"), ("six", "fd00::/64")] {
      node.ask(
        .createPool(
          Pool(name: PoolName(trusted: name), extent: Extent(cidr: try Prefix(parsing: network), gateway: nil))))
      _ = node.land()
    }
    let values = [("a", 128), ("b", 128), ("c", 128), ("d", 44)]
    let labels = try #require(Labels(values.map { ($0.0, String(repeating: "x", count: $0.1)) }))
    func ask(_ owner: String, _ families: [AddressFamily], _ count: Int) {
      var request = AllocateRequest(
        .choose(families, Topology(), .none), holder: Holder(owner: OwnerName(trusted: owner)))
      (request.count, request.labels) = (count, labels)
      node.ask(.allocate(request))
    }
    ask("large", [.ipv4], 1_024)
    // These two meet in the next batch.
    ask("small", [.ipv4], 64)
    ask("large", [.ipv4, .ipv6], 1_024)
    _ = node.land()
    let batch = try #require(node.appended.last)
    #expect(batch.fits && batch.entries.count == 1)
    _ = node.land()
    let answers = node.answers.value.suffix(3)
    #expect(answers.map(\.code) == [nil, nil, .tooLarge])
    #expect(answers.allSatisfy { $0.unavailable == nil })
    ask("large", [.ipv6], 1_024)
    _ = node.land()
    #expect(node.answers.value.last?.ip == "fd00::1", "each family by itself")
  }

  /// A batch that is just not full takes one entry more, and where its pools stand rides on it.
  @Test func theLargestEntryFitsABatchThatIsNotFullYet() {
    let cursor = Effect.put(.cursor(PoolName(trusted: String(repeating: "p", count: 63)), IPAddress("fd00::1")!))
    let cursors = (Draft.cursorsEnough + 2) * (cursor.bytes.count + 4)
    #expect(Draft.bytesEnough + Limits.entryBytes + cursors + 4_096 <= Batch.maxBytes)
    #expect(Limits.entryBytes > Limits.effectBytes + 64 * 1_024, "effects are refused for their own size first")
  }

  @Test func aFollowerComesToTheLeadersState() {
    let (leader, follower) = (Node(seed: 1), Node(seed: 2))
    for node in [leader, follower] { node.hear(.opened(LogHead(empty: logID))) }
    follower.hear(leader.lead(7))
    leader.makePool()
    follower.hear(leader.land())
    for number in 0..<20 {
      leader.allocate("vm-\(number)")
      follower.hear(leader.land())
    }
    #expect(leader.core.tables.stateHash == follower.core.tables.stateHash)
    #expect(leader.core.head == follower.core.head && leader.core.head.sequence == 22)
    #expect(leader.archive == follower.archive && leader.archive.count == 22)
    #expect(leader.appended.allSatisfy { $0.epoch == 7 } && leader.appended[0].entries.isEmpty)
  }

  /// With very many VMs the indexes take longer than a lease lives; all of it is before the batch that takes over.
  @Test func whoTakesOverSaysThatItLivesWhileItMakesItsIndexes() {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    #expect(node.steps.value == 0)
    let spec = VMSpec(Resources(cpu: 1_000, memory: 1_024))
    for part in 0..<8 {
      var request = VMRequest(VMKey(name: VMName(trusted: "vm-\(part)")), spec)
      request.count = 500
      node.ask(.fleet(.createVM(request)))
      _ = node.land()
    }
    node.hear(.follows(nil))
    let appended = node.appended.count
    node.hear(.takeover(epoch: 2))
    #expect(node.appended.count == appended + 1)
    // Twice over all pages of rows: once for addresses, once for the fleet.
    let steps = node.steps.value
    #expect(steps >= 4 && steps % 2 == 0)
    _ = node.land()
    node.hear(.leads(epoch: 2))
    #expect(node.steps.value == steps, "nothing is left for when it leads")
  }

  @Test func aBatchEndsWhenItHasLookedEnoughForRoom() {
    let node = Node(batchWork: 1)
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    let appended = node.appended.count
    let asks = (0..<3).map { number in
      let request = VMRequest(VMKey(name: VMName(trusted: "vm-\(number)")), VMSpec(Resources(cpu: 1_000, memory: 1)))
      return Submission(.fleet(.createVM(request)), actor: "t", requestID: "r", asked: "")
    }
    node.core.add(asks.map { Waiting(submission: $0) { _ in } })
    node.step()
    for _ in 0..<2 where node.core.isAppending { _ = node.land() }
    let entries = node.appended[appended...].map { batch in
      batch.entries.count { (try? Entry(decoding: $0))?.kind == .vmCreated }
    }
    #expect(entries == [1, 1, 1])
  }

  @Test func aClockThatJumpedWhileAnotherLedIsNotBelieved() {
    let (first, second) = (Node(seed: 1), Node(seed: 2))
    for node in [first, second] { node.hear(.opened(LogHead(empty: logID))) }
    second.hear(first.lead(1))
    first.makePool()
    second.hear(first.land())
    // A step of some seconds is gone along with; one of ten hours waits for a person.
    second.clock.wall += 5_000_000
    second.hear(.follows(nil))
    second.clock.wall += 36_000_000_000
    _ = second.lead(2)
    #expect(second.core.isClockHeld)
    #expect(second.appended.last?.time == second.core.tables.time && second.core.tables.time < second.clock.wall)
    second.allocate("a")
    #expect(second.appended.last?.time == first.clock.wall + 5_000_000)
    _ = second.land()
    second.core.confirm(second.clock)
    second.allocate("b")
    #expect(second.appended.last?.time == second.clock.wall)
  }

  /// Also if it led before, and saw nothing strange then.
  @Test func aNewLeaderHoldsLeasesOfWhichManyAreDueAtOnce() {
    let node = Node.leading(leases: 1)
    node.pass(seconds: 31)
    _ = node.land()
    let held = { node.core.tables.pools[.simple]?.allocations }
    #expect(held() == 0, "one lease that ends is nothing strange")
    for number in 0..<3 {
      node.allocate("vm-\(number)")
      _ = node.land()
    }
    node.hear(.follows(nil))
    node.pass(seconds: 31)
    _ = node.lead(2)
    node.pass(seconds: 1)
    #expect(!node.core.isAppending && held() == 3 && node.core.expiry.isHeld)
    node.core.confirm(node.clock)
    node.step()
    _ = node.land()
    #expect(held() == 0)
  }

  @Test func whatIsDueByItselfRestsWhenTheLogRefuses() {
    let node = Node.leading(leases: 1)
    node.pass(seconds: 31)
    #expect(node.appended.count == 4, "the lease's end is written")
    node.hear(.ended(.refused(.storageFull)))
    node.step()
    #expect(node.appended.count == 4, "it is not tried again at once")
    node.allocate("vm-2")
    #expect(node.appended.count == 5, "who asks is tried")
    node.hear(.ended(.refused(.storageFull)))
    node.pass(seconds: 2)
    #expect(node.appended.count == 6)
    _ = node.land()
    #expect(node.core.tables.pools[.simple]?.allocations == 0)
  }

  @Test func whoStopsBeginsNothingByItself() {
    let node = Node.leading(leases: 1)
    (node.clock.wall, node.clock.boot) = (node.clock.wall + 31_000_000, node.clock.boot + 31_000_000)
    #expect(
      !node.core.begin(node.clock, isStopping: true, append: { _ in Issue.record("appended") }, barrier: { _ in }))
  }

  /// A pool is made by a batch of its own: it would wait for all leases, and everybody behind it too.
  @Test func aCommandThatMustBeAloneGoesBeforeWhatIsDue() {
    let node = Node.leading(leases: 3)
    node.clock.wall += 31_000_000
    node.clock.boot += 31_000_000
    node.core.confirm(node.clock)
    node.makePool(PoolName(trusted: "b"), "10.0.1.0")
    #expect(node.core.isAppending)
    node.makePool(PoolName(trusted: "c"), "10.0.2.0")
    _ = node.land()
    #expect(node.core.tables.pools[PoolName(trusted: "b")] != nil)
    #expect(node.core.tables.pools[.simple]?.allocations == 3)
    _ = node.land()
    #expect(node.core.tables.pools[.simple]?.allocations == 0, "the leases' turn: two in a row do not push them away")
    _ = node.land()
    #expect(node.core.tables.pools[PoolName(trusted: "c")] != nil)
  }

  @Test func aFollowerDecidesNothing() {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    let leader = Leader(epoch: 3, node: "b", url: "http://b")
    node.hear(.follows(leader))
    node.makePool()
    #expect(node.answers.value.map(\.unavailable) == [.notLeading(leader)])
    #expect(node.appended.isEmpty)
  }

  @Test func whatAFencedLeaderDecidedNeverWas() {
    let (old, new) = (Node(seed: 1), Node(seed: 2))
    for node in [old, new] { node.hear(.opened(LogHead(empty: logID))) }
    new.hear(old.lead(1))
    old.makePool()
    new.hear(old.land())
    old.allocate("lost")
    old.hear(.follows(nil))
    old.hear(.ended(.refused(.fenced)))
    old.hear(new.lead(2))
    new.allocate("kept")
    old.hear(new.land())
    #expect(old.core.tables.stateHash == new.core.tables.stateHash)
    #expect(old.answers.value.count == 2 && old.answers.value[1].unavailable == .notLeading(nil))
    #expect(new.answers.value.last?.ip == "10.0.0.2", "the address of the fenced batch is free")
    _ = old.lead(3)
    old.allocate("again")
    _ = old.land()
    #expect(old.answers.value.last?.ip == "10.0.0.3")
  }

  /// A repeat was decided, and the barrier begun after it brought what another leader wrote: that came before.
  @Test func anAnswerFromBeforeAnotherLeadersBatchIsNone() {
    let (old, new) = (Node(seed: 1), Node(seed: 2))
    for node in [old, new] { node.hear(.opened(LogHead(empty: logID))) }
    new.hear(old.lead(1))
    old.makePool()
    new.hear(old.land())
    old.allocate("a")
    new.hear(old.land())
    old.allocate("a")
    #expect(old.barriers == [1])
    old.hear(new.lead(2))
    old.hear(.barrier(through: 1, .passed(sequence: 4)))
    #expect(old.answers.value.last?.unavailable == .notLeading(nil))
  }

  @Test func whatWaitsBehindABatchIsTurnedAwayWithItsLeadership() {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    node.makePool()
    node.allocate("a")
    let leader = Leader(epoch: 2, node: "b", url: "http://b")
    node.hear(.follows(leader))
    #expect(node.answers.value.map(\.unavailable) == [.notLeading(leader)], "it need not wait for the batch's end")
  }

  @Test func whoIsDeposedBeforeItHasTakenOverTakesNothingOver() {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    node.makePool()
    node.hear(.takeover(epoch: 2))
    node.hear(.follows(nil))
    let before = node.appended.count
    node.hear(.ended(.refused(.fenced)))
    #expect(node.appended.count == before)
  }

  @Test func aBatchThatLandedAfterItsLeaderWasDeposedIsAnswered() {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    node.makePool()
    node.hear(.follows(nil))
    _ = node.land()
    guard case .outcome(.pool, _)? = node.answers.value.last else {
      Issue.record("answered \(node.answers.value)")
      return
    }
  }

  @Test func anAnswerThatAppendsNothingWaitsForABarrier() {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    node.makePool()
    _ = node.land()
    node.allocate("a")
    _ = node.land()
    let before = node.answers.value.count
    node.allocate("a")
    #expect(node.barriers == [1] && node.answers.value.count == before)
    node.hear(.barrier(through: 1, .passed(sequence: 3)))
    #expect(node.answers.value.last?.ip == "10.0.0.2")
    node.allocate("a")
    node.hear(.barrier(through: 2, .failed("cut off")))
    #expect(node.answers.value.last?.unavailable == .notLeading(nil))
  }

  /// What a later version may write: entries, kinds and rows that this one does not know.
  @Test(arguments: [(0, UInt8(9), "version 9"), (1, 99, "kind of entry")])
  func aNodeStopsBeforeWhatALaterVersionWroteAndKeepsWhatItHas(place: Int, byte: UInt8, word: String) {
    let (leader, follower) = (Node(seed: 1), Node(seed: 2))
    for node in [leader, follower] { node.hear(.opened(LogHead(empty: logID))) }
    follower.hear(leader.lead(1))
    leader.makePool()
    follower.hear(leader.land())
    leader.allocate("a")
    guard case .applied(let stored) = leader.land() else { return }
    var batch = stored.batch
    batch.entries[0][place] = byte
    let (head, hash) = (follower.core.head, follower.core.tables.stateHash)
    follower.hear(.applied(StoredBatch(batch: batch, hash: batch.hash)))
    guard case .lost(let why) = follower.core.leadership else {
      Issue.record("\(follower.core.leadership)")
      return
    }
    #expect(why.contains("batch 3") && why.contains(word) && why.contains("start the version of Berth that wrote it"))
    #expect(follower.core.head == head && follower.core.tables.stateHash == hash && follower.archive.count == 2)
    // Its archive is whole: a version that can read goes on from it.
    let upgraded = Node(seed: 3)
    upgraded.hear(.opened(LogHead(empty: logID)))
    for stored in follower.archive { upgraded.hear(.applied(stored)) }
    upgraded.hear(.applied(stored))
    #expect(upgraded.core.tables.stateHash == leader.core.tables.stateHash)
  }

  @Test func anotherStateThanTheLeadersIsRefused() {
    let (leader, follower) = (Node(seed: 1), Node(seed: 2))
    for node in [leader, follower] { node.hear(.opened(LogHead(empty: logID))) }
    follower.hear(leader.lead(1))
    leader.makePool()
    guard case .applied(let stored) = leader.land() else { return }
    var batch = stored.batch
    batch.stateHash = 42
    follower.hear(.applied(StoredBatch(batch: batch, hash: batch.hash)))
    guard case .lost(let why) = follower.core.leadership else {
      Issue.record("\(follower.core.leadership)")
      return
    }
    #expect(why.contains("differs"))
    follower.allocate("x")
    #expect(follower.answers.value.last?.unavailable == .lost(why))
    let ends = Guard<[BarrierEnd]>([])
    follower.core.wait(barrier: { _ in Issue.record("a barrier that nobody hears of") }) { end in
      ends.change { $0.append(end) }
    }
    #expect(ends.value == [.failed(why)], "reads are told at once")
  }

  @Test func anUnknownEndOverASharedLogIsToldAndTheNodeGoesOn() {
    let node = Node()
    node.hear(.opened(LogHead(empty: logID)))
    _ = node.lead(1)
    node.makePool()
    node.hear(.ended(.unknown("trimmed")))
    #expect(node.answers.value.last?.unavailable == .unknownOutcome)
    #expect(node.core.tables.pools.isEmpty)
    node.makePool()
    _ = node.land()
    #expect(node.core.tables.pools.count == 1)
  }

  @Test func whatAnotherNodeCouldNotReadIsHeldBack() {
    let node = Node()
    _ = node.lead(1)
    node.makePool()
    _ = node.land()
    let appended = node.appended.count
    node.gate.set(EntryLevel(0), why: "node old reads no more than 0")
    node.allocate("a")
    #expect(node.appended.count == appended, "nothing is written")
    guard case .unavailable(.refused(let why)) = node.answers.value.last else {
      Issue.record("\(String(describing: node.answers.value.last))")
      return
    }
    #expect(why.contains("level 1") && why.contains("node old"))
    node.gate.set(.known, why: "")
    node.allocate("a")
    #expect(node.appended.count == appended + 1)
  }
}
