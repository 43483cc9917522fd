import Addressing
import Domain
import Testing

@testable import Ledger

@Suite struct AllocationTests {
  let desk = Desk()

  // MARK: Repeats

  @Test func aRepeatWithAnotherHostnameKeepsTheOriginalAndNamesIt() {
    let pool = desk.pool("p", "10.0.0.0/24")
    let first = desk.allocate(pool, "vm") { $0.hostname = Hostname(trusted: "one") }
    let again = desk.allocate(pool, "vm") { $0.hostname = Hostname(trusted: "two") }
    #expect(first.isNew && !again.isNew)
    #expect(again.grants == first.grants)
    #expect(again.grants.first?.allocation.hostname?.text == "one")
    #expect(again.unchanged == ["hostname"])
    #expect(desk.entries.count == 2)
  }

  @Test func anotherCountOrAddressForTheSameHolderIsRefusedNamingWhatIsHeld() {
    let pool = desk.pool("p", "10.0.0.0/24")
    _ = desk.give(pool, "vm")
    for change: (inout AllocateRequest) -> Void in [
      { $0.count = 2 }, { $0.address = ip("10.0.0.9") }, { $0.prefixLength = 28 }
    ] {
      let refusal = desk.allocate(pool, "vm", change).refusal
      #expect(refusal?.code == .alreadyAllocated)
      #expect(refusal?.facts.first?.value == "10.0.0.2")
    }
    #expect(desk.give(pool, "vm") { $0.holder.interface = InterfaceName(trusted: "eth1") } == ["10.0.0.3"])
    #expect(desk.give(pool, "vm") { $0.holder.tenant = TenantName(trusted: "other") } == ["10.0.0.4"])
  }

  @Test func anIdempotencyKeyReplaysAndItsReuseIsRefused() {
    let pool = desk.pool("p", "10.0.0.0/24")
    let request = AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: "vm")))
    let key = IdempotencyKey(key: 1, request: 10)
    #expect(desk.ask(.allocate(request), key: key).given == ["10.0.0.2"])
    desk.release(pool, "10.0.0.2")
    guard case .replay(2) = desk.ask(.allocate(request), key: key) else {
      Issue.record("not replayed")
      return
    }
    // The entry answers by itself, though the address is long released.
    #expect(desk.entries[1].outcome.given == ["10.0.0.2"])
    let other = IdempotencyKey(key: 1, request: 11)
    #expect(desk.ask(.allocate(request), key: other).code == .idempotencyKeyReused)
    desk.time += Limits.idempotencyMicroseconds
    #expect(desk.ask(.allocate(request), key: other).given == ["10.0.0.3"])
  }

  // MARK: Releasing

  @Test func aReleasedAddressRestsInQuarantine() {
    let pool = desk.pool("p", "10.0.0.0/29", strategy: .lowest) { $0.quarantineSeconds = 300 }
    #expect(desk.give(pool, "a") == ["10.0.0.2"])
    desk.release(pool, "10.0.0.2")
    #expect(desk.state(pool).quarantinedCount == AddressCount(1))
    #expect(desk.give(pool, "b") == ["10.0.0.3"])
    #expect(desk.allocate(pool, "c") { $0.address = ip("10.0.0.2") }.code == .addressQuarantined)
    desk.pass(seconds: 299)
    #expect(desk.give(pool, "c") == ["10.0.0.4"])
    desk.pass(seconds: 1)
    #expect(desk.give(pool, "d") == ["10.0.0.2"])
  }

  @Test func exhaustionDoesNotBreakQuarantineAndSaysWhatRests() {
    let pool = desk.pool("p", "10.0.0.0/30") { $0.quarantineSeconds = 300 }
    _ = desk.give(pool, "a")
    desk.release(pool, "10.0.0.2")
    let refusal = desk.allocate(pool, "b").refusal
    #expect(refusal?.code == .poolExhausted)
    #expect(refusal?.facts.first { $0.name == "quarantined" }?.value == "1")
    #expect(refusal?.facts.first { $0.name == "next_free_at_us" }?.value == "\(desk.time + 300_000_000)")
  }

  @Test func withoutQuarantineTheAddressIsFreeAtOnceButNextGoesOn() {
    let pool = desk.pool("p", "10.0.0.0/29")
    _ = desk.give(pool, "a")
    desk.release(pool, "10.0.0.2")
    #expect((0..<5).flatMap { desk.give(pool, "b\($0)") } == (3...6).map { "10.0.0.\($0)" } + ["10.0.0.2"])
  }

  @Test func aLateReleaseWithAStaleGenerationIsRefused() {
    let pool = desk.pool("p", "10.0.0.0/30")
    let old = desk.allocate(pool, "old").grants[0].allocation.generation
    desk.release(pool, "10.0.0.2", generation: old)
    #expect(desk.give(pool, "new") == ["10.0.0.2"])
    let refusal = desk.release(pool, "10.0.0.2", generation: old).refusal
    #expect(refusal?.code == .staleGeneration)
    #expect(desk.tables.allocation(at: ip("10.0.0.2"), in: pool)?.owner.text == "new")
  }

  @Test func insideButFreeIsNotFoundAndOutsideIsOutside() {
    let pool = desk.pool("p", "10.0.0.0/24")
    #expect(desk.release(pool, "10.0.0.9").code == .allocationNotFound)
    #expect(desk.release(pool, "10.0.1.9").code == .addressOutsidePool)
    #expect(desk.release(pool, "fd00::1").code == .addressOutsidePool)
  }

  // MARK: Strategies

  @Test func oldestGivesNeverUsedOnesFirstThenTheLongestReleased() {
    let pool = desk.pool("p", "10.0.0.0/29", strategy: .oldest)
    #expect((0..<5).flatMap { desk.give(pool, "a\($0)") } == (2...6).map { "10.0.0.\($0)" })
    for last in [4, 2, 6] { desk.release(pool, "10.0.0.\(last)") }
    #expect((0..<3).flatMap { desk.give(pool, "b\($0)") } == ["10.0.0.4", "10.0.0.2", "10.0.0.6"])
  }

  @Test func oldestRemembersAcrossARestartAndPrefersTheNeverUsed() {
    let pool = desk.pool("p", "10.0.0.0/29", strategy: .oldest)
    for number in 0..<4 { _ = desk.give(pool, "a\(number)") }
    desk.release(pool, "10.0.0.5")
    desk.release(pool, "10.0.0.3")
    let restarted = Ledger(desk.tables)
    var given: [String] = []
    for number in 0..<3 {
      let request = AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: "b\(number)")))
      let context = Ledger.Context(revision: 50 + Revision(number), time: desk.time, seed: 0)
      given +=
        restarted.decide(Submission(.allocate(request), actor: "", requestID: "", asked: ""), context).outcome.given
    }
    #expect(given == ["10.0.0.6", "10.0.0.5", "10.0.0.3"])
  }

  /// What was remembered inside a child prefix must not come free when the memory ends.
  @Test func endingTheMemoryOfAReleaseFreesNothingThatIsHeld() {
    let pool = desk.pool("p", "10.0.0.0/28", strategy: .oldest)
    _ = desk.give(pool, "a") { $0.address = ip("10.0.0.9") }
    desk.release(pool, "10.0.0.9")
    #expect(desk.give(pool, "block") { ($0.prefixLength, $0.address) = (29, ip("10.0.0.8")) } == [])
    #expect(desk.give(pool, "block") { ($0.prefixLength, $0.address) = (30, ip("10.0.0.8")) } == ["10.0.0.8/30"])
    var patch = PoolPatch()
    patch.strategy = .lowest
    desk.ask(.updatePool(pool, patch, ifMatch: nil))
    desk.pass(seconds: 1)
    let rest = (0..<12).flatMap { desk.give(pool, "b\($0)") }
    #expect(rest == [2, 3, 4, 5, 6, 7, 12, 13, 14].map { "10.0.0.\($0)" })
  }

  @Test func oldestForgetsTheLongestReleasedBeyondItsLimit() {
    let pool = desk.pool("p", "fd00::/64", strategy: .oldest)
    desk.ledger.memories = 3
    var given: [String] = []
    for number in 0..<10 {
      given += desk.give(pool, "vm-\(number)")
      desk.release(pool, given[number])
    }
    #expect(given == [2, 3, 4, 5, 2, 3, 4, 5, 2, 3].map { "fd00::\($0)" }, "an address rests while three others go")
    #expect(desk.tables.rowCount == 4, "the pool and three releases")
    let restarted = Ledger(desk.tables)
    #expect(restarted.indexes[pool]?.rememberedCount == 3)
    // What cannot be given is remembered too, and goes when it is the longest released.
    desk.ask(.reserve(pool, range("fd00::5"), reason: "printer"))
    for number in 0..<2 { #expect(desk.give(pool, "late-\(number)").count == 1) }
    desk.ask(.release(.owner(.standard, OwnerName(trusted: "late-0"), pool: nil, interface: nil)))
    desk.ask(.release(.owner(.standard, OwnerName(trusted: "late-1"), pool: nil, interface: nil)))
    #expect(desk.tables.rowCount == 5)
    #expect(desk.tables.row(at: ip("fd00::5"), in: pool) == nil)
  }

  /// No entry grows without bound, however much more there was than is remembered now.
  @Test func oldestForgetsWhatIsTooMuchByAndBy() {
    let pool = desk.pool("p", "10.0.0.0/24", strategy: .oldest)
    #expect(desk.give(pool, "many") { $0.count = 20 }.count == 20)
    desk.ask(.release(.owner(.standard, OwnerName(trusted: "many"), pool: nil, interface: nil)))
    #expect(desk.tables.rowCount == 21)
    desk.ledger.memories = 3
    var counts: [Int] = []
    for number in 0..<20 {
      _ = desk.give(pool, "vm") { $0.address = ip("10.0.0.\(100 + number)") }
      desk.release(pool, "10.0.0.\(100 + number)")
      counts.append(desk.tables.rowCount)
    }
    #expect(counts.prefix(3) == [20, 19, 18] && counts.last == 4, "\(counts)")
  }

  /// One command may release more than is remembered.
  @Test func oldestForgetsWhatTheSameCommandReleased() {
    let pool = desk.pool("p", "10.0.0.0/24", strategy: .oldest)
    desk.ledger.memories = 3
    #expect(desk.give(pool, "many") { $0.count = 8 }.count == 8)
    desk.ask(.release(.owner(.standard, OwnerName(trusted: "many"), pool: nil, interface: nil)))
    #expect(desk.tables.rowCount == 4)
    #expect(desk.give(pool, "next") { $0.count = 5 } == [2, 3, 4, 5, 6].map { "10.0.0.\($0)" })
    #expect(desk.ask(.deletePool(pool, ifMatch: nil)).code == .poolInUse)
    desk.ask(.release(.owner(.standard, OwnerName(trusted: "next"), pool: nil, interface: nil)))
    #expect(desk.ask(.deletePool(pool, ifMatch: nil)).code == nil)
  }

  @Test func oneAddressThatComesAndGoesLeavesNoQueueBehind() {
    let pool = desk.pool("p", "10.0.0.0/24", strategy: .oldest)
    for _ in 0..<5_000 {
      _ = desk.give(pool, "vm") { $0.address = ip("10.0.0.9") }
      desk.release(pool, "10.0.0.9")
    }
    #expect(desk.ledger.indexes[pool]?.due.turns ?? .max < 1_100)
  }

  @Test func randomGivesEveryAddressOnceAndNotInOrder() {
    let pool = desk.pool("p", "10.0.0.0/26", strategy: .random)
    let given = (0..<61).flatMap { desk.give(pool, "vm-\($0)") }
    #expect(Set(given).count == 61)
    #expect(given != given.sorted())
    #expect(desk.allocate(pool, "late").code == .poolExhausted)
  }

  // MARK: Several at once

  @Test func contiguousIsOneRunAndScatteredIsNot() {
    let pool = desk.pool("p", "10.0.0.0/28", strategy: .lowest)
    for last in [3, 6] { _ = desk.give(pool, "x\(last)") { $0.address = ip("10.0.0.\(last)") } }
    #expect(desk.give(pool, "run") { ($0.count, $0.contiguous) = (3, true) } == (7...9).map { "10.0.0.\($0)" })
    #expect(desk.give(pool, "some") { $0.count = 3 } == ["10.0.0.2", "10.0.0.4", "10.0.0.5"])
    let refusal = desk.allocate(pool, "much") { ($0.count, $0.contiguous) = (6, true) }.refusal
    #expect(refusal?.code == .poolExhausted)
    #expect(desk.allocate(pool, "five") { ($0.count, $0.contiguous) = (5, true) }.given.count == 5)
  }

  @Test func severalOrNone() {
    let pool = desk.pool("p", "10.0.0.0/29")
    #expect(desk.allocate(pool, "vm") { $0.count = 6 }.code == .poolExhausted)
    #expect(desk.state(pool).allocatedCount == .zero)
    #expect(desk.give(pool, "vm") { $0.count = 5 }.count == 5)
  }

  @Test func anOwnerHoldsAtMostTheLimit() {
    let pool = desk.pool("p", "10.0.0.0/16")
    for number in 0..<4 {
      let given = desk.give(pool, "vm") {
        $0.count = 1_024
        $0.holder.interface = InterfaceName(trusted: "eth\(number)")
      }
      #expect(given.count == 1_024)
    }
    let more = desk.allocate(pool, "vm") { $0.holder.interface = InterfaceName(trusted: "eth9") }
    #expect(more.code == .tooManyForOwner)
    #expect(desk.give(pool, "other").count == 1)
  }

  @Test func aSlash64OutOfASlash48AndASlash28OutOfASlash16() {
    let six = desk.pool("six", "fd00::/48")
    // The gateway lies in the first one.
    #expect(desk.give(six, "site") { $0.prefixLength = 64 } == ["fd00:0:0:1::/64"])
    #expect(desk.give(six, "next") { $0.prefixLength = 64 } == ["fd00:0:0:2::/64"])
    #expect(desk.allocate(six, "x") { $0.address = ip("fd00:0:0:1::7") }.refusal?.detail.contains("site") == true)
    #expect(desk.tables.allocation(holding: ip("fd00:0:0:1::7"), in: six)?.owner.text == "site")
    #expect(desk.state(six).allocatedCount == AddressCount(2 << 64))
    let four = desk.pool("four", "10.0.0.0/16")
    #expect(desk.give(four, "rack") { $0.prefixLength = 28 } == ["10.0.0.16/28"])
    #expect(desk.allocate(four, "rack2") { $0.prefixLength = 15 }.code == .invalidField)
  }

  // MARK: Choosing a pool

  private func choose(
    _ families: [AddressFamily], _ owner: String, _ topology: Topology = Topology(), _ labels: Labels = .none
  ) -> Outcome {
    let holder = Holder(owner: OwnerName(trusted: owner))
    return desk.ask(.allocate(AllocateRequest(.choose(families, topology, labels), holder: holder)))
  }

  @Test func bothFamiliesOrNone() {
    let four = desk.pool("four", "10.0.0.0/30")
    desk.pool("six", "fd00::/64")
    #expect(choose([.ipv4, .ipv6], "a").given == ["10.0.0.2", "fd00::2"])
    #expect(choose([.ipv6, .ipv4], "b").code == .poolExhausted)
    #expect(choose([.ipv6], "c").given == ["fd00::3"])
    desk.release(four, "10.0.0.2")
    let again = choose([.ipv4, .ipv6], "a")
    #expect(again.given == ["10.0.0.2", "fd00::2"] && again.isNew)
  }

  @Test func theMostSpecificPoolGivesAndTheNextOneWhenItIsFull() {
    desk.pool("anywhere", "10.0.0.0/24")
    desk.pool("center", "10.0.1.0/24") { $0.topology = Topology(datacenter: "d") }
    desk.pool("rack", "10.0.2.0/30") { $0.topology = Topology(datacenter: "d", zone: "z", rack: "r") }
    desk.pool("elsewhere", "10.0.3.0/24") { $0.topology = Topology(datacenter: "e") }
    let place = Topology(datacenter: "d", zone: "z", rack: "r")
    #expect(choose([.ipv4], "a", place).given == ["10.0.2.2"])
    #expect(choose([.ipv4], "b", place).given == ["10.0.1.2"])
    #expect(choose([.ipv4], "a", place).given == ["10.0.2.2"])
    #expect(choose([.ipv4], "c", Topology(datacenter: "f")).given == ["10.0.0.2"])
    #expect(choose([.ipv4], "d", place, Labels([("tier", "gold")]) ?? .none).code == .noMatchingPool)
  }

  /// A pool that could not serve all of a request must get back what was tried.
  @Test func aPoolThatIsTooFullForAllKeepsWhatItHas() {
    let small = desk.pool("small", "10.0.0.0/29") { $0.topology = Topology(datacenter: "d") }
    desk.pool("large", "10.1.0.0/24")
    var request = AllocateRequest(
      .choose([.ipv4], Topology(datacenter: "d"), .none), holder: Holder(owner: OwnerName(trusted: "vm")))
    request.count = 8
    #expect(desk.ask(.allocate(request)).given.count == 8)
    #expect((0..<6).flatMap { desk.give(small, "x\($0)") }.count == 5)
  }

  // MARK: Leases

  @Test func aLeaseEndsUnlessItIsRenewed() {
    let pool = desk.pool("p", "10.0.0.0/24") { $0.leaseSeconds = 60 }
    _ = desk.give(pool, "kept")
    _ = desk.give(pool, "lost")
    desk.pass(seconds: 50)
    desk.ask(.renew(AllocationTarget(pool: pool, ip: ip("10.0.0.2")), leaseSeconds: nil))
    desk.pass(seconds: 20)
    #expect(desk.tables.allocation(at: ip("10.0.0.2"), in: pool) != nil)
    #expect(desk.tables.allocation(at: ip("10.0.0.3"), in: pool) == nil)
    desk.pass(seconds: 40)
    #expect(desk.state(pool).allocations == 0)
  }

  /// Each change of a lease's row queues its end again: it must still end once.
  @Test func aLeaseThatWasChangedOftenEndsOnce() {
    let pool = desk.pool("p", "10.0.0.0/24") { $0.leaseSeconds = 60 }
    _ = desk.give(pool, "vm")
    for number in 0..<3_000 {
      var patch = AllocationPatch()
      patch.hostname = .some(Hostname(trusted: "h\(number)"))
      desk.ask(.updateAllocation(AllocationTarget(pool: pool, ip: ip("10.0.0.2")), patch))
    }
    #expect(desk.ledger.popDue(at: desk.time + 60_000_000, limit: 10_000).count < 2_500)
    desk.ledger.putBack([DueRow(pool: pool, ip: ip("10.0.0.2"), due: desk.time + 60_000_000)])
    desk.pass(seconds: 60)
    #expect(desk.state(pool).available == AddressCount(253))
    #expect(desk.ledger.indexes[pool]?.available == AddressCount(253))
  }

  /// 1,024 leases with all their labels are 6 MB: more than an entry may hold, so they end in several.
  @Test func leasesWithLargeRowsEndInSeveralEntries() {
    let pool = desk.pool("p", "10.0.0.0/16") { $0.leaseSeconds = 60 }
    let labels = Labels((0..<32).map { ("key-\($0)", String(repeating: "v", count: 100)) }) ?? .none
    for number in 0..<3 {
      let given = desk.give(pool, "vm-\(number)") { ($0.count, $0.labels) = (100, labels) }
      #expect(given.count == 100)
    }
    desk.pass(seconds: 60)
    #expect(desk.state(pool).allocations == 0)
    #expect(desk.entries.filter { $0.kind == .expired }.count > 1)
  }

  // MARK: Taking over an inventory

  @Test func importNumbersStaySmallThroughLongUse() {
    let pool = desk.pool("p", "10.0.0.0/24")
    let holder = Holder(owner: OwnerName(trusted: "vm"))
    for round in 0..<70 {
      let address = ip("10.0.0.\(10 + round % 3)")
      let row = ImportRow(line: 1, pool: pool, ip: address, holder: holder, mac: nil, hostname: nil)
      desk.ask(.importRows([row], skipConflicts: false, label: ""))
      if round > 0 { desk.release(pool, "10.0.0.\(10 + (round - 1) % 3)") }
    }
    #expect(desk.tables.allocations(tenant: .standard, owner: holder.owner).allSatisfy { $0.index < 3 })
  }

  private func rows(_ count: Int, _ owner: String, tenant: TenantName = .standard) -> [ImportRow] {
    (0..<count).map { number in
      let address = ip("10.0.0.0").advanced(by: UInt128(2 + number))!
      let holder = Holder(tenant: tenant, owner: OwnerName(trusted: owner))
      return ImportRow(line: number + 1, pool: nil, ip: address, holder: holder, mac: nil, hostname: nil)
    }
  }

  @Test func importedAddressesOfOneOwnerFillTheNumbersThatAreFree() {
    let pool = desk.pool("p", "10.0.0.0/16")
    let all = rows(300, "vm")
    desk.ask(.importRows(Array(all[..<100]), skipConflicts: false, label: ""))
    for gone in [5, 70, 71] { desk.release(pool, "\(all[gone].ip)") }
    desk.ask(.importRows(Array(all[100...]), skipConflicts: false, label: ""))
    let held = desk.tables.allocations(tenant: .standard, owner: OwnerName(trusted: "vm"))
    #expect(held.map(\.index) == Array(0..<297))
    #expect(held[5].ip == all[100].ip && held[71].ip == all[102].ip && held[100].ip == all[103].ip)
  }

  /// A limit that an import passes is none.
  @Test func anImportStaysWithinTheTenantsQuota() {
    let pool = desk.pool("p", "10.0.0.0/24")
    let acme = TenantName(trusted: "acme")
    var quota = Quota(tenant: acme)
    quota[.addresses] = 5
    desk.ask(.fleet(.setQuota(quota)))
    let all = rows(8, "vm", tenant: acme)
    let refusal = desk.ask(.importRows(all, skipConflicts: false, label: "")).refusal
    #expect(refusal?.report?.conflicts.map(\.code) == Array(repeating: "quota_exceeded", count: 3))
    #expect(refusal?.report?.conflicts.map(\.line) == [6, 7, 8] && desk.state(pool).allocations == 0)
    desk.ask(.importRows(all + rows(9, "other").suffix(1), skipConflicts: true, label: ""))
    #expect(desk.state(pool).allocations == 6)
    desk.ask(.importRows(Array(all[..<5]), skipConflicts: false, label: ""))
    #expect(desk.state(pool).allocations == 6, "what is there already counts once")
  }

  @Test func anImportListsEveryConflictAndTakesNothing() {
    let pool = desk.pool("p", "10.0.0.0/24")
    _ = desk.give(pool, "present")
    let rows = [("a", "10.0.0.9"), ("b", "10.0.0.2"), ("c", "10.0.0.1"), ("d", "10.9.0.1"), ("e", "10.0.0.9")]
      .enumerated().map { line, row in
        ImportRow(
          line: line + 1, pool: nil, ip: ip(row.1), holder: Holder(owner: OwnerName(trusted: row.0)), mac: nil,
          hostname: nil)
      }
    let refusal = desk.ask(.importRows(rows, skipConflicts: false, label: "i")).refusal
    #expect(refusal?.report?.conflicts.map(\.line) == [2, 3, 4, 5])
    #expect(
      refusal?.report?.conflicts.map(\.code) == [
        "address_in_use", "address_reserved", "address_outside_pool", "address_in_use"
      ])
    #expect(desk.state(pool).allocations == 1)
    desk.ask(.importRows(rows, skipConflicts: true, label: "i"))
    #expect(desk.state(pool).allocations == 2)
  }
}
