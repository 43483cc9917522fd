import Addressing
import Domain
import TestSupport
import Testing

@testable import Ledger

/// What must not depend on how many pools there are gives the same answers as walking all of them.
@Suite struct ManyPoolTests {
  private let places: [Topology] = {
    let names: [String?] = [nil, "a", "b"]
    return names.flatMap { datacenter in
      names.flatMap { zone in names.map { Topology(datacenter: datacenter, zone: zone, rack: $0) } }
    }
  }()

  @Test func aPlaceTreeFindsWhatMatchesAndNothingElse() {
    var random = SeededRandom(announcedAs: "aPlaceTreeFindsWhatMatchesAndNothingElse")
    var tree = PlaceTree()
    var pools: [PoolState] = []
    for number in 0..<400 {
      if random.oneIn(4), let gone = pools.indices.randomElement(using: &random) {
        tree.remove(pools.remove(at: gone))
      } else {
        let extent = Extent(cidr: cidr("10.0.0.0/24"), gateway: nil)
        let pool = Pool(name: PoolName(trusted: "p\(number)"), extent: extent, topology: random.pick(places))
        pools.append(PoolState(pool))
        tree.add(pools[pools.count - 1])
      }
      let wanted = random.pick(places)
      let found = tree.pools(matching: wanted).map(\.name)
      #expect(Set(found) == Set(pools.filter { $0.pool.topology.match(wanted) != nil }.map(\.name)))
      #expect(Set(found).count == found.count)
    }
    for state in pools { tree.remove(state) }
    #expect(tree.pools(matching: Topology()).isEmpty)
  }

  @Test func theSoonestOfManyPoolsIsKnownWithoutAskingThemAll() {
    var random = SeededRandom(announcedAs: "theSoonestOfManyPoolsIsKnownWithoutAskingThemAll")
    let desk = Desk()
    let names = (0..<60).map { number in desk.pool("p\(number)", "10.0.\(number).0/24") { $0.leaseSeconds = 600 } }
    for step in 0..<1_500 {
      let name = random.pick(names)
      switch Int.random(in: 0..<8, using: &random) {
      case 0..<4:
        _ = desk.allocate(name, "vm-\(step)") { $0.leaseSeconds = UInt32.random(in: 1...900, using: &random) }
      case 4, 5:
        if let row = desk.tables.allocations(tenant: .standard, owner: OwnerName(trusted: "vm-\(step / 2)")).first {
          desk.release(row.pool, "\(row.ip)")
        }
      case 6: desk.pass(seconds: Int.random(in: 0...60, using: &random))
      default:
        if case .poolDeleted = desk.ask(.deletePool(name, ifMatch: nil)) {
          desk.pool(name.text, "10.0.\(name.text.dropFirst()).0/24") { $0.quarantineSeconds = 30 }
        }
      }
      #expect(desk.ledger.nextDue == desk.ledger.indexes.values.compactMap(\.due.next).min().map { LogTime($0) })
    }
    desk.pass(seconds: 1_000)
    // What was released by that may have gone into quarantine.
    desk.pass(seconds: 100)
    #expect(desk.ledger.nextDue == nil && desk.tables.pools.values.allSatisfy { $0.allocations == 0 })
  }
}
