import Log
import Platform
import Simulation
import Testing

@testable import LogEtcd

/// What a node has etcd tell it, as the machine asks for it.
@Suite struct WatchTests {
  /// One machine whose requests a simulated etcd answers at once; time passes as the machine asks for it.
  private final class Driven {
    let machine = EtcdMachine(EtcdOptions(node: "n", url: "http://n", endpoints: 1), seed: 1)
    let etcd = SimulatedEtcd()
    private(set) var events: [LogEvent] = []
    private(set) var watches: [UInt64: EtcdWatch] = [:]
    let keys = EtcdKeys(prefix: "/berth/")
    private(set) var now: Int64 = 1_000_000
    private var wake: Int64 = 0
    /// What becomes of a request.
    enum Fate {
      case answered
      /// It finds nobody.
      case lost
      /// It is on its way until `deliver`.
      case held
      /// etcd does not take it.
      case refused(EtcdError)
    }
    var fate: (EtcdRequest) -> Fate = { _ in .answered }
    private(set) var held: [(id: UInt64, request: EtcdRequest)] = []
    /// When leases were renewed, or tried to be.
    private(set) var renewals: [Int64] = []

    func give(_ input: EtcdInput) {
      var (inputs, steps) = ([input], 0)
      while !inputs.isEmpty {
        steps += 1
        if steps > 1_000 {
          Issue.record("it never rests")
          return
        }
        for action in machine.handle(inputs.removeFirst(), now: now) {
          switch action {
          case .send(let id, let request, _, _):
            if case .keepAlive = request { renewals.append(now) }
            switch fate(request) {
            case .answered: inputs.append(.answer(id, etcd.handle(request, now: now)))
            case .lost: inputs.append(.failed(id, .unknown("nobody is there")))
            case .held: held.append((id, request))
            case .refused(let error): inputs.append(.answer(id, .error(error)))
            }
          case .watch(let id, let watch, _): watches[id] = watch
          case .unwatch(let id): watches[id] = nil
          case .tell(let event): events.append(event)
          case .wake(let at): wake = at
          }
        }
      }
    }

    /// The oldest that was held reaches etcd, and its answer the machine.
    func deliver() {
      let (id, request) = held.removeFirst()
      give(.answer(id, etcd.handle(request, now: now)))
    }

    /// Lets time pass until `condition` holds.
    func pass(until condition: () -> Bool) -> Bool {
      for _ in 0..<2_000 where !condition() {
        now = max(now + 1_000, min(wake, now + 100_000))
        give(.stepped)
        give(.tick)
      }
      return condition()
    }

    /// Takes over and leads; the batch of the takeover is the engine's to make.
    func lead() -> Bool {
      guard pass(until: { events.contains { if case .takeover = $0 { true } else { false } } }) else { return false }
      for case .takeover(let epoch) in events {
        give(.append(batch(epoch: epoch)))
      }
      return pass(until: { machine.lead.isLeading })
    }

    /// The next batch of whoever believes to lead.
    func batch(epoch: UInt64) -> Batch {
      let head = machine.toldHead
      return Batch(
        sequence: head.sequence + 1, epoch: epoch, nonce: 1, time: 1, seed: 1, firstRevision: head.nextRevision,
        previous: head.hash, stateHash: 0, entries: [])
    }

    /// Leads, until etcd comes back from a backup and gives the revisions of its epoch and its batch to another's.
    func leadInAHistoryThatIsOver() {
      give(.start(after: nil))
      let backup = etcd.backup()
      #expect(lead())
      let (head, at) = (machine.toldHead.sequence, machine.headRevision)
      etcd.restore(backup)
      for (key, value) in [(keys.epoch, EtcdEpoch(nonce: 7, node: "b", url: "http://b").value), (keys.log(head), [1])] {
        _ = etcd.handle(.txn(EtcdTxn([], then: [.put(key: key, value: value, lease: 0)])), now: 0)
      }
      #expect(etcd.now(keys.log(head))?.modified == at, "the batch before that is another one")
    }

    /// Why it serves no more after `input`; nil when `other` came first.
    func whyLost(by input: EtcdInput, before other: @escaping (LogEvent) -> Bool) -> String? {
      events = []
      give(input)
      let isEnd = { (event: LogEvent) in if case .lost = event { true } else { other(event) } }
      guard pass(until: { events.contains(where: isEnd) }), case .lost(let why) = events.first(where: isEnd) else {
        return nil
      }
      return why
    }
  }

  @Test func whoLeadsIsNotSentWhatItWritesAndWhoFollowsIs() {
    let driven = Driven()
    let keys = driven.keys
    driven.give(.start(after: nil))
    #expect(driven.pass(until: { driven.watches.values.contains { $0.end == keys.logEnd } }), "it follows")
    #expect(driven.lead())
    #expect(driven.pass(until: { driven.watches.values.map(\.end) == [keys.epochEnd] }), "it leads")
    #expect(driven.watches.values.allSatisfy { $0.key == keys.epoch && $0.startRevision > driven.machine.headRevision })
    driven.machine.stepDown()
    #expect(driven.pass(until: { driven.watches.values.map(\.end) == [keys.logEnd] }), "it follows again")
  }

  /// Or its barrier would be a proof to the agents' leases that this node leads.
  @Test func whoWasDeposedHearsOfItBeforeItsBarrierPasses() {
    let driven = Driven()
    let keys = driven.keys
    driven.give(.start(after: nil))
    #expect(driven.lead())
    // Another campaign has won; no watch has said so.
    _ = driven.etcd.handle(.txn(EtcdTxn([], then: [.delete(key: keys.epoch, end: nil)])), now: 0)
    _ = driven.etcd.handle(.txn(EtcdTxn([], then: [.put(key: keys.epoch, value: [], lease: 0)])), now: 0)
    driven.give(.barrier(1))
    let passed = { driven.events.firstIndex { if case .barrier(_, .passed) = $0 { true } else { false } } }
    #expect(driven.pass(until: { passed() != nil }))
    let follows = driven.events.lastIndex { if case .follows = $0 { true } else { false } }
    let (first, then) = (follows ?? .max, passed() ?? 0)
    #expect(first < then, "\(driven.events.suffix(3))")
  }

  /// After a backup revisions are given anew: what was this node's epoch and batch may be another's of the same numbers.
  @Test func whoLeadsKnowsItsEpochFromAnotherOfTheSameNumber() {
    let driven = Driven()
    driven.leadInAHistoryThatIsOver()
    let why = driven.whyLost(by: .barrier(1), before: { if case .barrier(_, .passed) = $0 { true } else { false } })
    #expect(why?.contains("has lost history") == true, "a barrier passed over another history")
  }

  /// The same when it does not ask, but writes: the number of the epoch holds, and nothing may land all the same.
  @Test func whoLeadsWritesNothingIntoAnotherHistoryOfTheSameNumbers() {
    let driven = Driven()
    driven.leadInAHistoryThatIsOver()
    let next = driven.batch(epoch: driven.machine.lead.epochLed ?? 0)
    let why = driven.whyLost(by: .append(next), before: { if case .ended(.durable) = $0 { true } else { false } })
    #expect(why?.contains("has lost history") == true)
    #expect(driven.etcd.now(driven.keys.log(next.sequence)) == nil, "a batch of a history that is over has landed")
  }

  /// Often enough that one that gets through saves the lease, and not without a pause.
  @Test func aLeaseIsRenewedThreeTimesASecondAndALostRenewalIsTriedAgainAfterAPause() {
    let driven = Driven()
    driven.give(.start(after: nil))
    #expect(driven.lead())
    let began = driven.now
    #expect(driven.pass(until: { driven.now > began + 3_000_000 }))
    func gaps(since: Int64) -> [Int64] {
      let times = driven.renewals.filter { $0 >= since }
      return zip(times.dropFirst(), times).map { $0 - $1 }
    }
    #expect(gaps(since: began).count > 5 && gaps(since: began).allSatisfy { $0 == EtcdTiming.renewEvery })
    driven.fate = { if case .keepAlive = $0 { .lost } else { .answered } }
    let count = driven.renewals.count
    #expect(driven.pass(until: { driven.renewals.count > count }))
    let lost = driven.now
    #expect(driven.pass(until: { driven.now > lost + 600_000 }))
    let pauses = gaps(since: lost)
    #expect(pauses.count > 20 && pauses.allSatisfy { $0 == EtcdTiming.retry }, "\(pauses)")
    driven.fate = { _ in .answered }
    let back = driven.now
    #expect(driven.pass(until: { driven.now > back + 3_000_000 }))
    #expect(driven.machine.lead.isLeading && gaps(since: back).dropFirst().allSatisfy { $0 == EtcdTiming.renewEvery })
  }

  /// Its nonce is another one: taken for the later try's, this node's own epoch would look like one of a lost history.
  @Test func anAnswerToAnEarlierCampaignIsNotTakenForTheNextOnes() {
    let driven = Driven()
    let (etcd, key) = (driven.etcd, driven.keys.epoch)
    let campaigns = { (request: EtcdRequest) in
      if case .txn(let txn) = request, txn.compares == [.absent(key)] { true } else { false }
    }
    driven.fate = { campaigns($0) ? .held : .answered }
    driven.give(.start(after: nil))
    #expect(driven.pass(until: { driven.held.count == 1 }))
    // Another one leads, and lets go again.
    _ = etcd.handle(.txn(EtcdTxn([], then: [.put(key: key, value: [1], lease: 0)])), now: driven.now)
    #expect(driven.pass(until: { driven.machine.lead.holder != nil }))
    _ = etcd.handle(.txn(EtcdTxn([], then: [.delete(key: key, end: nil)])), now: driven.now)
    #expect(driven.pass(until: { driven.held.count == 2 }), "it tries again")
    driven.deliver()
    #expect(driven.machine.lead.epochHeld == nil, "what has landed is not what it asks for now")
    driven.fate = { _ in .answered }
    driven.deliver()
    let until = driven.now + 3_000_000
    #expect(driven.pass(until: { driven.now > until }) && driven.machine.isAlive, "\(driven.machine.phase)")
    // Its lease ends, as nobody renews it.
    _ = etcd.handle(.txn(EtcdTxn([], then: [.delete(key: key, end: nil)])), now: driven.now)
    #expect(driven.pass(until: { driven.machine.lead.isTakingOver }))
  }

  /// Another member may have taken the first try.
  @Test func aRefusalForItsFormSaysNothingOfATryBeforeIt() {
    let driven = Driven()
    driven.give(.start(after: nil))
    #expect(driven.lead())
    let next = driven.batch(epoch: driven.machine.lead.epochLed ?? 0)
    let key = driven.keys.log(next.sequence)
    var tries = 0
    driven.fate = { request in
      guard case .txn(let txn) = request, txn.compares.contains(.absent(key)) else { return .answered }
      tries += 1
      return tries == 1 ? .lost : tries == 2 ? .refused(EtcdError(code: 3, message: "request is too large")) : .answered
    }
    driven.give(.append(next))
    let ends = { driven.events.compactMap { event in if case .ended(let end) = event { end } else { nil } } }
    let before = ends().count
    #expect(driven.pass(until: { ends().count > before }) || before > 1)
    #expect(ends().last == .durable && tries >= 3, "\(ends()) after \(tries)")
  }
}
