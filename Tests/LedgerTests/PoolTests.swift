import Addressing
import Domain
import Testing

@testable import Ledger

@Suite struct PoolTests {
  let desk = Desk()

  // MARK: Capacity

  /// The order of releases is kept by an address's bits, which mean another address in the other family.
  @Test func aPoolOfAnotherFamilyRemembersNothingOfTheOldOne() {
    let desk = Desk()
    let pool = desk.pool("p", "::a00:0/125", gateway: .some(nil), strategy: .oldest)
    desk.ask(.allocate(AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: "a")))))
    desk.ask(.release(.owner(.standard, OwnerName(trusted: "a"), pool: nil, interface: nil)))
    var patch = PoolPatch()
    (patch.cidr, patch.gateway) = (cidr("10.0.0.0/29"), .some(nil))
    desk.ask(.updatePool(pool, patch, ifMatch: nil))
    #expect(desk.tables.pools[pool]?.family == .ipv4)
    let request = AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: "b")))
    for _ in 0..<6 {
      guard case .granted = desk.ask(.allocate(request)) else { return #expect(Bool(false)) }
      desk.ask(.release(.owner(.standard, OwnerName(trusted: "b"), pool: nil, interface: nil)))
    }
    guard case .poolDeleted = desk.ask(.deletePool(pool, ifMatch: nil)) else { return #expect(Bool(false)) }
    var left = 0
    desk.tables.forEachRow { row in if case .released = row { left += 1 } }
    #expect(left == 0)
  }

  @Test func aFreshSlash24GivesExactly253AddressesInOrder() {
    let pool = desk.pool("default", "172.16.0.0/24")
    let given = (0..<253).flatMap { desk.give(pool, "vm-\($0)") }
    #expect(given == (2...254).map { "172.16.0.\($0)" })
    let refusal = desk.allocate(pool, "vm-253").refusal
    #expect(refusal?.code == .poolExhausted)
    #expect(desk.state(pool).available == .zero)
    #expect(desk.state(pool).reservedCount == AddressCount(3))
  }

  @Test func aSlash16Gives65533() {
    let pool = desk.pool("p", "192.168.0.0/16")
    #expect(desk.state(pool).usableCount == AddressCount(65_533))
    #expect(fill(pool) == 65_533)
    #expect(desk.allocate(pool, "late").code == .poolExhausted)
  }

  /// All but the last 2,000 are taken as child prefixes: giving 16 million singles takes minutes in a debug build, and the sets are the same.
  @Test func aSlash8Gives16777213() {
    let pool = desk.pool("p", "10.0.0.0/8")
    #expect(desk.state(pool).usableCount == AddressCount(16_777_213))
    var (count, number) = (0, 0)
    for length in 9...32 {
      while !desk.give(pool, "block-\(number)", { $0.prefixLength = length }).isEmpty {
        (count, number) = (count + 1 << (32 - length), number + 1)
      }
      if count > 16_775_000 { break }
    }
    #expect(count + fill(pool) == 16_777_213)
    #expect(desk.state(pool).allocatedCount == AddressCount(16_777_213))
    #expect(desk.allocate(pool, "late").code == .poolExhausted)
  }

  /// Gives everything that is left; returns how many.
  private func fill(_ pool: PoolName) -> Int {
    var (count, number) = (0, 0)
    for size in [1_024, 32, 1] {
      while true {
        let given = desk.give(pool, "fill-\(number)") { $0.count = size }
        if given.isEmpty { break }
        (count, number) = (count + given.count, number + 1)
      }
    }
    return count
  }

  @Test func address253EndsIn254AndThe255thIsInTheNextSlash24() {
    let pool = desk.pool("p", "192.168.0.0/16")
    let given = (0..<255).flatMap { desk.give(pool, "vm-\($0)") }
    #expect(given[252] == "192.168.0.254")
    #expect(given[253] == "192.168.0.255")
    #expect(given[254] == "192.168.1.0")
  }

  @Test func allOfIPv6IsALegalPoolWithAnExactCapacity() {
    let pool = desk.pool("all", "::/0")
    let state = desk.state(pool)
    #expect("\(state.total)" == "340282366920938463463374607431768211456")
    // Anycast, gateway and the second names of IPv4 are excluded.
    #expect(state.reservedCount == AddressCount(2 + 1 << 32))
    #expect(state.reservedCount + state.available == state.total)
    #expect(desk.give(pool, "vm") == ["::2"])
    #expect(desk.give(pool, "half") { $0.prefixLength = 1 } == ["8000::/1"])
    #expect("\(desk.state(pool).allocatedCount)" == "170141183460469231731687303715884105729")
  }

  @Test(arguments: [
    ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"]), ("10.0.0.7/32", ["10.0.0.7"]), ("10.0.0.4/30", ["10.0.0.6"]),
    ("fd00::/127", ["fd00::", "fd00::1"]), ("fd00::9/128", ["fd00::9"]), ("fd00::/126", ["fd00::2", "fd00::3"])
  ]) func smallestPoolsGiveAllTheirHosts(network: String, hosts: [String]) {
    let pool = desk.pool("p", network)
    #expect((0..<5).flatMap { desk.give(pool, "vm-\($0)") } == hosts)
  }

  @Test func theGatewayDerivesFromTheNetwork() {
    #expect(Extent.defaultGateway(of: cidr("192.168.50.0/24")) == ip("192.168.50.1"))
    #expect(Extent.defaultGateway(of: cidr("192.168.50.0/31")) == nil)
    #expect(Extent.defaultGateway(of: cidr("fd00::/64")) == ip("fd00::1"))
    let outside = desk.ask(
      .createPool(
        Pool(name: PoolName(trusted: "p"), extent: Extent(cidr: cidr("10.0.0.0/24"), gateway: ip("172.16.0.1")))))
    #expect(outside.code == .invalidField)
    #expect(outside.refusal?.field == "gateway")
  }

  // MARK: Overlap

  @Test func overlapIsRefusedByNameAndAllowedInAnotherNetwork() {
    desk.pool("first", "10.0.0.0/16")
    var second = Pool(name: PoolName(trusted: "second"), extent: Extent(cidr: cidr("10.0.128.0/24"), gateway: nil))
    let refusal = desk.ask(.createPool(second)).refusal
    #expect(refusal?.code == .poolOverlap)
    #expect(refusal?.detail.contains("first") == true)
    #expect(refusal?.facts.first?.value == "first")
    second.network = NetworkName(trusted: "lab")
    #expect(desk.ask(.createPool(second)).code == nil)
    #expect(desk.tables.pools(containing: ip("10.0.128.5")).map(\.pool.name.text) == ["first", "second"])
  }

  // MARK: Growing and shrinking

  @Test func expansionKeepsAllocationsAndBeginsAgainAtTheBottom() {
    let pool = desk.pool("p", "192.168.100.0/24")
    #expect(desk.give(pool, "old") == ["192.168.100.2"])
    var patch = PoolPatch()
    patch.cidr = cidr("192.168.0.0/16")
    guard case .pool(let grown) = desk.ask(.expandPool(pool, patch)) else {
      Issue.record("not expanded")
      return
    }
    #expect(grown.cidr == cidr("192.168.0.0/16") && grown.past.map(\.cidr) == [cidr("192.168.100.0/24")])
    #expect(desk.tables.allocation(at: ip("192.168.100.2"), in: pool)?.owner.text == "old")
    // 192.168.0.0 is the network address now, and the gateway stays where it was.
    #expect(desk.give(pool, "new") == ["192.168.0.1"])
  }

  /// Trap 2: to guests with the old mask, the old gateway is the router and the old broadcast address is everybody.
  @Test func trap2_whatOldGuestsKnowAsRouterAndBroadcastIsNotGivenToNewOnes() {
    let pool = desk.pool("p", "192.168.100.0/24")
    #expect(desk.give(pool, "old") == ["192.168.100.2"])
    var patch = PoolPatch()
    patch.cidr = cidr("192.168.0.0/16")
    patch.gateway = ip("192.168.0.1")
    desk.ask(.expandPool(pool, patch))
    #expect(
      desk.state(pool).reservations.map { "\($0.range)" } == ["192.168.100.0", "192.168.100.1", "192.168.100.255"])
    #expect(desk.state(pool).reservations.contains { $0.reason.hasPrefix("gateway of 192.168.100.0/24") })
    #expect(desk.state(pool).usableCount == AddressCount(65_533 - 3))
    for taken in ["192.168.100.0", "192.168.100.1", "192.168.100.255"] {
      #expect(desk.allocate(pool, "new") { $0.address = ip(taken) }.code == .addressReserved)
    }
    // The 25,599th address would be the first of the three.
    var patchNext = PoolPatch()
    patchNext.ranges = [range("192.168.99.254-192.168.101.1")]
    let refused = desk.ask(.updatePool(pool, patchNext, ifMatch: nil))
    #expect(refused.code == nil)
    #expect(
      desk.give(pool, "many") { $0.count = 4 } == ["192.168.99.254", "192.168.99.255", "192.168.100.3", "192.168.100.4"]
    )
    // When all old guests have moved, whoever wants these addresses takes the reservations away.
    desk.ask(.unreserve(pool, first: ip("192.168.100.255")))
    #expect(desk.give(pool, "later") { $0.address = ip("192.168.100.255") } == ["192.168.100.255"])
  }

  /// What the pool may not give at first it may give later: nobody asks the guests then.
  @Test(arguments: [false, true]) func trap2_growingInTwoStepsKeepsWhatOldGuestsKnow(gatewayFirst: Bool) {
    let pool = desk.pool("p", "192.168.100.0/24", ranges: [range("192.168.100.10-192.168.100.100")])
    #expect(desk.give(pool, "old") == ["192.168.100.10"])
    var (growing, opening) = (PoolPatch(), PoolPatch())
    growing.cidr = cidr("192.168.0.0/16")
    opening.ranges = []
    if gatewayFirst { growing.gateway = ip("192.168.0.1") } else { opening.gateway = ip("192.168.0.1") }
    #expect(desk.ask(.expandPool(pool, growing)).code == nil)
    #expect(desk.ask(.updatePool(pool, opening, ifMatch: nil)).code == nil)
    for known in ["192.168.100.0", "192.168.100.1", "192.168.100.255"] {
      #expect(desk.allocate(pool, "new") { $0.address = ip(known) }.code == .addressReserved, "\(known)")
    }
    #expect(desk.give(pool, "new") { $0.address = ip("192.168.100.2") } == ["192.168.100.2"])
  }

  /// The router of those who live there is theirs whether the pool grows or not.
  @Test func anotherGatewayKeepsTheOldOneFromNewcomersUntilItIsBack() {
    let pool = desk.pool("p", "10.0.0.0/24")
    _ = desk.give(pool, "old")
    var patch = PoolPatch()
    patch.gateway = ip("10.0.0.254")
    desk.ask(.updatePool(pool, patch, ifMatch: nil))
    #expect(desk.state(pool).reservations.map(\.reason) == ["gateway of 10.0.0.0/24 for those who lived there before"])
    #expect(desk.allocate(pool, "new") { $0.address = ip("10.0.0.1") }.code == .addressReserved)
    #expect(desk.ask(.rollbackPool(pool)).code == nil)
    #expect(desk.state(pool).reservations.map { "\($0.range)" } == ["10.0.0.254"])
  }

  @Test func aPoolThatGrowsWithNobodyInItReservesNothing() {
    let pool = desk.pool("p", "192.168.100.0/24")
    var patch = PoolPatch()
    patch.cidr = cidr("192.168.0.0/16")
    patch.gateway = ip("192.168.0.1")
    desk.ask(.expandPool(pool, patch))
    #expect(desk.state(pool).reservations.isEmpty && desk.state(pool).usableCount == AddressCount(65_533))
  }

  @Test func growingTwiceReservesOnceForEachStepAndGoesBack() {
    let pool = desk.pool("p", "10.0.1.0/24")
    _ = desk.give(pool, "vm")
    for wider in ["10.0.0.0/16", "10.0.0.0/8"] {
      var patch = PoolPatch()
      patch.cidr = cidr(wider)
      #expect(desk.ask(.expandPool(pool, patch)).code == nil)
    }
    let ranges = { desk.state(pool).reservations.map { "\($0.range)" } }
    // The gateway stays one, and 10.0.0.0 stays the network address.
    #expect(ranges() == ["10.0.1.0", "10.0.1.255", "10.0.255.255"])
    #expect(desk.ask(.rollbackPool(pool)).code == nil)
    #expect(ranges() == ["10.0.1.0", "10.0.1.255"])
    #expect(desk.ask(.rollbackPool(pool)).code == nil)
    #expect(ranges().isEmpty && desk.state(pool).usableCount == AddressCount(253))
  }

  @Test func expandingNeverShrinks() {
    let pool = desk.pool("p", "10.0.0.0/16")
    var patch = PoolPatch()
    patch.cidr = cidr("10.0.0.0/24")
    #expect(desk.ask(.expandPool(pool, patch)).code == .invalidField)
    patch.cidr = cidr("11.0.0.0/8")
    #expect(desk.ask(.expandPool(pool, patch)).code == .invalidField)
  }

  @Test func shrinkingIsRefusedListingWhoLivesOutside() {
    let pool = desk.pool("p", "10.0.0.0/24")
    _ = desk.give(pool, "near")
    _ = desk.give(pool, "far") { $0.address = ip("10.0.0.200") }
    var patch = PoolPatch()
    patch.cidr = cidr("10.0.0.0/25")
    let refusal = desk.ask(.updatePool(pool, patch, ifMatch: nil)).refusal
    #expect(refusal?.code == .outsidersLive)
    #expect(refusal?.detail.contains("10.0.0.200 (far)") == true)
    #expect(refusal?.detail.contains("near") == false)
    desk.release(pool, "10.0.0.200")
    #expect(desk.ask(.updatePool(pool, patch, ifMatch: nil)).code == nil)
    #expect(desk.state(pool).usableCount == AddressCount(125))
  }

  @Test func shrinkingIsRefusedWhileSomethingOutsideRests() {
    let pool = desk.pool("p", "10.0.0.0/24") { $0.quarantineSeconds = 60 }
    _ = desk.give(pool, "far") { $0.address = ip("10.0.0.200") }
    desk.release(pool, "10.0.0.200")
    var patch = PoolPatch()
    patch.ranges = [range("10.0.0.2-10.0.0.9")]
    #expect(desk.ask(.updatePool(pool, patch, ifMatch: nil)).code == .outsidersLive)
    desk.pass(seconds: 61)
    #expect(desk.ask(.updatePool(pool, patch, ifMatch: nil)).code == nil)
  }

  @Test func rollbackGivesTheExtentBeforeUnlessSomebodyLivesOutside() {
    let pool = desk.pool("p", "10.0.0.0/24")
    #expect(desk.ask(.rollbackPool(pool)).code == .nothingToRollBack)
    var patch = PoolPatch()
    patch.cidr = cidr("10.0.0.0/16")
    desk.ask(.expandPool(pool, patch))
    _ = desk.give(pool, "far") { $0.address = ip("10.0.7.7") }
    #expect(desk.ask(.rollbackPool(pool)).code == .outsidersLive)
    desk.release(pool, "10.0.7.7")
    #expect(desk.ask(.rollbackPool(pool)).code == nil)
    #expect(desk.state(pool).pool.cidr == cidr("10.0.0.0/24"))
    #expect(desk.ask(.rollbackPool(pool)).code == .nothingToRollBack)
  }

  @Test func aPoolInUseIsNotDeletedAndAnEmptyOneLeavesNothingBehind() {
    let pool = desk.pool("p", "10.0.0.0/24", strategy: .oldest)
    _ = desk.give(pool, "vm")
    desk.ask(.reserve(pool, range("10.0.0.9-10.0.0.12"), reason: "printers"))
    let refusal = desk.ask(.deletePool(pool, ifMatch: nil)).refusal
    #expect(refusal?.code == .poolInUse)
    #expect(refusal?.facts.first?.value == "1")
    desk.release(pool, "10.0.0.2")
    #expect(desk.ask(.deletePool(pool, ifMatch: nil)).code == nil)
    #expect(desk.tables.rowCount == 0)
    #expect(desk.tables.stateHash == 0)
  }

  /// A change of strategy queues the memory of releases for deletion; deleting the pool must not leave those rows to its next namesake.
  @Test func memoryOnItsWayOutGoesWithThePool() {
    let pool = desk.pool("p", "10.0.0.0/24", strategy: .oldest)
    _ = desk.give(pool, "vm")
    desk.release(pool, "10.0.0.2")
    var patch = PoolPatch()
    patch.strategy = .lowest
    desk.ask(.updatePool(pool, patch, ifMatch: nil))
    desk.ask(.deletePool(pool, ifMatch: nil))
    #expect(desk.tables.rowCount == 0)
  }

  // MARK: Reservations

  @Test func reservedAddressesAreNeverGiven() {
    let pool = desk.pool("p", "10.0.0.0/29")
    desk.ask(.reserve(pool, range("10.0.0.3-10.0.0.4"), reason: "printers"))
    #expect((0..<6).flatMap { desk.give(pool, "vm-\($0)") } == ["10.0.0.2", "10.0.0.5", "10.0.0.6"])
    let refusal = desk.allocate(pool, "x") { $0.address = ip("10.0.0.3") }.refusal
    #expect(refusal?.code == .addressReserved)
    #expect(refusal?.detail.contains("printers") == true)
    #expect(desk.ask(.reserve(pool, range("10.0.0.5"), reason: "late")).code == .addressInUse)
    desk.ask(.unreserve(pool, first: ip("10.0.0.3")))
    #expect(desk.give(pool, "y") == ["10.0.0.3"])
  }

  /// After a restart a remembered release must not make its address free again that was reserved meanwhile.
  @Test func aReservedAddressStaysReservedAfterARestart() {
    let pool = desk.pool("p", "10.0.0.0/29", strategy: .oldest)
    #expect(desk.give(pool, "vm") == ["10.0.0.2"])
    desk.release(pool, "10.0.0.2")
    desk.ask(.reserve(pool, range("10.0.0.2"), reason: "router"))
    let restarted = Ledger(desk.tables)
    var request = AllocateRequest(.pool(pool), holder: Holder(owner: OwnerName(trusted: "x")))
    request.address = ip("10.0.0.2")
    let answer = restarted.decide(
      Submission(.allocate(request), actor: "", requestID: "", asked: ""), .init(revision: 99, time: desk.time, seed: 0)
    )
    #expect(answer.outcome.code == .addressReserved)
  }

  @Test func noAddressThatIsASecondNameOfAnIPv4OneIsGiven() {
    let network = Prefix(containing: AddressRange.ipv4Mapped.first, length: 95)
    let pool = Pool(name: PoolName(trusted: "p"), extent: Extent(cidr: network, gateway: nil))
    desk.ask(.createPool(pool))
    for number in 0..<50 {
      for grant in desk.allocate(pool.name, "vm-\(number)").grants {
        #expect(!AddressRange.ipv4Mapped.contains(grant.allocation.ip))
      }
    }
  }
}
