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

  @Test func thePoolsOfAnAddressAreThoseOfEachDomainInOrder() {
    var random = SeededRandom(announcedAs: "thePoolsOfAnAddressAreThoseOfEachDomainInOrder")
    let desk = Desk()
    let cidrs = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0", "fd00::/16", "fd00::/64"]
    for step in 0..<600 {
      let number = Int.random(in: 0..<40, using: &random)
      let name = PoolName(trusted: "p\(number)")
      switch Int.random(in: 0..<4, using: &random) {
      case 0..<2:
        desk.pool(name.text, random.pick(cidrs), gateway: .some(nil)) {
          $0.network = NetworkName(trusted: "n\((number * 7) % 40)")
        }
      case 2: desk.ask(.deletePool(name, ifMatch: nil))
      default:
        var patch = PoolPatch()
        patch.cidr = cidr(random.pick(cidrs))
        desk.ask(.updatePool(name, patch, ifMatch: nil))
      }
      for address in ["10.1.2.3", "10.1.9.9", "10.200.0.1", "192.0.2.1", "fd00::7", "fd00:1::"].map(ip) {
        let all = desk.tables.pools.values.filter { $0.cidr.contains(address) }.sorted {
          $0.pool.network < $1.pool.network
        }
        #expect(desk.tables.pools(containing: address).map(\.name) == all.map(\.name), "step \(step)")
        #expect(desk.tables.pools(containing: address, limit: 3).map(\.name) == all.prefix(3).map(\.name))
        if let first = all.first {
          #expect(desk.tables.pool(containing: address, in: first.pool.network)?.name == first.name)
        }
      }
      #expect(desk.tables.lengths.values.allSatisfy { $0.count <= 5 }, "an address is looked for so many times")
    }
    for name in desk.tables.poolNames { desk.ask(.deletePool(name, ifMatch: nil)) }
    #expect(desk.tables.byCIDR.isEmpty && desk.tables.lengths.values.allSatisfy(\.isEmpty))
  }

  @Test func anImportThatNamesNoPoolNamesAFewOfThousands() {
    let desk = Desk()
    for number in 100..<150 {
      desk.pool("p\(number)", "10.0.0.0/24") { $0.network = NetworkName(trusted: "n\(number)") }
    }
    let holder = Holder(owner: OwnerName(trusted: "vm"))
    let row = ImportRow(line: 1, pool: nil, ip: ip("10.0.0.5"), holder: holder, mac: nil, hostname: nil)
    let refusal = desk.ask(.importRows([row], skipConflicts: false, label: "")).refusal
    let detail = refusal?.report?.conflicts.first?.detail ?? ""
    #expect(detail.contains("p100, p101") && detail.contains("p109") && !detail.contains("p110"), "\(detail)")
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
