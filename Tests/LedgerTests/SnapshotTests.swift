import Addressing
import Domain
import TestSupport
import Testing

@testable import Ledger

@Suite struct SnapshotTests {
  /// Chunks are taken one by one while rows are made, changed, moved to other pages and deleted; then the entries after the first chunk
  /// are read again. The result must be the state that wrote them.
  @Test func chunksTakenWhileRowsMoveAreOneStateAfterTheEntriesSince() throws {
    var random = SeededRandom(announcedAs: "SnapshotTests")
    let desk = Desk()
    let pool = desk.pool("p", "10.0.0.0/16", strategy: .oldest) { $0.leaseSeconds = 3_600 }
    let labels = Labels([("k", String(repeating: "v", count: 100))]) ?? .none
    var number = 0
    func churn(_ steps: Int) {
      for _ in 0..<steps {
        number += 1
        switch random.next() % 4 {
        case 0:
          desk.ask(
            .release(
              .owner(.standard, OwnerName(trusted: "vm-\(random.next() % UInt64(number))"), pool: nil, interface: nil)))
        case 1:
          let rows = desk.tables.allocations(
            tenant: .standard, owner: OwnerName(trusted: "vm-\(random.next() % UInt64(number))"))
          guard let row = rows.first else { continue }
          var patch = AllocationPatch()
          patch.hostname = .some(Hostname(trusted: String(repeating: "h", count: Int(random.next() % 60) + 1)))
          desk.ask(.updateAllocation(AllocationTarget(pool: pool, ip: row.ip), patch))
        default:
          _ = desk.give(pool, "vm-\(number)") { $0.labels = labels }
        }
      }
    }
    for owner in 0..<4 { _ = desk.give(pool, "bulk-\(owner)") { ($0.count, $0.labels) = (1_024, labels) } }
    churn(1_500)
    var chunks: [[[UInt8]]] = []
    let oldest = desk.tables.revision
    while chunks.count < desk.tables.chunkCount {
      chunks.append(desk.tables.chunk(chunks.count))
      churn(100)
    }
    #expect(chunks.count > 2)
    let newest = desk.tables.revision
    churn(200)

    let fresh = Tables(seed: 9)
    fresh.beginLoading()
    for chunk in chunks { try fresh.load(chunk) }
    for entry in desk.entries where entry.revision > oldest && entry.revision <= newest {
      fresh.apply(entry.effects, revision: entry.revision, time: desk.time)
    }
    fresh.finishLoading(revision: newest, time: desk.time)
    for entry in desk.entries where entry.revision > newest {
      fresh.apply(entry.effects, revision: entry.revision, time: desk.time)
    }
    try Proofs.same(desk.tables, fresh)
    try Proofs.same(desk.ledger, Ledger(fresh))
  }

  @Test func aDamagedRowInAChunkIsRefused() {
    let tables = Tables(seed: 1)
    tables.beginLoading()
    #expect(throws: CodingFault.self) { try tables.load([[0x13, 1, 2]]) }
    #expect(throws: CodingFault.self) { try tables.load([[]]) }
  }

  /// A list goes on after its last item even if a larger block has taken that item's place.
  @Test func aListGoesOnPastAChildPrefixThatTookItsPlace() {
    let desk = Desk()
    let pool = desk.pool("p", "fd00::/48")
    _ = desk.give(pool, "a") { $0.address = ip("fd00:0:0:1::") }
    _ = desk.give(pool, "z") { $0.address = ip("fd00:0:0:9::") }
    var visited = 10
    let first = desk.tables.allocations(in: pool, after: nil, limit: 1, visiting: &visited) { _ in true }
    #expect(first.items.map(\.owner.text) == ["a"])
    desk.release(pool, "fd00:0:0:1::")
    _ = desk.give(pool, "block") { ($0.address, $0.prefixLength) = (ip("fd00:0:0:1::"), 64) }
    desk.release(pool, "fd00:0:0:1::")
    _ = desk.give(pool, "wide") { ($0.address, $0.prefixLength) = (ip("fd00:0:0:0:8000::"), 65) }
    _ = desk.give(pool, "block") { ($0.address, $0.prefixLength) = (ip("fd00:0:0:1::"), 64) }
    // As if the list had ended inside the block.
    let rest = desk.tables.allocations(in: pool, after: ip("fd00:0:0:1::5"), limit: 10, visiting: &visited) { _ in true
    }
    #expect(rest.items.map(\.owner.text) == ["z"])
    #expect(rest.more == nil)
  }
}
