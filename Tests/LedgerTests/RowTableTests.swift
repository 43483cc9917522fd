import Addressing
import Domain
import TestSupport
import Testing

@testable import Ledger

@Suite struct RowTableTests {
  /// What an owner holds goes in the order in which it came, under one hold of the writer's lock.
  @Test func releasingAllOfAnOwnerFollowsNoLinks() {
    let desk = Desk()
    let pool = desk.pool("p", "10.0.0.0/16")
    for interface in ["eth0", "eth1"] {
      _ = desk.give(pool, "vm") {
        $0.count = 1_024
        $0.holder = Holder(owner: OwnerName(trusted: "vm"), interface: InterfaceName(trusted: interface))
      }
    }
    let before = desk.tables.rows.steps
    guard
      case .released(let gone) = desk.ask(
        .release(.owner(.standard, OwnerName(trusted: "vm"), pool: nil, interface: nil)))
    else {
      Issue.record("not released")
      return
    }
    #expect(gone.count == 2_048)
    #expect(desk.tables.rows.steps - before <= 2_048, "\(desk.tables.rows.steps - before)")
  }

  /// Rows of one owner that come, change and go in any order, against a dictionary.
  @Test func anOwnersRowsAreAllThereWhateverWentFirst() {
    var random = SeededRandom(announcedAs: "anOwnersRowsAreAllThereWhateverWentFirst")
    var table = RowTable(seed: 3)
    let owners = ["a", "b", "c"].map { OwnerName(trusted: $0) }
    var model: [IPAddress: Allocation] = [:]
    for step in 1...4_000 {
      let address = IPAddress(v4: 10 << 24 | UInt32.random(in: 1...40, using: &random))
      if random.oneIn(3) {
        #expect(
          (table.remove(KeyProbe(.address(.simple, address))) != nil) == (model.removeValue(forKey: address) != nil))
      } else {
        let row = Allocation(
          pool: .simple, block: Prefix(containing: address, length: 32), owner: random.pick(owners),
          createdAt: LogTime(step), generation: Revision(step), revision: Revision(step))
        let bytes = Row.allocation(row).encoded
        table.put(bytes, 0..<bytes.count)
        model[address] = row
      }
      for owner in owners {
        let held = table.allocations(OwnerProbe(.standard, owner)).sorted { $0.ip < $1.ip }
        #expect(held == model.values.filter { $0.owner == owner }.sorted { $0.ip < $1.ip }, "step \(step)")
      }
    }
  }

  /// A place is a number of 32 bits; one that wraps would be another row's.
  @Test func rowsThatNoPlaceIsLeftForEndTheProcess() async {
    await #expect(processExitsWith: .failure) {
      var arena = Arena(pagesMax: 2)
      let row = [UInt8](repeating: 7, count: 60_000)
      for _ in 0..<9 { _ = arena.add(row, 0..<row.count, next: 0) }
    }
    await #expect(processExitsWith: .success) {
      var arena = Arena(pagesMax: 3)
      let row = [UInt8](repeating: 7, count: 60_000)
      for _ in 0..<9 { _ = arena.add(row, 0..<row.count, next: 0) }
    }
  }
}
